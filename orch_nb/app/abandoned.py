"""Runs whose driver was killed: nobody else can say how they ended, so whoever looks does."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from orch_nb.errors import NotFoundError, TransitionError
from orch_nb.model import FlowRun, FlowRunId, TaskRun
from orch_nb.states import StateName, StateType
from orch_nb.store import (
    Lease,
    LeaseObserver,
    Store,
    TaskChange,
    Transaction,
    is_gone,
    is_here,
    new_holder,
)
from orch_nb.store.leases import holder_label

WHY = "its process ended without a word: it was killed, or the machine went down"
LEASE = 30.0  # seconds without a sign of life after which a run's process is taken for lost
_LOOK = 0.5  # seconds between two looks at a lease
_WITH_PARENT = "cancelled with the run that had started it"
_NOT_RUN = "the run's process is gone"
_BY = "observer"
_CANCEL = "cancel"
_RUNS = "run/"  # what leases on runs are called


def settle_runs(store: Store) -> None:
    """Record the runs that this host knows to be abandoned as crashed."""
    for lease in store.leases(_RUNS):
        if is_gone(lease.holder):
            _crash(store, store.get_run(lease.resource.removeprefix(_RUNS)), lease)


def settle_run(store: Store, run: FlowRun) -> FlowRun:
    """``run`` as it is now: recorded as crashed if its driver's process is known to be gone; as
    cancelled, if that went with the run that had started it, which was cancelled."""
    if not run.state_type.is_terminal:
        for lease in store.leases(_RUNS + run.id):
            if is_gone(lease.holder):
                return _crash(store, store.get_run(run.id), lease)
    return run


def outwait(store: Store, run: FlowRun, tell: Callable[[str], None] = lambda text: None) -> FlowRun:
    """``run`` as `settle_run` has it. Where only a sign of life can tell whether its driver lives,
    since that is on another host, one is waited for, as long as a lease lasts: without any the
    run has crashed. ``tell`` is given what is waited for, in words."""
    observer, first = LeaseObserver(LEASE), None
    run = settle_run(store, run)
    while not run.state_type.is_terminal:
        far = [lease for lease in store.leases(_RUNS + run.id) if not is_here(lease.holder)]
        if not far or (first is not None and far != first):
            return run
        if first is None:
            tell(
                f"run {run.name} is held by {holder_label(far[0].holder)}: waiting for a sign of "
                f"life, at most {LEASE:.0f} s"
            )
        first = far
        for lease in observer.expired(far, time.monotonic()):
            return crash_run(store, lease)
        time.sleep(_LOOK)
        run = settle_run(store, store.get_run(run.id))
    return run


def settle_children(store: Store, run: FlowRunId) -> None:
    """Record how the runs ended whose processes were ended with the run that had started them."""
    for child in store.child_runs(run):
        if not child.state_type.is_terminal and settle_run(store, child).state_type.is_terminal:
            settle_children(store, child.id)


def crash_run(store: Store, lease: Lease) -> FlowRun:
    """Record the run of an expired lease as crashed; the run as it is then."""
    return _crash(store, store.get_run(lease.resource.removeprefix(_RUNS)), lease)


def _crash(store: Store, run: FlowRun, lease: Lease) -> FlowRun:
    if run.state_type.is_terminal:
        return run
    holder = new_holder()
    last_heard_of = max((change.time for change in store.history(run.id)), default=None)
    tasks = [task for task in store.task_runs(run.id) if not task.state_type.is_terminal]
    state, why = StateName.CRASHED, WHY
    if _was_cancelled(store, run.parent_run):
        state, why = StateName.CANCELLED, _WITH_PARENT

    def crash(transaction: Transaction) -> None:
        epoch = transaction.take_over(lease, holder)
        changes = [TaskChange(_ended(task, state, why), task.state_name) for task in tasks]
        transaction.set_task_states(changes, epoch=epoch, by=_BY)
        crashed = replace(
            run,
            state_name=state,
            state_message=why,
            end_time=last_heard_of,
            epoch=epoch,
        )
        transaction.set_flow_state(crashed, expected=run.state_name, by=_BY)
        transaction.release(run.id, epoch)

    with contextlib.suppress(TransitionError):  # another observer was faster
        store.write(crash)
    return store.get_run(run.id)


def end_suspended(store: Store, run: FlowRun) -> FlowRun:
    """Cancel a run that waits for an answer, and has no process that could do it."""
    why = "cancelled while it was suspended"
    tasks = [task for task in store.task_runs(run.id) if not task.state_type.is_terminal]
    ended = [replace(task, state_name=StateName.CANCELLED, state_message=why) for task in tasks]

    def end(transaction: Transaction) -> None:
        epoch = transaction.claim(run.id, new_holder())
        changes = [TaskChange(task, old.state_name) for task, old in zip(ended, tasks, strict=True)]
        transaction.set_task_states(changes, epoch=epoch, by=_CANCEL)
        cancelled = replace(
            run,
            state_name=StateName.CANCELLED,
            state_message=why,
            end_time=datetime.now(UTC),
            epoch=epoch,
        )
        transaction.set_flow_state(cancelled, expected=run.state_name, by=_CANCEL)
        transaction.release(run.id, epoch)

    with contextlib.suppress(TransitionError):  # somebody has answered just now
        store.write(end)
    return store.get_run(run.id)


def _was_cancelled(store: Store, parent: FlowRunId | None) -> bool:
    if parent is None:
        return False
    try:
        return store.get_run(parent).state_type is StateType.CANCELLED
    except NotFoundError:  # cleaned away
        return False


def _ended(task: TaskRun, state: StateName, why: str) -> TaskRun:
    if task.state_type is StateType.RUNNING:
        return replace(task, state_name=state, state_message=why)
    return replace(task, state_name=StateName.CANCELLED, state_message=_NOT_RUN)
