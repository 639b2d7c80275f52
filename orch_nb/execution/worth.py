"""Whether keeping what a cell made is worth it: writing must cost under a tenth of making."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

from orch_nb.execution.anatomy import Pinned
from orch_nb.execution.walk import Namespace, walk

SHORTEST = 0.05  # seconds; what takes less is made again
SHARE = 0.1
_BYTES_PER_SECOND = 200e6
_OBJECTS_PER_SECOND = 200e3
_MOST_OBJECTS = 100_000


def why_not_worth(seconds: float, values: Iterable[Any], namespace: Namespace) -> str:
    """Why ``values``, made in that many seconds, are cheaper to make again; empty if they are
    not. The cost is an estimate, from their number and size."""
    if seconds < SHORTEST:
        return "it is made again as quickly"
    affordable = seconds * SHARE
    budget = [min(int(affordable * _OBJECTS_PER_SECOND) + 1, _MOST_OBJECTS)]
    size = 0
    try:
        for value in values:
            size += _size(value)
            for obj, _anatomy in walk(value, namespace, budget).values():
                if obj is not value:
                    size += _size(obj)
                if size > affordable * _BYTES_PER_SECOND:
                    return "writing it would take long, against making it again"
    except Pinned as pin:
        return str(pin.args[0])
    return ""


def _size(value: Any) -> int:
    """The bytes that pickling a value by itself takes, about."""
    nbytes = getattr(value, "nbytes", None) if type(value).__module__ == "numpy" else None
    return nbytes if isinstance(nbytes, int) else sys.getsizeof(value, 64)
