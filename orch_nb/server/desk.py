"""What one server process has once for all requests; made with the first of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orch_nb.app.editing import EditedNotebooks
    from orch_nb.app.happening import History
    from orch_nb.app.opened import ServerHold
    from orch_nb.server.feed import Feed
    from orch_nb.server.keeper import Keeper


class Desk:
    """The open store, the feed of events and the rest. Nothing of it is there before ``open``:
    the start of a server costs nothing."""

    hold: ServerHold
    edited: EditedNotebooks
    feed: Feed
    keeper: Keeper

    def __init__(self, address: Callable[[], str], *, daemon: bool = True) -> None:
        """``address`` tells where browsers find this server, once it serves."""
        self._address = address
        self._daemon = daemon
        self._lock = asyncio.Lock()
        self._open = False
        self._closed = False

    async def open(self) -> None:
        """Open it if it is not open yet. Raises StoreError."""
        if self._open:
            return
        async with self._lock:
            if not self._open and not self._closed:
                await self._make()

    async def _make(self) -> None:
        from orch_nb.server.feed import Feed
        from orch_nb.server.keeper import Keeper

        history, newest = await asyncio.to_thread(self._open_store)
        self.feed = Feed(history, newest)
        self.keeper = Keeper(self.hold, daemon=self._daemon)
        self._open = True

    def _open_store(self) -> tuple[History, int]:
        from orch_nb.app.editing import EditedNotebooks
        from orch_nb.app.happening import History
        from orch_nb.app.opened import ServerHold

        self.edited = EditedNotebooks()
        self.hold = ServerHold(self._address())
        history = History()
        return history, history.look()

    async def close(self) -> None:
        """End all of it."""
        async with self._lock:
            self._closed = True
            if not self._open:
                return
            self._open = False
            await self.feed.close()
            await self.keeper.close()
            await asyncio.to_thread(self.hold.close)
