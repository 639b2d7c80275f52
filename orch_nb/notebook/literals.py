"""Writes parameter values as Python source, and as JSON for the record.

For the values that JSON has, the source is character for character what papermill writes. Dates,
tuples, sets and keys that are no text, which papermill turns into text, keep their type.
"""

from __future__ import annotations

import json
import math
import numbers
import os
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from orch_nb.errors import ParameterError

_DEEPEST = 200
_LONGEST_INT = 14_000  # bits, about 4,200 digits


def plain_value(name: str, value: Any, depth: int = 0) -> Any:
    """The value made of built-in types: NumPy numbers become int and float, paths text.

    Raises ParameterError for what can't be written down (a data frame, say), naming ``name``.
    """
    if depth > _DEEPEST:
        raise ParameterError(
            f"the value of '{name}' is nested too deeply or contains itself",
            hint="give it as a file that a cell reads",
        )
    if getattr(value, "ndim", None) == 0 and hasattr(value, "item"):
        value = value.item()  # a NumPy scalar
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return str(value)
    if isinstance(value, date):
        return _moment(value)
    if isinstance(value, numbers.Integral):
        if int(value).bit_length() > _LONGEST_INT:  # Python refuses to write it down
            raise ParameterError(
                f"the number given for '{name}' is too long", hint="give it as a text"
            )
        return int(value)
    if isinstance(value, numbers.Real):
        return float(value)
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, Mapping):
        return {
            plain_value(name, key, depth + 1): plain_value(name, item, depth + 1)
            for key, item in value.items()
        }
    for kind in (list, tuple, set, frozenset):
        if isinstance(value, kind):
            return kind(plain_value(name, item, depth + 1) for item in value)
    raise ParameterError(
        f"a {type(value).__name__} can't be given as the parameter '{name}'",
        hint="numbers, text, dates, lists and dicts of them can; have a cell load anything else",
    )


def python_source(value: Any, *, callee: str | None = None) -> str:
    """The source of a plain value. ``callee`` is how the notebook itself spells ``date``."""
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, float):
        return _float(value)
    if isinstance(value, date):
        kind = "datetime" if isinstance(value, datetime) else "date"
        made = callee or f'__import__("datetime").{kind}'
        return f"{made}.fromisoformat({_quoted(value.isoformat())})"
    if isinstance(value, dict):
        pairs = (f"{python_source(key)}: {python_source(item)}" for key, item in value.items())
        return f"{{{', '.join(pairs)}}}"
    if isinstance(value, list):
        return f"[{_joined(value)}]"
    if isinstance(value, tuple):
        return f"({_joined(value)},)" if len(value) == 1 else f"({_joined(value)})"
    if isinstance(value, set | frozenset):
        inner = f"{{{_joined(_ordered(value))}}}" if value else ""
        if isinstance(value, frozenset):
            return f"frozenset({inner})"
        return inner or "set()"
    return repr(value)  # None, bool, int


def json_value(value: Any) -> Any:
    """The plain value with dates as ISO text and sets and tuples as lists."""
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, dict):
        return {
            key if isinstance(key, str) else str(json_value(key)): json_value(item)
            for key, item in value.items()
        }
    if isinstance(value, set | frozenset):
        return [json_value(item) for item in _ordered(value)]
    if isinstance(value, list | tuple):
        return [json_value(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return repr(value)  # JSON has no nan and inf
    return value


def shell_text(value: Any) -> str:
    """The value as `-p NAME` takes it, before the shell's quotes."""
    return value if isinstance(value, str) else json.dumps(json_value(value), ensure_ascii=False)


def _moment(value: date) -> date:
    """A date or datetime proper: pandas' Timestamp is a subclass that counts nanoseconds."""
    if not isinstance(value, datetime):
        return date(value.year, value.month, value.day)
    whole = (value.year, value.month, value.day, value.hour, value.minute, value.second)
    return datetime(*whole, value.microsecond, tzinfo=value.tzinfo, fold=value.fold)


def _joined(items: Any) -> str:
    return ", ".join(python_source(item) for item in items)


def _ordered(items: Any) -> list[Any]:
    """A set's items in an order that does not change from run to run."""
    return sorted(items, key=lambda item: (type(item).__name__, repr(item)))


def _quoted(text: str) -> str:
    escaped = text.encode("unicode_escape").decode("ascii").replace('"', r"\"")
    return f'"{escaped}"'


def _float(value: float) -> str:
    if math.isfinite(value):
        return repr(value)
    return "float('nan')" if math.isnan(value) else f"float('{'-' if value < 0 else ''}inf')"
