"""Cells that are called: by the body of a `%%flow` cell, or once for each item of `--each`.

A notebook with such cells is planned with other cells in their places: the flow's body runs where
the values are, the tasks that it calls run only when they are called; a cell with `--each` becomes
one line that has it run for every item and gathers what it binds.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from orch_nb.errors import NotebookError
from orch_nb.graph.build import build_graph
from orch_nb.graph.model import Node
from orch_nb.model import CALL, Cell, CellKind, CellsMode, FlowRun, Json
from orch_nb.notebook.document import Notebook
from orch_nb.option_text import to_mapping
from orch_nb.options import TaskOptions
from orch_nb.states import StateName
from orch_nb.store import Store, StoreWriter, TaskChange, Transaction

CONDUCTOR = "orch_nb.app.conducting:conduct_cells"
END = "__orch_nb_end__"  # what the end of a body, or of a line that stands for `--each`, calls
EACH = "__orch_nb_each__"
_IN_ORDER = "the flow's body decides what runs"
_KEPT_OPTIONS = ("needs",)

Calls = Mapping[str, Json]  # what a job tells of the cells that it may call, see Job.calls


@dataclass(frozen=True, slots=True)
class CalledCells:
    """A notebook as it is planned. ``calls`` are by the numbers of the cells that call others;
    ``in_order`` says why its cells run one after the other, if they do."""

    notebook: Notebook
    mode: CellsMode
    calls: Mapping[int, Calls] = field(default_factory=dict)
    in_order: str = ""


def find_calls(notebook: Notebook, mode: CellsMode) -> CalledCells:
    """The notebook with the cells that call others, and those that are called, as they run.

    Raises NotebookError for a flow's body, or for an `--each`, that can't be understood.
    """
    if not notebook.is_python:
        return CalledCells(notebook, mode)
    body = next((cell for cell in notebook.cells if has_body(cell)), None)
    looping = [cell for cell in notebook.cells if cell.options.each]
    if body is None and not looping:
        return CalledCells(notebook, mode)
    nodes = {node.cell.number: node for node in build_graph(notebook.cells, mode).nodes}
    tasks = [cell for cell in notebook.cells if cell.kind is CellKind.TASK]
    if mode is CellsMode.AUTO and tasks:
        mode = CellsMode.TAGGED
    if body is None:
        made = {cell.number: _looping(cell, nodes[cell.number], notebook) for cell in looping}
        cells = tuple(made.get(cell.number, cell) for cell in notebook.cells)
        calls = {
            cell.number: {**_calls([nodes[cell.number]]), "each": _loop_name(cell)}
            for cell in looping
        }
        return CalledCells(replace(notebook, cells=cells), mode, calls)
    called = [nodes[cell.number] for cell in tasks]
    _check_names(called, notebook)
    above = frozenset[str]().union(
        *(
            nodes[cell.number].writes
            for cell in notebook.cells
            if cell.number < body.number and cell.kind is not CellKind.TASK
        )
    )
    reads = sorted(frozenset[str]().union(*(node.reads | node.changes for node in called)) & above)
    source = _body_source(body, tasks, reads, notebook)
    cells = tuple(_in_dynamic(cell, body, source) for cell in notebook.cells)
    return CalledCells(
        replace(notebook, cells=cells), mode, {body.number: _calls(called)}, _IN_ORDER
    )


def has_body(cell: Cell) -> bool:
    """Whether a cell is a flow's that holds code of its own."""
    if cell.kind is not CellKind.FLOW or not cell.source.strip():
        return False
    try:
        return bool(ast.parse(cell.source).body)
    except (SyntaxError, ValueError):
        return True  # magics, or what Python will complain of


def calls_of(
    prepared: Any, run: FlowRun, runner: str, preload: tuple[str, ...]
) -> dict[int, Calls]:
    """What the jobs of the cells that call others are told, in this attempt of the run; the calls
    run where ``runner`` says, on a cluster's workers in processes that have ``preload``."""
    setups = [cell for cell in prepared.notebook.cells if cell.kind is CellKind.SETUP]
    now = {
        "conductor": CONDUCTOR,
        "run": run.id,
        "epoch": run.epoch,
        "workers": prepared.options.max_workers or 0,
        "runner": runner,
        "preload": preload,
        "filename": prepared.notebook.filename,
    }
    return {
        number: {
            **calls,
            **now,
            "setups": [cell.source for cell in setups if cell.number < number],
        }
        for number, calls in prepared.calls.items()
    }


