"""What a run learned of a notebook's cells, for the runs after it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from orch_nb.app.preparing import Prepared
from orch_nb.app.recipes import source_hash
from orch_nb.engine.messages import Learn
from orch_nb.engine.recording import Recording
from orch_nb.execution.job import Outcome


def new_hints(
    prepared: Prepared, recording: Recording, outcomes: Mapping[int, Outcome]
) -> dict[str, Any]:
    """What this run learned of each cell that ran: its time, and what the analysis missed."""
    cells = {cell.number: cell for cell in prepared.notebook.cells}
    hints: dict[str, dict[str, Any]] = {}
    for number, outcome in outcomes.items():
        if outcome.ok and number not in prepared.plan.known and not outcome.cached:
            hints[source_hash(cells[number])] = {"seconds": round(outcome.seconds, 4)}
    for edge in prepared.graph.edges:
        if edge.kind == "learned" and edge.target in cells:
            digest = source_hash(cells[edge.source])
            hint = hints.setdefault(source_hash(cells[edge.target]), {})
            hint.setdefault("waits", []).append([digest, list(edge.names), edge.reason])
    for number, reason in prepared.plan.at_home.items():
        hints.setdefault(source_hash(cells[number]), {})["home"] = reason
    for learned in (*recording.learned, *_collisions(recording, outcomes)):
        if not learned.target:
            if learned.source in outcomes and outcomes[learned.source].no_room:
                continue  # there may be room next time
            hints.setdefault(source_hash(cells[learned.source]), {})["home"] = learned.reason
            continue
        digest = source_hash(cells[learned.source])
        hint = hints.setdefault(source_hash(cells[learned.target]), {})
        hint.setdefault("waits", []).append([digest, list(learned.names), learned.reason])
    return hints


def _collisions(recording: Recording, outcomes: Mapping[int, Outcome]) -> Iterator[Learn]:
    """Files that a later cell wrote in native code, where nothing could hold it back, while an
    earlier one used them. This run can't undo it: it says so, and the next one keeps the order."""
    users: dict[str, list[int]] = {}
    for number, outcome in outcomes.items():
        for path in {*outcome.files_read, *outcome.files_written}:
            users.setdefault(path, []).append(number)
    for number, later in outcomes.items():
        begun = recording.tasks[number].start_time
        shared: dict[int, list[str]] = {}
        for path in sorted(later.files_unseen):
            for other in users.get(path, ()):
                shared.setdefault(other, []).append(path)
        for other, names in shared.items():
            ended = recording.tasks[other].end_time
            if other < number and begun and ended and ended > begun:
                files = ", ".join(names)
                told = f"wrote {files} while cell {other} used it"
                yield Learn(other, number, tuple(names), told)
                recording.notice(
                    f"cell {number} wrote {files} while cell {other} used it, so their values may "
                    "not be those of a serial run; the next run keeps them in order"
                )
