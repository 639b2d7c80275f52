"""Going back to a run: debug, mend, resume; pull, diff; and what is asked about flows."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

CELLS = {
    "p": "years: list[int] = [1, 2]",
    "a": "%%task load\nsales = {y: y * 10 for y in years}",
    "b": "%%task by_year\nbig = sum(sales.values())",
    "c": "%%task by_month --retries 1\nmonths = sales['month']",
    "r": "%%task report\nfig = (big, months)",
    "f": "%%flow sales",
}


@pytest.fixture
def notebook(saved: Any) -> Any:
    saved.tags["p"] = ["parameters"]
    saved.save(**CELLS)
    return saved


def fail(kernel: Any) -> str:
    """Run the flow; it fails. The run's name."""
    ran = kernel.run("%%flow sales", "f")
    found = re.search(r"%flow debug (\S+)", ran.error)
    assert found is not None, ran.error
    return found[1]


def test_fail_debug_mend_resume(start: Any, notebook: Any) -> None:
    kernel = start(notebook.path)
    name = fail(kernel)
    kernel.run("sales = None")
    debugged = kernel.run(f"%flow debug {name}")
    assert debugged.status == "ok", debugged.error
    assert f"by_month, cell 4 of {name}: Failed" in debugged.text
    assert "KeyError" in debugged.text
    assert "its inputs, as they were: sales" in debugged.text
    (payload,) = debugged.payload
    assert (payload["source"], payload["text"]) == ("set_next_input", CELLS["c"])
    assert kernel.value("sales") == "{1: 10, 2: 20}"
    kernel.run("%%task by_month --retries 1\nmonths = sales[1]", "mended")
    resumed = kernel.run(f"%flow resume {name}")
    assert resumed.status == "ok", resumed.error
    assert kernel.value("fig") == "(30, 10)"
    notebook.save(c="%%task by_month --retries 1\nmonths = sales[1]")
    assert "5 up to date, 0 run" in kernel.run("%%flow sales", "f").table


def test_a_restarted_kernel_goes_on_from_the_record(start: Any, notebook: Any) -> None:
    kernel = start(notebook.path)
    name = fail(kernel)
    kernel.restart()
    kernel.run("%load_ext orch_nb")
    assert name in kernel.run("%flow runs").text
    shown = kernel.run(f"%flow show {name}").text
    assert re.search(r"✕ by_month +cell 4 +Failed", shown), shown
    debugged = kernel.run(f"%flow debug {name} --into then")
    assert debugged.status == "ok", debugged.error
    assert kernel.value("then.sales") == "{1: 10, 2: 20}"
    assert kernel.run("sales").status == "error"
    notebook.save(c="%%task by_month\nmonths = 7")
    resumed = kernel.run(f"%flow resume {name}")
    assert resumed.status == "ok", resumed.error
    assert kernel.value("fig") == "(30, 7)"


def test_a_saved_copy_of_the_failed_task_and_cells_below_the_flow_are_no_part_of_it(
    start: Any, notebook: Any
) -> None:
    notebook.save(below="open('touched', 'w').close()")
    kernel = start(notebook.path)
    name = fail(kernel)
    mended = "%%task by_month\nmonths = sales[1]"
    kernel.run(f"%flow debug {name}", "asked")
    kernel.run(mended, "copy")
    notebook.save(asked=f"%flow debug {name}", copy=mended)  # as Lab does by itself
    resumed = kernel.run(f"%flow resume {name}")
    assert resumed.status == "ok", resumed.error
    assert "by_month counts as it was run by hand at" in resumed.table
    assert kernel.value("fig") == "(30, 10)"
    notebook.save(c="%%task by_month\nmonths = 7")
    retried = kernel.run(f"%flow retry {name} by_month")
    assert retried.status == "ok", retried.error
    assert kernel.value("fig") == "(30, 7)"
    assert not (notebook.path.parent / "touched").exists()


def test_a_run_of_a_notebook_that_was_renamed_since_goes_on(
    start: Any, notebook: Any, tmp_path: Path
) -> None:
    kernel = start(notebook.path)
    name = fail(kernel)
    notebook.path = notebook.path.rename(tmp_path / "other.ipynb")
    notebook.save(c="%%task by_month\nmonths = 7", asked=f"%flow resume {name}")
    resumed = kernel.run(f"%flow resume {name}", "asked")
    assert resumed.status == "ok", resumed.error
    assert kernel.value("fig") == "(30, 7)"


