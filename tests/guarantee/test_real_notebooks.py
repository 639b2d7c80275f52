"""`orch-nb verify` over real notebooks: parallel gives what serial gives."""

from __future__ import annotations

import os
import shutil
import urllib.error
from pathlib import Path

import pytest

from orch_nb import app
from tests.guarantee.real_notebooks import SOURCES, Source, folder_of

_FEW = 2  # of each source, unless all are asked for


_COUNT = None if os.environ.get("ORCH_NB_ALL_NOTEBOOKS") else _FEW
_CASES = {
    f"{source.project}-{name}": (source, name)
    for source in SOURCES
    for name in source.notebooks[:_COUNT]
}


@pytest.mark.parametrize(("source", "name"), _CASES.values(), ids=_CASES)
def test_a_real_notebook_gives_the_serial_result(
    source: Source, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    try:
        folder = folder_of(source)
    except (urllib.error.URLError, TimeoutError) as error:
        pytest.skip(f"{source.project}'s notebooks can't be downloaded: {error}")
    notebook = shutil.copy(folder / f"{name}.ipynb", tmp_path)
    monkeypatch.setenv("ORCH_NB_HOME", str(tmp_path / "home"))
    verdict = app.verify(app.RunRequest(str(notebook), options={"cells": "all"}))
    assert verdict.differences == ()
    assert verdict.serial.run.state_name == "Completed", verdict.serial.run.state_message
