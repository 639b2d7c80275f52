"""Ticks that are due become runs, or rows that say why not: each once, whoever asks.

Everything about one tick happens in one transaction that holds its schedule's row, and a tick
is unique in its table: a scheduler that dies in between leaves it for the next one.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from sqlalchemy import bindparam, func, select, update

from orch_nb.model import FlowRun, FlowRunId
from orch_nb.schedules.deployment import DeployedRun, DeploymentId, DeploymentSpec, Origin
from orch_nb.schedules.model import Schedule
from orch_nb.schedules.policy import CatchUp, Decision, Overlap, decide
from orch_nb.schedules.ticks import next_ticks, ticks_after
from orch_nb.store.deployment_rows import TAKEN, WAITING
from orch_nb.store.deployment_tables import (
    DEPLOYED_RUNS,
    DEPLOYMENT_VERSIONS,
    DEPLOYMENTS,
    SCHEDULES,
    TICKS,
)
from orch_nb.store.deployments import Cursor
from orch_nb.store.enqueueing import enqueue, scheduled_run
from orch_nb.store.queueing import drop_waiting
from orch_nb.store.rows import text
from orch_nb.store.store import Store
from orch_nb.store.tables import FLOW_RUNS
from orch_nb.store.times import micros, moment
from orch_nb.store.transaction import Transaction
from orch_nb.store.upsert import upsert_into

LEAD = 1.0  # seconds before its time that a tick's run may be recorded: then nobody waits for it
_MOST_MISSED = 2_000  # ticks of one schedule that are decided in one transaction
_BY = "scheduler"
_EARLY = frozenset({Overlap.QUEUE, Overlap.ALLOW})  # they decide nothing at the tick itself

_MOVE = (
    update(SCHEDULES)
    .where(
        SCHEDULES.c.deployment_id == bindparam("of_deployment"),
        SCHEDULES.c.position == bindparam("of_position"),
    )
    .values(next_time=bindparam("new_next"), last_time=bindparam("new_last"))
)


@dataclass(frozen=True, slots=True)
class Fired:
    """What one call did: runs recorded, ticks skipped, and whether more may be due."""

    runs: int = 0
    skipped: int = 0
    more: bool = False


@dataclass(frozen=True, slots=True)
class _Due:
    """A schedule whose next tick is due."""

    deployment_id: DeploymentId
    deployment: str
    version: int
    position: int
    next_time: datetime
    last_time: datetime | None
    spec: DeploymentSpec

    @property
    def schedule(self) -> Schedule:
        return self.spec.schedules[self.position]


def first_cursors(spec: DeploymentSpec, now: datetime) -> tuple[Cursor, ...]:
    """The cursors of a version's schedules when they begin ``now``."""
    cursors: list[Cursor] = []
    for schedule in spec.schedules:
        coming = next_ticks(schedule, now, 2)
        cursors.append(
            (
                micros(coming[0]) if coming else None,
                micros(_tick_before(schedule, coming)) if len(coming) > 1 else None,
            )
        )
    return tuple(cursors)


def _tick_before(schedule: Schedule, coming: Sequence[datetime]) -> datetime | None:
    """The tick before the first of two that follow each other, looked for in growing steps."""
    span = coming[1] - coming[0]
    for _ in range(12):
        last = None
        for tick in ticks_after(schedule, coming[0] - span):
            if tick >= coming[0]:
                break
            last = tick
        if last is not None:
            return last
        span *= 2
    return None


def next_due(store: Store) -> datetime | None:
    """The earliest tick of any schedule that is not decided yet."""
    (row,) = store.query(select(func.min(SCHEDULES.c.next_time).label("next_time")))
    earliest: int | None = row["next_time"]
    return moment(earliest)


def fire_due(
    transaction: Transaction, now: datetime, *, lead: float = LEAD, limit: int = 1000
) -> Fired:
    """Decide every tick up to ``lead`` seconds after ``now``, of at most ``limit`` schedules."""
    horizon = now + timedelta(seconds=lead)
    due = _lock_due(transaction, horizon, limit)
    active = _active_runs(transaction, due)
    ticks: list[dict[str, Any]] = []
    wanted: dict[tuple[str, int], tuple[FlowRun, DeployedRun]] = {}
    cancelled: set[str] = set()
    moves: list[dict[str, Any]] = []
    more = len(due) == limit
    for schedule in due:
        early = schedule.spec.policy.overlap in _EARLY
        until = horizon if early else now
        passed, following, complete = _passed(schedule, until)
        if not passed:
            continue
        more |= not complete
        decisions = _decide(schedule, passed, complete, active, now)
        if not complete:  # the undecided rest is for the next call
            passed, following = passed[: len(decisions)], passed[len(decisions)]
        last = schedule.last_time
        for decision in decisions:
            row, run = _outcome(schedule, decision, last, now)
            ticks.append(row)
            if run is not None:
                wanted[(schedule.deployment_id, row["scheduled_time"])] = run
            cancelled.update(decision.cancels)
            last = decision.tick
        moves.append(
            {
                "of_deployment": schedule.deployment_id,
                "of_position": schedule.position,
                "new_next": micros(following),
                "new_last": micros(passed[-1]),
            }
        )
    if not moves:
        return Fired(more=False)
    kept = _record_ticks(transaction, ticks)
    runs = [run for key, run in wanted.items() if key in kept]
    why = "a later tick took its place (overlap cancel-running)"
    drop_waiting(transaction, cancelled, why, now)
    enqueue(transaction, runs, by=_BY)
    transaction.connection.execute(_MOVE, moves)
    return Fired(len(runs), len(kept) - len(runs), more)


