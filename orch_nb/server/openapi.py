"""The OpenAPI description of the API, from the table of routes."""

from __future__ import annotations

from typing import Any

from orch_nb import __version__
from orch_nb.server.requests import BODIES, QUERIES
from orch_nb.server.route import PREFIX, Route
from orch_nb.server.routes import ROUTES
from orch_nb.server.schemas import COMPONENTS, ref, text

_FAILURES = {
    "400": "The request can't be used",
    "403": "Not authorized",
    "404": "There is no such thing",
    "405": "There is no such method",
    "409": "It can't be done now",
}


def openapi(base_url: str = "/") -> dict[str, Any]:
    """The description, for a server with that base URL."""
    paths: dict[str, Any] = {}
    for route in ROUTES:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "orch_nb",
            "version": __version__,
            "description": "Notebooks as flows. What happens is also told on the websocket "
            "`/events/stream?cursor=N`: see orch_nb.server.socket.",
        },
        "servers": [{"url": base_url.rstrip("/") + PREFIX}],
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "schemas": COMPONENTS,
            "securitySchemes": {
                "token": {"type": "apiKey", "in": "header", "name": "Authorization"}
            },
        },
    }


def _operation(route: Route) -> dict[str, Any]:
    found: dict[str, Any] = {
        "operationId": route.operation,
        "summary": route.summary,
        "tags": [str(route.resource)],
        "parameters": [
            *(
                {"name": name, "in": "path", "required": True, "schema": text(200, minLength=1)}
                for name in route.places
            ),
            *(
                {"name": name, "in": "query", "schema": s}
                for name, s in QUERIES.get(route.operation, {}).items()
            ),
        ],
        "responses": {
            str(route.status): _answer("Done", route.answer),
            **{status: _answer(words, "Error") for status, words in _FAILURES.items()},
        },
    }
    body = BODIES.get(route.operation)
    if body is not None:
        content = {"application/json": {"schema": body}}
        found["requestBody"] = {"required": bool(body.get("required")), "content": content}
    return found


def _answer(words: str, schema: str) -> dict[str, Any]:
    return {"description": words, "content": {"application/json": {"schema": ref(schema)}}}
