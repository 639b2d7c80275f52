"""Which paths count as a cell's own doing."""

from __future__ import annotations

from pathlib import Path

from orch_nb.execution import observe
from orch_nb.execution.observe import Observer


def test_a_library_that_makes_its_folders_in_an_empty_home_writes_nothing(tmp_path: Path) -> None:
    observer = Observer()
    observe.watch(observer)
    try:
        (tmp_path / ".cache").mkdir()
        (tmp_path / ".cache" / "fonts.json").write_text("{}")
        (tmp_path / "results").mkdir()
    finally:
        observe.watch(None)
    assert observer.written == {str(tmp_path / "results")}
