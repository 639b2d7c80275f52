"""The queue of deployments' runs: who takes which, what waits, what is late and what is dropped.

Locks are taken in one order: the runs' rows, then, without waiting, their deployments'.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from sqlalchemy import ColumnElement, and_, func, or_, select, update

from orch_nb.errors import StaleClaimError
from orch_nb.model import FlowRun, FlowRunId
from orch_nb.schedules.deployment import DeployedRun
from orch_nb.schedules.policy import Overlap
from orch_nb.states import StateName, StateType
from orch_nb.store import claims, deployment_rows, rows
from orch_nb.store.deployment_rows import ENDED, TAKEN, WAITING
from orch_nb.store.deployment_tables import DEPLOYED_RUNS, DEPLOYMENTS, TICKS
from orch_nb.store.records import Lease
from orch_nb.store.store import Store
from orch_nb.store.tables import FLOW_RUNS, LEASES
from orch_nb.store.times import micros
from orch_nb.store.transaction import Transaction

_WAITS_ITS_TURN = (Overlap.QUEUE.value, Overlap.CANCEL_RUNNING.value, Overlap.SKIP.value)
_NOT_STARTED = (StateName.SCHEDULED.value, StateName.LATE.value)
_TERMINAL = tuple(state.value for state in StateType if state.is_terminal)
_SWEEP = 500  # rows that one sweep looks at

# A crashed run that was put into the queue once more; who takes it claims it when it resumes.
_TO_RESUME = and_(DEPLOYED_RUNS.c.resumed > 0, FLOW_RUNS.c.state_type == StateType.CRASHED.value)


@dataclass(frozen=True, slots=True)
class TakenRun:
    """A run that a worker has claimed, with the claim's epoch in ``run``."""

    run: FlowRun
    given: DeployedRun

    @property
    def resumes(self) -> bool:
        """Whether it is a crashed run that is to be gone on with; it is not claimed yet."""
        return self.run.state_type is StateType.CRASHED


