"""Compare how two outcomes were made, field by field, in words."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass

from orch_nb.engine.cache.fields import Field, Group
from orch_nb.engine.cache.note import CacheNote

_ORDER = list(Group)
_WORDS = {
    Group.CODE: "the cell's code",
    Group.RULES: "how the cell is run",
    Group.PYTHON: "Python",
}
_KINDS = {
    Group.EXTRA: "extra",
    Group.INPUT: "input",
    Group.AMBIENT: "state",
    Group.ENVIRONMENT: "variable",
    Group.FILE: "file",
    Group.MODULE: "module",
    Group.PACKAGE: "package",
}


class Verdict(enum.StrEnum):
    """How a field compares."""

    SAME = "same"
    CHANGED = "changed"
    NEW = "new"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Comparison:
    """One field of two outcomes; ``detail`` says how they differ, or what they share."""

    group: Group
    name: str
    verdict: Verdict
    detail: str

    @property
    def label(self) -> str:
        """What to call the field."""
        return label_of(self.group, self.name)


def label_of(group: Group, name: str) -> str:
    """What to call a field: ``input sales``, ``file data.csv``, ``the cell's code``."""
    return _WORDS.get(group) or f"{_KINDS[group]} {name}"


def compare(old: CacheNote, new: CacheNote) -> tuple[Comparison, ...]:
    """All fields of both, the key's first; what changed comes first within each kind."""
    before, now = _by_name(old), _by_name(new)
    found = []
    for group, name in {**now, **before}:
        one, other = before.get((group, name)), now.get((group, name))
        if one is None or other is None:
            verdict = Verdict.NEW if one is None else Verdict.GONE
            shown = (other or one or _NOTHING).shown
            found.append(Comparison(group, name, verdict, shown))
        elif one.value == other.value:
            found.append(Comparison(group, name, Verdict.SAME, other.shown))
        else:
            found.append(Comparison(group, name, Verdict.CHANGED, difference(one, other)))
    return tuple(
        sorted(found, key=lambda c: (_ORDER.index(c.group), c.verdict is Verdict.SAME, c.name))
    )


def difference(old: Field, new: Field) -> str:
    """How a field's value differs, as far as people can tell: ``2.2.0 → 2.3.1``."""
    if old.shown == new.shown:
        return new.shown
    return f"{old.shown or 'unknown'} → {new.shown or 'unknown'}"


def describe_change(old: Field, new: Field) -> str:
    """One changed field as a clause."""
    label = label_of(new.group, new.name)
    how = difference(old, new)
    return f"{label} changed" + (f" ({how})" if "→" in how else "")


def _by_name(note: CacheNote) -> dict[tuple[Group, str], Field]:
    fields: Iterable[Field] = (*note.fields, *note.seen)
    return {(field.group, field.name): field for field in fields}


_NOTHING = Field(Group.CODE, "", "")
