"""What one process sets and no other can be given: its writers run at home, its users wait."""

from __future__ import annotations

import json
from pathlib import Path

from orch_nb import app
from orch_nb.states import StateName

SOURCES = (
    "import math, decimal, time",
    "time.sleep(0.2); a = 1",
    "math.tau = 3",
    "time.sleep(0.1); b = math.tau",
    "decimal.getcontext().prec = 5",
    "c = str(decimal.Decimal(1) / 3)",
    "class Base: pass\nBase.word = 'hi'",
    "d = Base().word",
    "print(a, b, c, d)",
)


def test_a_parallel_run_sees_what_serial_sets(tmp_path: Path) -> None:
    cells = [
        {
            "cell_type": "code",
            "source": source,
            "metadata": {},
            "outputs": [],
            "execution_count": None,
        }
        for source in SOURCES
    ]
    path = tmp_path / "n.ipynb"
    path.write_text(
        json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 4})
    )
    result = app.run(app.RunRequest(str(path), options={"max_workers": 4}))
    assert result.run.state_name is StateName.COMPLETED
    shown = result.document["cells"][-1]["outputs"][0]["text"]
    assert shown == "1 3 0.33333 hi\n"
    tasks = {task.cell_number: task for task in result.tasks}
    assert tasks[3].where == "home: it may set module math, for the cells after it"
