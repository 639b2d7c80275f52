"""The attempts at one task of a run, each with what it showed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from orch_nb.app.abandoned import settle_run
from orch_nb.app.finding import find_task
from orch_nb.app.plain import plain_text
from orch_nb.app.view_detail import output_words
from orch_nb.execution.job import Outcome, outcome_from
from orch_nb.model import FlowRun, StateChange, TaskRun
from orch_nb.states import TYPE_OF, StateType
from orch_nb.store import ResultRecord, open_store


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt, as recorded. ``text`` is what it showed, as far as that is text; ``kept`` says
    whether its values are kept, and ``reason`` why not."""

    number: int
    recorded: datetime | None
    seconds: float
    error: str
    text: str
    kept: bool
    reason: str


def attempts(called: str, task: str) -> tuple[FlowRun, TaskRun, tuple[Attempt, ...]]:
    """The attempts at a task (its name, or its cell's number) that have ended, the oldest first;
    those of a run's earlier attempts are among them. Raises NotFoundError."""
    with open_store() as store:
        run = settle_run(store, store.get_run(called))
        found = find_task(store.task_runs(run.id), run, task)
        made = [one for one in store.results(run.id) if one.task_run_id == found.id]
        history = store.history(run.id, found.id)
    told = [_attempt(one) for one in made if one.outcome is not None]
    lost = _lost(history, {one.number for one in told})
    return run, found, tuple(sorted([*told, *lost], key=lambda one: one.number))


def _lost(history: Iterable[StateChange], told: set[int]) -> list[Attempt]:
    """The attempts of which only the states are on record: nobody was left to tell more."""
    lost = []
    began: StateChange | None = None
    for change in history:
        if TYPE_OF[change.new] is StateType.RUNNING:
            began = change
        elif began is not None and TYPE_OF[change.new].is_terminal:
            if began.attempt not in told and TYPE_OF[change.new] is not StateType.COMPLETED:
                seconds = (change.time - began.time).total_seconds()
                why = change.message or str(change.new)
                lost.append(Attempt(began.attempt, change.time, seconds, why, "", False, why))
            began = None
    return lost


def _attempt(result: ResultRecord) -> Attempt:
    outcome = outcome_from(result.outcome or {})
    return Attempt(
        result.attempt,
        result.created,
        outcome.seconds,
        "" if outcome.error is None else outcome.error.words,
        _text(outcome),
        result.kept,
        result.reason,
    )


def _text(outcome: Outcome) -> str:
    shown = [words["text"].rstrip("\n") for words in output_words(list(outcome.outputs))]
    if outcome.error is not None:
        shown.append(plain_text("\n".join(outcome.error.traceback)))
    return "\n".join(shown)
