"""The attempts at one task of a run, each with what it showed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from orch_nb.app.abandoned import settle_run
from orch_nb.app.finding import find_task
from orch_nb.app.plain import plain_text
from orch_nb.app.view_detail import output_words
from orch_nb.execution.job import Outcome, outcome_from
from orch_nb.model import FlowRun, TaskRun
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
    """The attempts at a task (its name, or its cell's number) that told their outcome, the oldest
    first; those of a run's earlier attempts are among them. Raises NotFoundError."""
    with open_store() as store:
        run = settle_run(store, store.get_run(called))
        found = find_task(store.task_runs(run.id), run, task)
        made = [one for one in store.results(run.id) if one.task_run_id == found.id]
    return run, found, tuple(_attempt(one) for one in made if one.outcome is not None)


def _attempt(result: ResultRecord) -> Attempt:
    outcome = outcome_from(result.outcome or {})
    return Attempt(
        result.attempt,
        result.created,
        outcome.seconds,
        "" if outcome.error is None else f"{outcome.error.name}: {outcome.error.value}",
        _text(outcome),
        result.kept,
        result.reason,
    )


def _text(outcome: Outcome) -> str:
    shown = [words["text"].rstrip("\n") for words in output_words(list(outcome.outputs))]
    if outcome.error is not None:
        shown.append(plain_text("\n".join(outcome.error.traceback)))
    return "\n".join(shown)
