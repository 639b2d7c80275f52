"""Delete old runs with all that is kept of them, and keep single runs from that."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial

from orch_nb.app.abandoned import settle_runs
from orch_nb.app.housekeeping import needed_values
from orch_nb.errors import InputError
from orch_nb.model import FlowRun
from orch_nb.results.location import Location, open_results
from orch_nb.store import Store, open_store
from orch_nb.store.retention import delete_ended, ended_runs, only_named_by, pin_run

_TOGETHER = 200  # runs deleted in one transaction
_LONGEST_AGE = 100 * 365 * 86400.0  # seconds


@dataclass(frozen=True, slots=True)
class CleanRequest:
    """Which runs to delete: those that ended over ``older_than`` seconds ago, of one ``flow`` or
    of all, but for the ``keep_last`` newest of each flow."""

    older_than: float | None = None
    flow: str | None = None
    keep_last: int | None = None
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class Cleaned:
    """What was deleted, or with ``dry_run`` would be. ``pinned`` runs are old enough, and stay."""

    runs: tuple[FlowRun, ...]
    values: int
    size: int  # bytes of those values
    pinned: int = 0


def clean(request: CleanRequest, now: datetime | None = None) -> Cleaned:
    """Delete ended runs: their record, logs, and the values that no other run names.

    A pinned run stays, and so does one that has not ended. Raises InputError when neither an age
    nor a number to keep was given, and ResultError when the results' place can't be reached.
    """
    if request.older_than is None and request.keep_last is None:
        raise InputError(
            "nothing says which runs are old",
            hint="orch-nb clean --older-than 30d  or  --keep-last 10",
        )
    age = min(request.older_than or 0.0, _LONGEST_AGE)
    until = (now or datetime.now(UTC)) - timedelta(seconds=age)
    with open_store() as store:
        settle_runs(store)  # a killed one has ended
        found = list(_old_runs(store, request, until))
        victims = [run for run in found if not run.pinned]
        pinned = len(found) - len(victims)
        if request.dry_run:
            values = only_named_by(store, [run.id for run in victims])
            return Cleaned(tuple(victims), len(values), sum(values.values()), pinned)
        location = open_results()
        return replace(delete_runs(store, location, victims), pinned=pinned)


def keep(called: str, *, pinned: bool = True) -> FlowRun:
    """Mark a run so that it is never cleaned away, or take the mark away; returns it as it is
    now. Raises NotFoundError."""
    with open_store() as store:
        run = store.get_run(called)
        store.write(lambda t: pin_run(t, run.id, pinned=pinned))
        return store.get_run(run.id)


def _old_runs(store: Store, request: CleanRequest, until: datetime) -> Iterable[FlowRun]:
    """Ended runs that are old by age and by number, pinned ones included."""
    newer: Counter[str] = Counter()
    for run in ended_runs(store, flow=request.flow):
        newer[run.flow] += 1
        if request.keep_last is not None and newer[run.flow] <= request.keep_last:
            continue
        ended = run.end_time or run.start_time or run.scheduled_time
        if request.older_than is None or (ended is not None and ended < until):
            yield run


def delete_runs(store: Store, location: Location, victims: Sequence[FlowRun]) -> Cleaned:
    """Delete those of the runs that are as they were seen, ended and held by nobody, and the
    values that no other run names. Raises ResultError."""
    gone: set[str] = set()
    values: dict[str, int] = {}
    for start in range(0, len(victims), _TOGETHER):
        part = victims[start : start + _TOGETHER]
        # The record first: a value that is said to be kept must be there.
        deleted = store.write(partial(delete_ended, runs=part))
        gone |= set(deleted.runs)
        values |= deleted.values
    freed = _delete_values(store, location, values)
    runs = tuple(run for run in victims if run.id in gone)
    return Cleaned(runs, len(freed), sum(freed.values()))


def _delete_values(store: Store, location: Location, values: dict[str, int]) -> dict[str, int]:
    """Delete blobs that no result names, unless a run that goes on may have just written them
    again: it records them later. Those are found by the cap on all values, in their time."""
    if not values:
        return {}
    _, since = needed_values(store)
    written = {blob.digest: blob.modified for blob in location.list() if blob.digest in values}
    freed = {digest: values[digest] for digest, at in written.items() if at < since}
    for digest in freed:
        location.delete(digest)
    return freed
