"""The history as a stream of events: which runs of a flow have reached a state."""

from __future__ import annotations

from sqlalchemy import func, or_, select

from orch_nb.states import StateName
from orch_nb.store.deployment_tables import DEPLOYED_RUNS
from orch_nb.store.store import Store
from orch_nb.store.tables import FLOW_RUNS, STATE_HISTORY

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
