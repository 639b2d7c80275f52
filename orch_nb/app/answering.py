"""Answer the question of a task that waits, and go on with its run."""

from __future__ import annotations

import difflib
import getpass
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from orch_nb.app.abandoned import settle_run
from orch_nb.errors import InputError, NotFoundError, ParameterError
from orch_nb.model import FlowRun, Json, TaskRun
from orch_nb.notebook.annotations import Misfit, from_text, parse_annotation
from orch_nb.notebook.literals import json_value
from orch_nb.states import StateName, StateType
from orch_nb.store import Store, open_store
from orch_nb.store.questions import QuestionRecord, put_answer, questions_of


@dataclass(frozen=True, slots=True)
class OpenQuestion:
    """A question that waits for its answer. ``inputs`` are ``name:type``."""

    run: FlowRun
    task: TaskRun
    question: str
    inputs: tuple[str, ...]
    deadline: datetime | None


def open_questions(called: str) -> list[OpenQuestion]:
    """What a run's tasks ask. Raises NotFoundError for a run that is not there."""
    with open_store() as store:
        run = settle_run(store, store.get_run(called))
        return [
            OpenQuestion(run, task, record.question, record.inputs, record.deadline)
            for task, record in _open(store, run)
        ]


def answer(called: str, task: str, given: Mapping[str, str]) -> FlowRun:
    """Answer a task's question with values as text, by the names that it asks for.

    Returns the run as it is then: one that is suspended is to be gone on with (`resume`). Raises
    NotFoundError for a run or task that asks nothing, ParameterError for values that do not fit,
    InputError when it is too late.
    """
    with open_store() as store:
        run = settle_run(store, store.get_run(called))
        found = {record_task.name: (record_task, r) for record_task, r in _open(store, run)}
        by_number = {str(t.cell_number): (t, r) for t, r in found.values()}
        if task not in found and task not in by_number:
            asking = ", ".join(found) or "none does"
            raise NotFoundError(
                f"task '{task}' of run {run.name} asks nothing now",
                hint=f"tasks that ask: {asking}",
            )
        asked, record = found.get(task) or by_number[task]
        if record.deadline is not None and datetime.now(UTC) >= record.deadline:
            raise InputError(
                f"'{record.question}' was to be answered by "
                f"{record.deadline.astimezone():%Y-%m-%d %H:%M:%S}",
                where=f"run {run.name}, task '{asked.name}'",
                hint=f"orch-nb resume {run.name}  goes on without",
            )
        values = _values(record, given, f"run {run.name}, task '{asked.name}'")
        if not store.write(lambda t: put_answer(t, record, values, by=getpass.getuser())):
            raise InputError(
                f"'{record.question}' was answered meanwhile",
                where=f"run {run.name}, task '{asked.name}'",
            )
        return store.get_run(run.id)


def _open(store: Store, run: FlowRun) -> list[tuple[TaskRun, QuestionRecord]]:
    if run.state_type.is_terminal:
        return []
    tasks = {task.id: task for task in store.task_runs(run.id)}
    return [
        (tasks[record.task_run_id], record)
        for record in questions_of(store, run.id, run.attempt)
        if record.answer is None
        and record.task_run_id in tasks
        and tasks[record.task_run_id].state_type is StateType.PAUSED
    ]


def _values(record: QuestionRecord, given: Mapping[str, str], where: str) -> dict[str, Json]:
    """The given texts as the declared types want them."""
    types = {}
    for declared in record.inputs:
        name, _, kind = declared.partition(":")
        types[name.strip()] = kind.strip()
    values: dict[str, Json] = {}
    for name, text in given.items():
        if name not in types:
            near = difflib.get_close_matches(name, types, n=1)
            raise ParameterError(
                f"the question has no input '{name}'",
                where=where,
                hint=f"did you mean {near[0]} ?" if near else _expected(types),
            )
        try:
            values[name] = json_value(from_text(text, parse_annotation(types[name] or None)))
        except Misfit:
            raise ParameterError(
                f"{name}={text!r} is not a {types[name]}", where=where, hint=_expected(types)
            ) from None
    missing = [name for name in types if name not in values]
    if missing:
        raise ParameterError(
            f"the answer lacks {', '.join(missing)}", where=where, hint=_expected(types)
        )
    return values


def _expected(types: Mapping[str, str]) -> str:
    if not types:
        return "it wants no values"
    return "it wants " + " ".join(
        f"{name}={kind.upper() or 'VALUE'}" for name, kind in types.items()
    )


def is_suspended(run: FlowRun) -> bool:
    """Whether no process waits with the run: it goes on when it is resumed."""
    return run.state_name is StateName.SUSPENDED
