"""Lists of runs page by page, runs against tasks, and what cells put out: for views."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from orch_nb.app.abandoned import settle_run, settle_runs
from orch_nb.errors import NotFoundError
from orch_nb.model import FlowRun, FlowRunId, Json, LogRecord, TaskRun
from orch_nb.states import NOT_REACHED, StateName, StateType
from orch_nb.store import LogQuery, RunQuery, Store, open_store

_AT_ONCE = 200  # runs read together where some are left out afterwards
_MOST_READ = 4_000  # runs looked at for one page


@dataclass(frozen=True, slots=True)
class RunFilter:
    """Which runs: every condition given must hold. ``search`` is in the run's name, its flow or
    its notebook's path; ``tags`` must all be there; ``notebook`` is an absolute path."""

    states: tuple[StateName, ...] = ()
    types: tuple[StateType, ...] = ()
    flow: str | None = None
    notebook: str | None = None
    tags: tuple[str, ...] = ()
    search: str = ""
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class RunPage:
    """Runs, the newest first; ``before`` is where the next page begins, None after the last."""

    runs: tuple[FlowRun, ...]
    before: FlowRunId | None


@dataclass(frozen=True, slots=True)
class CellOutputs:
    """What a task run put out, in nbformat's shape; ``count`` is its execution count."""

    task: TaskRun
    outputs: Sequence[Json]
    count: int | None


def page_of_runs(wanted: RunFilter, *, before: str | None = None, limit: int = 50) -> RunPage:
    """One page of the runs that a filter lets through."""
    with open_store() as store:
        settle_runs(store)
        return _page(store, wanted, before, limit)


def _page(store: Store, wanted: RunFilter, before: str | None, limit: int) -> RunPage:
    picky = len(wanted.tags) > 1 or bool(wanted.search)
    query = RunQuery(
        state_names=wanted.states,
        state_types=wanted.types,
        flow=wanted.flow,
        notebook=wanted.notebook,
        tag=wanted.tags[0] if wanted.tags else None,
        since=wanted.since,
        until=wanted.until,
        before=None if before is None else FlowRunId(before),
        limit=_AT_ONCE if picky else limit,
    )
    found: list[FlowRun] = []
    read = 0
    while True:
        part = store.list_runs(query)
        read += len(part)
        found += [run for run in part if _fits(run, wanted)]
        if len(found) >= limit:
            kept = found[:limit]
            more = len(found) > limit or len(part) == query.limit
            return RunPage(tuple(kept), kept[-1].id if more else None)
        if len(part) < query.limit:
            return RunPage(tuple(found), None)
        if read >= _MOST_READ:
            return RunPage(tuple(found), part[-1].id)
        query = replace(query, before=part[-1].id)


def _fits(run: FlowRun, wanted: RunFilter) -> bool:
    words = f"{run.name}\n{run.flow}\n{run.notebook}".casefold()
    return set(wanted.tags) <= set(run.tags) and wanted.search.casefold() in words


def grid(
    wanted: RunFilter, *, limit: int
) -> tuple[tuple[FlowRun, ...], Mapping[FlowRunId, tuple[TaskRun, ...]]]:
    """The newest runs that a filter lets through, and each one's task runs."""
    with open_store() as store:
        settle_runs(store)
        runs = _page(store, wanted, None, limit).runs
        return runs, {run.id: store.task_runs(run.id) for run in runs}


def page_of_logs(
    called: str, *, task: str | None, level: int, after: int, limit: int
) -> tuple[FlowRun, tuple[LogRecord, ...]]:
    """A run, and its log records with ids over ``after``, the oldest first. Raises
    NotFoundError."""
    with open_store() as store:
        run = settle_run(store, store.get_run(called))
        return run, store.logs(run.id, LogQuery(task, level, after, limit))


def outputs_of(called: str, cell: int | None = None) -> tuple[FlowRun, tuple[CellOutputs, ...]]:
    """What the cells of a run put out in their last attempts, as far as it is recorded.

    Raises NotFoundError for a run, or a cell of it, that is not there.
    """
    with open_store() as store:
        run = settle_run(store, store.get_run(called))
        tasks = [t for t in store.task_runs(run.id) if cell in (None, t.cell_number)]
        if cell is not None and not tasks:
            raise NotFoundError(f"run {run.name} has no cell {cell}")
        reached = {task.id for task in tasks if task.state_name not in NOT_REACHED}
        told = {
            result.task_run_id: result.outcome
            for result in store.results(run.id)
            if result.outcome is not None and result.task_run_id in reached
        }
    return run, tuple(
        CellOutputs(
            task,
            tuple(told[task.id].get("outputs") or ()) if task.id in told else (),
            told[task.id].get("execution_count") if task.id in told else None,
        )
        for task in tasks
    )
