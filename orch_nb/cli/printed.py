"""Gathers what cells print into whole lines, which can stand between those of other cells."""

from __future__ import annotations

from orch_nb.engine.events import Printed

LONGEST_LINE = 10_000  # characters without a line end that are waited for


class PrintedLines:
    """What each running cell has printed since its last line end."""

    def __init__(self) -> None:
        self._rest: dict[tuple[int, str], str] = {}

    def take(self, event: Printed) -> list[str]:
        """The lines that are now complete; of one that was overwritten (`\\r`) its last state."""
        key = event.cell_number, event.name
        *lines, rest = (self._rest.pop(key, "") + event.text).replace("\r\n", "\n").split("\n")
        if event.name == "result" or len(rest) > LONGEST_LINE:
            lines.append(rest)
        elif rest:
            self._rest[key] = _last_state(rest, ended=False)
        return [_last_state(line) for line in lines]

    def end(self, cell: int) -> list[str]:
        """What is left of a cell that has ended."""
        keys = [key for key in self._rest if key[0] == cell]
        return [_last_state(self._rest.pop(key)) for key in keys]


def _last_state(line: str, *, ended: bool = True) -> str:
    """A line as a terminal shows it; one that goes on may still be overwritten."""
    before, returned, last = line.rpartition("\r")
    if not last and returned:
        kept = before.rpartition("\r")[2]
        return kept if ended else kept + returned
    return last
