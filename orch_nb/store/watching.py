"""The history as a stream of events: which runs of a flow have reached a state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import BigInteger, RowMapping, Text, cast, func, or_, select

from orch_nb.model import FlowRunId, TaskRunId
from orch_nb.states import StateName
from orch_nb.store.backends import Backend
from orch_nb.store.deployment_tables import DEPLOYED_RUNS
from orch_nb.store.store import Store
from orch_nb.store.tables import FLOW_RUNS, STATE_HISTORY, TASK_RUNS
from orch_nb.store.times import moment

_BACK = 1_000  # rows looked at again: they may come out of their numbers' order
_PAGE = 500


def newest_event(store: Store) -> int:
    """The number of the newest row of the history."""
    (row,) = store.query(select(func.max(STATE_HISTORY.c.id).label("newest")))
    return int(row["newest"] or 0)


def flow_events(
    store: Store, flow: str, state: StateName, *, after: int, since: int
) -> tuple[int, ...]:
    """The numbers of the rows that say that a run of a flow, or of a deployment of that name,
    entered a state; those a little before ``after`` may come once more, none before ``since``."""
    history = STATE_HISTORY.c
    statement = (
        select(history.id)
        .join(FLOW_RUNS, FLOW_RUNS.c.id == history.flow_run_id)
        .outerjoin(DEPLOYED_RUNS, DEPLOYED_RUNS.c.flow_run_id == history.flow_run_id)
        .where(
            history.id > max(after - _BACK, since),
            history.task_run_id.is_(None),
            history.new == state.value,
            or_(FLOW_RUNS.c.flow == flow, DEPLOYED_RUNS.c.deployment == flow),
        )
        .order_by(history.id.desc())
        .limit(_PAGE)
    )
    return tuple(sorted(row["id"] for row in store.query(statement)))


@dataclass(frozen=True, slots=True)
class Happening:
    """One row of the history, with what its run and task are called. ``number`` grows."""

    number: int
    time: datetime
    run_id: FlowRunId
    run: str
    flow: str
    notebook: str
    task_id: TaskRunId | None
    task: str | None
    cell: int | None
    cell_id: str | None
    old: StateName | None
    new: StateName
    message: str
    attempt: int


def happenings(store: Store, *, after: int, limit: int) -> tuple[Happening, ...]:
    """The rows of the history after number ``after``, in the order of their numbers. On
    PostgreSQL rows may come late that have a lower number than some that are there."""
    history, runs, tasks = STATE_HISTORY.c, FLOW_RUNS.c, TASK_RUNS.c
    statement = (
        select(
            STATE_HISTORY,
            runs.name.label("run"),
            runs.flow,
            runs.notebook,
            tasks.name.label("task"),
            tasks.cell_number,
            tasks.cell_id,
        )
        .join(FLOW_RUNS, runs.id == history.flow_run_id)
        .outerjoin(TASK_RUNS, tasks.id == history.task_run_id)
        .where(history.id > after)
        .order_by(history.id)
        .limit(limit)
    )
    return tuple(_happening(row) for row in store.query(statement))


def _happening(row: RowMapping) -> Happening:
    return Happening(
        number=row["id"],
        time=moment(row["time"]),
        run_id=FlowRunId(row["flow_run_id"]),
        run=row["run"],
        flow=row["flow"],
        notebook=row["notebook"],
        task_id=row["task_run_id"],
        task=row["task"],
        cell=row["cell_number"],
        cell_id=row["cell_id"],
        old=None if row["old"] is None else StateName(row["old"]),
        new=StateName(row["new"]),
        message=row["message"],
        attempt=row["attempt"],
    )


class Horizon:
    """Up to which number the history is complete: nothing will be added at or below it.

    SQLite has one writer at a time: what is there is all there will be. On PostgreSQL a number
    is given before its transaction commits; those that were open when a number was first seen
    must have ended.
    """

    def __init__(self) -> None:
        self.number = 0
        self._waiting: tuple[int, int] | None = None  # a number, and the transaction to wait for

    def look(self, store: Store) -> int:
        """Look again; the horizon as it is now."""
        if store.backend is not Backend.POSTGRESQL:
            self.number = newest_event(store)
            return self.number
        snapshot = func.pg_current_snapshot()
        (row,) = store.query(
            select(
                select(func.max(STATE_HISTORY.c.id)).scalar_subquery().label("newest"),
                cast(cast(func.pg_snapshot_xmin(snapshot), Text), BigInteger).label("oldest_open"),
                cast(cast(func.pg_snapshot_xmax(snapshot), Text), BigInteger).label("next"),
            )
        )
        newest = int(row["newest"] or 0)
        if self._waiting is not None and row["oldest_open"] >= self._waiting[1]:
            self.number, self._waiting = self._waiting[0], None
        if row["oldest_open"] == row["next"]:  # nobody writes
            self.number, self._waiting = newest, None
        elif self._waiting is None and newest > self.number:
            self._waiting = (newest, row["next"])
        return self.number


def complete_part(found: Sequence[Happening], *, after: int, horizon: int) -> tuple[Happening, ...]:
    """The first of ``found`` (all those after ``after``) before which nothing can come any more:
    those up to the horizon, and those whose numbers follow without a gap."""
    kept = []
    last = after
    for one in found:
        if one.number > horizon and one.number != last + 1:
            break
        kept.append(one)
        last = one.number
    return tuple(kept)
