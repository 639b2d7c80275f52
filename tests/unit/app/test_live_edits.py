"""What was run in a kernel since its notebook was saved."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from orch_nb.app.live_edits import as_run, edits_since, refuse_edits, words_for
from orch_nb.errors import NotebookError
from orch_nb.execution.by_hand import HandRun

SAVED = datetime(2026, 11, 28, 10, tzinfo=UTC)
CELLS = [
    {"cell_type": "markdown", "id": "m", "source": "# Sales"},
    {"cell_type": "code", "id": "a", "source": "%%task load\nx = 1"},
    {"cell_type": "code", "id": "b", "source": "y = 2"},
]


def run(source: str, cell_id: str | None = None, minutes: int = 1) -> HandRun:
    """A run so many minutes after the notebook was saved."""
    moment = SAVED + timedelta(minutes=minutes)
    is_task = source.startswith("%%task")
    return HandRun(7, source, cell_id, moment, ok=True, task=is_task)


def texts(*runs: HandRun) -> list[str]:
    """The code cells as they count after these runs."""
    found = as_run(CELLS, edits_since(CELLS, runs, SAVED))
    return [cell["source"] for cell in found if cell["cell_type"] == "code"]


def test_the_text_that_was_run_last_counts() -> None:
    first, last = run("%%task load\nx = 5", "a"), run("%%task load\nx = 6", "a", 2)
    assert texts(first, last, run("y = 3", "b")) == ["%%task load\nx = 6", "y = 3"]


def test_what_was_run_before_the_notebook_was_saved_does_not_count() -> None:
    assert texts(run("%%task load\nx = 5", "a", -1)) == ["%%task load\nx = 1", "y = 2"]


def test_a_cell_that_has_its_saved_text_again_is_none() -> None:
    first, last = run("y = 3", "b"), run("y = 2\n", "b", 2)
    assert edits_since(CELLS, [first, last], SAVED).changed == ()


@pytest.mark.parametrize("cell_id", [None, "vscode-notebook-cell:/sales.ipynb#W2"])
def test_without_ids_of_the_notebooks_own_a_task_is_known_by_its_name(cell_id: str | None) -> None:
    assert texts(run("%%task load\nx = 5", cell_id))[0] == "%%task load\nx = 5"


def test_another_cell_with_a_tasks_name_is_not_that_task() -> None:
    edits = edits_since(CELLS, [run("%%task load\nx = 5", "new")], SAVED)
    assert edits.changed == ()
    assert words_for(edits, "sales.ipynb") == [
        "not in sales.ipynb as it is saved, so no part of this flow: 'load'"
    ]


def test_new_cells_are_named_if_they_are_tasks() -> None:
    runs = [run("z = 1", "p"), run("%%task\nz = 1", "q"), run("%%task more\nz = 1", "r")]
    (words,) = words_for(edits_since(CELLS, runs, SAVED), "sales.ipynb")
    assert words.endswith("no part of this flow: the task of In [7], 'more'")


def test_where_the_file_alone_counts_an_edit_is_refused_with_its_place() -> None:
    edits = edits_since(CELLS, [run("%%task load\nx = 5", "a")], SAVED)
    with pytest.raises(
        NotebookError, match=r"cell 1 'load' was run at .* with another text"
    ) as found:
        refuse_edits(edits, "sales.ipynb", SAVED)
    assert found.value.where == "sales.ipynb, cell 1 'load'"
    assert found.value.hint.startswith("save the notebook")
