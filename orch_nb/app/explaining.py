"""Why a task was, or was not, answered from the cache: field by field against an earlier run."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from orch_nb.app.abandoned import settle_run
from orch_nb.app.finding import find_task
from orch_nb.engine.cache.compare import Comparison, compare
from orch_nb.engine.cache.note import CacheNote
from orch_nb.errors import NotFoundError
from orch_nb.model import CellKind, FlowRun, TaskRun
from orch_nb.states import StateName
from orch_nb.store import ResultRecord, Store, open_store


@dataclass(frozen=True, slots=True)
class Explanation:
    """What became of one task, and why, in words.

    ``why_not_kept`` says why its outcome serves no later run; empty if it does. ``other`` is the
    run that ``fields`` compare it with, the newest before it that noted this task.
    """

    run: FlowRun
    task: TaskRun
    summary: str
    fields: tuple[Comparison, ...] = ()
    why_not_kept: str = ""
    other: FlowRun | None = None
    made: datetime | None = None


def explain(called: str, task_name: str) -> Explanation:
    """Explain a task of a run, by their names. Raises NotFoundError."""
    with open_store() as store:
        run = settle_run(store, store.get_run(called))
        task = find_task(store.task_runs(run.id), run, task_name)
        found = [r for r in store.results(run.id) if r.task_run_id == task.id]
        noted = next((r for r in reversed(found) if r.cache_note is not None), None)
        if noted is None:
            return Explanation(run, task, _why_unasked(task))
        note = CacheNote.from_json(noted.cache_note or {})
        earlier = _earlier(store, run, task, noted)
        if earlier is None:
            comparisons = compare(note, note)
            return Explanation(run, task, _summary(store, task, note), comparisons, note.why_not)
        old = CacheNote.from_json(earlier.cache_note or {})
        return Explanation(
            run,
            task,
            _summary(store, task, note),
            compare(old, note),
            note.why_not,
            store.get_run(earlier.flow_run_id),
            earlier.created,
        )


def _earlier(store: Store, run: FlowRun, task: TaskRun, noted: ResultRecord) -> ResultRecord | None:
    """The newest entry of the same task before this one, if possible one with fields."""
    found = store.noted_results(run.flow, run.notebook, task.name, before=noted.id)
    telling = (r for r in found if r.cache_note is not None and r.cache_note["fields"])
    return next(telling, found[0] if found else None)


def _why_unasked(task: TaskRun) -> str:
    if task.state_name is StateName.PENDING:
        return "it has not run yet"
    if task.state_name in (StateName.UPSTREAM_FAILED, StateName.SKIPPED, StateName.CANCELLED):
        return f"it did not run: {task.state_message or task.state_name}"
    hint = "%%task --cache" if task.kind is CellKind.TASK else "orch-nb run --cache"
    return f"nobody asked for it to be cached ({hint})"


def _summary(store: Store, task: TaskRun, note: CacheNote) -> str:
    if task.state_name is StateName.CACHED:
        return f"taken from {_name_of(store, note.source)}: all that it depends on is the same"
    if note.missed:
        return f"it ran: {note.missed}"
    return f"it ran: {note.why_not or 'nothing was on record'}"


def _name_of(store: Store, run_id: str) -> str:
    try:
        return store.get_run(run_id).name
    except NotFoundError:
        return "a run that was deleted since"
