"""A notebook's own folder: its modules are imported, and their warnings shown, as in a kernel."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from orch_nb import app
from orch_nb.app.verifying import visible
from orch_nb.states import StateName

MODULE = """
import warnings
def old():
    warnings.warn("old is old", stacklevel=1)
    return 1
def other():
    warnings.warn("other", FutureWarning)
    return 2
"""
SOURCES = (
    "import time, beside, warnings",
    "time.sleep(0.3); a = beside.old()",
    "time.sleep(0.1); b = beside.old()",
    "c = beside.other(); c2 = beside.old()",
    "def f():\n"
    "    with warnings.catch_warnings():\n"
    "        warnings.simplefilter('ignore')\n"
    "        return beside.old()\n"
    "d = f()",
    "e = beside.old()",
    "for _ in range(3):\n    warnings.warn('mine')\ng = 1",
    "warnings.simplefilter('always'); i = beside.old(); j = beside.old()",
    "k = beside.old()",
)


@pytest.fixture
def notebook(tmp_path: Path) -> Path:
    (tmp_path / "beside.py").write_text(MODULE)
    empty = {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None}
    cells = [{**empty, "source": source} for source in SOURCES]
    path = tmp_path / "n.ipynb"
    document = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 4}
    path.write_text(json.dumps(document))
    return path


def outputs_of(notebook: Path, **options: object) -> list[list[str]]:
    result = app.run(app.RunRequest(str(notebook), options=options))
    assert result.run.state_name is StateName.COMPLETED
    return [visible(cell["outputs"]) for cell in result.document["cells"]]


def test_warnings_are_shown_where_serial_shows_them(notebook: Path) -> None:
    serial = outputs_of(notebook, runner="inline")
    assert sum("old is old" in text for cell in serial for text in cell) == 4
    assert outputs_of(notebook, max_workers=4) == serial
