"""What is up to date in a kernel, and what a flow has to run. Pure.

The cells are gone through in document order, as a serial run would have it: each name has the
version that the last cell above made. A cell counts as done when it was run with its present text
on just these versions, and what it made is still what the kernel holds, or is not needed.
"""

from __future__ import annotations

import functools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import PurePath

from orch_nb.app.live_edits import task_name
from orch_nb.errors import OrchError
from orch_nb.execution.by_hand import HandRun
from orch_nb.graph.model import EdgeKind, FlowGraph, Node
from orch_nb.model import Cell, CellKind
from orch_nb.notebook.cells import read_cell

# Versions of which no fingerprint is known: made by a cell that will run, and made by one that
# has run, before other cells changed it.
TO_BE_MADE = "made by cell "
_EARLIER = "as it was after cell "
_PARAMETERS = (CellKind.PARAMETERS, CellKind.INJECTED)


@dataclass(frozen=True, slots=True)
class KernelState:
    """What the kernel holds: fingerprints by name of what the cells may read or write (names that
    are not bound are left out), the runs by hand, when files were last changed, by path, the
    source files of the modules that tasks use, and the texts of cells that are planned with
    another, as they stand in the notebook, both by number."""

    prints: Mapping[str, str]
    runs: Sequence[HandRun]
    changed_files: Mapping[str, datetime] = field(default_factory=dict)
    modules: Mapping[int, Collection[str]] = field(default_factory=dict)
    refresh: bool = False
    given: bool = False  # values of parameters that the kernel does not hold yet
    texts: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Standing:
    """How one cell stands: ``current`` says in words why it need not run; else ``why`` it must.
    ``inputs`` are the versions that it reads, by name."""

    cell: int
    current: str = ""
    why: str = ""
    inputs: Mapping[str, str] = field(default_factory=dict)


def judge(graph: FlowGraph, cells: Collection[Node], state: KernelState) -> dict[int, Standing]:
    """How each of ``cells`` stands, by cell number. ``cells`` are those that a run would run."""
    judge = _Judge(graph, cells, state)
    return judge.settle()


