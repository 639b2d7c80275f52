"""Go back to a failed task: its inputs as they were, its error, its source as it was run."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass

from orch_nb.app.past import CellResult, Loaded, Namespace, PastRun, load_names, read_past
from orch_nb.errors import NotFoundError, OrchError
from orch_nb.execution.outputs import ErrorInfo
from orch_nb.model import CellKind, FlowRun, TaskRun
from orch_nb.notebook.reader import read_notebook
from orch_nb.option_text import is_derived_name
from orch_nb.states import StateName
from orch_nb.store import open_store

_BROKEN = (StateName.FAILED, StateName.TIMED_OUT, StateName.CRASHED)


@dataclass(frozen=True, slots=True)
class Debugging:
    """A failed task as it can be looked at.

    ``loaded`` are its inputs. ``imports`` are lines to be run before, ``from_kernel`` names that
    are not on record and that the kernel holds. ``source`` is the cell as it was written.
    """

    run: FlowRun
    task: TaskRun
    loaded: Loaded
    imports: tuple[str, ...]
    from_kernel: tuple[str, ...]
    error: ErrorInfo | None
    source: str


def debug(called: str, task_name: str | None, space: Namespace) -> Debugging:
    """The first failed task of a run in document order, or the one that is named.

    Nothing is bound in ``space``, the namespace that functions are brought into. Raises
    NotFoundError.
    """
    with open_store() as store:
        past = read_past(store, called)
    cell = past.cell(task_name) if task_name else _first_failed(past)
    number = cell.task.cell_number
    node = past.graph.node(number)
    reads = {name for name in node.reads | node.changes if not name.startswith("_")}
    known = {
        name for other in past.graph.nodes if other.cell.number < number for name in other.writes
    }
    known |= past.run.parameters.keys()
    loaded = load_names(past, reads & known, number, space)
    _take_parameters(past.run, reads, loaded)
    imports = _imports(past, reads - loaded.values.keys(), number)
    lines = tuple(imports)
    left = reads & known - loaded.values.keys() - _bound_by(lines)
    here = tuple(sorted(name for name in left if name in space))
    for name in left:
        if name in space:
            loaded.missing.pop(name, None)
        else:
            loaded.missing.setdefault(name, "it is not on record")
    for name in _bound_by(lines):
        loaded.missing.pop(name, None)
    error = None if cell.outcome is None else cell.outcome.error
    return Debugging(past.run, cell.task, loaded, lines, here, error, _written(past, cell))


def _first_failed(past: PastRun) -> CellResult:
    for cell in past.cells:
        if cell.task.state_name in _BROKEN:
            return cell
    raise NotFoundError(
        f"no task of {past.run.name} has failed: it is {past.run.state_name}",
        hint=f"%flow debug {past.run.name} TASK  looks at another one",
    )


def _take_parameters(run: FlowRun, reads: set[str], loaded: Loaded) -> None:
    parameters: Mapping[str, object] = run.parameters
    for name in reads & parameters.keys() - loaded.values.keys():
        loaded.values[name] = parameters[name]
        loaded.missing.pop(name, None)


def _imports(past: PastRun, names: set[str], before: int) -> list[str]:
    """The import statements above that bind any of the names."""
    found: list[str] = []
    for node in past.graph.nodes:
        if node.cell.number >= before or not node.binds & names:
            continue
        try:
            tree = ast.parse(node.cell.source)
        except SyntaxError:  # magics beside the imports
            continue
        for statement in tree.body:
            if isinstance(statement, ast.Import | ast.ImportFrom):
                text = ast.unparse(statement)
                if _bound_by((text,)) & names:
                    found.append(text)
    return found


def _bound_by(lines: tuple[str, ...]) -> set[str]:
    names: set[str] = set()
    for line in lines:
        for statement in ast.parse(line).body:
            if isinstance(statement, ast.Import | ast.ImportFrom):
                for alias in statement.names:
                    names.add(alias.asname or alias.name.partition(".")[0])
    return names


def _written(past: PastRun, cell: CellResult) -> str:
    """The cell with its first line, which the record leaves out: as in the notebook, if it is
    still there."""
    try:
        notebook = read_notebook(past.run.notebook)
        for now in notebook.cells:
            if now.source == cell.source and now.kind is cell.task.kind:
                raw: str = notebook.raw["cells"][now.position]["source"]
                return raw
    except OrchError:
        pass
    source = cell.source
    if cell.task.kind is not CellKind.TASK:
        return source
    body = source[2:] if source.startswith("#\n") else source
    name = "" if is_derived_name(cell.task.name) else f" {cell.task.name}"
    return f"%%task{name}\n{body}"
