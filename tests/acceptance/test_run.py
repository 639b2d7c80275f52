"""A notebook runs as a flow, from the command line to the record."""

from __future__ import annotations

import json
import platform
import re
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest

from tests.command_line import Bench, code

Write = Callable[..., Path]


def read_outputs(path: Path) -> list[str]:
    """The streams of each code cell; the notebook must be valid."""
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    return [
        "".join(output.get("text", "") for output in cell.outputs)
        for cell in notebook.cells
        if cell.cell_type == "code"
    ]


@pytest.fixture
def sales(write_notebook: Write) -> Path:
    return write_notebook(
        code("years: list[int] = [2022]\nnote: str | None = 'x'", "parameters"),
        "import logging",
        "%%task load --retries 2\ntotal = sum(years)\nlogging.warning('%d years', len(years))",
        "%%task twice\ndouble = 2 * total\nprint('double', double)",
        "#| task thrice\ntriple = 3 * total\nprint('triple', triple)",
        "%%task report\nprint(double + triple, note)\ndouble + triple",
    )


def test_parameters_reach_the_cells_and_the_record(bench: Bench, sales: Path) -> None:
    ended = bench.orch("run", "sales.ipynb", "-p", "years", "[1, 2]", "-p", "note", "None")
    assert ended.code == 0, ended.err
    assert read_outputs(bench.folder / "sales.run.ipynb")[-1].startswith("15 None\n")
    headline = ended.out.splitlines()[0]
    assert headline.startswith("sales.ipynb · ")
    assert re.search(r" · 4 tasks of \d cells · (local|dask) ×\d · ", headline)
    assert "years=[1, 2] (-p)" in headline
    assert "✓ Completed in " in ended.out
    assert "sales.run.ipynb" in ended.out.splitlines()[-1]
    (run,) = bench.orch_json("runs")
    assert run["state_type"] == "COMPLETED"
    assert run["parameters"] == {"years": [1, 2], "note": None}
    assert run["start_time"].endswith("+00:00")


def test_the_output_notebook_tells_states_per_cell(bench: Bench, sales: Path) -> None:
    assert bench.orch("run", "sales.ipynb", "out.ipynb").code == 0
    notebook = nbformat.read(bench.folder / "out.ipynb", as_version=4)
    ran = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in ran] == list(range(1, len(ran) + 1))
    for cell in ran:
        assert cell.metadata.orch_nb.state == "Completed"
        assert cell.metadata.papermill.status == "completed"
    assert notebook.metadata.papermill.output_path is not None
    assert notebook.metadata.language_info.version == platform.python_version()


def test_the_result_for_scripts(bench: Bench, sales: Path) -> None:
    run = bench.orch_json("run", "sales.ipynb", "--tag", "daily", "--name", "calm-owl")
    assert list(run)[:10] == [
        *("id", "name", "flow", "state_type", "state_name", "scheduled_time", "start_time"),
        *("end_time", "parameters", "tags"),
    ]
    assert (run["name"], run["tags"]) == ("calm-owl", ["daily"])
    names = [task["name"] for task in run["tasks"] if task["kind"] == "task"]
    assert names == ["load", "twice", "thrice", "report"]
    (found,) = bench.orch_json("runs", "--tag", "daily")
    assert found["id"] == run["id"]
    assert bench.orch_json("runs", "--tag", "weekly") == []
    for reference in ("calm-owl", run["id"]):
        shown = bench.orch_json("show", reference)
        assert [task["name"] for task in shown["tasks"] if task["kind"] == "task"] == names
        assert shown["history"][-1]["new"] == "Completed"


def test_logs_are_kept_per_task(bench: Bench, sales: Path) -> None:
    run = bench.orch_json("run", "sales.ipynb")
    (record,) = bench.orch_json("logs", run["name"], "load", "--level", "WARNING")
    assert (record["task"], record["message"], record["level"]) == ("load", "1 years", 30)
    assert bench.orch_json("logs", run["name"], "twice", "--level", "WARNING") == []
    followed = bench.orch("logs", run["name"], "--follow")
    assert followed.code == 0
    assert "load: 1 years" in followed.out


