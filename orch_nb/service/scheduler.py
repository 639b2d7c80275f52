"""The scheduler: ticks become runs, late runs are marked, lost runs are settled."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from orch_nb.app.abandoned import LEASE
from orch_nb.service.crashes import CrashWatch
from orch_nb.service.presence import Presence
from orch_nb.store import Store
from orch_nb.store.queue_reading import has_open_runs
from orch_nb.store.queueing import drop_overdue, mark_late, sweep_ended
from orch_nb.store.ticking import LEAD, fire_due, next_due

LATE_AFTER = 15.0  # seconds past its time that a run may take to start
LONGEST_WAIT = 1.0  # seconds between looks: others may deploy meanwhile
_SHORTEST_WAIT = 0.02
_LOOK_AFTER = 1.0  # seconds between looks at the runs that are open
_AT_ONCE = 50  # runs that are marked or dropped before ticks are looked at again


@dataclass(slots=True)
class Counts:
    """What this scheduler has done, for the metrics."""

    runs: int = 0
    skipped: int = 0
    late: int = 0
    crashed: int = 0


class Scheduler:
    """One of any number of schedulers on a store."""

    def __init__(
        self,
        store: Store,
        *,
        presence: Presence | None = None,
        late_after: float = LATE_AFTER,
        lead: float = LEAD,
        lease: float = LEASE,
        woke: Callable[[], None] = lambda: None,
    ) -> None:
        self.counts = Counts()
        self._store = store
        self._presence = presence
        self._late_after = late_after
        self._lead = lead
        self._watch = CrashWatch(store, lease)
        self._woke = woke  # tells the worker of this process that there may be work
        self._looked = float("-inf")
        self._behind = False  # there are more late or overdue runs than were dealt with

    def step(self, now: datetime, monotonic: float) -> float:
        """Do what is due at ``now``; the seconds until there may be more to do."""
        if self._presence is not None:
            self._presence.show(now, monotonic, running=0)
        self._fire(now)
        if self._behind or monotonic - self._looked >= _LOOK_AFTER:
            self._looked = monotonic
            self._look_after(now, monotonic)
        return _SHORTEST_WAIT if self._behind else self._until_next(now)

    def _fire(self, now: datetime) -> None:
        due = next_due(self._store)
        if due is None or due > now + timedelta(seconds=self._lead):
            return
        more = True
        while more:
            fired = self._store.write(lambda t: fire_due(t, now, lead=self._lead))
            self.counts.runs += fired.runs
            self.counts.skipped += fired.skipped
            more = fired.more
            if fired.runs:
                self._woke()

    def _look_after(self, now: datetime, monotonic: float) -> None:
        """In parts: ticks that come due meanwhile must not wait for thousands of late runs."""
        self._behind = False
        self.counts.crashed += len(self._watch.look(now, monotonic))
        if not has_open_runs(self._store):
            return
        self._store.write(sweep_ended)
        dropped = self._store.write(lambda t: drop_overdue(t, now, _AT_ONCE))
        late = self._store.write(lambda t: mark_late(t, now, self._late_after, _AT_ONCE))
        self.counts.late += late
        self._behind = dropped >= _AT_ONCE or late >= _AT_ONCE

    def _until_next(self, now: datetime) -> float:
        due = next_due(self._store)
        if due is None:
            return LONGEST_WAIT
        wait = (due - now).total_seconds() - self._lead
        return min(max(wait, _SHORTEST_WAIT), LONGEST_WAIT)
