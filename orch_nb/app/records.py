"""Look at recorded runs, and ask for one to be cancelled."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass

from orch_nb.app.abandoned import end_suspended, outwait, settle_run, settle_runs
from orch_nb.app.finding import no_task
from orch_nb.errors import NotFoundError
from orch_nb.model import FlowRun, LogRecord, StateChange, TaskRun
from orch_nb.states import StateName
from orch_nb.store import LogQuery, RunQuery, Store, open_store
from orch_nb.store.queueing import cancel_waiting

_POLL = 0.3  # seconds between looks at a log that is being followed, or at a run's state
_LONGEST_CANCEL = 10.0  # seconds that `cancel` waits for the run's end


@dataclass(frozen=True, slots=True)
class RunDetails:
    """One run with all that belongs to it."""

    run: FlowRun
    tasks: tuple[TaskRun, ...]
    history: tuple[StateChange, ...]
    files: tuple[str, ...] = ()
    parent: FlowRun | None = None  # the run that started it
    children: tuple[FlowRun, ...] = ()  # those that it started, oldest first


def runs(
    *,
    flow: str | None = None,
    state: StateName | None = None,
    tags: tuple[str, ...] = (),
    limit: int = 20,
) -> list[FlowRun]:
    """Recorded runs, the newest first."""
    query = RunQuery(
        flow=flow,
        state_names=() if state is None else (state,),
        tag=tags[0] if tags else None,
        limit=limit,
    )
    with open_store() as store:
        settle_runs(store)
        found = store.list_runs(query)
    return [run for run in found if set(tags) <= set(run.tags)]


def show(called: str) -> RunDetails:
    """One run, by name or id. Raises NotFoundError."""
    with open_store() as store:
        run = settle_run(store, store.get_run(called))
        children = tuple(settle_run(store, child) for child in store.child_runs(run.id))
        parent = None
        if run.parent_run is not None:
            with contextlib.suppress(NotFoundError):  # it was cleaned away
                parent = store.get_run(run.parent_run)
        return RunDetails(
            run,
            store.task_runs(run.id),
            store.history(run.id),
            parent=parent,
            children=children,
        )


def logs(
    called: str,
    task: str | None = None,
    *,
    level: int = 0,
    after: int = 0,
    follow: bool = False,
) -> Iterator[LogRecord]:
    """What a run's cells logged, oldest first; with ``follow`` until the run has ended."""
    with open_store() as store:
        run = store.get_run(called)
        if task is not None:
            task = _task_named(store, run, task)
        while True:
            ended = settle_run(store, store.get_run(run.id)).state_type.is_terminal
            for record in store.logs(run.id, LogQuery(task, level, after)):
                after = record.id or after
                yield record
            if not follow or ended:
                return
            time.sleep(_POLL)


def _task_named(store: Store, run: FlowRun, task: str) -> str:
    tasks = store.task_runs(run.id)
    if task not in [found.name for found in tasks]:
        raise no_task(tasks, run, task)
    return task


def cancel(
    called: str, *, by: str = "the command line", patience: float = _LONGEST_CANCEL
) -> FlowRun:
    """Ask a run's driver to cancel it. A run whose driver is gone is marked as crashed.

    ``patience`` is how many seconds to wait for its end; who has that many waits longer where the
    driver is on another host and gives no sign of life. Returns the run as it is then; a run that
    has ended is returned as it is.
    """
    with open_store() as store:
        run = settle_run(store, store.get_run(called))
        if run.state_type.is_terminal:
            return run
        if run.state_name is StateName.SUSPENDED:
            return end_suspended(store, run)
        if cancel_waiting(store, run.id, "cancelled before it began"):
            return store.get_run(run.id)
        store.write(lambda t: t.request_cancel(run.id, by=by))
        deadline = time.monotonic() + patience
        while not run.state_type.is_terminal and time.monotonic() < deadline:
            time.sleep(_POLL)
            run = settle_run(store, store.get_run(run.id))
        return outwait(store, run) if patience >= _LONGEST_CANCEL else run
