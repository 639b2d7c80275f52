"""Views of runs in the store."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

import orch_nb
from orch_nb.app.view_records import RecordedRun, view_of
from orch_nb.errors import InputError, NotFoundError
from orch_nb.model import StateChange
from orch_nb.states import StateName
from tests.sample_runs import a_run, tasks_of
from tests.unit.panel.samples import BEGAN, later


def test_earlier_attempts_are_read_from_the_history() -> None:
    run = replace(a_run(name="otter"), start_time=BEGAN, state_name=StateName.RUNNING)
    task = replace(
        tasks_of(run, 1)[0],
        attempt=2,
        max_attempts=3,
        start_time=later(5),
        state_name=StateName.RETRYING,
    )
    history = [
        StateChange(task.id, later(1), StateName.PENDING, StateName.RUNNING, "", "driver"),
        StateChange(task.id, later(3), StateName.RUNNING, StateName.AWAITING_RETRY, "", "driver"),
        StateChange(task.id, later(5), StateName.AWAITING_RETRY, StateName.RETRYING, "", "driver"),
    ]
    view = view_of(run, [task], history)
    assert view.rows[0]["tries"] == [(1.0, 3.0)]
    assert view.rows[0]["start"] == 5.0
    assert view.graph["nodes"] == []
    assert "notebook" in view.graph["missing"]


def test_a_run_of_a_notebook_is_read_whole(tmp_path: Path) -> None:
    notebook = tmp_path / "small.py"
    notebook.write_text(
        "# %%\nimport math\n# %%\nx = math.pi * print('hello')\n# %%\ny = [x]\n", encoding="utf-8"
    )
    result = orch_nb.run_notebook(notebook, options={"cells": "all"})
    with RecordedRun(result.run.name) as recorded:
        view = recorded.read()
        again = recorded.read(view)
    assert view.run["state"] == "Failed"
    assert [(row["name"], row["state"]) for row in view.rows if row.get("task", True)] == [
        ("x", "Failed"),
        ("cell-3", "UpstreamFailed"),
    ]
    assert view.rows[1]["error"]["name"] == "TypeError"  # type: ignore[index]
    assert [node["cell"] for node in view.graph["nodes"]] == [2, 3]
    assert [new is old for new, old in zip(again.rows, view.rows, strict=True)] == [True] * 3
    assert again.run is view.run
    panel = orch_nb.panel(result)
    assert "x" in repr(panel)
    detail = panel._detail(1, panel.view.rows[1])
    assert "math.pi" in detail["source"]
    assert "TypeError" in detail["traceback"]
    assert detail["outputs"] == [{"kind": "stdout", "text": "hello\n"}]


def test_a_run_that_is_not_on_record() -> None:
    with pytest.raises(NotFoundError):
        orch_nb.panel("no-such-run")
    with pytest.raises(InputError, match="is no run"):
        orch_nb.panel(3)


def test_a_view_of_records_shifts_with_its_clock() -> None:
    run = replace(
        a_run(name="otter"),
        start_time=BEGAN,
        end_time=BEGAN + timedelta(seconds=8),
        state_name=StateName.COMPLETED,
    )
    assert view_of(run, []).run["seconds"] == 8.0
    assert view_of(run, []).ended
