"""Make a notebook that shows a difference as small as can be."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence


def shrink(
    sources: Sequence[str], differs: Callable[[list[str]], bool], seconds: float = 120
) -> list[str]:
    """The fewest cells and lines of ``sources`` for which ``differs`` still holds, as far as
    they are found in so many seconds."""
    end = time.monotonic() + seconds

    def holds(cells: list[str]) -> bool:
        return time.monotonic() < end and differs(cells)

    cells = _fewer(list(sources), holds)
    for index in range(len(cells)):
        lines = cells[index].split("\n")

        def still(kept: list[str], index: int = index) -> bool:
            return holds([*cells[:index], "\n".join(kept), *cells[index + 1 :]])

        if len(lines) > 1:
            cells[index] = "\n".join(_fewer(lines, still))
    return cells


def _fewer(items: list[str], holds: Callable[[list[str]], bool]) -> list[str]:
    size = max(1, len(items) // 2)
    while size:
        start = 0
        while start < len(items):
            less = items[:start] + items[start + size :]
            if less and holds(less):
                items = less
            else:
                start += size
        size //= 2
    return items
