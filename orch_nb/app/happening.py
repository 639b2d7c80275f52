"""What happens to all runs, as numbered events: nothing is missed, nothing comes twice.

An event's ``cursor`` is its number in the store's history. Whoever remembers the last cursor that
it has seen goes on from there, with another process or on another day.
"""

from __future__ import annotations

from collections.abc import Sequence

from orch_nb.app.abandoned import settle_runs
from orch_nb.app.plain import plain_line
from orch_nb.model import Json
from orch_nb.states import TYPE_OF
from orch_nb.store import Store, open_store
from orch_nb.store.deployments import list_deployments
from orch_nb.store.watching import Happening, Horizon, complete_part, happenings
from orch_nb.wire import format_time

MOST = 500  # events of one look


class History:
    """The store's history as events; from any thread, one at a time for ``look``."""

    def __init__(self) -> None:
        self._store: Store = open_store()
        self._horizon = Horizon()

    def look(self) -> int:
        """The cursor of the newest event before which nothing can come any more."""
        return self._horizon.look(self._store)

    def read(self, after: int, limit: int = MOST) -> list[Json]:
        """The events after a cursor, the oldest first."""
        found = happenings(self._store, after=after, limit=limit)
        return events(complete_part(found, after=after, horizon=self._horizon.number))

    def settle(self) -> None:
        """Record runs whose process is gone, so that watchers are told of their end."""
        settle_runs(self._store)

    def deployments_mark(self) -> str:
        """A text that changes when a deployment does."""
        found = list_deployments(self._store)
        return repr([(one.id, one.version, one.paused, one.updated) for one in found])

    def close(self) -> None:
        """Close the store."""
        self._store.close()


def events(found: Sequence[Happening]) -> list[Json]:
    """Rows of the history as JSON; ``cell`` and ``task`` are None where the run itself changed."""
    return [
        {
            "type": "change",
            "cursor": one.number,
            "time": format_time(one.time),
            "run": one.run_id,
            "name": plain_line(one.run, 80),
            "flow": plain_line(one.flow, 120),
            "notebook": one.notebook,
            "task": None if one.task is None else plain_line(one.task, 120),
            "task_run": one.task_id,
            "cell": one.cell,
            "cell_id": one.cell_id,
            "old": one.old,
            "new": one.new,
            "state_type": TYPE_OF[one.new],
            "message": plain_line(one.message, 300),
            "attempt": one.attempt,
        }
        for one in found
    ]
