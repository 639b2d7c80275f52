"""What a live run's cells have shown so far, for the Output pane: the end of it."""

from __future__ import annotations

from dataclasses import dataclass, field

from orch_nb.app.plain import plain_text
from orch_nb.app.view_schema import OutputWords
from orch_nb.engine.events import Printed
from orch_nb.model import TaskRun
from orch_nb.states import StateType

MOST_LETTERS = 20_000  # kept of each cell


@dataclass(slots=True)
class PrintedOutputs:
    """By cell number, the streams and results in the order they came."""

    _cells: dict[int, list[OutputWords]] = field(default_factory=dict)

    def take(self, event: Printed) -> None:
        """Add what a cell showed."""
        shown = self._cells.setdefault(event.cell_number, [])
        if shown and shown[-1]["kind"] == event.name and event.name != "result":
            shown[-1]["text"] = (shown[-1]["text"] + event.text)[-MOST_LETTERS:]
        else:
            shown.append({"kind": event.name, "text": event.text[-MOST_LETTERS:]})
            del shown[:-40]

    def task_changed(self, task: TaskRun) -> None:
        """A new attempt begins with nothing shown."""
        if task.state_type is StateType.RUNNING:
            self._cells.pop(task.cell_number, None)

    def outputs(self, cell: int) -> list[OutputWords]:
        """What a cell has shown, as plain text."""
        return [
            {"kind": shown["kind"], "text": plain_text(shown["text"])}
            for shown in self._cells.get(cell, [])
        ]
