"""Cells begin at one depth of the stack, wherever they run: a recursion without end can be seen to
go as deep in a fork as in a serial run, by its traceback and by what it counts."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import TypeVar

T = TypeVar("T")

# Frames below a cell's loop: more than the processes of a run have there, and so few that a cell
# can recurse as deep as in a kernel, but for some ten calls of a thousand.
CELL_DEPTH = 20


def call_at(depth: int, function: Callable[[], T]) -> T:
    """Call ``function`` with at least ``depth`` frames on the stack."""
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        depth -= 1
        frame = frame.f_back
    return _pad(depth, function)


def _pad(frames: int, function: Callable[[], T]) -> T:
    return function() if frames <= 1 else _pad(frames - 1, function)
