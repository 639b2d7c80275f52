"""What the cells of a run must tell, so that those that may be cached can be looked up."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from orch_nb.engine.cache.versions import unsendable
from orch_nb.engine.seen import absolute
from orch_nb.graph.model import Node


@dataclass(frozen=True, slots=True)
class Ask:
    """What one cell's job is to tell; see the fields of that name in `Job`."""

    mark: tuple[str, ...] | None = None
    trace: tuple[str, ...] | None = None
    writes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Asks:
    """What is asked of each cell; ``kept`` are the cells whose changes are wanted as a blob."""

    of: Mapping[int, Ask] = field(default_factory=dict)
    kept: frozenset[int] = frozenset()


def asks_for(nodes: Sequence[Node], cacheable: Collection[int], folder: str) -> Asks:
    """The versions of what cacheable cells read are asked of all cells above them, since any may
    prove to have changed it."""
    found: dict[int, Ask] = {}
    read: set[str] = set()
    below = False
    for node in reversed(nodes):
        number = node.cell.number
        may_cache = number in cacheable
        if below or may_cache:
            trace = tuple(sorted(absolute(node.files_read, folder))) if may_cache else None
            writes = node.cell.options.writes if may_cache else ()
            found[number] = Ask(tuple(sorted(read)), trace, writes)
        below = below or may_cache
        if may_cache or (below and unsendable(node) and not node.barrier):
            read |= node.reads | node.changes
    return Asks(found, frozenset(cacheable))
