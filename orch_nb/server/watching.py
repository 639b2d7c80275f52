"""A run as its views follow it: a snapshot, then what changes, until its end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from orch_nb.model import Json
    from orch_nb.server.feed import Feed

EVERY = 0.5  # seconds between looks at what no event tells, such as logs


class Watching:
    """One run, for one client."""

    def __init__(self, called: str, feed: Feed) -> None:
        self._called = called
        self._feed = feed

    async def messages(self) -> AsyncIterator[Json]:
        """Snapshot and Deltas (`orch_nb.app.view_schema`). Raises NotFoundError."""
        recorded, view, stream, out = await asyncio.to_thread(self._begin)
        try:
            yield stream.whole()
            while not view.ended:
                await self._feed.wait(EVERY)
                view = await asyncio.to_thread(recorded.read, view)
                stream.flush(view, force=True)
                while out:
                    yield out.pop(0)
        finally:
            recorded.close()

    def _begin(self) -> tuple[Any, Any, Any, list[Json]]:
        from orch_nb.app.view_records import RecordedRun
        from orch_nb.app.view_stream import ViewStream

        recorded = RecordedRun(self._called, {"cancel": ""})
        view = recorded.read()
        out: list[Json] = []
        return recorded, view, ViewStream(view, out.append, time.time), out
