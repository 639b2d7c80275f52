"""Cached outcomes and the values behind them, in this process: what is started, what comes back."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from orch_nb.app import RunRequest, RunResult, run
from orch_nb.app.sessions import Session
from orch_nb.runners.base import Collect
from orch_nb.states import StateName
from tests.command_line import make_document

Runs = Callable[..., RunResult]


@pytest.fixture
def run_cells(tmp_path: Path) -> Runs:
    """Runs a notebook with every cell cached, and gives its values if they are asked for."""

    def start(*cells: str, values: bool = False, **options: Any) -> RunResult:
        path = tmp_path / "values.ipynb"
        path.write_text(json.dumps(make_document(*cells)))
        collect = Collect.VALUES if values else Collect.NOTHING
        return run(RunRequest(str(path), options={"cache": True, **options}, collect=collect))

    return start


def states(result: RunResult) -> list[StateName]:
    assert result.run.state_name is StateName.COMPLETED, result.run.state_message
    return [task.state_name for task in result.tasks]


def value(result: RunResult, name: str) -> Any:
    return pickle.loads(result.values[name])


def test_nothing_is_started_for_what_is_on_record(
    run_cells: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    cells = ["import math", "def area(r): return math.pi * r * r", "a = area(2)", "print(a)\na"]
    first = run_cells(*cells)
    assert states(first) == [StateName.COMPLETED] * 4

    def refuse(self: Session) -> None:
        raise AssertionError("a process is started")

    monkeypatch.setattr(Session, "start", refuse)
    monkeypatch.setattr(Session, "runner", refuse)
    again = run_cells(*cells)
    assert states(again) == [StateName.CACHED] * 4
    assert again.document["cells"][-1]["outputs"] == first.document["cells"][-1]["outputs"]
    assert again.document["cells"][-1]["outputs"]


def test_a_cell_put_above_renumbers_the_results(run_cells: Runs) -> None:
    run_cells("x = 20", "x + 1")
    moved = run_cells("y = 3", "x = 20", "x + 1")
    assert states(moved) == [StateName.COMPLETED, StateName.CACHED, StateName.CACHED]
    cell = moved.document["cells"][-1]
    assert (cell["execution_count"], cell["outputs"][0]["execution_count"]) == (3, 3)


ALIASES = ["a = [1]", "b = a", "b.append(2)", "c = (a is b, a)"]


def test_names_of_one_object_stay_so_and_copies_stay_copies(run_cells: Runs) -> None:
    run_cells(*ALIASES)
    again = run_cells(*ALIASES, values=True)
    assert set(states(again)) == {StateName.CACHED}
    assert value(again, "c") == (True, [1, 2])
    copied = run_cells("a = [1]", "b = list(a)", *ALIASES[2:], values=True)
    assert value(copied, "a") == [1]
    assert value(copied, "c") == (False, [1])


def test_what_has_no_fingerprint_is_told_apart_by_the_work_behind_it(run_cells: Runs) -> None:
    cells = [
        "import threading",
        "class Box:\n    def __init__(self, n):\n        self.n, self.seen = n, iter([n])\n"
        "    def __reduce__(self):\n        return Box, (self.n,)",
        "box = Box(3)",
        "doubled = box.n * 2",
    ]
    assert set(states(run_cells(*cells))) == {StateName.COMPLETED}
    assert set(states(run_cells(*cells))) == {StateName.CACHED}
    other = run_cells(*cells[:2], "box = Box(4)", cells[3], values=True)
    assert states(other)[2:] == [StateName.COMPLETED] * 2
    assert value(other, "doubled") == 8


def test_state_set_in_a_library_loses_what_depends_on_it(run_cells: Runs) -> None:
    cells = ["import numpy as np", "np.set_printoptions(precision={})", "text = str(np.array(1/3))"]
    cells[2] = "text = str(np.array([1 / 3]))"

    def texts(precision: int) -> tuple[list[StateName], str]:
        result = run_cells(cells[0], cells[1].format(precision), cells[2], values=True)
        return states(result), value(result, "text")

    assert texts(2)[1] == "[0.33]"
    found, text = texts(4)
    assert found[1:] == [StateName.COMPLETED] * 2
    assert text == "[0.3333]"
    assert texts(2) == ([StateName.CACHED] * 3, "[0.33]")


def test_parameters_lose_only_what_reads_them(run_cells: Runs, tmp_path: Path) -> None:
    from orch_nb.notebook.binding import collect_parameters
    from tests.command_line import code

    path = tmp_path / "given.ipynb"
    document = make_document(code("n: int = 1", "parameters"), "m = n + 1", "k = 5")
    path.write_text(json.dumps(document))

    def ran(n: str) -> list[StateName]:
        given = collect_parameters(texts=[("n", n)])
        return states(run(RunRequest(str(path), parameters=given, options={"cache": True})))

    ran("1")
    assert set(ran("1")) == {StateName.CACHED}
    assert ran("2")[-2:] == [StateName.COMPLETED, StateName.CACHED]
