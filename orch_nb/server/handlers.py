"""Handlers of three lines, made from the table of routes: read, one call, write."""

from __future__ import annotations

import asyncio
import importlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from jupyter_core.utils import ensure_async
from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import APIHandler
from jupyter_server.services.contents.fileio import FileManagerMixin
from tornado import web

from orch_nb.errors import OrchError
from orch_nb.server.desk import Desk
from orch_nb.server.failures import describe, misfit
from orch_nb.server.route import PREFIX, Route

if TYPE_CHECKING:
    from orch_nb.model import Json
    from orch_nb.server.call import Call
    from orch_nb.server.paths import Root

Handlers = list[tuple[str, type[web.RequestHandler], dict[str, Any]]]


class ApiHandler(APIHandler):
    """What all routes share."""

    def initialize(self, desk: Desk) -> None:
        self.desk = desk

    def write_error(self, status_code: int, **options: Any) -> None:
        """Every error is ``{message, where, hint}``."""
        error = options.get("exc_info", (None, None, None))[1]
        status, body = describe(error, status_code)
        self.set_status(status)
        self.reply(body)

    def log_exception(self, kind: Any, error: Any, trace: Any) -> None:
        """What a client did wrong is no trouble of the server's."""
        if not isinstance(error, OrchError):
            super().log_exception(kind, error, trace)

    def reply(self, body: Json) -> None:
        """Answer with JSON."""
        self.set_header("Content-Type", "application/json; charset=utf-8")
        self.set_header("Cache-Control", "no-store")
        try:
            text = json.dumps(body, allow_nan=False, default=str)
        except ValueError:
            text = json.dumps(_finite(body), default=str)
        self.finish(text)

    async def serve(self, route: Route, place: Mapping[str, str]) -> None:
        """Read, one call, write."""
        call = await self.read(route, place)
        body = await run_operation(route, call)
        self.set_status(route.status)
        self.reply(body)

    async def read(self, route: Route, place: Mapping[str, str]) -> Call:
        """The request, held to the route's schemas; these are loaded with the first one."""
        from orch_nb.server.call import Call
        from orch_nb.server.checking import check_text, read_body, read_query

        check_text(dict(place), "path")
        names = {name: self.get_query_arguments(name, strip=False) for name in self.query_names()}
        check_text(names, "query")
        query = read_query(route, names)
        wants_body = self.request.method in ("POST", "PUT")
        body = read_body(route, self.request.body if wants_body else b"")
        await self.desk.open()
        root = self.root()
        document = await self.document(body, root, route) if route.notebook else None
        name = getattr(self.current_user, "username", "") or "jupyter"
        return Call(self.desk, root, place, query, body, document, str(name))

    def query_names(self) -> list[str]:
        """The names in the query."""
        return list(self.request.query_arguments)

    def root(self) -> Root:
        """Where the server's files are."""
        from orch_nb.server.paths import Root

        contents = self.contents_manager
        hidden = bool(getattr(contents, "allow_hidden", False))
        if not isinstance(contents, FileManagerMixin):
            return Root(None, hidden)
        return Root(Path(contents.root_dir).absolute(), hidden)

    async def document(
        self, body: Mapping[str, Any], root: Root, route: Route
    ) -> Mapping[str, Any] | None:
        """The notebook: what the client has of it, else what is saved. None for a run of a file
        on this disk, which its process reads itself."""
        path = body.get("path")
        if "content" in body:
            content: Mapping[str, Any] = body["content"]
            return content
        if path is None:
            raise misfit("there is no notebook", "body", "give its path, or its content")
        place = root.local(path, must_exist=root.folder is not None)
        if root.folder is not None and route.operation == "runs.start" and place.is_file():
            return None
        contents: Any = self.contents_manager
        model = await ensure_async(contents.get(path.strip("/"), content=True, type="notebook"))
        plain: Mapping[str, Any] = json.loads(json.dumps(model["content"]))
        return plain


async def run_operation(route: Route, call: Call) -> Json:
    """Do what a route does: in a thread, unless it is a coroutine."""
    operation = await asyncio.to_thread(_find, route.operation)
    if asyncio.iscoroutinefunction(operation):
        return await operation(call)
    return await asyncio.to_thread(operation, call)


def _find(operation: str) -> Any:
    module, _, name = operation.partition(".")
    return getattr(importlib.import_module(f"orch_nb.server.operations.{module}"), name)


def _finite(value: Any) -> Any:
    """The value with null for numbers that JSON does not have."""
    if isinstance(value, float):
        return value if value - value == 0 else None
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return value


def _method(route: Route) -> Any:
    async def method(self: ApiHandler, **place: str) -> None:
        await self.serve(route, place)

    method.__doc__ = route.summary
    guarded: Any = authorized(action=str(route.action), resource=str(route.resource))(method)
    return web.authenticated(guarded)


class OpenApiHandler(ApiHandler):
    """The description of the API."""

    auth_resource: ClassVar[str] = "orch_nb"

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """The OpenAPI file."""
        from orch_nb.server.openapi import openapi

        self.reply(openapi(self.base_url))


class UnknownHandler(ApiHandler):
    """Any other path below ours."""

    auth_resource: ClassVar[str] = "orch_nb"

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """There is nothing."""
        raise web.HTTPError(404, reason="there is no such path in the API")

    post = put = delete = patch = get


def make_handlers(routes: tuple[Route, ...], desk: Desk) -> Handlers:
    """Handlers for tornado, without the server's base URL."""
    by_pattern: dict[str, list[Route]] = {}
    for route in routes:
        by_pattern.setdefault(route.pattern, []).append(route)
    found: Handlers = [(f"{PREFIX}/openapi.json", OpenApiHandler, {"desk": desk})]
    for pattern, rows in by_pattern.items():
        members = {row.method.lower(): _method(row) for row in rows}
        members["auth_resource"] = str(rows[0].resource)
        found.append((pattern, type("RouteHandler", (ApiHandler,), members), {"desk": desk}))
    return found