def test_cells_that_were_never_saved_can_be_resumed(kernel: Any) -> None:
    kernel.run("n = 3")
    kernel.run("%config OrchNb.tasks = 'defer'")
    kernel.run("%%task one\nx = [n]")
    kernel.run("%%task two\ny = x[n]")
    found = re.search(r"%flow debug (\S+)", kernel.run("%%flow").error)
    assert found is not None
    kernel.run(f"%flow debug {found[1]}")
    kernel.run("%config OrchNb.tasks = 'run'")
    kernel.run("%%task two\ny = x[0]")
    resumed = kernel.run(f"%flow resume {found[1]}")
    assert resumed.status == "ok", resumed.error
    assert kernel.value("x, y") == "([3], 3)"


def test_pull_brings_any_tasks_outputs(start: Any, notebook: Any) -> None:
    kernel = start(notebook.path)
    name = fail(kernel)
    kernel.run("sales = 'mine'")
    assert f"{name}.by_year" in kernel.complete(f"%flow pull {name}.by")
    pulled = kernel.run(f"%flow pull {name}.load --into old")
    assert pulled.status == "ok", pulled.error
    assert kernel.value("old.sales, sales") == "({1: 10, 2: 20}, 'mine')"
    kernel.run(f"%flow pull '{name}.load'")  # as a name with spaces has to be written
    assert kernel.value("sales") == "{1: 10, 2: 20}"
    for line, words in (
        (f"{name}.by_month", "was not kept"),
        (f"{name}.lod", "has no task 'lod'"),
        (name, "which task of"),
        ("no-such.load", "there is no run 'no-such'"),
        ("", "needs one task of a run"),
    ):
        refused = kernel.run(f"%flow pull {line}")
        assert refused.status == "error"
        assert words in refused.error
        assert len(refused.error.splitlines()) <= 2


def test_a_forged_value_is_not_loaded(start: Any, notebook: Any) -> None:
    kernel = start(notebook.path)
    name = fail(kernel)
    key = next(iter((notebook.path.parent / "home").glob("*.key")))
    key.unlink()
    refused = kernel.run(f"%flow pull {name}.load")
    assert "not signed by this store" in refused.error


def test_diff_says_what_differs(start: Any, notebook: Any) -> None:
    kernel = start(notebook.path)
    first = fail(kernel)
    kernel.run("years = [1, 2, 3]")
    notebook.save(c="%%task by_month --retries 1\nmonths = sales[2]")
    kernel.run("%%flow sales", "f")
    second = kernel.run("%flow runs").text.split()[1]
    text = kernel.run(f"%flow diff {first} {second}").text
    for line in (
        r"parameter +years +\[1, 2\] +\[1, 2, 3\]",
        r"cell +by_month +line 2: months = sales\['month'\] +line 2: months = sales\[2\]",
        r"state +by_month +Failed +Completed",
        r"value +load: sales ",
        r"value +by_year: big ",
    ):
        assert re.search(line, text), text
    assert kernel.run(f"%flow diff {second} {second}").text.strip().endswith("no difference")


def test_questions_about_the_flow(start: Any, notebook: Any) -> None:
    kernel = start(notebook.path)
    assert "report" in kernel.run("%flow graph").text
    assert "sales" in kernel.run("%flow graph load by_year").text
    assert kernel.run("%flow check").status == "ok"
    name = fail(kernel)
    assert kernel.run(f"%flow explain {name} load").text.startswith("load: ")
    assert kernel.run(f"%flow logs {name}").status == "ok"
    assert "no flow runs in the background" in kernel.run("%flow cancel").text
    retried = kernel.run(f"%flow retry {name}")
    assert "by_month failed" in retried.error
    for subcommand in ("show", "debug", "resume", "retry", "explain", "diff"):
        refused = kernel.run(f"%flow {subcommand}")
        assert f"%flow {subcommand} needs" in refused.error
        assert len(refused.error.splitlines()) == 2
