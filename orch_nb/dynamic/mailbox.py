"""What waits for an engine's thread: items that others put there, and what is due at some time."""

from __future__ import annotations

import contextlib
import heapq
import itertools
import queue
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

_AT_ONCE = 500  # items; then what they have made ready has its turn


class Mailbox:
    """Any thread may ``put``; all else is the engine's. ``returned`` gets what comes after the
    end."""

    def __init__(self, returned: Callable[[Any], None]) -> None:
        self._items: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self._returned = returned
        self._over = threading.Event()

    @property
    def is_empty(self) -> bool:
        """Whether nothing was put that was not taken."""
        return self._items.empty()

    def put(self, item: Any) -> None:
        """Have the engine take an item, or get it returned."""
        self._items.put(item)
        if self._over.is_set():
            self._return_all()

    def at(self, seconds: float, do: Callable[[], None]) -> None:
        """Have something done after so many seconds."""
        heapq.heappush(self._timers, (time.monotonic() + seconds, next(self._numbers), do))

    def take(self, until: float) -> Iterator[Any]:
        """The items that are there; waits for the first of them, but no longer than ``until`` (on
        the monotonic clock), nor than something is due."""
        if self._timers:
            until = min(until, self._timers[0][0])
        with contextlib.suppress(queue.Empty):
            yield self._items.get(timeout=max(0.0, until - time.monotonic()))
            for _ in range(_AT_ONCE):
                yield self._items.get_nowait()

    def do_due(self) -> None:
        """Do what is due."""
        now = time.monotonic()
        while self._timers and self._timers[0][0] <= now:
            heapq.heappop(self._timers)[2]()

    def close(self) -> None:
        """Take nothing more."""
        self._over.set()
        self._return_all()

    def _return_all(self) -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                self._returned(self._items.get_nowait())
