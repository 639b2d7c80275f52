"""Holds requests to the schemas of their routes, with errors in words."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from typing import Any

from orch_nb.server.failures import misfit
from orch_nb.server.requests import BODIES, QUERIES
from orch_nb.server.route import Route, Schema

_DEEPEST = 100  # levels of a body
_NO_TEXT = "the text holds NUL or half a character"
# what Jupyter adds to any address; its front-ends also add a bare time, against caches
_JUPYTERS = frozenset({"token", "_xsrf"})


def read_query(route: Route, given: Mapping[str, list[str]]) -> dict[str, Any]:
    """The query's values in the types that the route wants. Raises OptionError."""
    known = QUERIES.get(route.operation, {})
    found: dict[str, Any] = {}
    for name, texts in given.items():
        schema = known.get(name)
        if schema is None:
            if name in _JUPYTERS or (name.isascii() and name.isdigit() and texts == [""]):
                continue
            hint = f"known: {', '.join(known) or 'none'}"
            raise misfit(f"there is no query parameter {name[:40]!r}", name[:40], hint)
        found[name] = _value(schema, texts, name)
    _check(_validator_of_query(route.operation), found, "query")
    return found


def _value(schema: Schema, texts: list[str], name: str) -> Any:
    if schema.get("type") == "array":
        return texts
    if len(texts) != 1:
        raise misfit(f"{name} is given {len(texts)} times", name, "give it once")
    text = texts[0]
    if schema.get("type") == "integer":
        if not (text.isascii() and text.lstrip("-").isdigit() and len(text) < 20):
            raise misfit(f"{name}={text[:40]!r} is no whole number", name)
        return int(text)
    return text


def read_body(route: Route, data: bytes) -> dict[str, Any]:
    """The body as the route wants it. Raises OptionError."""
    if not data.strip():
        value: Any = {}
    else:
        try:
            value = json.loads(data)
        except (ValueError, RecursionError):
            raise misfit("the body is no JSON", "body", "send an object in UTF-8") from None
    if route.operation not in BODIES:
        if value not in ({}, None):
            raise misfit("this request has no body", "body")
        return {}
    check_text(value, "body")
    _check(_validator_of_body(route.operation), value, "body")
    body: dict[str, Any] = value
    return body


def check_text(value: Any, where: str, depth: int = 0) -> None:
    """Raise OptionError for text that no file or database can hold, and for bottomless nesting."""
    if depth > _DEEPEST:
        raise misfit("it is nested too deeply", where)
    if isinstance(value, str):
        if "\0" in value or not _is_whole(value):
            raise misfit(_NO_TEXT, where)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            check_text(key, where, depth + 1)
            check_text(item, where, depth + 1)
    elif isinstance(value, list):
        for item in value:
            check_text(item, where, depth + 1)
    elif isinstance(value, float) and value - value != 0:
        raise misfit("NaN and Infinity are no JSON", where)


def _is_whole(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _check(validator: Any, value: Any, where: str) -> None:
    error = next(iter(validator.iter_errors(value)), None)
    if error is None:
        return
    place = ".".join([where, *map(str, error.absolute_path)])
    said = str(error.message)
    raise misfit(said if len(said) <= 300 else said[:299] + "…", place[:200])


@functools.cache
def _validator_of_body(operation: str) -> Any:
    return _validator(BODIES[operation])


@functools.cache
def _validator_of_query(operation: str) -> Any:
    return _validator({"type": "object", "properties": dict(QUERIES.get(operation, {}))})


def _validator(schema: Schema) -> Any:
    from jsonschema import Draft202012Validator

    return Draft202012Validator(schema)