def test_a_failed_run(bench: Bench, write_notebook: Write) -> None:
    write_notebook(
        "%%task load\nsales = {}",
        "%%task by_month --retries 1\nmonths = 1\nmonths = sales['month']",
        "%%task other\nprint('still runs', len(sales))",
        "%%task report\nprint(months)",
    )
    ended = bench.orch("run", "sales.ipynb")
    assert ended.code == 1
    summary = ended.out[ended.out.index("✕ Failed in ") :].splitlines()
    assert summary[0].endswith(": 2 completed, 1 failed, 1 not run")
    assert summary[1] == "  by_month (cell 2, line 3)  KeyError: 'month'  (2 attempts)"
    assert "output  " in summary[2]
    assert "log  orch-nb logs " in summary[2]
    assert "Traceback" not in ended.err
    outputs = read_outputs(bench.folder / "sales.run.ipynb")
    assert "still runs 0\n" in outputs
    notebook = nbformat.read(bench.folder / "sales.run.ipynb", as_version=4)
    states = [c.metadata.orch_nb.state for c in notebook.cells if c.metadata.get("orch_nb")]
    assert states == ["Completed", "Failed", "Completed", "UpstreamFailed"]
    assert "papermill-error-cell" in json.dumps(notebook)


def test_a_run_leaves_nothing_behind(bench: Bench, sales: Path) -> None:
    assert bench.orch("run", "sales.ipynb").code == 0
    assert bench.left_behind() == []
    assert bench.files() == {"sales.ipynb", "sales.run.ipynb"}


def test_the_output_notebook_on_stdout(bench: Bench, sales: Path) -> None:
    ended = bench.orch("run", "sales.ipynb", "-o", "-")
    assert ended.code == 0, ended.err
    nbformat.validate(nbformat.reads(ended.out, as_version=4))
    assert bench.files() == {"sales.ipynb"}


def test_where_and_doctor(bench: Bench, sales: Path) -> None:
    places = bench.orch_json("where")
    assert str(bench.home) in json.dumps(places)
    assert bench.orch("run", "sales.ipynb").code == 0
    checks = json.loads(bench.orch("doctor", "--json").out)
    assert {"name", "ok", "detail", "hint"} <= set(checks[0])


def test_a_pipe_that_closes_is_no_error(bench: Bench, sales: Path) -> None:
    assert bench.orch("run", "sales.ipynb").code == 0
    command = " ".join(bench.command("runs", "--json")) + " | head -c 1"
    ended = bench.call(["sh", "-c", command])
    assert (ended.out, ended.err) == ("[", "")


def test_eight_sleeps_side_by_side(bench: Bench, write_notebook: Write) -> None:
    """With eight workers all of them sleep at once; `make bench` says how long it takes."""
    sleeps = [f"time.sleep(1)\nprint({number})" for number in range(8)]
    write_notebook("import time", *sleeps)
    ended = bench.orch("run", "sales.ipynb", "--max-workers", "8", "--json")
    assert ended.code == 0, ended.err
    tasks = [task for task in json.loads(ended.out)["tasks"] if task["cell"] > 1]
    assert max(task["start_time"] for task in tasks) < min(task["end_time"] for task in tasks)
    assert read_outputs(bench.folder / "sales.run.ipynb")[1:] == [f"{n}\n" for n in range(8)]


def test_what_asks_a_kernel_is_left_out(bench: Bench, write_notebook: Write) -> None:
    write_notebook("%load_ext orch_nb", "x = 1", "%flow check\n%flow runs\nprint(x)", "%flow graph")
    ended = bench.orch("run", "sales.ipynb")
    assert ended.code == 0, ended.out
    shown = read_outputs(bench.folder / "sales.run.ipynb")
    assert [text.count("left out") for text in shown] == [0, 0, 2, 0]
