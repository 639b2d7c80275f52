"""Ids of runs: 32 hexadecimal digits that grow with the time they were made."""

from __future__ import annotations

import secrets
import threading
import time
from datetime import datetime

from orch_nb.model import FlowRunId, TaskRunId
from orch_nb.store.times import micros

_lock = threading.Lock()
_last = 0


def new_flow_run_id() -> FlowRunId:
    """A new id, greater than every id made before in this process."""
    return FlowRunId(_new_id())


def new_task_run_id() -> TaskRunId:
    """A new id, greater than every id made before in this process."""
    return TaskRunId(_new_id())


def first_id_at(moment: datetime) -> str:
    """A lower bound of the ids made at ``moment`` (aware) or later."""
    return f"{max(micros(moment), 0):014x}"


def _new_id() -> str:
    global _last
    with _lock:
        # The wall clock may step back; ids of one process still grow.
        _last = max(_last + 1, time.time_ns() // 1000)
        moment = _last
    return f"{moment:014x}{secrets.token_hex(9)}"
