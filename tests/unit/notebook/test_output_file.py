from __future__ import annotations

import os
import stat
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest

from orch_nb.errors import OutputError
from orch_nb.notebook.output_file import check_writable, write_file

# A limit on the size of files stands in for a full disk: the write fails part of the way.
FULL = """
import resource, signal, sys
from orch_nb.errors import OutputError
from orch_nb.notebook.output_file import check_writable, write_file
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
try:
    write_file(sys.argv[1], b"x" * 50_000)
except OutputError as error:
    print(error)
try:
    check_writable(sys.argv[1])
except OutputError as error:
    print(error.message)
"""

# Root may write anywhere, so the process becomes nobody first.
REFUSED = """
import os, pathlib, sys
from orch_nb.errors import OutputError
from orch_nb.notebook.output_file import check_writable, write_file
if os.geteuid() == 0:
    os.setuid(65534)
folder = pathlib.Path(sys.argv[1])
(folder / "shut").mkdir(0o555)
for act in (
    lambda: check_writable(folder / "out.ipynb"),
    lambda: write_file(folder / "out.ipynb", b"new"),
    lambda: write_file(folder / "shut" / "out.ipynb", b"new"),
):
    try:
        act()
    except OutputError as error:
        print(error.message)
"""


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


def test_a_file_is_replaced_with_its_permissions_kept(tmp_path: Path) -> None:
    path = tmp_path / "out.ipynb"
    write_file(path, b"one")
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~umask
    path.chmod(0o640)
    write_file(path, b"two")
    assert (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) == (b"two", 0o640)
    assert names(tmp_path) == ["out.ipynb"]


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    real, link = tmp_path / "real.ipynb", tmp_path / "link.ipynb"
    link.symlink_to(real)
    write_file(link, b"one")
    assert link.is_symlink()
    assert real.read_bytes() == b"one"


def test_a_full_disk_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "out.ipynb"
    path.write_bytes(b"old")
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(path)], capture_output=True, text=True, check=True
    )
    assert done.stdout == (
        f"there is no space left for the output (it needs 0.1 MB)  --> {path}\n"
        "  hint: free some space, or choose another place with -o\n"
        "there is no space left for the output\n"
    )
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["out.ipynb"]


def test_the_device_that_is_always_full() -> None:
    with pytest.raises(OutputError, match="no space left"):
        write_file("/dev/full", b"x")
    write_file("/dev/null", b"x")
    check_writable("/dev/null")


def test_a_pipe_is_written_to_not_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append(pipe.read_bytes()))
    reader.start()
    write_file(pipe, b"content")
    reader.join(10)
    assert got == [b"content"]
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_places_that_can_not_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    cases = {
        str(tmp_path): ("the output is a folder", "name a file in it"),
        str(tmp_path / "no" / "out.ipynb"): (
            f"the output's folder {tmp_path / 'no'} does not exist",
            f"mkdir -p {tmp_path / 'no'}",
        ),
        str(tmp_path / ("x" * 300)): ("the output's name is too long", None),
        str(tmp_path / "file" / "out.ipynb"): (None, None),
        str(tmp_path / "a\0b"): (None, None),
        "/proc/out.ipynb": ("the output can't be written: No such file or directory", None),
        "\ud800": (None, None),
    }
    for path, (message, hint) in cases.items():
        for act in (check_writable, lambda path: write_file(path, b"x")):
            with pytest.raises(OutputError) as caught:
                act(path)
            assert message in (None, caught.value.message)
            assert hint is None or caught.value.hint == hint
    assert names(tmp_path) == ["file"]


def test_places_that_may_not_be_written() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "out.ipynb"
        path.write_bytes(b"old")
        path.chmod(0o444)
        Path(folder).chmod(0o777)
        command = [sys.executable, "-c", REFUSED, folder]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert done.stdout.splitlines() == ["you may not write the output here"] * 3
        assert path.read_bytes() == b"old"
        assert names(Path(folder)) == ["out.ipynb", "shut"]


def test_checking_leaves_no_trace(tmp_path: Path) -> None:
    check_writable(tmp_path / "out.ipynb")
    (tmp_path / "old.ipynb").write_bytes(b"old")
    check_writable(tmp_path / "old.ipynb")
    assert names(tmp_path) == ["old.ipynb"]
    assert (tmp_path / "old.ipynb").read_bytes() == b"old"
    check_writable("-")
    check_writable("s3://bucket/out.ipynb")


def test_an_interrupt_while_writing_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(_: int) -> None:
        raise KeyboardInterrupt

    path = tmp_path / "out.ipynb"
    path.write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_file(path, b"new")
    assert names(tmp_path) == ["out.ipynb"]
    assert path.read_bytes() == b"old"


def test_a_url_that_can_not_be_written() -> None:
    with pytest.raises(OutputError, match="can't be written"):
        write_file("nosuchscheme://x/out.ipynb", b"{}")