def end_calls(store: Store, writer: StoreWriter, run: FlowRun) -> None:
    """Record calls that were lost with the process that had them as cancelled."""
    left = [
        task for task in store.task_runs(run.id) if task.is_call and not task.state_type.is_terminal
    ]
    if not left:
        return
    words = "the run ended before it did"
    changes = [
        TaskChange(
            replace(task, state_name=StateName.CANCELLED, state_message=words), task.state_name
        )
        for task in left
    ]

    def end(transaction: Transaction) -> None:
        transaction.set_task_states(changes, epoch=run.epoch, by="driver")

    writer.submit(end).result()


def _in_dynamic(cell: Cell, body: Cell, source: str) -> Cell:
    """A cell of a notebook whose flow has a body, as it is planned."""
    if cell.number == body.number:
        return replace(cell, kind=CellKind.PLAIN, source=source)
    if cell.kind is CellKind.TASK:
        return replace(cell, kind=CellKind.FLOW, source="")
    return cell


def _body_source(body: Cell, tasks: list[Cell], reads: list[str], notebook: Notebook) -> str:
    """The body, at whose end what it submitted is waited for; its lines keep their numbers.
    What the tasks read of the cells above is named in it, so that it is there."""
    named = f"lambda: ({''.join(f'{name}, ' for name in reads if name.isidentifier())})"
    end = f"{END}(None, {named})"
    digest = hashlib.sha256()
    for cell in tasks:
        digest.update(f"{cell.name}\0{cell.source}\0".encode("utf-8", "surrogatepass"))
    mark = f"# calls {digest.hexdigest()[:16]}"  # an edited task makes it another cell
    try:
        last = ast.parse(body.source).body[-1]
    except (SyntaxError, ValueError) as error:
        if isinstance(error, SyntaxError) and ("await" in body.source or "%" in body.source):
            return f"{body.source}\n{end}\n{mark}"
        raise NotebookError(
            f"the flow's body is no Python: {error}", where=notebook.where(body)
        ) from None
    if not isinstance(last, ast.Expr) or last.end_lineno is None:
        return f"{body.source}\n{end};\n{mark}"
    lines = body.source.split("\n")
    first, final = last.lineno - 1, last.end_lineno - 1
    tail = lines[final].encode()
    lines[final] = (
        tail[: last.end_col_offset] + f"), {named})".encode() + tail[last.end_col_offset :]
    ).decode()
    head = lines[first].encode()
    lines[first] = (
        head[: last.col_offset] + f"{END}((".encode() + head[last.col_offset :]
    ).decode()
    return "\n".join([*lines, mark])


def _looping(cell: Cell, node: Node, notebook: Notebook) -> Cell:
    """A cell with `--each` as the one line that stands for it in the graph."""
    name, _, items = (cell.options.each or "").partition(" in ")
    bound = sorted(node.binds - {name})
    reads = sorted(read for read in node.reads - {name} if read.isidentifier())
    digest = hashlib.sha256(cell.source.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    call = f"{EACH}({items}, lambda: ({''.join(f'{read}, ' for read in reads)}))"
    line = f"{', '.join(bound)}, = {call}; {END}()" if bound else call + ";"
    kept = {option: getattr(cell.options, option) for option in _KEPT_OPTIONS}
    return replace(
        cell,
        kind=CellKind.TASK,
        source=f"{line}  # {digest}",
        options=TaskOptions(**kept),
    )


def _loop_name(cell: Cell) -> str:
    return (cell.options.each or "").partition(" in ")[0]


def _calls(nodes: Iterable[Node]) -> dict[str, Json]:
    return {
        "cells": [
            {
                "number": node.cell.number,
                "id": node.cell.id,
                "name": node.cell.name,
                "named": node.cell.named,
                "label": node.cell.label,
                "source": node.cell.source,
                "reads": sorted(node.reads | node.changes),
                "changes": sorted(node.changes),
                "binds": sorted(node.binds),
                "options": to_mapping(None, replace(node.cell.options, each=None)),
            }
            for node in nodes
        ]
    }


def _check_names(called: list[Node], notebook: Notebook) -> None:
    for node in called:
        if node.cell.named and not node.cell.name.isidentifier():
            raise NotebookError(
                f"the flow's body can't call {node.cell.name!r}: it is no Python name",
                where=notebook.where(node.cell),
                hint="name the task with letters, digits and underscores",
            )


def call_id(digest: str) -> str:
    """The cell id of a call's task run: it tells which source ran."""
    return f"{CALL}{digest[:24]}"
