"""Bring values to where they are kept before the record says that they are.

A local folder holds them as soon as a worker has written them. Elsewhere they are uploaded, in a
thread of its own and in order, so that the run need not wait for the way.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace

from orch_nb.errors import ResultError
from orch_nb.results.location import Folder, Location
from orch_nb.store import ResultRecord, StoreWriter, Transaction

Operation = Callable[[Transaction, Sequence[ResultRecord]], None]


class Keeping:
    """The road from a run to its record; what is submitted is done in the order of submission."""

    def __init__(
        self, writer: StoreWriter, location: Location | None, notice: Callable[[str], None]
    ) -> None:
        self._writer = writer
        self._location = location
        self._notice = notice
        self._told = False
        self._queue: ThreadPoolExecutor | None = None
        if location is not None and not isinstance(location, Folder):
            self._queue = ThreadPoolExecutor(1, thread_name_prefix="orch_nb results")

    def submit(
        self,
        operation: Operation,
        done: Callable[[Future[None]], None],
        results: Sequence[ResultRecord] = (),
    ) -> None:
        """Keep the values of ``results``, then have ``operation`` done with what became of them.

        ``done`` is told, in another thread, how the operation went.
        """

        def pass_on() -> Future[None]:
            kept = [self._keep(result) for result in results]
            return self._writer.submit(
                lambda transaction: operation(transaction, kept), hurried=False
            )

        if self._queue is None:
            pass_on().add_done_callback(done)
        else:
            passed = self._queue.submit(pass_on)
            passed.add_done_callback(lambda passed: passed.result().add_done_callback(done))

    def drain(self) -> None:
        """Wait until all that was submitted so far is with the writer."""
        if self._queue is not None:
            self._queue.submit(lambda: None).result()

    def close(self) -> None:
        """Wait until all that was submitted is with the writer."""
        if self._queue is not None:
            self._queue.shutdown()

    def not_kept(self, reason: str) -> None:
        """Tell the user, once in a run, that values could not be kept."""
        if not self._told:
            self._told = True
            self._notice(f"some values are not kept: {reason}")

    def _keep(self, result: ResultRecord) -> ResultRecord:
        if result.digest is None or self._location is None:
            return result
        try:
            self._location.keep(result.digest)
        except ResultError as error:
            self.not_kept(error.message)
            return replace(
                result,
                kept=False,
                reason=error.message,
                digest=None,
                manifest=None,
                size=0,
                signature=None,
                key_id=None,
            )
        return result