class _Judge:
    def __init__(self, graph: FlowGraph, cells: Collection[Node], state: KernelState) -> None:
        self._graph = graph
        self._nodes = list(cells)
        self._state = state
        written = [
            replace(node.cell, source=state.texts.get(node.cell.number, node.cell.source))
            for node in self._nodes
        ]
        self._runs = match_runs(written, state.runs)
        self._sources: dict[int, list[int]] = {}  # whose work each cell needs
        for edge in graph.edges:
            if edge.kind is not EdgeKind.ORDER:
                self._sources.setdefault(edge.target, []).append(edge.source)
        self._forced: dict[int, str] = {}
        if state.refresh:
            self._forced = {
                n.cell.number: "asked for" for n in self._nodes if n.cell.kind not in _PARAMETERS
            }

    def settle(self) -> dict[int, Standing]:
        """Judge again until no further cell has to run for the sake of another."""
        while True:
            standings, wanted = self._pass()
            fresh = {cell: why for cell, why in wanted.items() if cell not in self._forced}
            if not fresh:
                return standings
            self._forced |= fresh

    def _pass(self) -> tuple[dict[int, Standing], dict[int, str]]:
        """All standings, and the cells that must run beside those, each with the reason."""
        version: dict[str, str] = {}  # of each name, at this point of the notebook
        maker: dict[str, int] = {}  # the cell that made it
        running: set[int] = set()
        standings: dict[int, Standing] = {}
        wanted: dict[int, str] = {}
        for node in self._nodes:
            number = node.cell.number
            inputs = {
                name: version.get(name, self._state.prints.get(name, ""))
                for name in node.reads | node.changes
                if name in version or name in self._state.prints
            }
            why = self._why(node, inputs, running, standings)
            current = "" if why else self._current(node)
            standings[number] = Standing(number, current, why, inputs)
            if why:
                running.add(number)
                for name in node.reads | node.changes:
                    # What it reads must be what the kernel holds, or be made again.
                    made = maker.get(name)
                    held = self._state.prints.get(name)
                    if made is not None and made not in running and version[name] != held:
                        wanted[made] = f"makes {name}, which {_label(node.cell)} reads"
                for name in node.writes:
                    version[name], maker[name] = f"{TO_BE_MADE}{number}", number
                continue
            for name, seen in self._seen(node).items():
                if version.get(name, "").startswith(_EARLIER):
                    version[name] = seen
            for name, made_as in self._outputs(node).items():
                if maker.get(name) in running:
                    wanted[number] = f"sets {name} anew, after {self._name(maker[name])}"
                version[name], maker[name] = made_as, number
        for name, number in maker.items():
            # At the end the kernel holds what the last cell made of each name.
            lost = version[name] != self._state.prints.get(name)
            if number not in running and lost:
                wanted[number] = f"its {name} is no longer there"
        return standings, wanted

    def _why(
        self,
        node: Node,
        inputs: Mapping[str, str],
        running: Collection[int],
        standings: Mapping[int, Standing],
    ) -> str:
        """Why the cell must run; "" when it need not."""
        number = node.cell.number
        if number in self._forced:
            return self._forced[number]
        for source in self._sources.get(number, ()):
            if source in running:
                return f"needs {self._name(source)}"
        if node.cell.kind is CellKind.INJECTED and self._state.given:
            return "given with -p"
        if node.cell.kind in _PARAMETERS:
            missing = sorted(name for name in node.binds if name not in self._state.prints)
            return f"sets {', '.join(missing)}" if missing else ""
        run = self._runs.get(number)
        if run is None:
            edited = any(r.task for r in self._state.runs if _same_name(r, node.cell))
            return "edited" if edited else "not run yet"
        if not run.ok:
            return f"failed by hand: {run.error}" if run.error else "failed by hand"
        if run.deferred:
            return "deferred"
        modules = sorted(self._state.modules.get(number, ()))
        for path in (*node.files_read, *modules):
            changed = self._state.changed_files.get(path)
            if changed is not None and changed > run.started:
                return f"{PurePath(path).name if path in modules else path} has changed"
        if run.task:
            return self._changed_input(run, inputs)
        return self._overtaken(node, run, standings)

    def _overtaken(self, node: Node, run: HandRun, standings: Mapping[int, Standing]) -> str:
        """A cell without fingerprints counts as done until one that it needs was run after it."""
        if node.imports_only:
            return ""
        lost = sorted(name for name in node.binds if name not in self._state.prints)
        if lost:
            return f"its {lost[0]} is no longer there"
        for source in self._sources.get(node.cell.number, ()):
            other = self._runs.get(source)
            if other is not None and source in standings and other.started > run.started:
                return f"{self._name(source)} was run after it"
        return ""

    def _outputs(self, node: Node) -> Mapping[str, str]:
        """The versions that a cell which is done has made."""
        number = node.cell.number
        run = self._runs.get(number)
        if run is not None and run.outputs:
            return run.outputs
        prints = self._state.prints
        if node.cell.kind in _PARAMETERS or (run is not None and not run.task):
            return {
                name: f"{_EARLIER}{number}" if self._is_changed_since(run, name) else prints[name]
                for name in node.writes
                if name in prints
            }
        return {}

    def _seen(self, node: Node) -> Mapping[str, str]:
        """The versions that a cell which is done has read."""
        run = self._runs.get(node.cell.number)
        return {} if run is None else run.inputs

    def _changed_input(self, run: HandRun, inputs: Mapping[str, str]) -> str:
        """Which of its inputs have changed since the run, in words."""
        changed = []
        for name, seen in run.inputs.items():
            now = inputs.get(name, seen)
            if now.startswith(_EARLIER):
                # What it saw is what that cell made, unless a task was run in between.
                maker = self._runs.get(int(now.removeprefix(_EARLIER)))
                if self._is_changed_since(maker, name, before=run):
                    changed.append(name)
            elif now != seen:
                changed.append(name)
        return f"{', '.join(sorted(changed)[:3])} changed" if changed else ""

    def _is_changed_since(
        self, made: HandRun | None, name: str, before: HandRun | None = None
    ) -> bool:
        """Whether a task was run after ``made`` (and before ``before``) and gave the name another
        value. What was changed by other means is the user's wish."""
        return any(
            run.task
            and name in run.outputs
            and (made is None or run.started > made.started)
            and (before is None or run.started < before.started)
            for run in self._state.runs
        )

    def _current(self, node: Node) -> str:
        run = self._runs.get(node.cell.number)
        if node.cell.kind in _PARAMETERS:
            return "the kernel's values"
        if run is None:
            return ""
        clock = run.started.astimezone().strftime("%H:%M")
        return f"ran by hand, {clock}" if not run.flow else f"ran in {run.flow}, {clock}"

    def _name(self, number: int) -> str:
        return _label(self._graph.node(number).cell)


def match_runs(cells: Sequence[Cell], runs: Sequence[HandRun]) -> dict[int, HandRun]:
    """The latest run by hand of each cell's present text, by cell number.

    A cell is known by its id where the front-end tells it, else by its text: of cells with the
    same text the n-th takes the n-th of the runs' last ones.
    """
    found: dict[int, HandRun] = {}
    texts: dict[str, list[HandRun]] = {}
    last_of: dict[str | None, HandRun] = {}
    for run in runs:
        texts.setdefault(body_of(run.source), []).append(run)
        last_of[run.cell_id] = run
    for text, same_text in texts.items():
        same_cells = [cell for cell in cells if cell.source.strip() == text]
        for place, cell in enumerate(same_cells):
            own = [run for run in same_text if run.cell_id == cell.id]
            others = [run for run in same_text if run.cell_id not in {c.id for c in same_cells}]
            if own:
                if last_of[cell.id] is own[-1]:  # else its text was another in between
                    found[cell.number] = own[-1]
            elif len(same_cells) == 1 and others:
                found[cell.number] = others[-1]
            elif len(others) >= len(same_cells):
                found[cell.number] = others[place - len(same_cells)]
    return found


@functools.lru_cache(maxsize=1000)
def body_of(source: str) -> str:
    """A cell's text as the flow runs it, without its `%%task` line."""
    raw = {"source": source, "metadata": {}}
    try:
        cell = read_cell(raw, number=1, position=0, id="", notebook="").cell
    except OrchError:
        return source.strip()
    return cell.source.strip()


def _same_name(run: HandRun, cell: Cell) -> bool:
    return cell.named and task_name(run.source) == cell.name


def _label(cell: Cell) -> str:
    return cell.name if cell.named else f"cell {cell.number}"
