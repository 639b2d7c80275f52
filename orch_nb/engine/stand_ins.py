"""Whether a process that is no fork of home could run a cell: pure."""

from __future__ import annotations

import re
from collections.abc import Container, Sequence

from orch_nb.graph.model import Node

# A magic that may change IPython or the process, and does not just measure or show.
_MAGIC = re.compile(r"^\s*%(?!%?(?:time|timeit|prun|capture|html|latex|markdown)\b)", re.MULTILINE)


class StandIns:
    """For each cell, why only home or a fork of it will do: a cell above it changed the process in
    a way that can't be shipped. ``shipped`` are the process-wide states that can."""

    def __init__(self, nodes: Sequence[Node], shipped: Container[str]) -> None:
        self._first: int | None = None
        self._reason = ""
        for node in nodes:
            reason = _what_it_does(node, shipped)
            if reason:
                self._first = node.cell.number
                self._reason = f"{node.cell.label} {reason}"
                return

    def why_not(self, number: int) -> str:
        """The reason for a cell number, in words; empty where a stand-in will do."""
        return self._reason if self._first is not None and number > self._first else ""


def _what_it_does(node: Node, shipped: Container[str]) -> str:
    if node.barrier:
        return f"may change anything ({node.barrier})"
    own = sorted(name for name in node.ambient_writes if name not in shipped)
    if own:
        return f"changes {own[0]}"
    if _MAGIC.search(node.cell.source) or "get_ipython" in node.cell.source:
        return "may set up IPython"
    return ""
