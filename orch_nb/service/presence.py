"""A scheduler or worker shows that it lives, and is seen to by the others."""

from __future__ import annotations

import os
import socket
from dataclasses import replace
from datetime import datetime

from orch_nb.schedules.deployment import WorkerRecord
from orch_nb.store import Store, new_flow_run_id, new_holder
from orch_nb.store.workers import end_worker, renew_worker

EVERY = 5.0  # seconds between signs of life


class Presence:
    """The row of one scheduler or worker in the store."""

    def __init__(
        self, store: Store, kind: str, now: datetime, *, pool: str = "", limit: int = 0
    ) -> None:
        self._store = store
        self._shown = float("-inf")
        self.record = WorkerRecord(
            id=str(new_flow_run_id()),
            name=f"{socket.gethostname()}-{os.getpid()}",
            kind=kind,
            pool=pool,
            limit=limit,
            running=0,
            holder=new_holder(),
            state="running",
            counter=0,
            started=now,
            seen=now,
        )

    def show(
        self, now: datetime, monotonic: float, *, running: int, state: str = "running"
    ) -> None:
        """Renew the row when it is time, or when something in it has changed."""
        same = (running, state) == (self.record.running, self.record.state)
        if same and monotonic - self._shown < EVERY:
            return
        self._shown = monotonic
        self.record = replace(
            self.record,
            running=running,
            state=state,
            counter=self.record.counter + 1,
            seen=now,
        )
        record = self.record
        self._store.write(lambda t: renew_worker(t, record))

    def end(self, now: datetime) -> None:
        """Say that it has ended as it should."""
        self._store.write(lambda t: end_worker(t, self.record.id, now))
