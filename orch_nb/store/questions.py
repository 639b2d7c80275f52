"""Questions that tasks ask before they run, and their answers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import RowMapping, select, update

from orch_nb.model import FlowRunId, Json, TaskRunId
from orch_nb.store.rows import text, to_json
from orch_nb.store.store import Store
from orch_nb.store.tables import QUESTIONS
from orch_nb.store.times import micros, moment, now_micros
from orch_nb.store.transaction import Transaction
from orch_nb.store.upsert import upsert_into


@dataclass(frozen=True, slots=True)
class QuestionRecord:
    """One question, asked in one attempt of a run. ``inputs`` are ``name:type``, as declared."""

    task_run_id: TaskRunId
    flow_run_id: FlowRunId
    attempt: int  # of the flow run
    question: str
    inputs: tuple[str, ...] = ()
    asked: datetime | None = None  # given by the store
    deadline: datetime | None = None
    answer: Mapping[str, Json] | None = None
    answered_by: str | None = None


def put_question(transaction: Transaction, question: QuestionRecord) -> None:
    """Record a question; one that was asked already in this attempt stays as it is."""
    transaction.connection.execute(
        upsert_into(transaction.connection, QUESTIONS).on_conflict_do_nothing(
            index_elements=["task_run_id", "attempt"]
        ),
        {
            "task_run_id": question.task_run_id,
            "flow_run_id": question.flow_run_id,
            "attempt": question.attempt,
            "question": text(question.question),
            "inputs": to_json(list(question.inputs)),
            "asked": now_micros(),
            "deadline": micros(question.deadline),
        },
    )


def put_answer(
    transaction: Transaction, question: QuestionRecord, answer: Mapping[str, Json], *, by: str
) -> bool:
    """Record the answer to a question, unless it has one; tells whether it is this one."""
    columns = QUESTIONS.c
    done = transaction.connection.execute(
        update(QUESTIONS)
        .where(
            columns.task_run_id == question.task_run_id,
            columns.attempt == question.attempt,
            columns.answer.is_(None),
        )
        .values(answer=to_json(dict(answer)), answered_by=text(by))
    )
    return done.rowcount == 1


def questions_of(store: Store, run_id: FlowRunId, attempt: int) -> tuple[QuestionRecord, ...]:
    """What was asked in one attempt of a run, the oldest first."""
    columns = QUESTIONS.c
    statement = (
        select(QUESTIONS)
        .where(columns.flow_run_id == run_id, columns.attempt == attempt)
        .order_by(columns.asked, columns.task_run_id)
    )
    return tuple(_record(row) for row in store.query(statement))


def _record(row: RowMapping) -> QuestionRecord:
    return QuestionRecord(
        task_run_id=TaskRunId(row["task_run_id"]),
        flow_run_id=FlowRunId(row["flow_run_id"]),
        attempt=row["attempt"],
        question=row["question"],
        inputs=tuple(json.loads(row["inputs"])),
        asked=moment(row["asked"]),
        deadline=moment(row["deadline"]),
        answer=None if row["answer"] is None else json.loads(row["answer"]),
        answered_by=row["answered_by"],
    )
