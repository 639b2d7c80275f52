"""What was changed in a folder behind Python's back, and by whom."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from orch_nb.execution import unseen
from orch_nb.execution.unseen import Claims, FolderWatch

linux = pytest.mark.skipif(sys.platform != "linux", reason="counts of writes are Linux's")


@pytest.fixture(autouse=True)
def claims(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Claims:
    """Claims of this test alone."""
    found = Claims()
    found.open(str(tmp_path_factory.mktemp("run") / "claims"))
    found.begin()
    monkeypatch.setattr(unseen, "claims", found)
    return found


def write(path: Path, text: bytes = b"x") -> None:
    """Write below Python's file objects, so that the system counts it."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.write(descriptor, text)
    os.close(descriptor)


def test_new_and_changed_files_are_found_and_others_are_not(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    for name in ("old", "changed", "sub/deep"):
        write(tmp_path / name)
    time.sleep(0.02)
    watch = FolderWatch(str(tmp_path))
    for name in ("changed", "sub/deep", "new", "known"):
        write(tmp_path / name)
    found = watch.changed({str(tmp_path / "known")}, 1.0)
    assert found == {str(tmp_path / name) for name in ("changed", "sub/deep", "new")}


def test_a_working_folder_among_orch_nbs_own_things_is_the_notebooks(tmp_path: Path) -> None:
    data = tmp_path / "data"
    own = frozenset({str(data), str(data / "results")})
    watch = FolderWatch(str(data / "work"), own)
    assert not watch.is_own(str(data / "work" / "table.csv"))
    assert watch.is_own(str(data / "results" / "blob"))
    assert watch.is_own(str(data / "store.db"))
    assert not watch.is_own(str(tmp_path / "elsewhere"))


def test_what_is_nobodys_data_is_left_out(tmp_path: Path) -> None:
    own = tmp_path / "state"
    for folder in (own, tmp_path / ".git", tmp_path / "__pycache__"):
        folder.mkdir()
    watch = FolderWatch(str(tmp_path), frozenset({str(own)}))
    for name in ("state/db", ".git/index", "__pycache__/a", "run.ipynb", ".orch_nb-1.tmp", "data"):
        write(tmp_path / name)
    assert watch.changed(set(), 1.0) == {str(tmp_path / "data")}


@linux
def test_a_cell_that_writes_nothing_walks_nowhere(tmp_path: Path) -> None:
    watch = FolderWatch(str(tmp_path))
    script = f"open({str(tmp_path / 'other')!r}, 'w').write('x')"
    other = subprocess.Popen([sys.executable, "-c", script])
    while not (tmp_path / "other").exists():
        time.sleep(0.01)
    assert watch.changed(set(), 1.0) == set()  # another process's, which is not ours to collect
    other.wait()


def test_files_that_a_program_deletes_are_found(tmp_path: Path) -> None:
    write(tmp_path / "gone")
    time.sleep(0.02)
    watch = FolderWatch(str(tmp_path))
    watch.list_files()
    subprocess.run(["rm", str(tmp_path / "gone")], check=True)
    assert watch.changed(set(), 1.0) == {str(tmp_path / "gone")}


def test_a_walk_ends_when_its_time_is_over(tmp_path: Path) -> None:
    for number in range(3000):
        (tmp_path / f"{number}").touch()
    watch = FolderWatch(str(tmp_path))
    write(tmp_path / "new")
    begun = time.perf_counter()
    watch.changed({"something that Python saw"}, 0.001)
    assert time.perf_counter() - begun < 0.1


def test_what_others_claim_is_told_apart_from_what_they_claimed_long_ago(tmp_path: Path) -> None:
    told = subprocess.run(
        [
            sys.executable,
            "-c",
            textwrap.dedent(
                """
                import os, sys
                from orch_nb.execution.unseen import Claims
                claims = Claims(); claims.open(sys.argv[1]); claims.begin()
                def other(path, done, anew=False):
                    if os.fork() == 0:
                        if anew:
                            claims.open(sys.argv[1])
                        claims.begin(); claims.add(path)
                        if done:
                            claims.end()
                        os._exit(0)
                    os.wait()
                other("/before", True); other("/still", False)
                moment = claims.size()
                other("/meanwhile", True, anew=True)
                claims.add("/own")
                ever, since = claims.of_others(moment)
                print(sorted(ever), sorted(since))
                """
            ),
            str(tmp_path / "claims"),
        ],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert told == "['/before', '/meanwhile', '/still'] ['/meanwhile', '/still']\n"
