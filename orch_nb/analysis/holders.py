"""Sets of names that grow from cell to cell, of which every cell's is kept.

What a cell leaves known stays known to an analysis that begins again further up. As frozensets,
the names that reach an object common to all cells would cost as many entries as there are pairs
of cells; here all versions of a set share one record of what came and went.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator

_SLACK = 32  # changes that a record holds beyond twice its names


class Holders:
    """An immutable set of names: the first ``length`` changes of a record that others may share.

    To add or take away a name costs the same however many there are, from the latest version of
    a record; from an older one, the names are copied once.
    """

    __slots__ = ("_changes", "_count", "_length")

    def __init__(self, names: Iterator[str] | tuple[str, ...] = ()) -> None:
        # name → when it came, when it went, when it came again …; the total under ""
        changes = {name: [place] for place, name in enumerate(dict.fromkeys(names))}
        self._count = self._length = len(changes)
        changes[""] = [self._length]
        self._changes = changes

    def __contains__(self, name: object) -> bool:
        places = self._changes.get(name) if isinstance(name, str) and name else None
        return places is not None and bisect_left(places, self._length) % 2 == 1

    def __iter__(self) -> Iterator[str]:
        length = self._length
        for name, places in list(self._changes.items()):
            if name and bisect_left(places, length) % 2:
                yield name

    def __len__(self) -> int:
        return self._count

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Holders):
            return NotImplemented
        if self._changes is other._changes and self._length == other._length:
            return True
        return self._count == other._count and all(name in other for name in self)

    __hash__ = None  # type: ignore[assignment]  # nothing looks one up

    def __repr__(self) -> str:
        return f"Holders({sorted(self)})"

    def with_name(self, name: str) -> Holders:
        """The set with a name more."""
        return self if name in self else self._changed(name, 1)

    def without_name(self, name: str) -> Holders:
        """The set with a name less."""
        return self._changed(name, -1) if name in self else self

    def _changed(self, name: str, step: int) -> Holders:
        (total,) = self._changes[""]
        base = self
        if not total or total != self._length or total > 2 * self._count + _SLACK:
            base = Holders(iter(self))
        base._changes[""][0] += 1
        base._changes.setdefault(name, []).append(base._length)
        found = Holders.__new__(Holders)
        found._changes, found._length = base._changes, base._length + 1
        found._count = base._count + step
        return found


NOBODY = Holders()
