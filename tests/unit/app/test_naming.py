"""What cells are called in a run's record."""

from __future__ import annotations

import pytest

from orch_nb.app.naming import name_tasks
from orch_nb.graph.build import build_graph
from orch_nb.model import CellsMode
from orch_nb.notebook.reader import notebook_from_dict
from tests.command_line import code, make_document


def names(*cells: object) -> list[str]:
    notebook = notebook_from_dict(make_document(*cells), path="sales.ipynb")  # type: ignore[arg-type]
    return list(name_tasks(build_graph(notebook.cells, CellsMode.AUTO, [])).values())


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (("#| task load\nsales = 1", "sales + 1"), ["load", "cell-2"]),
        (("sales = 1", "sales + 1"), ["sales", "cell-2"]),
        # of one reader's names, the one that stands first in the source
        (("b = 1\na = 2", "a + b"), ["b", "cell-2"]),
        # the nearest reader decides
        (("a = 1\nb = 2", "b", "a"), ["b", "cell-2", "cell-3"]),
        # what is only changed in place is another cell's
        (("sales = []", "sales.append(1)", "sales"), ["sales", "cell-2", "cell-3"]),
        # a name set twice belongs to the first
        (("df = 1", "df = df + 1", "df"), ["df", "cell-2", "cell-3"]),
        # a given name stays, also when it comes later
        (("load = 1", "load", "#| task load\nx = 1"), ["cell-1", "cell-2", "load"]),
        # nor is a module what a cell makes
        (("import time\na = 1", "time, a"), ["a", "cell-2"]),
        (("_hidden = 1", "_hidden"), ["cell-1", "cell-2"]),
        (("import os", "import sys", "os, sys"), ["imports", "cell-2", "cell-3"]),
        ((code("years = [1]", "parameters"), "years"), ["parameters", "cell-2"]),
        ((code("years = [2]", "injected-parameters"), "years"), ["parameters", "cell-2"]),
        (
            (code("a = 1", "parameters"), code("a = 2", "injected-parameters"), "a"),
            ["parameters", "injected", "cell-3"],
        ),
        (("#| task\nsales = 1", "#| task\nsales"), ["sales", "cell-2"]),
    ],
)
def test_names(cells: tuple[object, ...], expected: list[str]) -> None:
    assert names(*cells) == expected
