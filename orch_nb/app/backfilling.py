"""Runs of a deployment for past times, each with its data interval."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from orch_nb.errors import InputError
from orch_nb.model import FlowRun
from orch_nb.schedules import ticks_after
from orch_nb.schedules.deployment import DeployedRun, Deployment, Origin
from orch_nb.schedules.parsing import parse_moment
from orch_nb.schedules.policy import Overlap
from orch_nb.store import Transaction, open_store
from orch_nb.store.deployments import get_deployment, lock_deployment
from orch_nb.store.enqueueing import enqueue, scheduled_run

MOST = 10_000  # runs of one backfill

Interval = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True)
class BackfillRequest:
    """Which deployment, from when until when (ISO 8601, in the schedule's zone)."""

    deployment: str
    start: str
    end: str
    max_active: int = 1
    reverse: bool = False


@dataclass(frozen=True, slots=True)
class Backfill:
    """The intervals of a backfill in the order of their runs, and the runs, if it was begun;
    those that an earlier backfill of the same times made are not made again."""

    deployment: Deployment
    intervals: tuple[Interval, ...]
    runs: tuple[FlowRun, ...] = ()


def plan_backfill(request: BackfillRequest) -> Backfill:
    """What ``backfill`` would do. Raises InputError for a range that holds no tick, or too many."""
    with open_store() as store:
        deployment = get_deployment(store, request.deployment)
    intervals = _intervals(deployment, request)
    return Backfill(deployment, intervals[::-1] if request.reverse else intervals)


def backfill(request: BackfillRequest) -> Backfill:
    """Put a run for each interval into the queue; at most ``max_active`` run at a time."""
    plan = plan_backfill(request)
    deployment, spec = plan.deployment, plan.deployment.spec
    now = datetime.now(UTC)
    wanted = []
    for position, interval in enumerate(plan.intervals):
        run = scheduled_run(spec, interval[0])
        given = DeployedRun(
            flow_run_id=run.id,
            deployment_id=deployment.id,
            deployment=deployment.name,
            version=deployment.version,
            pool=spec.pool,
            origin=Origin.BACKFILL,
            due=now + timedelta(microseconds=position),  # the queue's order is ours
            overlap=Overlap.ALLOW,
            interval=interval,
            idempotency_key=f"backfill:{interval[0].isoformat()}",
            batch=f"{deployment.id}:{now.timestamp()}",
            max_active=request.max_active,
        )
        wanted.append((run, given))

    def write(transaction: Transaction) -> tuple[FlowRun, ...]:
        lock_deployment(transaction, deployment.id)
        return enqueue(transaction, wanted, by="backfill")

    with open_store() as store:
        return Backfill(deployment, plan.intervals, store.write(write))


def _intervals(deployment: Deployment, request: BackfillRequest) -> tuple[Interval, ...]:
    spec = deployment.spec
    if not spec.schedules:
        raise InputError(
            f"deployment {deployment.name} has no schedule to take the times from",
            hint=f"orch-nb deployment run {deployment.name} -p …  runs it once",
        )
    schedule = spec.schedules[0]
    start = parse_moment(request.start, schedule.zone)
    end = parse_moment(request.end, schedule.zone)
    if start >= end:
        raise InputError("the backfill's start is not before its end")
    before = start - timedelta(microseconds=1)
    ticks = []
    for tick in ticks_after(schedule, before):
        ticks.append(tick)
        if tick >= end:
            break
        if len(ticks) > MOST:
            raise InputError(f"that would be more than {MOST:,} runs", hint="give a shorter range")
    intervals = tuple((a, b) for a, b in pairwise(ticks) if a < end)
    if not intervals:
        raise InputError("the schedule has no whole interval in that range")
    return intervals
