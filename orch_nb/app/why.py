"""What a run waits for, in sentences."""

from __future__ import annotations

import shlex
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from orch_nb.app.abandoned import settle_run
from orch_nb.durations import show_duration
from orch_nb.errors import NotFoundError
from orch_nb.model import FlowRun
from orch_nb.schedules.deployment import DeployedRun, WorkerRecord
from orch_nb.schedules.policy import Overlap
from orch_nb.states import StateName, StateType
from orch_nb.store import Store, is_gone, open_store
from orch_nb.store.deployments import get_version
from orch_nb.store.notices import list_notifications
from orch_nb.store.queue_reading import active_runs, deployed_run_of, queued_runs
from orch_nb.store.statistics import typical_seconds
from orch_nb.store.workers import list_workers

SILENT_AFTER = 15.0  # seconds without a sign of life
LOST_AFTER = 45.0  # after which its runs count as lost


@dataclass(frozen=True, slots=True)
class Reason:
    """The answer: a headline, reasons, and what happens next or can be done."""

    run: FlowRun
    headline: str
    reasons: tuple[str, ...]
    outlook: str


def why(called: str, *, now: datetime | None = None) -> Reason:
    """Why a run has not started, or is as it is. Raises NotFoundError."""
    now = now or datetime.now(UTC)
    with open_store() as store:
        run = settle_run(store, store.get_run(called))
        given = deployed_run_of(store, run.id)
        if run.state_type is StateType.SCHEDULED and given is not None:
            return _waiting(store, run, given, now)
        return _other(store, run)


def _waiting(store: Store, run: FlowRun, given: DeployedRun, now: datetime) -> Reason:
    called = given.deployment
    zone = _zone_of(store, given)
    due = given.due.astimezone(zone)
    behind = (now - given.due).total_seconds()
    if behind < 0:
        headline = f"{called} is Scheduled: due {due:%H:%M %Z}, in {_in_words(-behind)}."
        return Reason(run, headline, (), "Nothing keeps it: it starts at its time.")
    state = "Late" if run.state_name is StateName.LATE else "Scheduled"
    headline = f"{called} is {state}: due {due:%H:%M %Z}, {_in_words(behind)} ago. "
    headline += "Nothing has failed."
    workers = [w for w in list_workers(store) if w.kind == "worker" and w.state != "stopped"]
    known = [w for w in workers if w.pool == given.pool]
    silent = [w for w in known if _is_silent(w, now)]
    taking = [w for w in known if w not in silent and w.state != "draining"]
    reasons: list[str] = []
    outlook = "Starts within a moment."
    if blocking := _of_the_same(store, run, given, zone):
        reasons.append(blocking[0])
        outlook = f"Starts when it ends. Or: orch-nb cancel {blocking[1]}"
    if not taking:
        draining = len(known) > len(silent)
        reasons.append(
            f"the workers of pool '{given.pool}' are draining: they take nothing more"
            if draining
            else f"no worker of pool '{given.pool}' is alive"
        )
        outlook = f"Starts when one comes up: orch-nb worker --pool {shlex.quote(given.pool)}"
    else:
        limit, taken = sum(w.limit for w in taking), sum(w.running for w in taking)
        if taken >= limit:
            reasons.append(_full(store, given.pool, taken, limit, zone))
            outlook = (
                f"Starts when one slot frees. Or: orch-nb cancel RUN · worker --limit {limit + 2}"
            )
    ahead = [r for r, g in queued_runs(store, pool=given.pool) if g.due < given.due]
    if ahead and reasons:
        reasons.append(f"{len(ahead)} run{'s' if len(ahead) > 1 else ''} ahead of it in the queue")
    reasons += [_silence(worker, now, zone) for worker in silent]
    return Reason(run, headline, tuple(reasons), outlook)


def _of_the_same(
    store: Store, run: FlowRun, given: DeployedRun, zone: ZoneInfo
) -> tuple[str, str] | None:
    """What of its own deployment keeps the run, in words, and the run to wait for."""
    own = [
        (other, its)
        for other, its in active_runs(store, deployment_id=given.deployment_id)
        if other.id != run.id
    ]
    if given.max_active is not None:
        mates = [other for other, its in own if its.batch == given.batch]
        if len(mates) >= given.max_active:
            first = mates[0]
            words = f"its backfill runs at most {given.max_active} at once: {first.name} "
            return words + f"has not ended{_since(first, zone)}", first.name
    if own and given.overlap is not Overlap.ALLOW:
        first = own[0][0]
        words = f"{first.name} of the same deployment has not ended{_since(first, zone)}"
        return words, first.name
    return None


def _full(store: Store, pool: str, taken: int, limit: int, zone: ZoneInfo) -> str:
    text = f"pool '{pool}' full: {taken} of {limit}"
    active = active_runs(store, pool=pool)
    if active:
        oldest, given = active[0]
        text += f"; oldest {given.deployment}{_since(oldest, zone)}"
        typical = typical_seconds(store, given.deployment_id)
        if typical is not None:
            text += f" (typical {show_duration(typical)})"
    return text


def _since(run: FlowRun, zone: ZoneInfo) -> str:
    return "" if run.start_time is None else f" since {run.start_time.astimezone(zone):%H:%M}"


def _silence(worker: WorkerRecord, now: datetime, zone: ZoneInfo) -> str:
    left = LOST_AFTER - (now - worker.seen).total_seconds()
    text = f"{worker.name} silent since {worker.seen.astimezone(zone):%H:%M}"
    if is_gone(worker.holder):
        return f"{text}; its process is gone"
    return f"{text}; its lease ends in {_clock(left)}" if left > 0 else f"{text}; it was lost"


def _is_silent(worker: WorkerRecord, now: datetime) -> bool:
    return is_gone(worker.holder) or (now - worker.seen).total_seconds() > SILENT_AFTER


def _other(store: Store, run: FlowRun) -> Reason:
    """For a run that does not wait to be taken: what its record says."""
    headline = f"{run.name} of {run.flow} is {run.state_name}."
    reasons = [run.state_message] if run.state_message else []
    for item in list_notifications(store, run.id):
        trouble = f": {item.error}" if item.error else ""
        reasons.append(f"told of {item.state}: {item.status}{trouble}")
    outlook = f"orch-nb show {run.name}  has its tasks and history"
    if run.state_type in (StateType.FAILED, StateType.CRASHED, StateType.CANCELLED):
        outlook = f"orch-nb resume {run.name} --plan  says what a resume would do"
    return Reason(run, headline, tuple(reasons), outlook)


def _zone_of(store: Store, given: DeployedRun) -> ZoneInfo:
    try:
        schedules = get_version(store, given.deployment_id, given.version).spec.schedules
    except NotFoundError:
        schedules = ()
    return ZoneInfo(schedules[0].zone if schedules else "UTC")


def _in_words(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    if seconds < 172_800:
        return f"{seconds / 3600:.0f} h"
    return f"{seconds / 86_400:.0f} days"


def _clock(seconds: float) -> str:
    return time.strftime("%M:%S", time.gmtime(max(seconds, 0))).removeprefix("0")
