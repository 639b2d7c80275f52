"""The event stream: a websocket that goes on after any cursor, and shows runs live.

The address is ``/orch-nb/api/events/stream?cursor=N``; without a cursor it begins with what comes.
The server sends, as JSON::

    {"type": "hello", "cursor": N, "reset": false}   first; reset: the cursor is not this store's
    {"type": "change", "cursor": N, "run": …}        as GET events has them, each once, in order
    {"type": "deployments"}                          some deployment has changed: read them again
    {"type": "run", "run": ID, "message": …}         a Snapshot or Delta of a run that is watched
    {"type": "error", "run": …, "message", "where", "hint"}

and takes ``{"type": "watch", "run": ID}`` and ``{"type": "unwatch", "run": ID}``. A client that was
cut off connects again with the cursor of the last change it has seen, and watches again.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import TYPE_CHECKING, Any, ClassVar

from jupyter_core.utils import ensure_async
from jupyter_server.auth.decorator import ws_authenticated
from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.base.websocket import WebSocketMixin
from tornado import web, websocket

from orch_nb.errors import OrchError
from orch_nb.server.desk import Desk
from orch_nb.server.failures import body_of
from orch_nb.server.route import PREFIX, Action, Resource
from orch_nb.server.watching import Watching

if TYPE_CHECKING:
    from orch_nb.model import Json

_LOOK = 25.0  # seconds that are waited for news at a time
_MOST_WATCHED = 20  # runs on one connection
_LONGEST_CURSOR = 15  # digits


class EventSocket(WebSocketMixin, websocket.WebSocketHandler, JupyterHandler):
    """One client's connection."""

    auth_resource: ClassVar[str] = str(Resource.RUNS)

    def initialize(self, desk: Desk) -> None:
        self.desk = desk
        self._tasks: dict[str, asyncio.Task[None]] = {}

    @ws_authenticated
    async def get(self, *arguments: Any, **options: Any) -> None:
        """Let a client in that may read runs."""
        allowed = await ensure_async(
            self.authorizer.is_authorized(
                self, self.current_user, str(Action.READ), self.auth_resource
            )
        )
        if not allowed:
            raise web.HTTPError(403)
        text = self.get_query_argument("cursor", "")
        if text and not (text.isascii() and text.isdigit() and len(text) <= _LONGEST_CURSOR):
            raise web.HTTPError(400, reason="the cursor is no whole number")
        self._cursor = int(text) if text else None
        try:
            await self.desk.open()
        except OrchError as error:
            raise web.HTTPError(409, reason=error.message.replace("\n", " ")) from None
        await super().get(*arguments, **options)

    def open(self, *arguments: str, **options: str) -> None:
        """Begin to send."""
        super().open(*arguments, **options)
        self._start("", self._send_events())

    async def on_message(self, message: str | bytes) -> None:
        """Watch a run, or no longer."""
        try:
            asked = json.loads(message)
            what, run = str(asked["type"]), str(asked["run"])[:200]
        except (ValueError, TypeError, KeyError, RecursionError):
            what, run = "", ""
        if what == "watch" and run and run not in self._tasks:
            if len(self._tasks) <= _MOST_WATCHED:
                self._start(run, self._send_run(run))
        elif what == "unwatch" and run in self._tasks:
            self._tasks.pop(run).cancel()

    def on_close(self) -> None:
        """The client is gone."""
        super().on_close()
        for task in self._tasks.values():
            task.cancel()
        self._tasks.clear()

    def _start(self, name: str, work: Any) -> None:
        self._tasks[name] = asyncio.get_running_loop().create_task(self._quietly(work))

    async def _quietly(self, work: Any) -> None:
        with contextlib.suppress(websocket.WebSocketClosedError, asyncio.CancelledError):
            await work

    async def _send(self, message: Json) -> None:
        await self.write_message(json.dumps(message, default=str))

    async def _send_events(self) -> None:
        feed = self.desk.feed
        page = await feed.page(self._cursor, 0, 1)
        cursor = page["cursor"] if self._cursor is None or page["reset"] else self._cursor
        await self._send({"type": "hello", "cursor": cursor, "reset": page["reset"]})
        marks = feed.marks
        while True:
            for event in await feed.after(cursor):
                await self._send(event)
                cursor = event["cursor"]
            if marks != feed.marks:
                marks = feed.marks
                await self._send({"type": "deployments"})
            if not await feed.after(cursor, 1):
                await feed.wait(_LOOK)

    async def _send_run(self, run: str) -> None:
        try:
            async for message in Watching(run, self.desk.feed).messages():
                await self._send({"type": "run", "run": run, "message": message})
        except OrchError as error:
            await self._send({"type": "error", "run": run, **body_of(error)})
        finally:
            self._tasks.pop(run, None)


def socket_handlers(desk: Desk) -> list[tuple[str, type[web.RequestHandler], dict[str, Any]]]:
    """The handlers of this module."""
    return [(f"{PREFIX}/events/stream", EventSocket, {"desk": desk})]
