"""The queue of deployments' runs as others look at it: what waits, what runs, what has ended."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import false, func, select

from orch_nb.model import FlowRun, FlowRunId
from orch_nb.schedules.deployment import DeployedRun
from orch_nb.store import deployment_rows, rows
from orch_nb.store.deployment_rows import ENDED, TAKEN, WAITING
from orch_nb.store.deployment_tables import DEPLOYED_RUNS
from orch_nb.store.store import Store
from orch_nb.store.tables import FLOW_RUNS
from orch_nb.store.times import moment

_PAGE = 500  # rows at a time


def has_open_runs(store: Store) -> bool:
    """Whether any run waits or was taken: without, there is nothing to look after."""
    given = DEPLOYED_RUNS.c
    statement = select(given.flow_run_id).where(given.phase.in_((WAITING, TAKEN))).limit(1)
    return bool(store.query(statement))


def waiting_runs_of(store: Store, deployment_id: str) -> tuple[FlowRunId, ...]:
    """The runs of a deployment that have not been taken."""
    given = DEPLOYED_RUNS.c
    statement = select(given.flow_run_id).where(
        given.deployment_id == deployment_id, given.phase == WAITING
    )
    return tuple(FlowRunId(row["flow_run_id"]) for row in store.query(statement))


def deployed_run_of(store: Store, run_id: FlowRunId) -> DeployedRun | None:
    """What a deployment gave a run; None for a run of no deployment."""
    found = store.query(select(DEPLOYED_RUNS).where(DEPLOYED_RUNS.c.flow_run_id == run_id))
    return deployment_rows.deployed_run(found[0]) if found else None


def active_runs(
    store: Store, *, pool: str | None = None, deployment_id: str | None = None
) -> tuple[tuple[FlowRun, DeployedRun], ...]:
    """The runs that a worker has taken and that have not ended, the oldest first."""
    return _with_given(store, TAKEN, pool, deployment_id)


def queued_runs(
    store: Store, *, pool: str | None = None, deployment_id: str | None = None
) -> tuple[tuple[FlowRun, DeployedRun], ...]:
    """The runs that wait, in the order of the queue."""
    return _with_given(store, WAITING, pool, deployment_id)


def _with_given(
    store: Store, phase: int, pool: str | None, deployment_id: str | None
) -> tuple[tuple[FlowRun, DeployedRun], ...]:
    given = DEPLOYED_RUNS.c
    statement = select(DEPLOYED_RUNS).where(given.phase == phase)
    if pool is not None:
        statement = statement.where(given.pool == pool)
    if deployment_id is not None:
        statement = statement.where(given.deployment_id == deployment_id)
    found = [
        deployment_rows.deployed_run(row)
        for row in store.query(statement.order_by(given.due, given.flow_run_id).limit(_PAGE))
    ]
    ids = [run.flow_run_id for run in found]
    runs = {
        row["id"]: rows.flow_run(row)
        for row in store.query(select(FLOW_RUNS).where(FLOW_RUNS.c.id.in_(ids)))
    }
    return tuple((runs[run.flow_run_id], run) for run in found if run.flow_run_id in runs)


def runs_of_deployment(store: Store, deployment_id: str, *, limit: int = 20) -> tuple[FlowRun, ...]:
    """A deployment's runs, the newest first."""
    statement = (
        select(FLOW_RUNS)
        .join(DEPLOYED_RUNS, DEPLOYED_RUNS.c.flow_run_id == FLOW_RUNS.c.id)
        .where(DEPLOYED_RUNS.c.deployment_id == deployment_id)
        .order_by(FLOW_RUNS.c.id.desc())
        .limit(limit)
    )
    return tuple(rows.flow_run(row) for row in store.query(statement))


def next_waiting(store: Store, pool: str) -> datetime | None:
    """When the first of a pool's waiting runs is due."""
    given = DEPLOYED_RUNS.c
    statement = select(func.min(given.due).label("due")).where(
        given.pool == pool, given.phase == WAITING
    )
    due: int | None = store.query(statement)[0]["due"]
    return moment(due)


def ended_before(
    store: Store, deployment_id: str, before: float, limit: int
) -> tuple[FlowRun, ...]:
    """Up to ``limit`` of a deployment's runs that ended before a time (seconds since 1970);
    without those that are kept for ever."""
    given, runs = DEPLOYED_RUNS.c, FLOW_RUNS.c
    statement = (
        select(FLOW_RUNS)
        .join(DEPLOYED_RUNS, runs.id == given.flow_run_id)
        .where(
            given.deployment_id == deployment_id,
            given.phase == ENDED,
            runs.end_time < int(before * 1e6),
            runs.pinned == false(),
        )
        .limit(limit)
    )
    return tuple(rows.flow_run(row) for row in store.query(statement))


def queue_lengths(store: Store) -> tuple[int, int, datetime | None]:
    """How many runs wait and how many were taken, and when the first that waits was due."""
    given = DEPLOYED_RUNS.c
    statement = (
        select(given.phase, func.count().label("count"), func.min(given.due).label("due"))
        .where(given.phase.in_((WAITING, TAKEN)))
        .group_by(given.phase)
    )
    found = {row["phase"]: row for row in store.query(statement)}
    oldest: int | None = found[WAITING]["due"] if WAITING in found else None
    counts = [found[phase]["count"] if phase in found else 0 for phase in (WAITING, TAKEN)]
    return counts[0], counts[1], moment(oldest)
