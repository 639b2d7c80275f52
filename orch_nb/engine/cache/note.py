"""What is kept with a result about how it was made, and why it does or does not serve again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from orch_nb.engine.cache.fields import Field, key_of


@dataclass(frozen=True, slots=True)
class KeptFiles:
    """The blob that holds what the files declared by `--writes` held, and its signature."""

    manifest: Mapping[str, Any]
    signature: str
    key_id: str


@dataclass(frozen=True, slots=True)
class CacheNote:
    """How one outcome was made.

    ``fields`` make the key, ``seen`` is what else it depended on. ``why_not`` says why it serves
    no other run; empty if it does. ``missed`` says why it was made although the cache was asked;
    ``source`` is the id of the run that a reused outcome is from, ``made`` when that was, in
    seconds since 1970.
    """

    fields: tuple[Field, ...] = ()
    seen: tuple[Field, ...] = ()
    why_not: str = ""
    missed: str = ""
    source: str = ""
    made: float = 0.0
    files: KeptFiles | None = None

    @property
    def key(self) -> str:
        """What it is kept under."""
        return key_of(self.fields)

    @property
    def identity(self) -> str:
        """Identifies the work: equal for two outcomes that were made alike."""
        return key_of((*self.fields, *self.seen))

    def to_json(self) -> dict[str, Any]:
        """As plain JSON."""
        files = self.files
        return {
            "fields": [field.to_json() for field in self.fields],
            "seen": [field.to_json() for field in self.seen],
            "why_not": self.why_not,
            "missed": self.missed,
            "source": self.source,
            "made": self.made,
            "files": None
            if files is None
            else [dict(files.manifest), files.signature, files.key_id],
        }

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Self:
        """Back from JSON; ValueError, KeyError or TypeError when it is no note."""
        files = plain["files"]
        return cls(
            fields=tuple(Field.from_json(field) for field in plain["fields"]),
            seen=tuple(Field.from_json(field) for field in plain["seen"]),
            why_not=str(plain["why_not"]),
            missed=str(plain["missed"]),
            source=str(plain["source"]),
            made=float(plain["made"]),
            files=None if files is None else KeptFiles(files[0], str(files[1]), str(files[2])),
        )
