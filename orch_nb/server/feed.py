"""What happens to runs, for all clients: the store is looked at once, whoever listens.

Cursors are the store's, so that a client goes on where it was with any server, at any time.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import deque
from typing import TYPE_CHECKING

from orch_nb.errors import OrchError

if TYPE_CHECKING:
    from orch_nb.app.happening import History
    from orch_nb.model import Json

EVERY = 0.25  # seconds between looks while somebody listens
IDLE = 2.0  # and while nobody does
_SETTLE = 5.0  # seconds between looks for runs whose process is gone
_REMEMBERED = 5_000  # events

_log = logging.getLogger(__name__)


class Feed:
    """A task on the server's loop. ``marks`` counts changes of deployments."""

    def __init__(self, history: History, newest: int) -> None:
        self._history = history
        self._first = newest  # all events after this one are remembered
        self.cursor = newest
        self._recent: deque[Json] = deque()
        self._listeners = 0
        self.marks = 0
        self._mark = ""
        self._news = asyncio.Event()
        self._awake = asyncio.Event()
        self._settled = float("-inf")
        self._looking = asyncio.Lock()
        self._task = asyncio.get_running_loop().create_task(self._work())

    async def close(self) -> None:
        """End, and let go whoever waits."""
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        self._tell()

    async def page(self, cursor: int | None, wait: float, limit: int) -> Json:
        """The events after a cursor; if there are none, those of the next ``wait`` seconds.

        ``reset`` says that the cursor is none of this store's: everything is to be read anew.
        """
        if cursor is None:
            return {"cursor": self.cursor, "reset": False, "events": []}
        if cursor > self.cursor:
            await self._look()  # another server may have told of what is news here
        if cursor > self.cursor:
            return {"cursor": self.cursor, "reset": True, "events": []}
        found = await self.after(cursor, limit)
        end = time.monotonic() + wait
        while not found and (left := end - time.monotonic()) > 0:
            await self.wait(left)
            found = await self.after(cursor, limit)
        return {"cursor": found[-1]["cursor"] if found else cursor, "reset": False, "events": found}

    async def after(self, cursor: int, limit: int = 500) -> list[Json]:
        """The events after a cursor that are known now, at most ``limit``, the oldest first."""
        if cursor >= self.cursor:
            return []
        if cursor < self._first:
            return await asyncio.to_thread(self._history.read, cursor, limit)
        found = []
        for event in reversed(self._recent):
            if event["cursor"] <= cursor:
                break
            found.append(event)
        return found[::-1][:limit]

    async def wait(self, seconds: float) -> None:
        """Until something new is known, or the time is over."""
        self._listeners += 1
        self._awake.set()
        try:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), seconds)
        finally:
            self._listeners -= 1

    async def _work(self) -> None:
        while True:
            try:
                await self._look()
            except OrchError as error:
                _log.warning("the store could not be looked at: %s", error)
            except Exception:  # a loop's edge
                _log.exception("the store could not be looked at")
            self._awake.clear()
            with contextlib.suppress(TimeoutError):
                if self._listeners:
                    await asyncio.sleep(EVERY)
                else:
                    await asyncio.wait_for(self._awake.wait(), IDLE)

    async def _look(self) -> None:
        async with self._looking:
            await self._look_once()

    async def _look_once(self) -> None:
        settles = bool(self._listeners) and time.monotonic() - self._settled > _SETTLE
        found, mark = await asyncio.to_thread(self._read, settles)
        if settles:
            self._settled = time.monotonic()
        if found:
            self._recent.extend(found)
            self.cursor = found[-1]["cursor"]
            while len(self._recent) > _REMEMBERED:
                self._first = self._recent.popleft()["cursor"]
        if mark != self._mark:
            self._mark = mark
            self.marks += 1
        elif not found:
            return
        self._tell()

    def _read(self, settles: bool) -> tuple[list[Json], str]:
        if settles:
            self._history.settle()
        self._history.look()
        return self._history.read(self.cursor), self._history.deployments_mark()

    def _tell(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()
