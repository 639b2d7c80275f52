"""Work for the kernel's main thread, handed over by the threads of a run."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import signal
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any

Work = Callable[[], Coroutine[Any, Any, Any]]

_GRACE = 0.3  # seconds that an awaiting cell has to end before the thread is interrupted


class WorkInterrupted(Exception):
    """The work was ended before it had begun, or while it awaited something."""


class MainQueue:
    """See orch_nb.app.live_runner.MainThread. The main thread calls ``serve`` or ``serve_blocking``
    again and again; they return after each piece of work, or when it is time to look around."""

    def __init__(self) -> None:
        self._waiting: collections.deque[tuple[Work, Future[Any]]] = collections.deque()
        self._arrived = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._wake: asyncio.Event | None = None
        self._running: asyncio.Task[Any] | None = None
        self._thread = threading.get_ident()
        self._over = False
        self.before: Callable[[], None] = lambda: None  # called before each piece of work

    @property
    def is_awaited(self) -> bool:
        """Whether the main thread awaits in a loop, which others use meanwhile."""
        return self._loop is not None

    def submit(self, work: Work) -> Future[Any]:
        """Have ``work`` awaited in the main thread."""
        future: Future[Any] = Future()
        if self._over:
            future.cancel()
            return future
        self._waiting.append((work, future))
        self._ring()
        return future

    def end(self) -> None:
        """The run is over: wake who attends it."""
        self._over = True
        self._ring()

    def interrupt(self) -> None:
        """End the cell that runs in the main thread, whether it awaits or computes."""
        task, loop = self._running, self._loop
        if task is None or task.done():
            return
        if loop is not None:
            loop.call_soon_threadsafe(task.cancel)

        def insist() -> None:
            if self._running is task and not task.done():
                signal.pthread_kill(self._thread, signal.SIGINT)
                threading.Timer(_GRACE, insist).start()  # it may not have begun to listen

        threading.Timer(_GRACE, insist).start()

    async def serve(self, seconds: float) -> None:
        """Do what waits; return when something was done, or after ``seconds``."""
        self._loop = asyncio.get_running_loop()
        if self._wake is None:
            self._wake = asyncio.Event()
        if not self._waiting and not self._over:
            with contextlib.suppress(TimeoutError, asyncio.TimeoutError):
                await asyncio.wait_for(self._wake.wait(), seconds)
        self._wake.clear()
        while self._waiting:
            await self._do(*self._waiting.popleft())

    def serve_blocking(self, seconds: float) -> None:
        """As ``serve``, without a loop: what awaits something has one of its own meanwhile."""
        self._arrived.wait(seconds)
        self._arrived.clear()
        while self._waiting:
            work, future = self._waiting.popleft()
            _drive(self._do(work, future))

    async def _do(self, work: Work, future: Future[Any]) -> None:
        self.before()
        try:
            if self._loop is not None:
                self._running = asyncio.ensure_future(work())
                future.set_result(await self._running)
            else:
                future.set_result(await work())
        except asyncio.CancelledError:
            future.set_exception(WorkInterrupted())
        except BaseException as error:
            future.set_exception(error)
        finally:
            self._running = None

    def _ring(self) -> None:
        self._arrived.set()
        loop, wake = self._loop, self._wake
        if loop is not None and wake is not None and not loop.is_closed():
            loop.call_soon_threadsafe(wake.set)


def _drive(coroutine: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine that never waits for anything outside."""
    try:
        coroutine.send(None)
    except StopIteration:
        return
    coroutine.close()
    raise RuntimeError("a cell that awaits can't run here: use %%flow, alone in its cell")
