"""What a flow ran in a kernel, as runs that count from now on like those by hand."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from orch_nb.app.live_state import TO_BE_MADE, Standing
from orch_nb.app.requests import RunResult
from orch_nb.execution.by_hand import HandRun, fingerprints
from orch_nb.first_line import find_first_line
from orch_nb.graph.model import FlowGraph
from orch_nb.states import StateName


def hand_runs_of(
    graph: FlowGraph,
    standings: Mapping[int, Standing],
    result: RunResult,
    namespace: dict[str, Any],
    before: int | None,
    made: Mapping[int, Collection[str]],
) -> tuple[HandRun, ...]:
    """A record for each cell that the flow ran and whose results are bound now: those that stand
    before cell number ``before``, if it is given. ``made`` has the names that cells were seen to
    bind or change, by cell number."""
    cells: Sequence[Mapping[str, Any]] = result.document["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    tasks = {task.cell_number: task for task in result.tasks}
    ran = [
        node
        for node in graph.nodes
        if (standing := standings.get(node.cell.number)) is not None
        and standing.why
        and node.cell.number in tasks
        and tasks[node.cell.number].state_name in (StateName.COMPLETED, StateName.CACHED)
        and (before is None or node.cell.number < before)
    ]
    last_writer: dict[str, int] = {}
    for node in graph.nodes:
        # A cell that failed in the kernel may have changed something before it did.
        task = tasks.get(node.cell.number)
        if before is None or node.cell.number < before or (task and task.start_time is not None):
            names = made.get(node.cell.number, ())
            last_writer |= dict.fromkeys(names, node.cell.number)
    prints = fingerprints(namespace, last_writer)

    def version(name: str, maker: int) -> str:
        token = f"{TO_BE_MADE}{maker} in {result.run.id}"
        return prints.get(name, token) if last_writer.get(name) == maker else token

    found = []
    for node in ran:
        task, cell, raw = tasks[node.cell.number], node.cell, code[node.cell.number - 1]
        said = find_first_line(raw["source"].split("\n"))
        if said is not None and said.word == "flow":
            continue  # a flow's body runs whenever its cell does
        inputs = {
            name: version(name, int(seen.removeprefix(TO_BE_MADE)))
            if seen.startswith(TO_BE_MADE)
            else seen
            for name, seen in standings[cell.number].inputs.items()
        }
        bound = {name for name in made.get(cell.number, ()) if name in namespace}
        found.append(
            HandRun(
                number=0,
                source=raw["source"],
                cell_id=raw.get("id"),
                started=task.start_time or datetime.now(UTC),
                seconds=task.seconds or 0.0,
                ok=True,
                task=node.task,
                flow=result.run.name,
                bound=tuple(sorted(bound)),
                inputs=inputs if node.task else {},
                outputs={n: version(n, cell.number) for n in bound} if node.task else {},
            )
        )
    return tuple(found)


def standings_after_resume(
    graph: FlowGraph, brought: Collection[int], namespace: dict[str, Any]
) -> dict[int, Standing]:
    """How cells stand of which a resume brought the results here, as if they had just run."""
    version: dict[str, str] = {}
    found = {}
    for node in graph.nodes:
        number = node.cell.number
        if number in brought:
            names = {name for name in node.reads | node.changes if name in namespace}
            version |= fingerprints(namespace, names - version.keys())
            inputs = {name: version[name] for name in names}
            found[number] = Standing(number, why="resumed", inputs=inputs)
            version |= dict.fromkeys(node.writes, f"{TO_BE_MADE}{number}")
    return found
