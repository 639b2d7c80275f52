"""Tells of the calls of cells while a run goes on: they are recorded by the process that runs them,
and not by the run's driver."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Iterator

from orch_nb.engine.events import Listener, TaskChanged
from orch_nb.errors import OrchError
from orch_nb.model import FlowRunId, TaskRun
from orch_nb.store import open_store

_log = logging.getLogger(__name__)
_LOOK = 0.3  # seconds between looks at the record


@contextlib.contextmanager
def telling_calls(run: FlowRunId, listener: Listener) -> Iterator[None]:
    """While inside, ``listener`` hears of each call of the run's cells that has a new state; on
    leaving, of the last ones."""
    over = threading.Event()
    thread = threading.Thread(
        target=_tell, args=(run, listener, over), name="orch_nb calls", daemon=True
    )
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _tell(run: FlowRunId, listener: Listener, over: threading.Event) -> None:
    told: dict[str, TaskRun] = {}
    last = False
    try:
        with open_store() as store:
            while not last:
                last = over.wait(_LOOK)
                for task in store.task_runs(run):
                    if task.is_call and told.get(task.id) != task:
                        told[task.id] = task
                        listener(TaskChanged(task))
    except OrchError:
        _log.exception("the calls of run %s can't be told", run)
