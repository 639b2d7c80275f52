"""The cell that a live flow ends with: its own `%%flow` cell. What stands below is none of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orch_nb.errors import NotebookError

Raw = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class LastCell:
    """A code cell, known by its id, where there is one, else by its text."""

    id: str | None
    source: str

    def place_in(self, cells: Sequence[Raw]) -> int | None:
        """Its index among cells of any type; of several with its text, the last one."""
        code = [index for index, cell in enumerate(cells) if cell["cell_type"] == "code"]
        for index in code:
            if self.id is not None and cells[index].get("id") == self.id:
                return index
        text = self.source.strip()
        return next((i for i in reversed(code) if cells[i]["source"].strip() == text), None)

    def cut(self, cells: Sequence[Raw], where: str) -> list[Raw]:
        """The cells down to this one. Raises NotebookError when it is not among them."""
        place = self.place_in(cells)
        if place is None:
            first = next(iter(self.source.strip().splitlines()), "")
            raise NotebookError(
                f"{where} does not hold the flow's own cell, {first[:60]!r}",
                where=where,
                hint="save the notebook with it, then run this again: a flow is the cells above it",
            )
        return list(cells[: place + 1])


def last_cell_of(record: object) -> LastCell | None:
    """Read from a run's record what `last_cell_record` wrote; None for a whole notebook."""
    if not isinstance(record, Mapping):
        return None
    return LastCell(record["id"], record["source"])


def last_cell_record(last: LastCell | None) -> dict[str, str | None] | None:
    """As plain JSON."""
    return None if last is None else {"id": last.id, "source": last.source}
