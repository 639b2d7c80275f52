"""%%flow in a real kernel: what runs, what is reused, what is bound, and what is refused."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

TASKS = {
    "p": "years: list[int] = [1, 2]",
    "i": "import time",
    "a": "%%task load\nsales = [y * 10 for y in years]",
    "b": "%%task double\nd = [s * 2 for s in sales]",
    "c": "%%task triple\nt = [s * 3 for s in sales]",
    "u": "total = sum(d) + sum(t)",
    "f": "%%flow sales",
}


@pytest.fixture
def notebook(saved: Any) -> Any:
    saved.tags["p"] = ["parameters"]
    saved.save(**TASKS)
    return saved


def run_all(kernel: Any, notebook: Any) -> Any:
    """As "Run All" does; what the last cell showed."""
    for name, source in notebook.cells.items():
        ran = kernel.run(source, name)
        assert ran.status == "ok", ran.error
    return ran


def test_nothing_need_have_been_run(start: Any, notebook: Any) -> None:
    kernel = start(notebook.path)
    ran = kernel.run("%%flow sales", "f")
    assert ran.status == "ok", ran.error
    assert "cells of sales.ipynb, as saved at" in ran.table
    assert "sales · " in ran.table
    assert " · Completed " in ran.table
    assert (
        kernel.value("years, sales, d, t, total") == "([1, 2], [10, 20], [20, 40], [30, 60], 150)"
    )


def test_run_all_does_not_run_twice(start: Any, notebook: Any) -> None:
    kernel = start(notebook.path)
    ran = run_all(kernel, notebook)
    assert "6 up to date, 0 run" in ran.table
    assert ran.table.count("ran by hand") == 3
    assert kernel.value("total") == "150"


def test_an_edited_task_and_its_dependents_run(start: Any, notebook: Any) -> None:
    kernel = start(notebook.path)
    run_all(kernel, notebook)
    notebook.save(b="%%task double\nd = [s * 20 for s in sales]")
    ran = kernel.run("%%flow sales", "f")
    assert "4 up to date, 2 run" in ran.table
    assert kernel.value("d, t, total") == "([200, 400], [30, 60], 690)"
    again = kernel.run("%%flow sales", "f")
    assert "6 up to date, 0 run" in again.table


def test_a_changed_value_is_seen(start: Any, notebook: Any) -> None:
    kernel = start(notebook.path)
    run_all(kernel, notebook)
    kernel.run("sales.append(5)")  # in place, by hand
    ran = kernel.run("%%flow sales", "f")
    assert ran.status == "ok", ran.error
    assert kernel.value("sales, d, total") == "([10, 20], [20, 40], 150)"
    kernel.run("t = None")
    kernel.run("%%flow sales", "f")
    assert kernel.value("t, total") == "([30, 60], 150)"


def test_an_edited_module_counts(start: Any, saved: Any, tmp_path: Path) -> None:
    module = tmp_path / "own.py"
    module.write_text("def f(x):\n    return x + 1\n")
    os.utime(module, (0, 0))
    saved.save(
        i="import own",
        a="%%task one\ny = own.f(1)",
        b="%%task two\nfrom own import f\nz = f(2)",
        c="%%task three\nw = y",
        f="%%flow",
    )
    kernel = start(saved.path)
    kernel.run("%load_ext autoreload\n%autoreload 2")
    kernel.run("%%flow", "f")
    assert kernel.value("y, z, w") == "(2, 3, 2)"
    module.write_text("def f(x):\n    return x + 100\n")
    assert kernel.run("%%task one\ny = own.f(1)\ny", "a").value == "101"
    ran = kernel.run("%%flow", "f")
    assert "✓ one  cell 2  ran by hand" in ran.table
    assert kernel.value("y, z, w") == "(101, 102, 101)"
    assert "4 up to date, 0 run" in kernel.run("%%flow", "f").table


def test_refresh_and_fresh(start: Any, notebook: Any) -> None:
    kernel = start(notebook.path)
    run_all(kernel, notebook)
    kernel.run("years = [7]")
    notebook.save(f="%%flow sales --refresh")
    ran = kernel.run("%%flow sales --refresh", "f")
    assert ran.status == "ok", ran.error
    assert kernel.value("years, sales, total") == "([7], [70], 350)"
    notebook.save(f="%%flow sales --fresh")
    ran = kernel.run("%%flow sales --fresh", "f")
    assert ran.status == "ok", ran.error
    assert kernel.value("years, sales, total") == "([1, 2], [10, 20], 150)"


def test_parameters_are_given_kept_and_left_in_the_kernel(start: Any, notebook: Any) -> None:
    kernel = start(notebook.path)
    kernel.run("years = [3]")
    ran = kernel.run("%%flow sales", "f")
    assert kernel.value("sales") == "[30]"
    assert "years=[3] (kernel)" in ran.html
    line = "%%flow sales -p years '[4, 5]'"
    notebook.save(f=line)
    ran = kernel.run(line, "f")
    assert ran.status == "ok", ran.error
    assert "years=[4, 5] (-p)" in ran.html
    assert kernel.value("years, sales, total") == "([4, 5], [40, 50], 450)"
    wrong = "%%flow sales -p year 4"
    notebook.save(f=wrong)
    refused = kernel.run(wrong, "f").error.splitlines()
    assert refused[0].startswith("ParameterError: no parameter 'year'  --> sales.ipynb, cell 1")
    assert "'years' (list[int])" in refused[1]


def test_a_failure_binds_what_came_before_and_says_what_is_missing(
    start: Any, notebook: Any
) -> None:
    notebook.save(b="%%task double\nd = 1 / 0")
    kernel = start(notebook.path)
    ran = kernel.run("%%flow sales", "f")
    assert ran.status == "error"
    assert ran.error.splitlines()[0] == (
        "FlowError: double failed: ZeroDivisionError: division by zero  --> cell 4 'double', line 2"
    )
    assert "missing: d, t, total" in ran.table
    assert kernel.value("sales") == "[10, 20]"
    assert kernel.run("t").status == "error"


def test_a_name_that_only_a_cell_below_sets_is_told_with_that_cell(
    start: Any, notebook: Any
) -> None:
    notebook.save(b="%%task double\nd = [factor]", z="factor = 2")
    kernel = start(notebook.path)
    ran = kernel.run("%%flow sales", "f")
    assert ran.error.splitlines() == [
        "FlowError: double failed: NameError: name 'factor' is not defined"
        "  --> cell 4 'double', line 2",
        "  hint: 'factor' is set in cell 8 only: run it, or move it above",
    ]
    kernel.run("factor = 2", "z")
    assert kernel.run("%%flow sales", "f").status == "ok"


def test_values_that_cannot_be_sent_stay_here(start: Any, saved: Any) -> None:
    saved.save(
        l="import threading\nlock = threading.Lock()",
        a="%%task rows\nrows = [1, 2]",
        b="%%task locked\nwith lock:\n    n = len(rows)",
        g="%%task stream\ng = (i for i in rows)",
        h="%%task drain\ns = list(g)",
        f="%%flow",
    )
    kernel = start(saved.path)
    ran = kernel.run("%%flow", "f")
    assert ran.status == "ok", ran.error
    assert "can't be pickled" in ran.table
    assert kernel.value("n, s, type(lock).__name__") == "(2, [1, 2], 'lock')"
    kernel.run("%%flow", "f")
    assert kernel.value("n, s") == "(2, [1, 2])"


def test_objects_stay_the_same_ones(start: Any, saved: Any) -> None:
    saved.save(
        a="box = {}\nalias = box\nclass Point:\n    x = 0\ndef tell():\n    return box",
        b="%%task fill\nbox['n'] = 1\np = Point()",
        f="%%flow",
    )
    kernel = start(saved.path)
    kernel.run(saved.cells["a"], "a")
    kernel.run("mine = box")
    ran = kernel.run("%%flow", "f")
    assert ran.status == "ok", ran.error
    assert kernel.value("mine, mine is box is alias, tell() is box, isinstance(p, Point)") == (
        "({'n': 1}, True, True, True)"
    )


def test_what_was_run_counts_before_what_is_saved(start: Any, notebook: Any) -> None:
    kernel = start(notebook.path)
    run_all(kernel, notebook)
    kernel.run("%%task load\nsales = [1]", "a")
    kernel.run("%%task new\nn = 1", "z")
    ran = kernel.run("%%flow sales --max-workers 2", "f")  # not saved like that, either
    assert ran.status == "ok", ran.error
    assert "cell 3 'load' counts as it was run at" in ran.table
    assert "not in sales.ipynb as it is saved, so no part of this flow: 'new'" in ran.table
    assert kernel.value("sales, d") == "([1], [2])"
    notebook.save(a="%%task load\nsales = [2]")
    ran = kernel.run("%%flow sales", "f")
    assert "counts as it was run" not in ran.table
    assert kernel.value("sales, d") == "([2], [4])"


def test_a_flow_that_was_never_saved_is_refused_in_words(start: Any, notebook: Any) -> None:
    kernel = start(notebook.path)
    refused = kernel.run("%%flow other", "elsewhere").error.splitlines()
    assert refused == [
        "NotebookError: sales.ipynb does not hold the flow's own cell, '%%flow other'"
        "  --> sales.ipynb",
        "  hint: save the notebook with it, then run this again: a flow is the cells above it",
    ]


def test_a_renamed_notebook_is_found(start: Any, notebook: Any, tmp_path: Path) -> None:
    kernel = start(notebook.path)
    assert kernel.run("%%flow sales", "f").status == "ok"
    notebook.path.rename(tmp_path / "other.ipynb")
    notebook.path = tmp_path / "other.ipynb"
    notebook.save(b="%%task double\nd = [0]")
    ran = kernel.run("%%flow sales", "f")
    assert "cells of other.ipynb" in ran.table
    assert kernel.value("d") == "[0]"


def test_without_a_file_the_cells_run_so_far_count(kernel: Any) -> None:
    for source in ("n = 2", "%%task a\nx = n + 1", "%%task b\ny = x * 2", "scratch = y"):
        kernel.run(source)
    ran = kernel.run("%%flow")
    assert "taken from this kernel: the cells that ran in it" in ran.table
    assert "4 up to date" in ran.table
    kernel.run("n = 5")
    kernel.run("%%flow")
    assert kernel.value("x, y, scratch") == "(6, 12, 12)"


def test_two_flows_in_one_notebook(start: Any, saved: Any) -> None:
    saved.save(
        a="%%task one\nx = 1", f="%%flow first", b="%%task two\ny = x + 1", g="%%flow second"
    )
    kernel = start(saved.path)
    first = kernel.run("%%flow first", "f")
    assert first.table.startswith("first · ")
    assert kernel.run("y").status == "error"
    second = kernel.run("%%flow second", "g")
    assert second.table.startswith("second · ")
    assert "1 up to date, 1 run" in second.table
    assert kernel.value("x, y") == "(1, 2)"


def test_the_table_is_escaped(start: Any, saved: Any) -> None:
    evil = "<img src=x onerror=alert(1)>"
    saved.save(a=f"%%task '{evil}'\nprint('{evil}')\nraise ValueError('{evil}')", f="%%flow")
    kernel = start(saved.path)
    html = kernel.run("%%flow", "f").html
    assert "&lt;img src=x" in html
    assert "<img" not in html
