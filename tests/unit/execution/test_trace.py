"""What a cell depended on: contents of files, the modules it uses, and files kept for later."""

from __future__ import annotations

import os
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from orch_nb.app.installed import Installed
from orch_nb.errors import ResultError
from orch_nb.execution.contents import ABSENT, Content, content_of, expand
from orch_nb.execution.job import Job
from orch_nb.execution.marks import Mark, Marker, mark_ambient
from orch_nb.execution.observe import Observer
from orch_nb.execution.trace import Trace, declared_files, keep_files, restore_files
from orch_nb.execution.uses import find_uses
from orch_nb.execution.walk import Index
from orch_nb.results.blob import blob_path

LATER = 1 << 62  # nanoseconds; long after any file was written


def test_a_file_s_content_is_what_it_holds(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("1\n")
    first = content_of(str(file), LATER)
    file.write_text("2\n")
    assert content_of(str(file), LATER).digest != first.digest
    file.write_text("1\n")
    assert content_of(str(file), LATER).digest == first.digest
    assert Content.from_json(first.to_json()) == first
    file.unlink()
    assert content_of(str(file), LATER).digest == ABSENT


def test_only_a_settled_time_is_trusted(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("1\n")
    stat = file.stat()
    settled = content_of(str(file), stat.st_mtime_ns + 10**10)
    fresh = content_of(str(file), stat.st_mtime_ns + 1)
    assert (settled.settled, fresh.settled) == (True, False)
    file.write_text("2\n")
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert content_of(str(file), LATER, settled).digest == settled.digest
    assert content_of(str(file), LATER, fresh).digest != fresh.digest


def test_folders_count_by_their_listing_and_patterns_by_what_fits(tmp_path: Path) -> None:
    for name in ("a.csv", "b.csv", "c.txt"):
        (tmp_path / name).write_text(name)
    listing = content_of(f"{tmp_path}/", LATER)
    (tmp_path / "sales.run.ipynb").write_text("our own output")
    assert content_of(f"{tmp_path}/", LATER) == listing
    (tmp_path / "d.csv").write_text("new")
    assert content_of(f"{tmp_path}/", LATER) != listing
    found = expand([f"{tmp_path}/*.csv"])
    assert found == [f"{tmp_path}/", *(f"{tmp_path}/{name}.csv" for name in "abd")]


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
    """Writes a module and imports it."""
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)

    def make(name: str, source: str, folder: str = "") -> types.ModuleType:
        path = tmp_path / folder / f"{name.replace('.', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)
        if folder:
            monkeypatch.syspath_prepend(str(tmp_path / folder))
        return __import__(name)

    yield make
    for name in set(sys.modules) - before:
        del sys.modules[name]


def test_local_modules_bring_those_they_import(module: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "onb_pkg").mkdir()
    (tmp_path / "onb_pkg" / "__init__.py").write_text("")
    (tmp_path / "onb_pkg" / "inner.py").write_text("from . import deep\n")
    (tmp_path / "onb_pkg" / "deep.py").write_text("import json, numpy\n")
    module("onb_aside", "")
    module("onb_top", "def f():\n    from onb_pkg.inner import deep\n    return deep\nf()\n")
    uses = find_uses(["onb_top"])
    assert set(uses.local) == {"onb_top", "onb_pkg", "onb_pkg.inner", "onb_pkg.deep"}
    assert uses.packages == ("numpy",)


def trace(namespace: dict[str, Any], source: str, *reads: str) -> Any:
    job = Job(1, 1, source, 1, reads=reads, trace=())
    return Trace(job, Index(reads, namespace), namespace)


def test_a_cell_uses_the_modules_of_its_values_and_its_code(module: Callable[..., Any]) -> None:
    library = module("onb_shapes", "class Square:\n    pass\ndef area(s): return 1")
    module("onb_unused", "")
    namespace = {"boxed": [library.Square()], "n": 1}
    told = trace(namespace, "import json\nm = n", "boxed", "n").tell(Observer(), {}, ())
    assert set(told["modules"]) == {"onb_shapes"}
    told = trace(namespace, "m = n", "n").tell(Observer(), {"a": np.arange(3)}, ())
    assert (told["modules"], told["packages"]) == ({}, ["numpy"])
    told = trace(namespace, "def f():\n    import onb_unused", "n").tell(Observer(), {}, ())
    assert set(told["modules"]) == {"onb_unused"}


def test_a_file_that_changes_meanwhile_can_t_be_trusted(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("1")
    os.utime(file, (1, 1))
    before = trace({}, "x = 1")
    observer = Observer()
    observer.read.add(str(file))
    assert before.tell(observer, {}, ())["why"] == ""
    file.write_text("2")
    os.utime(file, (2**33, 2**33))
    assert before.tell(observer, {}, ())["why"] == "a.csv was changed while it ran"
    observer.written.add(str(file))
    assert before.tell(observer, {}, ())["why"] == "it reads and writes a.csv"


def test_files_are_kept_and_brought_back(tmp_path: Path) -> None:
    work, results = tmp_path / "work", tmp_path / "results"
    (work / "out" / "deep").mkdir(parents=True)
    (work / "out" / "a.bin").write_bytes(os.urandom(100_000))
    (work / "out" / "deep" / "empty").write_text("")
    (work / "run.sh").write_text("true")
    (work / "run.sh").chmod(0o755)
    (work / "other").write_text("not declared")
    seen = [str(work / "other"), str(work / "run.sh")]
    paths = declared_files(["out", "*.sh"], str(work), seen)
    before = {path: Path(path).read_bytes() for path in paths if Path(path).is_file()}
    assert set(before) == {str(work / n) for n in ("out/a.bin", "out/deep/empty", "run.sh")}
    manifest = keep_files(paths, results, str(work))
    assert restore_files(manifest, results, str(work)) == []
    for path in before:
        Path(path).unlink()
    (work / "out" / "deep").rmdir()
    assert sorted(restore_files(manifest, results, str(work))) == sorted(before)
    assert {path: Path(path).read_bytes() for path in before} == before
    assert (work / "run.sh").stat().st_mode & 0o777 == 0o755
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    assert len(restore_files(manifest, results, str(moved))) == 3
    blob = blob_path(results, manifest["digest"])
    blob.write_bytes(blob.read_bytes()[:-1] + b"!")
    with pytest.raises(ResultError):
        restore_files(manifest, results, str(moved))


def test_marks_tell_what_shows_one_object() -> None:
    shared, old = [1], [2]
    namespace = {"a": shared, "b": {"in": shared}, "c": [old], "old": old, "n": 3}
    marks = Marker(namespace, Index(["old"], namespace)).mark_all(["a", "b", "c", "n", "gone"])
    found = {name: Mark.from_json(plain) for name, plain in marks.items()}
    assert {name: mark.shared for name, mark in found.items()} == {
        "a": ("b",),
        "b": ("a",),
        "c": ("old",),
        "n": (),
    }
    assert found["n"].type == "int"
    assert all(mark.digest for mark in found.values())


def test_views_show_the_array_they_are_of() -> None:
    whole = np.arange(10)
    namespace = {"whole": whole, "part": whole[2:4], "copy": whole[2:4].copy()}
    marks = Marker(namespace, Index([], namespace)).mark_all(namespace)
    assert Mark.from_json(marks["part"]).shared == ("whole",)
    assert Mark.from_json(marks["copy"]).shared == ()
    assert Mark.from_json(marks["copy"]).digest == Mark.from_json(marks["part"]).digest


def test_states_are_marked_by_what_they_are() -> None:
    one = mark_ambient({"numpy.printoptions": np.get_printoptions(), "os.cwd": "/a"})
    assert one == mark_ambient({"os.cwd": "/a", "numpy.printoptions": np.get_printoptions()})
    assert one["os.cwd"] != mark_ambient({"os.cwd": "/b"})["os.cwd"]


def test_versions_of_packages_by_the_names_that_code_imports() -> None:
    import numpy
    import sklearn

    installed = Installed()
    assert installed.version("numpy") == (numpy.__version__, ())
    found = (f"scikit-learn {sklearn.__version__}", ("scikit-learn",))
    assert installed.version("sklearn") == found
    assert Installed().version("sklearn", found[1]) == found
    assert installed.version("no_such_package_here") == ("", ())
    other = Installed(str(Path(sys.prefix) / "bin" / "another-python"))
    assert other.version("numpy") == (numpy.__version__, ())
