"""What a cell leaves running: threads that only idle are ended, the others are named.

A process with a live Python thread can't be forked safely, and some libraries keep one by habit.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

_OWN = "orch_nb "  # threads that run a cell's calls of other cells: they end after the cell
_GRACE = 0.1  # seconds that a thread which is about to end has to do so


class _Pool(ThreadPoolExecutor):
    """What `asyncio.to_thread` uses; ``used`` is whether it may have threads."""

    used = False

    def submit(self, *arguments: Any, **named: Any) -> Any:
        """Do as any pool."""
        self.used = True
        return super().submit(*arguments, **named)

    def shutdown(self, *arguments: Any, **named: Any) -> None:
        """Do as any pool: it is of no use to the next cell."""
        self.used = True
        super().shutdown(*arguments, **named)


class Leftovers:
    """Tells the threads and tasks of one cell from those that were there before it."""

    def __init__(self) -> None:
        self._pool = _new_pool()

    def begin(self, loop: asyncio.AbstractEventLoop) -> None:
        """A cell is to run in ``loop``."""
        self._loop = loop
        self._threads = set(threading.enumerate())
        self._tasks = asyncio.all_tasks(loop)
        if self._pool.used:  # or shut: as the loop is closed that a fork came with
            self._pool = _new_pool()
        # asyncio.to_thread keeps its pool's threads; a cell's own pool can be ended with the cell
        loop.set_default_executor(self._pool)

    def end_idle(self) -> None:
        """End threads that wait for work which the next cell would start anew."""
        if self._pool.used:
            self._pool.shutdown(wait=False)
        for thread in self._new_threads():
            _end_progress_monitor(thread)
        deadline = time.monotonic() + _GRACE
        for thread in self._new_threads():
            thread.join(max(0.0, deadline - time.monotonic()))

    def threads(self) -> tuple[str, ...]:
        """Return the names of the threads that the cell left."""
        return tuple(sorted(thread.name for thread in self._new_threads()))

    def tasks(self) -> tuple[str, ...]:
        """Return the names of the asyncio tasks that the cell left."""
        new = asyncio.all_tasks(self._loop) - self._tasks
        return tuple(sorted(task.get_name() for task in new))

    def _new_threads(self) -> Iterable[threading.Thread]:
        new = set(threading.enumerate()) - self._threads
        return {thread for thread in new if not thread.name.startswith(_OWN)}


def _new_pool() -> _Pool:
    return _Pool(thread_name_prefix="asyncio")


def end_script_loop(magics: Any) -> None:
    """End the thread in which `%%bash` and its kind run, unless a script still does."""
    loop = getattr(magics, "event_loop", None)
    if loop is None or magics.bg_processes:
        return
    if hasattr(magics, "stop_event_loop"):  # IPython 9.16
        magics.stop_event_loop()
        return
    loop.call_soon_threadsafe(loop.stop)
    while loop.is_running():
        time.sleep(0.001)
    loop.close()
    magics.event_loop = None


def _end_progress_monitor(thread: Any) -> None:
    # tqdm starts another as soon as there is another bar
    if type(thread).__name__ == "TMonitor" and not getattr(thread, "tqdm_cls", thread)._instances:
        thread.exit()
