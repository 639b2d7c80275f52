"""Everything about a run that can be known, and refused, before anything is written."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from orch_nb.app.called_cells import Calls, find_calls
from orch_nb.app.hook_cells import set_aside
from orch_nb.app.naming import name_tasks
from orch_nb.app.policies import machine_resources, make_policies
from orch_nb.app.recipes import recipes, source_hash
from orch_nb.engine.plan import Plan
from orch_nb.errors import GraphError, InputError, NotebookError
from orch_nb.execution.ambient import AMBIENT
from orch_nb.graph.build import build_graph
from orch_nb.graph.model import Edge, EdgeKind, FlowGraph
from orch_nb.model import Cell, CellKind, CellsMode, Json
from orch_nb.notebook.document import Notebook
from orch_nb.notebook.syntax import check_syntax
from orch_nb.options import FlowOptions

_NAMES_RESULTS = re.compile(r"\b(_|__|___|_\d+|Out)\b")

Hints = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Prepared:
    """A notebook ready to run: its cells (parameters injected), graph and rules."""

    notebook: Notebook
    options: FlowOptions
    plan: Plan
    counts: Mapping[int, int]  # execution counts of a serial run, by cell number
    names: Mapping[int, str]  # what the record calls each cell, by cell number
    recipes: Mapping[int, str]  # see orch_nb.app.recipes
    calls: Mapping[int, Calls] = field(default_factory=dict)  # by the cells that call others

    @property
    def graph(self) -> FlowGraph:
        """The graph that is run."""
        return self.plan.graph

    @property
    def names_results(self) -> bool:
        """Whether some cell names `_`, `_3` or `Out`."""
        return any(_NAMES_RESULTS.search(cell.source) for cell in self.notebook.cells)


def prepare(
    notebook: Notebook,
    options: FlowOptions,
    *,
    parameters: Mapping[str, Json],
    workers: int,
    hints: Hints,
    foreign: str = "",
    run_id: str = "",
) -> Prepared:
    """Plan the run of ``notebook``, whose parameters are in place and have these values.
    ``foreign`` says why every cell must run, one after the other, in the notebook's own kernel;
    empty when it need not. ``run_id`` is that of the run, where it has one.

    Raises OptionError for a cell that needs more than this machine has, and for a hook that is not
    there; GraphError for cells
    whose order can't be satisfied.
    """
    mode = CellsMode(options.cells)
    hooks = set_aside(notebook, options)
    notebook = hooks.notebook
    dynamic = find_calls(notebook, mode)
    notebook, foreign = dynamic.notebook, foreign or dynamic.in_order
    mode = dynamic.mode
    by_hash = {source_hash(cell): cell for cell in notebook.cells}
    try:
        graph = build_graph(notebook.cells, mode, _learned_edges(notebook.cells, by_hash, hints))
    except GraphError as error:
        place = notebook.filename if error.where is None else f"{notebook.filename}, {error.where}"
        raise GraphError(error.message, where=place, hint=error.hint) from None
    at_home = {
        cell.number: hint["home"]
        for digest, cell in by_hash.items()
        if (hint := hints.get(digest)) and hint.get("home")
    }
    at_home |= _unsendable(graph)
    at_home |= dict.fromkeys(dynamic.calls, "it calls cells")
    if foreign:
        at_home = {cell.number: foreign for cell in notebook.cells}
    plan = Plan(
        graph=graph,
        workers=1 if options.runner == "inline" else workers,
        overlap=options.runner != "inline" and not foreign,
        fail_fast=options.fail_fast,
        keep_all=options.keep == "all",
        policies=make_policies(notebook.cells, options, run_id),
        expected={
            cell.number: hint["seconds"]
            for digest, cell in by_hash.items()
            if (hint := hints.get(digest)) and "seconds" in hint
        },
        at_home=at_home,
        resources=machine_resources(notebook.cells, options, notebook.filename),
        aside=hooks.aside,
    )
    return Prepared(
        notebook,
        options,
        plan,
        _serial_counts(plan),
        name_tasks(graph),
        recipes(graph, parameters),
        dynamic.calls,
    )


def _unsendable(graph: FlowGraph) -> dict[int, str]:
    """Cells that set something of the process that no other process can be given."""
    found = {}
    for node in graph.nodes:
        names = sorted(node.ambient_writes - AMBIENT.keys())
        if names and not node.barrier:
            found[node.cell.number] = f"it may set {', '.join(names)}, for the cells after it"
    return found


def merge_options(declared: FlowOptions, given: Mapping[str, Any]) -> FlowOptions:
    """The notebook's options with those given for this run on top."""
    try:
        return dataclasses.replace(declared, **given)
    except TypeError as error:
        raise InputError(f"unknown option: {error}") from None


def check_cells(notebook: Notebook, given: Mapping[str, Any]) -> None:
    """Raise NotebookError for a cell that Python can't compile, unless a run with the options
    ``given`` goes on after errors."""
    check_syntax(notebook, merge_options(notebook.flow.options, given).allow_errors)


def check_folder(path: str | None, notebook: Notebook) -> str:
    """The run's working folder: ``path``, else the notebook's own. Absolute."""
    folder = Path(path) if path is not None else Path(notebook.path).absolute().parent
    if ("://" in notebook.path and path is None) or (notebook.path == "-" and path is None):
        folder = Path.cwd()
    if not folder.is_dir():
        raise NotebookError(
            "the working folder does not exist", where=str(folder), hint="make it, or give --cwd"
        )
    return str(folder.absolute())


def _serial_counts(plan: Plan) -> dict[int, int]:
    counts: dict[int, int] = {}
    for node in plan.graph.nodes:
        if plan.runs(node):
            counts[node.cell.number] = len(counts) + 1
    return counts


def _learned_edges(cells: Sequence[Cell], by_hash: Mapping[str, Cell], hints: Hints) -> list[Edge]:
    edges = []
    for cell in cells:
        for digest, names, reason in hints.get(source_hash(cell), {}).get("waits", ()):
            source = by_hash.get(digest)
            if source is not None and source.number < cell.number:
                edges.append(
                    Edge(source.number, cell.number, tuple(names), reason, EdgeKind.LEARNED)
                )
    return edges


def setup_cells(graph: FlowGraph) -> tuple[int, ...]:
    """The numbers of the setup cells."""
    return tuple(n.cell.number for n in graph.nodes if n.cell.kind is CellKind.SETUP)
