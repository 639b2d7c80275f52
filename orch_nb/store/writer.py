"""One thread per process that does all writing: what waits is done in one transaction."""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self, TypeVar

from orch_nb.errors import StoreError
from orch_nb.store.commit import Operation, Outcome
from orch_nb.store.store import Store
from orch_nb.store.transaction import Transaction

T = TypeVar("T")

_LARGEST_BATCH = 1000
_GATHERING = 0.005  # seconds between transactions with operations that nobody waits for


@dataclass(frozen=True, slots=True)
class _Job:
    operation: Operation
    future: Future[Any]
    hurried: bool


class StoreWriter:
    """Writes to a store in the background, in the order of submission.

    An operation's future is done when its transaction is committed, or carries the error that
    undid it; a refused operation never undoes another. The thread is a daemon: whoever makes a
    writer closes it (it is a context manager), which waits for what was submitted.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._hurry = threading.Event()  # somebody waits for what was submitted
        self._gathered = -_GATHERING  # when operations were last done that nobody waited for
        self._lock = threading.Lock()  # between submitting and closing
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="orch_nb store", daemon=True)
        self._thread.start()

    def submit(self, operation: Callable[[Transaction], T], *, hurried: bool = True) -> Future[T]:
        """Have an operation done; StoreError when the writer is closed.

        One that nobody waits for need not be ``hurried``: it may wait a moment for others, since
        a transaction costs more than what is done in it.
        """
        future: Future[T] = Future()
        with self._lock:
            if self._closed:
                raise StoreError("the store's writer is closed", where=self._store.where)
            self._jobs.put(_Job(operation, future, hurried))
            if hurried:
                self._hurry.set()
        return future

    def flush(self, timeout: float | None = None) -> None:
        """Wait until everything submitted so far is done; TimeoutError after ``timeout`` s."""
        self.submit(lambda transaction: None).result(timeout)

    def close(self) -> None:
        """Finish what was submitted, and end the thread. The store stays open."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._jobs.put(None)
                self._hurry.set()
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _work(self) -> None:
        more = True
        while more:
            batch, more = self._take()
            batch = [job for job in batch if job.future.set_running_or_notify_cancel()]
            if not batch:
                continue
            try:
                outcomes = self._store.write_all([job.operation for job in batch])
            except Exception as error:  # the thread must live: the error goes to who waits
                outcomes = [Outcome(error=error)] * len(batch)
            for job, outcome in zip(batch, outcomes, strict=True):
                if outcome.error is None:
                    job.future.set_result(outcome.value)
                else:
                    job.future.set_exception(outcome.error)

    def _take(self) -> tuple[list[_Job], bool]:
        """The jobs that wait, at least one, and whether more may come."""
        batch: list[_Job] = []
        job = self._jobs.get()
        if job is not None and not job.hurried:
            self._hurry.wait(max(0.0, self._gathered + _GATHERING - time.monotonic()))
            self._gathered = time.monotonic()
        self._hurry.clear()  # before looking: whoever sets it again has submitted before
        with contextlib.suppress(queue.Empty):
            while job is not None:
                batch.append(job)
                if len(batch) == _LARGEST_BATCH:
                    return batch, True
                job = self._jobs.get_nowait()
            return batch, False
        return batch, True
