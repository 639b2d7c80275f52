"""Who works: schedulers and workers as rows that they renew, and that others watch."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import delete, select, update

from orch_nb.schedules.deployment import WorkerRecord
from orch_nb.store import deployment_rows
from orch_nb.store.deployment_tables import WORKERS
from orch_nb.store.rows import text
from orch_nb.store.store import Store
from orch_nb.store.times import micros
from orch_nb.store.transaction import Transaction
from orch_nb.store.upsert import upsert_into


def renew_worker(transaction: Transaction, record: WorkerRecord) -> None:
    """Record a worker as it is now, and that it lives."""
    connection = transaction.connection
    statement = upsert_into(connection, WORKERS)
    connection.execute(
        statement.values(
            id=record.id,
            name=text(record.name),
            kind=record.kind,
            pool=text(record.pool),
            limit=record.limit,
            running=record.running,
            holder=record.holder,
            state=record.state,
            counter=record.counter,
            started=micros(record.started),
            seen=micros(record.seen),
        ).on_conflict_do_update(
            index_elements=["id"],
            set_={
                name: statement.excluded[name] for name in ("running", "state", "counter", "seen")
            },
        )
    )


def forget_workers(transaction: Transaction, ids: Iterable[str]) -> None:
    """Forget workers that have ended."""
    wanted = sorted(ids)
    if wanted:
        transaction.connection.execute(delete(WORKERS).where(WORKERS.c.id.in_(wanted)))


def end_worker(transaction: Transaction, worker_id: str, now: datetime) -> None:
    """Note that a worker has ended as it should."""
    transaction.connection.execute(
        update(WORKERS)
        .where(WORKERS.c.id == worker_id)
        .values(state="stopped", running=0, seen=micros(now))
    )


def list_workers(store: Store) -> tuple[WorkerRecord, ...]:
    """All schedulers and workers that are known, the oldest first."""
    found = store.query(select(WORKERS).order_by(WORKERS.c.started, WORKERS.c.id))
    return tuple(deployment_rows.worker(row) for row in found)
