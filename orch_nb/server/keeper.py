"""Sees every few seconds that what is scheduled will run; begins with the first request."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING

from orch_nb.errors import OrchError

if TYPE_CHECKING:
    from orch_nb.app.opened import ServerHold

EVERY = 5.0  # seconds

_log = logging.getLogger(__name__)


class Keeper:
    """A task on the server's loop; the work is done in threads."""

    def __init__(self, hold: ServerHold, *, daemon: bool) -> None:
        self._hold = hold
        self._daemon = daemon
        self._poked = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._task = self._loop.create_task(self._work())

    def poke(self) -> None:
        """Something was deployed: look at once. From any thread."""
        self._loop.call_soon_threadsafe(self._poked.set)

    async def close(self) -> None:
        """End."""
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    async def _work(self) -> None:
        while self._daemon:
            self._poked.clear()
            try:
                await asyncio.to_thread(self._hold.tend)
            except OrchError as error:
                _log.warning("schedules could not be looked after: %s", error)
            except Exception:  # a loop's edge
                _log.exception("schedules could not be looked after")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._poked.wait(), EVERY)