def take_due(
    transaction: Transaction, holder: str, *, pool: str, limit: int, now: datetime, worker: str
) -> tuple[TakenRun, ...]:
    """Claim up to ``limit`` runs of a pool whose time has come and whose turn it is.

    They become Pending. However many workers ask, each run goes to one of them; of a
    deployment that does not allow overlap one runs at a time, of a backfill ``max_active``.
    """
    connection = transaction.connection
    given, earlier, active, batch = (
        DEPLOYED_RUNS.c,
        DEPLOYED_RUNS.alias("earlier"),
        DEPLOYED_RUNS.alias("active"),
        DEPLOYED_RUNS.alias("batch"),
    )
    # Of one deployment the run that is first in the queue, and only when none is active.
    blocked = (
        select(active.c.flow_run_id)
        .where(active.c.deployment_id == given.deployment_id, active.c.phase == TAKEN)
        .exists()
    )
    not_first = (
        select(earlier.c.flow_run_id)
        .where(
            earlier.c.deployment_id == given.deployment_id,
            earlier.c.phase == WAITING,
            earlier.c.overlap.in_(_WAITS_ITS_TURN),
            or_(
                earlier.c.due < given.due,
                (earlier.c.due == given.due) & (earlier.c.flow_run_id < given.flow_run_id),
            ),
        )
        .exists()
    )
    in_batch = (
        select(func.count())
        .where(batch.c.batch == given.batch, batch.c.phase == TAKEN)
        .scalar_subquery()
    )
    candidates = connection.execute(
        select(DEPLOYED_RUNS)
        .join(FLOW_RUNS, FLOW_RUNS.c.id == given.flow_run_id)
        .where(
            given.pool == pool,
            given.phase == WAITING,
            given.due <= micros(now),
            or_(given.deadline.is_(None), given.deadline >= micros(now)),
            or_(FLOW_RUNS.c.state_name.in_(_NOT_STARTED), _TO_RESUME),
            or_(FLOW_RUNS.c.cancel_requested.is_(None), _TO_RESUME),
            or_(given.overlap == Overlap.ALLOW.value, ~blocked & ~not_first),
            or_(given.max_active.is_(None), in_batch < given.max_active),
        )
        .order_by(given.due, given.flow_run_id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    ).mappings()
    wanted = [deployment_rows.deployed_run(row) for row in candidates]
    fitting = _whose_turn(transaction, wanted)
    return tuple(_take(transaction, run, holder, worker) for run in fitting)


def _whose_turn(transaction: Transaction, wanted: list[DeployedRun]) -> list[DeployedRun]:
    """Of locked candidates those that may start now, looked at again under the deployments'
    locks: another worker may have taken a run between our look and our lock."""
    if not wanted:
        return []
    connection = transaction.connection
    given = DEPLOYED_RUNS.c
    ids = sorted({run.deployment_id for run in wanted})
    locked = set(
        connection.execute(
            select(DEPLOYMENTS.c.id)
            .where(DEPLOYMENTS.c.id.in_(ids))
            .with_for_update(skip_locked=True, key_share=True)
        ).scalars()
    )
    busy = set(
        connection.execute(
            select(given.deployment_id).where(given.deployment_id.in_(ids), given.phase == TAKEN)
        ).scalars()
    )
    batches = sorted({run.batch for run in wanted if run.batch is not None})
    counts: Counter[str | None] = Counter(
        dict(
            connection.execute(
                select(given.batch, func.count())
                .where(given.batch.in_(batches), given.phase == TAKEN)
                .group_by(given.batch)
            ).all()
        )
        if batches
        else {}
    )
    fitting = []
    for run in wanted:
        if run.deployment_id not in locked:
            continue
        if run.overlap is not Overlap.ALLOW and run.deployment_id in busy:
            continue
        if run.max_active is not None and counts[run.batch] >= run.max_active:
            continue
        fitting.append(run)
        counts[run.batch] += 1
        if run.overlap is not Overlap.ALLOW:
            busy.add(run.deployment_id)
    return fitting


def _take(transaction: Transaction, given: DeployedRun, holder: str, worker: str) -> TakenRun:
    connection = transaction.connection
    runs = FLOW_RUNS.c
    row = (
        connection.execute(select(FLOW_RUNS).where(runs.id == given.flow_run_id).with_for_update())
        .mappings()
        .one()
    )
    old = rows.flow_run(row)
    if old.state_type is StateType.CRASHED:
        set_phase(transaction, old.id, TAKEN)
        return TakenRun(old, given)
    epoch = old.epoch + 1
    connection.execute(update(FLOW_RUNS).where(runs.id == old.id).values(epoch=epoch))
    claims.insert_claim(connection, old.id, holder, epoch)
    transaction.note_claim(old.id, epoch)
    run = replace(
        old, epoch=epoch, state_name=StateName.PENDING, state_message=f"taken by {worker}"
    )
    transaction.set_flow_state(run, expected=old.state_name, by="worker")
    set_phase(transaction, run.id, TAKEN)
    return TakenRun(run, given)


def hand_over(transaction: Transaction, run_id: FlowRunId, epoch: int, holder: str) -> None:
    """Let another process hold a claim, with the same epoch: the one that does the work.

    Raises StaleClaimError when the claim is no longer that epoch's.
    """
    transaction.check_claim(run_id, epoch)
    leases = LEASES.c
    done = transaction.connection.execute(
        update(LEASES)
        .where(leases.resource == claims.run_resource(run_id), leases.epoch == epoch)
        .values(holder=rows.text(holder), counter=leases.counter + 1)
    )
    if done.rowcount != 1:
        raise StaleClaimError("the run was taken over before it began")


def put_back(transaction: Transaction, taken: TakenRun, why: str) -> None:
    """Give a taken run that was not begun back to the queue."""
    waiting = replace(taken.run, state_name=StateName.SCHEDULED, state_message=why)
    transaction.set_flow_state(waiting, expected=taken.run.state_name, by="worker")
    transaction.release(taken.run.id, taken.run.epoch)
    set_phase(transaction, taken.run.id, WAITING)


def reclaim_unbegun(
    transaction: Transaction, run: FlowRun, seen: Lease, holder: str, why: str
) -> None:
    """Put a run whose holder was lost before anything had begun back into the queue.

    What is left of that holder can't begin any more: the claim's epoch has grown.
    """
    epoch = transaction.take_over(seen, holder)
    waiting = replace(run, epoch=epoch, state_name=StateName.SCHEDULED, state_message=why)
    transaction.set_flow_state(waiting, expected=run.state_name, by="observer")
    transaction.release(run.id, epoch)
    set_phase(transaction, run.id, WAITING)


def set_phase(transaction: Transaction, run_id: FlowRunId, phase: int) -> None:
    """Note where in the queue a run is."""
    transaction.connection.execute(
        update(DEPLOYED_RUNS).where(DEPLOYED_RUNS.c.flow_run_id == run_id).values(phase=phase)
    )


def sweep_ended(transaction: Transaction) -> int:
    """Note which taken or waiting runs have ended; how many."""
    given, runs = DEPLOYED_RUNS.c, FLOW_RUNS.c
    ended = (
        transaction.connection.execute(
            select(given.flow_run_id)
            .join(FLOW_RUNS, runs.id == given.flow_run_id)
            .where(
                or_(given.phase == TAKEN, and_(given.phase == WAITING, ~_TO_RESUME)),
                runs.state_type.in_(_TERMINAL),
            )
            .limit(_SWEEP)
            .with_for_update(of=DEPLOYED_RUNS, skip_locked=True)
        )
        .scalars()
        .all()
    )
    if ended:
        transaction.connection.execute(
            update(DEPLOYED_RUNS).where(given.flow_run_id.in_(ended)).values(phase=ENDED)
        )
    return len(ended)


def requeue_crashed(transaction: Transaction, seen: DeployedRun, now: datetime, most: int) -> bool:
    """Put a crashed run into the queue to be gone on with, at most ``most`` times in all.

    Several observers may find the same crash: the first does it, the others change nothing.
    """
    done = transaction.connection.execute(
        update(DEPLOYED_RUNS)
        .where(*_is_as(seen), DEPLOYED_RUNS.c.resumed < most)
        .values(phase=WAITING, due=micros(now), resumed=seen.resumed + 1, deadline=None)
    )
    return done.rowcount == 1


def end_taken(transaction: Transaction, seen: DeployedRun) -> None:
    """Note that a taken run has ended, unless it was put into the queue again since ``seen``."""
    transaction.connection.execute(update(DEPLOYED_RUNS).where(*_is_as(seen)).values(phase=ENDED))


def _is_as(seen: DeployedRun) -> tuple[ColumnElement[bool], ...]:
    given = DEPLOYED_RUNS.c
    return (
        given.flow_run_id == seen.flow_run_id,
        given.phase == TAKEN,
        given.resumed == seen.resumed,
    )


def mark_late(transaction: Transaction, now: datetime, after: float, limit: int = _SWEEP) -> int:
    """Up to ``limit`` runs not taken ``after`` seconds past their time become Late; how many."""
    given, runs = DEPLOYED_RUNS.c, FLOW_RUNS.c
    found = _waiting(
        transaction,
        given.due < micros(now - timedelta(seconds=after)),
        runs.state_name == StateName.SCHEDULED.value,
        limit=limit,
    )
    for run in found:
        message = "not started at its time; `orch-nb why` says what it waits for"
        late = replace(run, state_name=StateName.LATE, state_message=message)
        transaction.set_flow_state(late, expected=run.state_name, by="scheduler")
    return len(found)


def drop_overdue(transaction: Transaction, now: datetime, limit: int = _SWEEP) -> int:
    """Cancel waiting runs whose start deadline has passed, and those that shall be cancelled, up
    to ``limit`` of each; how many."""
    given, runs = DEPLOYED_RUNS.c, FLOW_RUNS.c
    overdue = _waiting(transaction, given.deadline < micros(now), limit=limit)
    for run in overdue:
        _cancel(transaction, run, "not started in time (start deadline)", now)
    unwanted = _waiting(transaction, runs.cancel_requested.is_not(None), limit=limit)
    for run in unwanted:
        _cancel(transaction, run, "cancelled before it began", now)
    return len(overdue) + len(unwanted)


def drop_waiting(transaction: Transaction, run_ids: Iterable[str], why: str, now: datetime) -> None:
    """Cancel runs: at once those that wait, by a request those that run."""
    unwanted = sorted(run_ids)
    if not unwanted:
        return
    waiting = {
        run.id: run for run in _waiting(transaction, DEPLOYED_RUNS.c.flow_run_id.in_(unwanted))
    }
    for run_id in unwanted:
        if run_id in waiting:
            _cancel(transaction, waiting[FlowRunId(run_id)], why, now)
        else:
            transaction.request_cancel(FlowRunId(run_id), by=f"the scheduler: {why}")


def cancel_waiting(store: Store, run_id: FlowRunId, why: str) -> bool:
    """Cancel a deployment's run that nobody has taken; False when it does not wait."""

    def cancel(transaction: Transaction) -> bool:
        found = _waiting(transaction, DEPLOYED_RUNS.c.flow_run_id == run_id)
        for run in found:
            _cancel(transaction, run, why, datetime.now(UTC))
        return bool(found)

    return store.write(cancel)


def _waiting(transaction: Transaction, *conditions: object, limit: int = _SWEEP) -> list[FlowRun]:
    """Runs that wait to be taken, locked."""
    given, runs = DEPLOYED_RUNS.c, FLOW_RUNS.c
    statement = (
        select(FLOW_RUNS)
        .join(DEPLOYED_RUNS, runs.id == given.flow_run_id)
        .where(given.phase == WAITING, runs.state_name.in_(_NOT_STARTED))
        .where(*conditions)  # type: ignore[arg-type]  # SQL expressions
        .order_by(given.due)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return [rows.flow_run(row) for row in transaction.connection.execute(statement).mappings()]


def _cancel(transaction: Transaction, run: FlowRun, why: str, now: datetime) -> None:
    cancelled = replace(run, state_name=StateName.CANCELLED, state_message=why, end_time=now)
    transaction.set_flow_state(cancelled, expected=run.state_name, by="scheduler")
    set_phase(transaction, run.id, ENDED)
    transaction.connection.execute(
        update(TICKS).where(TICKS.c.flow_run_id == run.id).values(reason=rows.text(why))
    )
