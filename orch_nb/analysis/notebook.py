"""The analysis of a whole notebook, kept from one edit to the next."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from orch_nb.analysis.cell import CellEffects, Facts, analyse

CellSource = tuple[int, str, bool]  # number, source, whether it may end early


class Notebook:
    """Analyses cells in document order; a cell whose source and surroundings are the same as
    last time is not analysed again."""

    def __init__(self) -> None:
        self._cells: list[CellSource] = []
        self._effects: list[CellEffects] = []
        # what was known before the cell that was analysed first last time: whoever types in a
        # cell is going on with that cell
        self._before: tuple[int, Facts] = (0, {})

    def analyse(self, cells: Sequence[CellSource]) -> list[CellEffects]:
        """The effects of each cell. Those that still hold are the same objects as last time."""
        old_cells, old_effects = self._cells, self._effects
        effects: list[CellEffects] = []
        facts: Facts | None = None  # those of the first `told` cells
        told = 0
        dirty: set[str] = set()  # facts that differ from what the last call had here
        for index, cell in enumerate(cells):
            known = index < len(old_cells) and old_cells[index] == cell
            # a barrier touches every name there is
            if (
                known
                and dirty.isdisjoint(old_effects[index].touched)
                and not (dirty and old_effects[index].barrier)
            ):
                effects.append(old_effects[index])
                continue
            if facts is None:
                facts, told = self._facts_before(index, effects), index
            for earlier in effects[told:]:
                facts.update(earlier.facts)
            told = index
            old = old_effects[index] if index < len(old_effects) else CellEffects()
            if (
                known
                and not old.barrier
                and all(facts.get(k) == value for k, value in old.touched.items())
            ):
                effects.append(old)
                continue
            new = analyse(cell[1], facts, cell[0], cell[2])
            effects.append(new)
            dirty |= _differences(old, new)
        self._cells, self._effects = list(cells), effects
        return effects

    def _facts_before(self, index: int, effects: list[CellEffects]) -> Facts:
        """What is known before the first cell that has to be analysed again."""
        place, facts = self._before
        if place != index or effects != self._effects[:index]:
            facts = {}
            for earlier in effects:
                facts.update(earlier.facts)
            self._before = index, facts
        return dict(facts)


def _differences(old: CellEffects, new: CellEffects) -> set[str]:
    before, after = old.facts, new.facts
    return {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}


@contextmanager
def without_collection() -> Iterator[None]:
    """Syntax trees are many small objects and none is garbage: looking for some costs as much
    as the analysis itself."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
