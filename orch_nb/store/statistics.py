"""What the record says of runs in general: how long they take."""

from __future__ import annotations

import statistics

from sqlalchemy import select

from orch_nb.states import StateType
from orch_nb.store.deployment_tables import DEPLOYED_RUNS
from orch_nb.store.store import Store
from orch_nb.store.tables import FLOW_RUNS

_LOOKED_AT = 20  # runs


def typical_seconds(store: Store, deployment_id: str) -> float | None:
    """The median time of a deployment's last completed runs; None before the first."""
    runs = FLOW_RUNS.c
    statement = (
        select(runs.start_time, runs.end_time)
        .join(DEPLOYED_RUNS, DEPLOYED_RUNS.c.flow_run_id == runs.id)
        .where(
            DEPLOYED_RUNS.c.deployment_id == deployment_id,
            runs.state_type == StateType.COMPLETED.value,
            runs.start_time.is_not(None),
        )
        .order_by(runs.id.desc())
        .limit(_LOOKED_AT)
    )
    times = [(row["end_time"] - row["start_time"]) / 1e6 for row in store.query(statement)]
    return statistics.median(times) if times else None
