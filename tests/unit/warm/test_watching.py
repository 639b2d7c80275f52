"""Files that warm processes were made from."""

from __future__ import annotations

import os
from pathlib import Path

from orch_nb.warm.watching import Watched


def test_a_file_that_is_another_is_found(tmp_path: Path) -> None:
    names = ["kept.py", "edited.py", "replaced.py", "deleted.py"]
    for name in names:
        (tmp_path / name).write_text("1")
    watched = Watched()
    watched.add(str(tmp_path / name) for name in names)
    assert watched.changed() == ""
    (tmp_path / "deleted.py").unlink()
    assert watched.changed() == str(tmp_path / "deleted.py")
    (tmp_path / "deleted.py").write_text("1")
    assert watched.changed() == str(tmp_path / "deleted.py")


def test_an_edit_is_found_by_its_time_and_a_replacement_by_its_number(tmp_path: Path) -> None:
    path, other = tmp_path / "module.py", tmp_path / "other.py"
    path.write_text("1")
    other.write_text("2")
    watched = Watched()
    watched.add([str(path)])
    times = (path.stat().st_atime_ns, path.stat().st_mtime_ns)
    os.utime(path, ns=(times[0], times[1] + 1))
    assert watched.changed() == str(path)
    os.utime(path, ns=times)
    assert watched.changed() == ""
    os.utime(other, ns=times)
    other.replace(path)
    assert watched.changed() == str(path)


def test_a_package_that_comes_or_goes_is_seen_in_its_folder(tmp_path: Path) -> None:
    watched = Watched()
    watched.add([str(tmp_path), str(tmp_path / "not-there")])
    os.utime(tmp_path, ns=(1, 1))
    again = Watched()
    again.add([str(tmp_path)])
    (tmp_path / "new.dist-info").mkdir()
    assert again.changed() == str(tmp_path)
