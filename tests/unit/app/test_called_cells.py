"""How a notebook whose cells are called is planned."""

from __future__ import annotations

import pytest

from orch_nb.app.called_cells import CalledCells, find_calls
from orch_nb.errors import NotebookError
from orch_nb.model import CellKind, CellsMode
from orch_nb.notebook.reader import notebook_from_dict
from tests.command_line import make_document


def planned(*sources: str) -> CalledCells:
    notebook = notebook_from_dict(make_document(*sources), path="nb.ipynb")
    return find_calls(notebook, CellsMode.AUTO)


def test_a_flow_without_a_body_changes_nothing() -> None:
    found = planned("x = 1", "%%task load\ny = x", "%%flow sales")
    assert (found.calls, found.in_order, found.mode) == ({}, "", CellsMode.AUTO)


def test_a_comment_is_no_body() -> None:
    assert planned("%%task load\ny = 1", "%%flow sales\n# nothing yet").calls == {}


def test_the_body_runs_in_its_place_and_its_tasks_only_when_called() -> None:
    found = planned("x = 1", "%%task load\ny = x", "%%flow sales\nload()")
    kinds = [cell.kind for cell in found.notebook.cells]
    assert kinds == [CellKind.PLAIN, CellKind.FLOW, CellKind.PLAIN]
    assert list(found.calls) == [3]
    (called,) = found.calls[3]["cells"]
    assert (called["name"], called["reads"], called["binds"]) == ("load", ["x"], ["y"])


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("r = load()", "r = load()\n__orch_nb_end__(None, lambda: (x, ));"),
        ("load(), 2", "__orch_nb_end__((load(), 2), lambda: (x, ))"),
        ("a = 1\nload(\n  year=1\n)  # c", "a = 1\n__orch_nb_end__((load(\n  year=1\n)"),
        ("'é', load();", "__orch_nb_end__(('é', load()), lambda: (x, ));"),
        ("await load.submit()", "__orch_nb_end__((await load.submit()), lambda: (x, ))"),
    ],
)
def test_the_end_of_a_body_is_waited_for_and_its_value_still_shown(
    body: str, expected: str
) -> None:
    source = planned("x = 1", "%%task load\ny = x", f"%%flow f\n{body}").notebook.cells[2].source
    assert source.startswith("#\n" + expected)
    compile(source.replace("await ", ""), "cell", "exec")


def test_an_edited_task_makes_the_body_another_cell() -> None:
    one = planned("%%task load\ny = 1", "%%flow\nload()").notebook.cells[1].source
    other = planned("%%task load\ny = 2", "%%flow\nload()").notebook.cells[1].source
    assert one != other


def test_a_body_that_is_no_python_is_refused_with_its_place() -> None:
    with pytest.raises(NotebookError, match=r"nb.ipynb, cell 2"):
        planned("%%task load\ny = 1", "%%flow\nload((")


def test_a_task_that_a_body_could_not_name_is_refused() -> None:
    with pytest.raises(NotebookError, match="no Python name"):
        planned("%%task load-it\ny = 1", "%%flow\npass")


def test_a_cell_with_each_stands_for_all_its_items() -> None:
    found = planned("models = [1]\nbase = 2", "%%task fit --each model in models\ny = model*base")
    assert found.calls[2]["each"] == "model"
    assert found.notebook.cells[1].source.startswith(
        "y, = __orch_nb_each__(models, lambda: (base, ))"
    )
    assert found.in_order == ""
