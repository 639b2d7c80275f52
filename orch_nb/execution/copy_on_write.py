"""pandas copies a frame's memory when it is written to and others show it: the same for what a
cell has written in another process, where those others were not there yet.

A frame's blocks know by their ``refs`` whether others share their memory. A cell that runs beside
the one which makes another frame of that memory finds no such frame, and writes in place.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from typing import Any

from orch_nb.execution.anatomy_arrays import (
    is_array,
    is_new_pandas,
    make_view,
    owner_of,
    place_of,
)
from orch_nb.execution.identity import identity

_INSIDE = ("_ndarray", "_data", "_mask")  # where pandas' own kinds of arrays have theirs


def written_blocks(changed: Iterable[Any], objects: Iterable[Any]) -> list[Any]:
    """The blocks among ``objects`` whose memory is among what has ``changed`` in place."""
    pandas = sys.modules.get("pandas")
    if pandas is None or not is_new_pandas(pandas):
        return []
    written = {identity(obj) for obj in changed if is_array(obj)}
    if not written:
        return []
    kind = pandas.core.internals.blocks.Block
    blocks = [obj for obj in objects if isinstance(obj, kind)]
    return [b for b in blocks if not written.isdisjoint(map(identity, _arrays(b.values)))]


def separate(blocks: Iterable[Any]) -> tuple[list[tuple[Any, Any, Any]], Mapping[int, Any]]:
    """For each of the ``blocks`` whose memory others show as well: the values and references of
    its own that it is to have; and what stands for each old object (by identity) in these."""
    made: dict[int, Any] = {}
    found = []
    for block in blocks:
        if not block.refs.has_reference():
            continue
        values = block.values
        if identity(values) not in made:
            if is_array(values):
                _copy(values, made)
            else:
                own = made[identity(values)] = values.copy()
                pairs = zip(_arrays(values), _arrays(own), strict=True)
                made.update((identity(old), new) for old, new in pairs)
        if identity(block.refs) in made:
            made[identity(block.refs)].add_reference(block)
        else:
            made[identity(block.refs)] = type(block.refs)(block)
        found.append((block, made[identity(values)], made[identity(block.refs)]))
    return found, made


def _arrays(values: Any) -> list[Any]:
    """The arrays that make up a block's values, and those that own their memory."""
    own = [values] if is_array(values) else [getattr(values, name, None) for name in _INSIDE]
    arrays = [array for array in own if is_array(array)]
    return [*arrays, *map(owner_of, arrays)]


def _copy(values: Any, made: dict[int, Any]) -> None:
    owner = owner_of(values)
    if identity(owner) not in made:
        made[identity(owner)] = owner.copy(order="K")
    copied = made[identity(owner)]
    if owner is values:
        return
    if copied.strides == owner.strides:
        made[identity(values)] = make_view(copied, *place_of(values)[1:])
    else:
        made[identity(values)] = values.copy(order="K")
