"""`orch-nb resume` and `retry`: what is done is not done again, and everybody is told why."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.command_line import Bench, code, make_document, wait_until

Write = Callable[..., Path]

RUN = "brave-otter"


def log(name: str, first: str = "") -> str:
    """The start of a cell that notes in a file, outside of the working folder, that it runs."""
    file = f"{name}_log"
    return f"{first}with open('../ran-{name}', 'a') as {file}:\n    {file}.write('.')\ndel {file}\n"


LOAD = log("load", "%%task load\n") + "rows = [3, 1, 2]\nprint('loaded')"
CLEAN = log("clean", "%%task clean\n") + "clean = sorted(rows)\nclean"
OTHER = log("other", "%%task other\n") + "print('other')"
BROKEN = log("report", "%%task report\n") + "print(clean[9])"
MENDED = BROKEN.replace("[9]", "[0]")
CELLS = ("scale = 2", LOAD, CLEAN, OTHER, BROKEN)


def ran(bench: Bench) -> dict[str, int]:
    """How often each task has run so far."""
    return {
        path.name.removeprefix("ran-"): path.stat().st_size
        for path in bench.folder.parent.glob("ran-*")
    }


def shown(path: Path) -> list[object]:
    """What an output notebook shows, cell by cell."""
    cells = json.loads(path.read_text())["cells"]
    return [(cell["execution_count"], cell["outputs"], cell["source"]) for cell in cells]


def fail(bench: Bench, write: Write, *cells: str | dict[str, Any]) -> None:
    write(*(cells or CELLS))
    ended = bench.orch("run", "sales.ipynb", "--name", RUN)
    assert ended.code == 1, ended.err


def uses(bench: Bench, *words: str) -> dict[str, str]:
    """What a plan says of each task."""
    plan = bench.orch_json(*words, "--plan")
    return {cell["task"]: cell["use"] for cell in plan}


def test_after_a_fix_only_what_is_left_runs(bench: Bench, write_notebook: Write) -> None:
    fail(bench, write_notebook)
    assert ran(bench) == {"load": 1, "clean": 1, "other": 1, "report": 1}
    write_notebook(*CELLS[:-1], MENDED)
    plan = bench.orch("resume", RUN, "--plan")
    assert plan.code == 0, plan.err
    lines = [line.split() for line in plan.out.splitlines()]
    assert [line[:2] for line in lines[:4]] == [
        ["reuse", "load"],
        ["reuse", "clean"],
        ["reuse", "other"],
        ["run", "report"],
    ]
    assert "failed: IndexError; cell 5 edited (line 5)" in plan.out
    assert f"To start: orch-nb resume {RUN}" in plan.out
    assert ran(bench)["report"] == 1, "a plan runs nothing"
    ended = bench.orch("resume", RUN)
    assert ended.code == 0, ended.err
    assert ran(bench) == {"load": 1, "clean": 1, "other": 1, "report": 2}
    (run,) = bench.orch_json("runs")
    assert (run["name"], run["state_name"], run["attempt"]) == (RUN, "Completed", 2)
    states = {task["name"]: task["state_name"] for task in bench.orch_json("show", RUN)["tasks"]}
    assert set(states.values()) == {"Completed"}
    resumed = shown(bench.folder / "sales.run.ipynb")
    assert bench.orch("run", "sales.ipynb", "-o", "whole.ipynb").code == 0
    assert resumed == shown(bench.folder / "whole.ipynb")
    assert bench.left_behind() == []


def test_a_second_failure_and_a_second_resume(bench: Bench, write_notebook: Write) -> None:
    fail(bench, write_notebook)
    write_notebook(*CELLS[:-1], BROKEN.replace("[9]", "[8]"))
    again = bench.orch("resume", RUN)
    assert again.code == 1
    assert "IndexError" in again.out
    write_notebook(*CELLS[:-1], MENDED)
    assert bench.orch("resume", RUN).code == 0
    assert ran(bench) == {"load": 1, "clean": 1, "other": 1, "report": 3}
    assert bench.orch_json("runs")[0]["attempt"] == 3


def test_an_edited_cell_runs_again_with_what_depends_on_it(
    bench: Bench, write_notebook: Write
) -> None:
    fail(bench, write_notebook)
    write_notebook("scale = 2", LOAD, CLEAN.replace("rows)", "rows)[:2]"), OTHER, MENDED)
    assert bench.orch("resume", RUN).code == 0
    assert ran(bench) == {"load": 1, "clean": 2, "other": 1, "report": 2}


def test_cells_inserted_removed_and_moved(bench: Bench, write_notebook: Write) -> None:
    fail(bench, write_notebook)
    new = code(log("new", "%%task new\n") + "print(len(rows))")
    cells = [
        {**code(OTHER), "id": "cell-4"},
        {**code("import math"), "id": "added-1"},
        {**code(LOAD), "id": "cell-2"},
        {**new, "id": "added-2"},
        {**code(CLEAN), "id": "cell-3"},
        {**code(MENDED), "id": "cell-5"},
    ]
    write_notebook(*cells)
    ended = bench.orch("resume", RUN)
    assert ended.code == 0, ended.err
    assert ran(bench) == {"load": 1, "clean": 1, "other": 1, "report": 2, "new": 1}
    tasks = bench.orch_json("show", RUN)["tasks"]
    assert [task["name"] for task in tasks if task["name"] in ran(bench)] == [
        "other",
        "load",
        "new",
        "clean",
        "report",
    ]
    assert "scale" not in (bench.folder / "sales.run.ipynb").read_text()
    resumed = shown(bench.folder / "sales.run.ipynb")
    assert bench.orch("run", "sales.ipynb", "-o", "whole.ipynb").code == 0
    assert resumed == shown(bench.folder / "whole.ipynb")


def test_plain_cells_that_are_needed_and_not_kept_run_again(
    bench: Bench, write_notebook: Write
) -> None:
    needed = log("needed") + "base = [1, (n for n in [1])]"
    unneeded = log("unneeded") + "rest = [1]"
    cells = (unneeded, needed, OTHER, "%%task report\nbase.append(2)\nprint(base[9])")
    fail(bench, write_notebook, *cells)
    write_notebook(*cells[:-1], "%%task report\nbase.append(2)\nprint(len(base))")
    plan = {cell["cell"]: cell for cell in bench.orch_json("resume", RUN, "--plan")}
    assert [plan[number]["use"] for number in (1, 2, 3, 4)] == ["reuse", "again", "reuse", "run"]
    assert "needed by report, and not kept" in plan[2]["reason"]
    assert plan[2]["reason"].endswith("; writes a file"), "it was seen to have an effect"
    assert bench.orch("resume", RUN).code == 0
    assert ran(bench) == {"needed": 2, "unneeded": 1, "other": 1}


def test_another_parameter(bench: Bench, write_notebook: Write) -> None:
    cells = (
        code("year = 2024\nregion = 'EU'", "parameters"),
        log("load", "%%task load\n") + "rows = [year]",
        log("name", "%%task name\n") + "name = region.lower()",
        "%%task report\nprint(rows, name)\nassert year > 2024",
    )
    fail(bench, write_notebook, *cells)
    ended = bench.orch("resume", RUN, "-p", "year", "2025")
    assert ended.code == 0, ended.err
    assert ran(bench) == {"load": 2, "name": 1}
    (run,) = bench.orch_json("runs")
    assert run["parameters"] == {"year": 2025, "region": "EU"}
    notebook = json.loads((bench.folder / "sales.run.ipynb").read_text())
    assert notebook["cells"][-1]["outputs"][0]["text"] == ["[2025] eu\n"]
    bad = bench.orch("resume", RUN, "-p", "years", "2025")
    assert bad.code == 2
    assert "years" in bad.err


def test_from_a_task_on_and_retry_of_a_completed_run(bench: Bench, write_notebook: Write) -> None:
    write_notebook(*CELLS[:-1], MENDED)
    assert bench.orch("run", "sales.ipynb", "--name", RUN).code == 0
    assert uses(bench, "retry", RUN, "clean") == {
        "cell-1": "reuse",
        "load": "reuse",
        "clean": "run",
        "other": "reuse",
        "report": "run",
    }
    assert bench.orch("retry", RUN, "clean").code == 0
    assert ran(bench) == {"load": 1, "clean": 2, "other": 1, "report": 2}
    assert bench.orch("resume", RUN, "--from", "other").code == 0
    assert ran(bench) == {"load": 1, "clean": 2, "other": 2, "report": 3}
    assert bench.orch("retry", RUN, "4", "report").code == 0
    assert ran(bench) == {"load": 1, "clean": 2, "other": 3, "report": 4}
    (run,) = bench.orch_json("runs")
    assert (run["state_name"], run["attempt"]) == ("Completed", 4)


def test_what_cant_be_resumed_is_refused_in_words(bench: Bench, write_notebook: Write) -> None:
    write_notebook(*CELLS[:-1], MENDED)
    assert bench.orch("run", "sales.ipynb", "--name", RUN).code == 0
    done = bench.orch("resume", RUN)
    assert done.code == 2
    assert f"run {RUN} is Completed: nothing is left to run" in done.err
    assert f"orch-nb retry {RUN} TASK" in done.err
    nobody = bench.orch("resume", "brave-otte")
    assert nobody.code == 2
    assert "brave-otte" in nobody.err
    assert RUN in nobody.err, "near names are offered"
    task = bench.orch("retry", RUN, "claen")
    assert task.code == 2
    assert f"run {RUN} has no task 'claen'" in task.err
    assert "clean" in task.err
    assert "Traceback" not in done.err + nobody.err + task.err
    (bench.folder / "sales.ipynb").unlink()
    gone = bench.orch("retry", RUN, "clean")
    assert gone.code == 2
    assert "sales.ipynb" in gone.err
    (run,) = bench.orch_json("runs")
    assert (run["state_name"], run["attempt"]) == ("Completed", 1)


def test_a_run_that_goes_on_is_not_resumed_and_a_killed_one_is(
    bench: Bench, write_notebook: Write
) -> None:
    sleeps = "%%task wait --needs load\nopen('started', 'w').close()\nimport time\ntime.sleep({})"
    write_notebook(LOAD, sleeps.format(120), OTHER)
    process = bench.start("run", "sales.ipynb", "--name", RUN)
    wait_until(lambda: (bench.folder / "started").exists(), 60, "the task")
    refused = bench.orch("resume", RUN)
    assert refused.code == 2
    assert f"run {RUN} is Running: it has not ended" in refused.err
    assert f"orch-nb cancel {RUN}" in refused.err
    assert process.poll() is None
    process.kill()
    process.communicate(timeout=30)
    write_notebook(LOAD, sleeps.format(0), OTHER)
    ended = bench.orch("resume", RUN)
    assert ended.code == 0, ended.err
    assert ran(bench)["load"] == 1
    (run,) = bench.orch_json("runs")
    assert (run["state_name"], run["attempt"]) == ("Completed", 2)
    history = bench.orch("show", RUN).out
    assert history.index("Running") < history.index("Crashed") < history.index("Resuming")


def test_a_cancelled_run_goes_on(bench: Bench, write_notebook: Write) -> None:
    sleeps = "%%task wait --needs load\nopen('started', 'w').close()\nimport time\ntime.sleep({})"
    write_notebook(LOAD, sleeps.format(120), OTHER)
    process = bench.start("run", "sales.ipynb", "--name", RUN)
    wait_until(lambda: (bench.folder / "started").exists(), 60, "the task")
    assert bench.orch("cancel", RUN).code == 0
    process.communicate(timeout=30)
    write_notebook(LOAD, sleeps.format(0), OTHER)
    assert bench.orch("resume", RUN).code == 0
    assert ran(bench) == {"load": 1, "other": 1}


def test_a_notebook_without_tags(bench: Bench) -> None:
    cells = [
        "import time",
        log("slow") + "time.sleep(0.3)\nslow = list(range(9))",
        log("quick") + "quick = len(slow)",
        "print(quick, slow[quick])",
    ]
    path = bench.folder / "sales.ipynb"
    path.write_text(json.dumps(make_document(*cells)))
    assert bench.orch("run", "sales.ipynb", "--name", RUN).code == 1
    path.write_text(json.dumps(make_document(*cells[:-1], "print(quick, slow[quick - 1])")))
    ended = bench.orch("resume", RUN)
    assert ended.code == 0, ended.err
    assert ran(bench)["slow"] == 1
    notebook = json.loads((bench.folder / "sales.run.ipynb").read_text())
    assert notebook["cells"][-1]["outputs"][0]["text"] == ["9 8\n"]
