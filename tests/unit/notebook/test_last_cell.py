"""A notebook down to the cell that a flow ends with."""

from __future__ import annotations

from typing import Any

import pytest

from orch_nb.errors import NotebookError
from orch_nb.notebook.last_cell import LastCell, last_cell_of, last_cell_record
from orch_nb.notebook.reader import notebook_from_dict


def document(*cells: tuple[str, str]) -> dict[str, Any]:
    """A notebook of code cells: each its id and its source."""
    return {
        "cells": [
            {
                "cell_type": "code",
                "id": name,
                "metadata": {},
                "source": source.splitlines(keepends=True),
                "outputs": [],
                "execution_count": None,
            }
            for name, source in cells
        ],
        "metadata": {},
        "nbformat": 4,
        "nbformat_minor": 5,
    }


NOTEBOOK = document(
    ("a", "%%task load\nx = 1"), ("f", "%%flow"), ("b", "%%task load\nx = 2"), ("g", "%%flow")
)


@pytest.mark.parametrize(
    ("last", "kept"),
    [
        (LastCell("f", "%%flow edited"), ["a", "f"]),
        (LastCell("address:of/it", "%%task load\nx = 1"), ["a"]),
        (LastCell(None, "%%task load\nx = 1\n"), ["a"]),
    ],
)
def test_what_stands_below_is_not_even_looked_at(last: LastCell, kept: list[str]) -> None:
    notebook = notebook_from_dict(NOTEBOOK, path="sales.ipynb", until=last)
    assert [cell.id for cell in notebook.cells] == kept
    assert last_cell_of(last_cell_record(last)) == last


def test_of_cells_with_its_text_the_last_one_counts() -> None:
    with pytest.raises(NotebookError, match="two tasks have the name 'load'"):
        notebook_from_dict(NOTEBOOK, path="sales.ipynb", until=LastCell(None, "%%flow"))


def test_a_flows_cell_that_is_gone_is_told_with_the_remedy() -> None:
    with pytest.raises(
        NotebookError, match="does not hold the flow's own cell, '%%flow x'"
    ) as told:
        notebook_from_dict(NOTEBOOK, path="sales.ipynb", until=LastCell("z", "%%flow x\n1"))
    assert told.value.where == "sales.ipynb"
    assert told.value.hint.startswith("save the notebook")


def test_a_whole_notebook_has_no_last_cell() -> None:
    assert last_cell_record(None) is None
    assert last_cell_of(None) is None
