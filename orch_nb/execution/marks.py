"""Marks: what a version of a variable is, told so that another process can compare it.

A mark is made where the value is, when its cell has ended, and travels with the outcome. So
whoever holds the outcomes of the cells above knows what a cell would read without a process
that holds the values.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import xxhash

from orch_nb.execution.ambient import AMBIENT
from orch_nb.execution.anatomy import ATOMS
from orch_nb.execution.fingerprint import Fingerprinter
from orch_nb.execution.walk import Index, Namespace


@dataclass(frozen=True, slots=True)
class Mark:
    """One version of a variable.

    ``digest`` is empty where the value's type has no fingerprint; ``why`` says so then. ``late``
    are the names that functions in the value read when they are called; ``shared`` the other
    variables that show a part of the same object.
    """

    digest: str = ""
    type: str = ""
    late: tuple[str, ...] = ()
    shared: tuple[str, ...] = ()
    why: str = ""

    def to_json(self) -> list[Any]:
        """As plain JSON."""
        return [self.digest, self.type, list(self.late), list(self.shared), self.why]

    @classmethod
    def from_json(cls, plain: Any) -> Self:
        """Back from JSON."""
        digest, type_name, late, shared, why = plain
        return cls(str(digest), str(type_name), tuple(late), tuple(shared), str(why))


class Marker:
    """Makes the marks of one cell's variables. ``index`` knows what was there before it."""

    def __init__(self, namespace: Namespace, index: Index) -> None:
        self._printer = Fingerprinter(namespace)
        self._namespace = namespace
        self._index = index
        self.modules: set[str] = set()  # where the values' types and functions come from

    def mark_all(self, names: Iterable[str]) -> dict[str, list[Any]]:
        """The marks of those names that are bound, as JSON."""
        marks: dict[str, Mark] = {}
        met: dict[int, tuple[Any, list[str]]] = {}  # the objects live on: an id is not given twice
        for name in sorted(set(names)):
            if name not in self._namespace:
                continue
            value = self._namespace[name]
            if type(value) in ATOMS:
                marks[name] = Mark(self._printer.digest(value), type(value).__name__)
                continue
            marks[name] = self._mark(value)
            for key, part in self._printer.met.items():
                met.setdefault(key, (part, []))[1].append(name)
        shared = self._shared(met)
        return {
            name: mark.to_json()
            if name not in shared
            else Mark(
                mark.digest, mark.type, mark.late, tuple(sorted(shared[name])), mark.why
            ).to_json()
            for name, mark in marks.items()
        }

    def _mark(self, value: Any) -> Mark:
        kind = type(value).__qualname__
        printer = self._printer
        try:
            digest = printer.digest(value)
        except Exception as error:  # the value's own code runs here
            return Mark("", kind, why=f"{kind}: {type(error).__name__} in its own code")
        self.modules |= printer.modules
        late = tuple(sorted(printer.late))
        if printer.partial:
            return Mark("", kind, late, why=f"{kind}: holds {printer.unknown}")
        return Mark(digest, kind, late)

    def _shared(self, met: Mapping[int, tuple[Any, list[str]]]) -> dict[str, set[str]]:
        """For each name, the others that reach an object in it that can be changed."""
        found: dict[str, set[str]] = {}
        for part, names in met.values():
            group = {*names, *self._index.names_of(part)}
            if len(group) > 1:
                for name in names:
                    found.setdefault(name, set()).update(group - {name})
        return found


def mark_ambient(states: Mapping[str, Any]) -> dict[str, str]:
    """The digests of ambient states that a cell has changed, by name."""
    return {
        name: xxhash.xxh3_128_hexdigest(repr(AMBIENT[name].mark(value)).encode())
        for name, value in states.items()
    }
