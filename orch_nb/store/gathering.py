"""The inside of an open transaction: changes are gathered and sent together when it ends."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, CursorResult, Insert, Table, bindparam, insert, select, update

from orch_nb.errors import NotFoundError, StaleClaimError, TransitionError
from orch_nb.model import FlowRun, FlowRunId, LogRecord, StateChange, TaskRun, TaskRunId
from orch_nb.states import StateName
from orch_nb.store import rows
from orch_nb.store.prepared import Prepared
from orch_nb.store.records import ResultRecord, TaskChange
from orch_nb.store.tables import FLOW_RUNS, LOGS, RESULTS, STATE_HISTORY, TASK_RUNS
from orch_nb.store.times import now_micros

STORY_LENGTH = 20

# What a task's state change may alter; the indexed columns are left alone, for speed.
_CHANGING = (
    "state_name",
    "state_message",
    "attempt",
    "max_attempts",
    "start_time",
    "end_time",
    "seconds",
    "peak_memory",
    "where",
    "error_name",
    "error_value",
    "error_line",
)
_SET_TASK = Prepared(
    update(TASK_RUNS)
    .where(
        TASK_RUNS.c.id == bindparam("of_task"),
        TASK_RUNS.c.flow_run_id == bindparam("of_run"),
        TASK_RUNS.c.state_name == bindparam("expected"),
    )
    .values({name: bindparam(f"new_{name}") for name in _CHANGING}),
    {"of_task": "id", "of_run": "flow_run_id"} | {f"new_{name}": name for name in _CHANGING},
)


def _without_id(table: Table) -> Insert:
    """An insert of every column but the id, which is given by the database and not asked for."""
    names = [column.name for column in table.columns if column.name != "id"]
    return insert(table).inline().values({name: bindparam(name) for name in names})


_EPOCH_OF = select(FLOW_RUNS.c.epoch).where(FLOW_RUNS.c.id == bindparam("of_run")).with_for_update()
_ADD_HISTORY = Prepared(_without_id(STATE_HISTORY))
_ADD_LOGS = Prepared(_without_id(LOGS))
_ADD_RESULTS = Prepared(_without_id(RESULTS))


class RefusedBatch(Exception):
    """Some change of a batch was refused; doing the changes one by one tells which."""


class Gathering:
    """What `Transaction`'s methods are made of.

    A ``careful`` one does each change as it comes, so that a refused change is known; the usual
    one does all of them together at the end, and raises RefusedBatch then.
    """

    def __init__(self, connection: Connection, *, careful: bool) -> None:
        self._connection = connection
        self._careful = careful
        self._claims: dict[FlowRunId, int] = {}  # epochs seen, and locked, in this transaction
        self._changes: list[dict[str, Any]] = []
        self._history: list[dict[str, Any]] = []
        self._logs: list[dict[str, Any]] = []
        self._results: list[dict[str, Any]] = []

    def check_claim(self, run_id: FlowRunId, epoch: int) -> None:
        """Raise StaleClaimError unless ``epoch`` is the run's latest, and keep it so until the
        transaction ends.
        """
        current = self._claims.get(run_id)
        if current is None:
            current = self._execute(_EPOCH_OF, {"of_run": run_id}).scalar()
            if current is None:
                raise NotFoundError(f"there is no run {run_id} any more")
            self._claims[run_id] = current
        if current != epoch:
            raise StaleClaimError(
                "the run was taken over by another process, and this one may not write to it",
                hint="its new owner carries on; nothing is to be done here",
                story=self.story(run_id),
            )

    def story(self, run_id: FlowRunId, task_id: TaskRunId | None = None) -> tuple[StateChange, ...]:
        """The last changes of a run, or of one task in it, oldest first."""
        query = (
            select(STATE_HISTORY)
            .where(STATE_HISTORY.c.flow_run_id == run_id, STATE_HISTORY.c.task_run_id == task_id)
            .order_by(STATE_HISTORY.c.id.desc())
            .limit(STORY_LENGTH)
        )
        found = self._execute(query).mappings().all()
        return tuple(rows.state_change(row) for row in reversed(found))

    def flush(self) -> None:
        """Send the gathered changes. Raises RefusedBatch when one of them was refused."""
        if self._changes:
            changes, self._changes = self._changes, []
            if _SET_TASK.run(self._connection, changes) != len(changes):
                raise RefusedBatch
        if self._history:
            history, self._history = self._history, []
            _ADD_HISTORY.run(self._connection, history)
        if self._logs:
            logs, self._logs = self._logs, []
            _ADD_LOGS.run(self._connection, logs)
        if self._results:
            results, self._results = self._results, []
            _ADD_RESULTS.run(self._connection, results)

    @property
    def connection(self) -> Connection:
        """The transaction's connection, with all that was gathered sent; for this package."""
        self.flush()
        return self._connection

    def _execute(self, statement: Any, values: Any = None) -> CursorResult[Any]:
        """Run a statement after everything gathered so far."""
        self.flush()
        result: CursorResult[Any] = self._connection.execute(statement, values)
        return result

    def _change_task(self, change: TaskChange) -> None:
        task = change.task
        values = rows.task_run_row(task)
        values["expected"] = change.expected.value
        if not self._careful:
            self._changes.append(values)
            return
        self.flush()
        if _SET_TASK.run(self._connection, [values]) != 1:
            raise TransitionError(
                f"task {task.name} is no longer {change.expected} and can't become "
                f"{task.state_name}",
                story=self.story(task.flow_run_id, task.id),
            )

    def _add_result(self, result: ResultRecord) -> None:
        self._results.append(rows.result_row(result, now_micros()))

    def _add_log(self, record: LogRecord) -> None:
        self._logs.append(rows.log_row(record))

    def _note_run(self, run: FlowRun, old: StateName | None, by: str) -> None:
        self._note(run, run.id, None, old, by)

    def _note_task(self, task: TaskRun, old: StateName | None, by: str) -> None:
        self._note(task, task.flow_run_id, task.id, old, by)

    def _note(
        self,
        now: FlowRun | TaskRun,
        run_id: FlowRunId,
        task_id: TaskRunId | None,
        old: StateName | None,
        by: str,
    ) -> None:
        self._history.append(
            {
                "flow_run_id": run_id,
                "task_run_id": task_id,
                "time": now_micros(),
                "old": None if old is None else old.value,
                "new": now.state_name.value,
                "message": rows.text(now.state_message),
                "by": rows.text(by),
                "attempt": now.attempt,
                "epoch": self._claims.get(run_id, 0),
            }
        )
