"""What a value is, in a few words: its type, its shape or length, and the memory it takes.

None of a notebook's own code runs for that: only types that are known are asked for more than
their names.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

from orch_nb.amounts import format_size

_LONGEST = 60  # letters
_MOST = 60  # values of one cell
_SIZED: Mapping[type, str] = {
    list: "items",
    tuple: "items",
    set: "items",
    frozenset: "items",
    dict: "entries",
    str: "letters",
    bytes: "bytes",
    bytearray: "bytes",
}
_KNOWN = frozenset({"numpy", "pandas", "polars", "pyarrow", "scipy", "torch", "xarray"})


def describe_values(values: Mapping[str, Any]) -> dict[str, str]:
    """Each value in words, by name; of many values the first."""
    return {name: describe_value(values[name]) for name in sorted(values)[:_MOST]}


def describe_value(value: Any) -> str:
    """``DataFrame 5200 × 3, 1.2 MB``, ``list of 3 items``, ``Model``."""
    cls = type(value)
    name = cls.__qualname__.rpartition(".")[2][:_LONGEST]
    unit = _SIZED.get(cls)
    if unit is not None:
        return f"{name} of {len(value)} {unit if len(value) != 1 else unit[:-1]}"
    if cls.__module__.partition(".")[0] not in _KNOWN:
        return name
    with contextlib.suppress(Exception):  # a library's own code, half initialised perhaps
        name = _measured(name, value)
    return name[:_LONGEST]


def _measured(name: str, value: Any) -> str:
    shape = getattr(value, "shape", None)
    if isinstance(shape, tuple) and shape and all(isinstance(n, int) for n in shape):
        name = f"{name} {' × '.join(str(n) for n in shape)}"
    kind = getattr(value, "dtype", None)
    if kind is not None and len(str(kind)) < 20:
        name = f"{name} {kind}"
    size = _bytes(value)
    return name if size is None else f"{name}, {format_size(size)}"


def _bytes(value: Any) -> int | None:
    if hasattr(value, "_mgr"):  # pandas, whose own memory_usage() takes long
        return int(value.index.nbytes + sum(block.values.nbytes for block in value._mgr.blocks))
    if callable(estimate := getattr(value, "estimated_size", None)):  # polars
        return int(estimate())
    size = getattr(value, "nbytes", None)
    return int(size) if isinstance(size, int) else None
