"""The analysis of a whole notebook, kept from one edit to the next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from orch_nb.analysis.cell import CellEffects, Facts, analyse

CellSource = tuple[int, str, bool]  # number, source, whether it may end early


@dataclass(frozen=True, slots=True)
class _Entry:
    cell: CellSource
    effects: CellEffects


class Notebook:
    """Analyses cells in document order; a cell whose source and surroundings are the same as
    last time is not analysed again."""

    def __init__(self) -> None:
        self._entries: list[_Entry] = []
        self.changed: frozenset[int] = frozenset()  # cells whose effects the last call renewed

    def analyse(self, cells: Sequence[CellSource]) -> dict[int, CellEffects]:
        """The effects of each cell, by its number."""
        facts: Facts = {}
        dirty: set[str] = set()  # facts that differ from what the last call had here
        entries: list[_Entry] = []
        renewed = set()
        aligned = self._entries
        for index, cell in enumerate(cells):
            old = aligned[index] if index < len(aligned) else None
            if old is not None and old.cell == cell and self._stands(old, facts, dirty):
                entry = old
            else:
                entry = _Entry(cell, analyse(cell[1], facts, cell[0], cell[2]))
                renewed.add(cell[0])
                before = old.effects.facts if old is not None else {}
                for key in before.keys() | entry.effects.facts.keys():
                    if before.get(key) != entry.effects.facts.get(key):
                        dirty.add(key)
            facts.update(entry.effects.facts)
            entries.append(entry)
        self._entries = entries
        self.changed = frozenset(renewed)
        return {entry.cell[0]: entry.effects for entry in entries}

    @staticmethod
    def _stands(entry: _Entry, facts: Facts, dirty: set[str]) -> bool:
        touched = entry.effects.touched
        if dirty.isdisjoint(touched):
            return True
        return all(facts.get(key) == value for key, value in touched.items())
