"""Bring what cells show and tell into the output notebook, and save it now and then."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from orch_nb.engine.recording import Recording
from orch_nb.execution.job import Message, Outcome
from orch_nb.execution.outputs import Output
from orch_nb.model import FlowRun, TaskRun
from orch_nb.notebook.writer import OutputWriter
from orch_nb.states import NOT_REACHED, StateName

# After one of these a serial run goes no further.
_ENDED_BADLY = frozenset({StateName.FAILED, StateName.TIMED_OUT, StateName.CRASHED})


@dataclass(slots=True)
class _Shown:
    """What one cell has shown, as far as it knows itself.

    ``display_ids`` are positions in ``outputs`` by display id; ``updates`` the last content
    that the cell gave to a display id, for the outputs of cells above it.
    """

    count: int | None = None
    outputs: list[Output] = field(default_factory=list)
    display_ids: dict[str, list[int]] = field(default_factory=dict)
    updates: dict[str, Message] = field(default_factory=dict)
    widgets: Mapping[str, Any] = field(default_factory=dict)

    def take(self, event: Message) -> None:
        """Follow a running cell."""
        match event["type"]:
            case "stream":
                last = self.outputs[-1] if self.outputs else None
                if last and (last["output_type"], last.get("name")) == ("stream", event["name"]):
                    last["text"] += event["text"]
                else:
                    stream = {"output_type": "stream"}
                    self.outputs.append({**stream, "name": event["name"], "text": event["text"]})
            case "output":
                if event["display_id"]:
                    at = self.display_ids.setdefault(event["display_id"], [])
                    at.append(len(self.outputs))
                self.outputs.append(event["output"])
            case "clear":
                self.outputs.clear()
                self.display_ids.clear()
            case "update":
                self.updates[event["display_id"]] = event
                for position in self.display_ids.get(event["display_id"], ()):
                    self.outputs[position] = _updated(self.outputs[position], event)


class RunOutput:
    """See orch_nb.engine.driver.OutputNotebook.

    Cells end in any order. What an output under a display id holds in the end is what the last
    cell in document order gave it, as if they had run one after the other.
    """

    def __init__(self, writer: OutputWriter, recording: Recording) -> None:
        self._writer = writer
        self._recording = recording
        self._shown: dict[int, _Shown] = {}
        self._showing: dict[str, set[int]] = {}  # display id → cells that ever showed it
        self._dirty: set[int] = set()
        self._noted: dict[int, TaskRun] = {}

    def started(self, cell: int, count: int) -> None:
        self._replace(cell, _Shown(count))

    def showed(self, cell: int, event: Message) -> None:
        self._shown[cell].take(event)
        self._dirty.add(cell)
        display_id = event.get("display_id")
        if display_id:
            self._showing.setdefault(display_id, set()).add(cell)
            self._dirty |= self._showing[display_id]

    def ended(self, cell: int, outcome: Outcome) -> None:
        shown = _Shown(
            self._shown[cell].count,
            list(outcome.outputs),
            {key: list(at) for key, at in outcome.display_ids.items()},
            {update["display_id"]: update for update in outcome.display_updates},
            outcome.widgets,
        )
        self._replace(cell, shown)
        for display_id in shown.display_ids:
            self._showing.setdefault(display_id, set()).add(cell)

    def shown(self, cell: int) -> list[Output]:
        return self._shown[cell].outputs if cell in self._shown else []

    def save(self) -> None:
        if self._bring():
            self._writer.save()

    def finish(self, run: FlowRun | None = None) -> None:
        """Bring everything into the notebook for the last time, and save it.

        ``run`` is the run with its end, where that is not recorded yet. Raises OutputError when
        the file can't be written.
        """
        for cell, task in self._recording.tasks.items():
            if task.state_name in NOT_REACHED and cell in self._shown:
                self._replace(cell, _Shown())
        for cells in self._showing.values():
            self._dirty |= cells
        widgets: dict[str, Any] = {}
        for cell in sorted(self._shown):
            widgets |= self._shown[cell].widgets
        self._writer.set_widgets(widgets)
        self._bring()
        self._writer.set_run(run or self._recording.run)
        self._writer.save(final=True)

    def _replace(self, cell: int, shown: _Shown) -> None:
        """Forget what a cell has shown, and what it made of other cells' outputs."""
        old = self._shown.get(cell, _Shown())
        self._shown[cell] = shown
        self._dirty.add(cell)
        for display_id in (*old.updates, *shown.updates):
            self._dirty |= self._showing.get(display_id, set())

    def _bring(self) -> bool:
        """Hand what is new to the writer; tell whether there was anything."""
        fresh = False
        for cell, task in self._recording.tasks.items():
            if self._noted.get(cell) is not task:
                self._noted[cell] = task
                self._writer.set_task(task)
                fresh = True
        for cell in sorted(self._dirty):
            count = self._shown[cell].count
            self._writer.set_outputs(cell, self._outputs_of(cell), execution_count=count)
            fresh = True
        self._dirty.clear()
        if fresh:
            self._writer.set_run(self._recording.run)
        return fresh

    def _outputs_of(self, cell: int) -> list[Output]:
        """A cell's outputs with what cells below it made of them."""
        shown = self._shown[cell]
        if not shown.display_ids:
            return shown.outputs
        outputs = list(shown.outputs)
        last = self._last_reached(cell)
        for display_id, positions in shown.display_ids.items():
            below = (
                number
                for number, other in self._shown.items()
                if cell < number <= last and display_id in other.updates
            )
            number = max(below, default=None)
            if number is not None:
                update = self._shown[number].updates[display_id]
                for position in positions:
                    outputs[position] = _updated(outputs[position], update)
        return outputs

    def _last_reached(self, cell: int) -> int:
        """The cell that a serial run ends with, if it reaches ``cell``: the first that failed."""
        failed = (
            number
            for number, task in self._recording.tasks.items()
            if number >= cell and task.state_name in _ENDED_BADLY
        )
        return min(failed, default=max(self._recording.tasks, default=cell))


def _updated(output: Output, update: Message) -> Output:
    return {**output, "data": update["data"], "metadata": update["metadata"]}
