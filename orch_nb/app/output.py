"""Bring what cells show and tell into the output notebook, and save it now and then."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orch_nb.engine.recording import Recording
from orch_nb.execution.job import Message, Outcome
from orch_nb.execution.outputs import Output
from orch_nb.model import FlowRun, TaskRun
from orch_nb.notebook.writer import OutputWriter
from orch_nb.states import StateName

# These never ran as far as a serial run is concerned: what they showed is dropped.
_NOT_REACHED = frozenset(
    {StateName.UPSTREAM_FAILED, StateName.SKIPPED, StateName.PENDING, StateName.SCHEDULED}
)


class RunOutput:
    """See orch_nb.engine.driver.OutputNotebook."""

    def __init__(self, writer: OutputWriter, recording: Recording) -> None:
        self._writer = writer
        self._recording = recording
        self._counts: dict[int, int] = {}
        self._outputs: dict[int, list[Output]] = {}
        self._display_ids: dict[int, dict[str, list[int]]] = {}
        self._widgets: dict[int, Mapping[str, Any]] = {}
        self._dirty: set[int] = set()
        self._noted: dict[int, TaskRun] = {}

    def started(self, cell: int, count: int) -> None:
        self._counts[cell] = count
        self._outputs[cell] = []
        self._display_ids[cell] = {}
        self._widgets.pop(cell, None)
        self._dirty.add(cell)

    def showed(self, cell: int, event: Message) -> None:
        outputs = self._outputs[cell]
        self._dirty.add(cell)
        match event["type"]:
            case "stream":
                last = outputs[-1] if outputs else None
                if last and (last["output_type"], last.get("name")) == ("stream", event["name"]):
                    last["text"] += event["text"]
                else:
                    stream = {"output_type": "stream"}
                    outputs.append({**stream, "name": event["name"], "text": event["text"]})
            case "output":
                if event["display_id"]:
                    shown = self._display_ids[cell].setdefault(event["display_id"], [])
                    shown.append(len(outputs))
                outputs.append(event["output"])
            case "clear":
                outputs.clear()
                self._display_ids[cell].clear()
            case "update":
                self._update(event, up_to=cell)

    def ended(self, cell: int, outcome: Outcome) -> None:
        self._outputs[cell] = list(outcome.outputs)
        self._display_ids[cell] = {key: list(at) for key, at in outcome.display_ids.items()}
        self._widgets[cell] = outcome.widgets
        self._dirty.add(cell)
        for update in outcome.display_updates:
            self._update(update, up_to=cell - 1)

    def save(self) -> None:
        if self._bring():
            self._writer.save()

    def finish(self, run: FlowRun | None = None) -> None:
        """Bring everything into the notebook for the last time, and save it.

        ``run`` is the run with its end, where that is not recorded yet. Raises OutputError when
        the file can't be written.
        """
        for cell, task in self._recording.tasks.items():
            if task.state_name in _NOT_REACHED and self._outputs.get(cell):
                self._outputs[cell] = []
                self._counts.pop(cell, None)
                self._dirty.add(cell)
        widgets: dict[str, Any] = {}
        for cell in sorted(self._widgets):
            widgets |= self._widgets[cell]
        self._writer.set_widgets(widgets)
        self._bring()
        self._writer.set_run(run or self._recording.run)
        self._writer.save(final=True)

    def _bring(self) -> bool:
        """Hand what is new to the writer; tell whether there was anything."""
        fresh = False
        for cell, task in self._recording.tasks.items():
            if self._noted.get(cell) is not task:
                self._noted[cell] = task
                self._writer.set_task(task)
                fresh = True
        for cell in sorted(self._dirty):
            outputs = self._outputs[cell]
            self._writer.set_outputs(cell, outputs, execution_count=self._counts.get(cell))
            fresh = True
        self._dirty.clear()
        if fresh:
            self._writer.set_run(self._recording.run)
        return fresh

    def _update(self, update: Message, *, up_to: int) -> None:
        for cell, shown in self._display_ids.items():
            if cell > up_to:
                continue
            for position in shown.get(update["display_id"], ()):
                output = self._outputs[cell][position]
                self._outputs[cell][position] = {
                    **output,
                    "data": update["data"],
                    "metadata": update["metadata"],
                }
                self._dirty.add(cell)
