"""Who schedules and works, and who was lost."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from orch_nb.app.why import LOST_AFTER, SILENT_AFTER
from orch_nb.schedules.deployment import WorkerRecord
from orch_nb.store import is_gone, open_store
from orch_nb.store.workers import forget_workers, list_workers

_REMEMBERED = 86_400.0  # seconds that one that has ended is shown


@dataclass(frozen=True, slots=True)
class Seen:
    """A scheduler or worker, and what can be said of it: "alive", "draining", "silent", "lost",
    "stopped"."""

    worker: WorkerRecord
    condition: str
    silence: float  # seconds since its last sign of life


def workers() -> tuple[Seen, ...]:
    """All that are known; those that ended a day ago are forgotten."""
    now = datetime.now(UTC)
    with open_store() as store:
        found = [_look(worker, now) for worker in list_workers(store)]
        gone = [
            seen.worker.id
            for seen in found
            if seen.condition in ("stopped", "lost") and seen.silence > _REMEMBERED
        ]
        store.write(lambda t: forget_workers(t, gone))
    return tuple(seen for seen in found if seen.worker.id not in gone)


def _look(worker: WorkerRecord, now: datetime) -> Seen:
    silence = (now - worker.seen).total_seconds()
    if worker.state == "stopped":
        condition = "stopped"
    elif is_gone(worker.holder) or silence > LOST_AFTER:
        condition = "lost"
    elif silence > SILENT_AFTER:
        condition = "silent"
    else:
        condition = "draining" if worker.state == "draining" else "alive"
    return Seen(worker, condition, silence)