def _lock_due(transaction: Transaction, horizon: datetime, limit: int) -> list[_Due]:
    schedules, versions = SCHEDULES.c, DEPLOYMENT_VERSIONS.c
    statement = (
        select(SCHEDULES, DEPLOYMENTS.c.name, DEPLOYMENTS.c.version, versions.spec)
        .join(DEPLOYMENTS, DEPLOYMENTS.c.id == schedules.deployment_id)
        .join(
            DEPLOYMENT_VERSIONS,
            (versions.deployment_id == DEPLOYMENTS.c.id)
            & (versions.version == DEPLOYMENTS.c.version),
        )
        .where(schedules.next_time <= micros(horizon))
        .order_by(schedules.next_time, schedules.deployment_id)
        .limit(limit)
        .with_for_update(of=SCHEDULES, skip_locked=True)
    )
    return [
        _Due(
            DeploymentId(row.deployment_id),
            row.name,
            row.version,
            row.position,
            moment(row.next_time),
            moment(row.last_time),
            DeploymentSpec.from_json(json.loads(row.spec)),
        )
        for row in transaction.connection.execute(statement)
    ]


def _passed(due: _Due, until: datetime) -> tuple[list[datetime], datetime | None, bool]:
    """The ticks up to ``until``, the one after them, and whether these are all there are."""
    passed: list[datetime] = []
    if due.next_time > until:
        return passed, due.next_time, True
    passed.append(due.next_time)
    ahead = max(due.spec.policy.max_catch_up, 1)
    for tick in islice(ticks_after(due.schedule, due.next_time), _MOST_MISSED + ahead):
        if tick > until:
            return passed, tick, True
        passed.append(tick)
    return passed, None, len(passed) <= _MOST_MISSED + ahead


def _decide(
    due: _Due,
    passed: list[datetime],
    complete: bool,
    active: dict[str, list[tuple[str, str]]],
    now: datetime,
) -> tuple[Decision, ...]:
    policy = due.spec.policy
    if complete:
        return decide(passed, policy, running=active.get(due.deployment_id, ()), now=now)
    # Far behind: the oldest can't be among those that are kept, however many follow.
    kept = policy.max_catch_up if policy.catch_up is CatchUp.ALL else 1
    decided = decide(passed, policy, running=(), now=now)
    return decided[: len(passed) - max(kept, 1)]


def _outcome(
    due: _Due, decision: Decision, last: datetime | None, now: datetime
) -> tuple[dict[str, Any], tuple[FlowRun, DeployedRun] | None]:
    row = {
        "deployment_id": due.deployment_id,
        "scheduled_time": micros(decision.tick),
        "position": due.position,
        "flow_run_id": None,
        "reason": text(decision.reason),
        "decided": micros(now),
    }
    if not decision.runs:
        return row, None
    spec = due.spec
    run = scheduled_run(spec, decision.tick)
    deadline = spec.policy.start_deadline
    given = DeployedRun(
        flow_run_id=run.id,
        deployment_id=due.deployment_id,
        deployment=due.deployment,
        version=due.version,
        pool=spec.pool,
        origin=Origin.SCHEDULE,
        due=decision.tick,
        overlap=spec.policy.overlap,
        interval=None if last is None else (last, decision.tick),
        deadline=None if deadline is None else decision.tick + timedelta(seconds=deadline),
    )
    row["flow_run_id"] = run.id
    return row, (run, given)


def _record_ticks(
    transaction: Transaction, ticks: list[dict[str, Any]]
) -> frozenset[tuple[str, int]]:
    """Record the ticks that are not there yet; which they were."""
    connection = transaction.connection
    unique = {(row["deployment_id"], row["scheduled_time"]): row for row in reversed(ticks)}
    added = connection.execute(
        upsert_into(connection, TICKS)
        .on_conflict_do_nothing(index_elements=["deployment_id", "scheduled_time"])
        .returning(TICKS.c.deployment_id, TICKS.c.scheduled_time),
        list(unique.values()),
    )
    return frozenset((row.deployment_id, row.scheduled_time) for row in added)


def _active_runs(transaction: Transaction, due: Iterable[_Due]) -> dict[str, list[tuple[str, str]]]:
    """Ids and names of the runs that have not ended, for deployments whose policy asks."""
    asking = sorted({d.deployment_id for d in due if d.spec.policy.overlap not in _EARLY})
    if not asking:
        return {}
    given = DEPLOYED_RUNS.c
    statement = (
        select(given.deployment_id, FLOW_RUNS.c.id, FLOW_RUNS.c.name)
        .join(FLOW_RUNS, FLOW_RUNS.c.id == given.flow_run_id)
        .where(given.deployment_id.in_(asking), given.phase.in_((WAITING, TAKEN)))
        .order_by(given.due)
    )
    found: dict[str, list[tuple[str, str]]] = {}
    for row in transaction.connection.execute(statement):
        found.setdefault(row.deployment_id, []).append((FlowRunId(row.id), row.name))
    return found
