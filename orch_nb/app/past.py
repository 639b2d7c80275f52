"""A recorded run with the values that were kept of it, to be brought into a namespace again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from orch_nb.app.abandoned import settle_run
from orch_nb.app.finding import no_task
from orch_nb.errors import ResultError
from orch_nb.execution.anatomy_arrays import register_loaded
from orch_nb.execution.job import Outcome, outcome_from
from orch_nb.execution.values import ApplyError, unpack
from orch_nb.graph.build import build_graph
from orch_nb.graph.model import FlowGraph
from orch_nb.model import Cell, CellsMode, FlowRun, TaskRun
from orch_nb.option_text import is_derived_name
from orch_nb.results.blob import Manifest, read_blob
from orch_nb.results.checking import signature_of
from orch_nb.results.location import open_results
from orch_nb.results.signing import KeyRing
from orch_nb.states import StateName
from orch_nb.store import ResultRecord, Store

Namespace = dict[str, Any]


@dataclass(frozen=True, slots=True)
class CellResult:
    """What is on record of one cell of the run."""

    task: TaskRun
    source: str  # as it was run, without its `%%task` line
    outcome: Outcome | None = None  # of its last attempt that was recorded
    kept: ResultRecord | None = None
    why_not: str = "it did not run"

    @property
    def makes(self) -> frozenset[str]:
        """The names that it bound or changed."""
        if self.outcome is None:
            return frozenset()
        return frozenset((*self.outcome.bound, *self.outcome.changed))


@dataclass(frozen=True, slots=True)
class PastRun:
    """A run and its cells, in document order."""

    run: FlowRun
    cells: tuple[CellResult, ...]
    graph: FlowGraph
    keyring: KeyRing

    def cell(self, called: str) -> CellResult:
        """The cell of that task name or number. Raises NotFoundError."""
        for cell in self.cells:
            if called in (cell.task.name, str(cell.task.cell_number)):
                return cell
        raise no_task([cell.task for cell in self.cells], self.run, called)


@dataclass(slots=True)
class Loaded:
    """Values brought back: by name, and for names that were not to be had, why."""

    values: Namespace = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)


def read_past(store: Store, called: str) -> PastRun:
    """A run as recorded. Raises NotFoundError."""
    run = settle_run(store, store.get_run(called))
    tasks = store.task_runs(run.id)
    sources = store.sources(task.source_hash for task in tasks)
    results: dict[str, list[ResultRecord]] = {}
    for result in store.results(run.id):
        results.setdefault(result.task_run_id, []).append(result)
    # what was called has no place of its own among the cells, and is kept as values of calls
    tasks = tuple(task for task in tasks if not task.is_call)
    cells = tuple(
        _cell_result(task, sources.get(task.source_hash, ""), results.get(task.id, ()))
        for task in sorted(tasks, key=lambda task: task.cell_number)
    )
    graph = build_graph([_as_cell(cell) for cell in cells], CellsMode.ALL, ())
    return PastRun(run, cells, graph, store.keyring())


def _cell_result(task: TaskRun, source: str, results: Sequence[ResultRecord]) -> CellResult:
    outcome = kept = None
    why_not = "it did not run"
    if task.state_name is StateName.CACHED:
        why_not = f"it was up to date then ({task.state_message})"
    for result in reversed(results):
        if result.outcome is None or "outputs" not in result.outcome:
            continue  # as above: of a flow of functions
        told = outcome_from(result.outcome)
        outcome = outcome or told
        if result.kept:
            return CellResult(task, source, told, result, "")
        if task.state_name is not StateName.CACHED:
            why_not = result.reason or why_not
    return CellResult(task, source, outcome, kept, why_not)


def _as_cell(cell: CellResult) -> Cell:
    task = cell.task
    return Cell(
        number=task.cell_number,
        position=task.cell_number,
        id=task.cell_id,
        name=task.name,
        kind=task.kind,
        source=cell.source,
        named=not is_derived_name(task.name),
    )


def load_names(past: PastRun, names: Iterable[str], before: int, space: Namespace) -> Loaded:
    """The values that ``names`` had before cell number ``before`` ran, as far as kept.

    Functions come back as ``space``'s own. Nothing in ``space`` is touched: what it holds of the
    names concerned is there again when this returns. Every value's signature is checked first.
    """
    wanted = set(names)
    chain, missing = _chain(past, wanted, before)
    involved = wanted | {name for cell in chain for name in _speaks_of(cell)}
    own = {name: space.pop(name) for name in involved if name in space}
    loaded = Loaded(missing=missing)
    try:
        for cell in chain:
            try:
                _apply(past, cell, space)
            except (ApplyError, ResultError) as error:
                for name in cell.makes & wanted:
                    loaded.missing[name] = f"{_label(cell)}: {error}"
        loaded.values = {name: space[name] for name in wanted if name in space}
    finally:
        for name in involved:
            space.pop(name, None)
        space.update(own)
    for name in loaded.values:
        loaded.missing.pop(name, None)
    return loaded


def _chain(past: PastRun, wanted: set[str], before: int) -> tuple[list[CellResult], dict[str, str]]:
    """The kept cells whose changes give the names their values, in document order; and why the
    names of others are not to be had."""
    need, chain, missing = set(wanted), [], {}
    for cell in reversed(past.cells):
        if cell.task.cell_number >= before or not cell.makes & need:
            continue
        if cell.kept is None:
            for name in cell.makes & wanted:
                missing[name] = f"{_label(cell)} was not kept: {cell.why_not}"
            continue
        chain.append(cell)
        outcome = cell.outcome
        if outcome is not None:
            need -= set(outcome.bound) - set(outcome.refs) - set(outcome.changed)
            need |= set(outcome.refs) | set(outcome.changed)
    chain.reverse()
    return chain, missing


def _speaks_of(cell: CellResult) -> set[str]:
    outcome = cell.outcome
    return set() if outcome is None else {*outcome.refs, *outcome.deleted, *cell.makes}


def _apply(past: PastRun, cell: CellResult, space: Namespace) -> None:
    result = cell.kept
    if result is None or result.manifest is None:
        raise ResultError(f"was not kept: {cell.why_not}")
    manifest = Manifest.from_json(result.manifest)
    past.keyring.verify(manifest, signature_of(result))
    location = open_results()
    path = location.fetch(manifest.digest)
    data, buffers = read_blob(path, manifest, check_buffers=True)
    register_loaded()
    unpack(data, list(buffers), space)


def _label(cell: CellResult) -> str:
    return f"cell {cell.task.cell_number} '{cell.task.name}'"
