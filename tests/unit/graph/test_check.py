"""The lints, one by one, and what `--fix` mends."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orch_nb.graph.build import build_graph
from orch_nb.graph.check import Severity, find_problems, fix_document
from orch_nb.model import CellKind
from orch_nb.options import TaskOptions
from tests.unit.analysis.hazards import cells_of, graph_of


@pytest.mark.parametrize(
    ("cells", "found"),
    [
        ("print(x) ;; x = 1", [(1, "hidden-order")]),
        ("x = 1 ;; print(x)", []),
        ("print(xs)", [(1, "undefined-name")]),
        ("%run other.py ;; print(xs)", [(1, "serial-task")]),
        ("try:\n    x\nexcept NameError:\n    x = 1", []),
        ("def f(): return k ;; k = 1 ;; f()", []),
        ("def f(): return k ;; f() ;; k = 1", [(2, "hidden-order")]),
        ("list = [1]", [(1, "shadowed-builtin")]),
        ("from numpy import *", []),
        ("import numpy as np ;; np.random.rand() ;; np.random.rand()", [(2, "unseeded-random")]),
        ("import numpy as np ;; np.random.seed(0) ;; np.random.rand()", []),
        ("open('/data/a')", [(1, "absolute-path")]),
        ("open('data/a')", []),
        ("open('a', 'w') ;; open('a', 'w')", [(2, "shared-file")]),
        ("%timeit 1", [(1, "serial-task")]),
        ("import a ;; a.b.c.d()", []),
        ("[i for i in range(3)] ;; {k: v for k, v in {}.items()}", []),
        ("class A:\n    x = 1\n    def m(self): return self.x", []),
        ("for i in [1]:\n    y = i ;; print(y)", []),
        ("x = 1 ;; del x ;; x = 2", []),
        ("print(__name__, __file__, display, get_ipython)", []),
        ("print(_, Out)", []),
    ],
)
def test_problems_by_cell_and_rule(cells: str, found: list[tuple[int, str]]) -> None:
    problems = find_problems(graph_of(*(cell.strip() for cell in cells.split(";;"))))
    assert [(problem.cell.number, problem.rule) for problem in problems] == found


def test_hidden_order_names_both_cells_and_the_remedy() -> None:
    (problem,) = find_problems(graph_of("print(x)", "x = 1"))
    assert problem.severity is Severity.ERROR
    assert problem.message == "cell 1 reads 'x', set only below, in cell 2"
    assert problem.hint == "it worked because you ran 2 first; move cell 2 above cell 1"


def test_an_undefined_name_is_guessed() -> None:
    (problem,) = find_problems(graph_of("sales = 1", "print(slaes)"))
    assert problem.hint == "did you mean 'sales'?"


def test_a_task_that_nobody_uses() -> None:
    graph = build_graph(cells_of("x = f = abs\ny = 1", "z = 2", kind=CellKind.TASK))
    assert [problem.rule for problem in find_problems(graph)] == ["unused-result"] * 2


def test_options_that_contradict_each_other() -> None:
    (cell,) = cells_of("print(1)", kind=CellKind.TASK)
    cell = replace(cell, options=TaskOptions(in_order=True, independent=True))
    (problem,) = find_problems(build_graph([cell]))
    assert (problem.rule, problem.severity) == ("conflicting-options", Severity.ERROR)


def test_fix_makes_the_metadata_follow_the_first_line() -> None:
    raw = {
        "cells": [
            {
                "cell_type": "code",
                "source": ["%%task load\n", "x = 1"],
                "metadata": {"tags": ["setup", "mine"], "other": 1},
            },
            {
                "cell_type": "code",
                "source": "#| task\ny = 1",
                "metadata": {"tags": ["task"], "orch_nb": {"retries": 2, "state": "Completed"}},
            },
            {"cell_type": "code", "source": "x", "metadata": {"tags": ["task"]}},
            {"cell_type": "markdown", "source": "%%task", "metadata": {"tags": ["setup"]}},
        ]
    }
    fixed, done = fix_document(raw)
    assert [cell["metadata"] for cell in fixed["cells"]] == [
        {"tags": ["mine"], "other": 1},
        {"tags": ["task"], "orch_nb": {"state": "Completed"}},
        {"tags": ["task"]},
        {"tags": ["setup"]},
    ]
    assert len(done) == 2
    assert fix_document(fixed) == (fixed, [])
