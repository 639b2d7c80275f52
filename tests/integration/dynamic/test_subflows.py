"""Flows within flows end with those that started them, and are gone on with like them."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from orch_nb import flow, run_notebook, task
from orch_nb.app.resuming import ResumeRequest, resume
from orch_nb.states import StateName
from orch_nb.store import open_store
from tests.command_line import code, make_document


def write_notebook(path: Path, *cells: Any) -> Path:
    path.write_text(json.dumps(make_document(*cells)), encoding="utf-8")
    return path


def cancel_when(mark: Path, name: str) -> threading.Thread:
    """Cancel the run of the flow of that name once the file is there."""

    def cancel() -> None:
        deadline = time.monotonic() + 90
        while not mark.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        with open_store() as store:
            run = next(run for run in store.list_runs() if run.flow == name)
            store.write(lambda t: t.request_cancel(run.id, by="test"))

    thread = threading.Thread(target=cancel)
    thread.start()
    return thread


def states() -> dict[str, StateName]:
    with open_store() as store:
        return {run.flow: run.state_name for run in store.list_runs()}


def test_a_cancelled_flow_cancels_the_flows_and_notebooks_in_it(tmp_path: Path) -> None:
    mark = tmp_path / "begun"
    path = write_notebook(
        tmp_path / "long.ipynb",
        f"import pathlib, time\npathlib.Path({str(mark)!r}).touch()\ntime.sleep(120)",
    )

    @flow
    def inner() -> Any:
        return run_notebook(path).state

    @flow
    def outer() -> Any:
        return inner()

    canceller = cancel_when(mark, "outer")
    begin = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        outer()
    canceller.join()
    assert time.monotonic() - begin < 100
    assert states() == dict.fromkeys(("outer", "inner", "long"), StateName.CANCELLED)


def test_a_resumed_flow_goes_on_with_its_flows_and_notebooks(tmp_path: Path) -> None:
    ran, fixed = tmp_path / "ran", tmp_path / "fixed"
    path = write_notebook(
        tmp_path / "part.ipynb",
        code("n: int = 1", "parameters"),
        code(f"with open({str(ran)!r}, 'a') as f: f.write(f'cell {{n}}\\n')\nm = n * 2", "task"),
        code(
            "import pathlib\n"
            f"if n == 2 and not pathlib.Path({str(fixed)!r}).exists(): 1 / 0\n"
            "k = m",
            "task",
        ),
    )

    @task
    def note(x: int) -> int:
        with ran.open("a") as file:
            file.write(f"task {x}\n")
        return x

    @flow
    def inner(x: int) -> Any:
        note(x)
        found = run_notebook(path, n=x)
        if found.state is not StateName.COMPLETED:
            raise ValueError(f"part {x} is {found.state}")
        return found.values["k"]

    @flow
    def outer() -> Any:
        return [inner(x) for x in (1, 2, 3)]

    with pytest.raises(ValueError, match="part 2 is Failed"):
        outer()
    with open_store() as store:
        name = next(run.name for run in store.list_runs() if run.flow == "outer")
    fixed.touch()
    assert outer.resume(name) == [2, 4, 6]
    lines = ran.read_text().splitlines()
    assert sorted(lines) == sorted(f"{what} {n}" for what in ("task", "cell") for n in (1, 2, 3))
    with open_store() as store:
        runs = [(run.flow, run.attempt) for run in store.list_runs()]
    begun_again = {"inner": [1, 2, 2], "outer": [2], "part": [1, 2, 2]}
    assert {flow: sorted(a for f, a in runs if f == flow) for flow, _ in runs} == begun_again


def test_a_cancelled_notebook_cancels_the_notebooks_that_its_cells_run(tmp_path: Path) -> None:
    mark, go = tmp_path / "begun", tmp_path / "go"
    write_notebook(
        tmp_path / "long.ipynb",
        code("import pathlib, time\na = time.time_ns()", "task"),
        code(
            f"pathlib.Path({str(mark)!r}).touch()\n"
            f"while not pathlib.Path({str(go)!r}).exists(): time.sleep(0.05)\n"
            "b = a",
            "task",
        ),
    )
    path = write_notebook(
        tmp_path / "outer.ipynb",
        "import orch_nb\nfound = orch_nb.run_notebook('long.ipynb')",
        "print(found.state)",
    )
    canceller = cancel_when(mark, "outer")
    cancelled = run_notebook(path)
    canceller.join()
    assert cancelled.state is StateName.CANCELLED
    assert states() == dict.fromkeys(("outer", "long"), StateName.CANCELLED)
    with open_store() as store:
        (child,) = store.child_runs(cancelled.run.id)
        first = store.task_runs(child.id)[0]
    go.touch()
    again = resume(ResumeRequest(cancelled.run.id))
    assert again.run.state_name is StateName.COMPLETED, again.run.state_message
    with open_store() as store:
        assert [one.id for one in store.child_runs(again.run.id)] == [child.id]
        assert store.task_runs(child.id)[0].end_time == first.end_time
