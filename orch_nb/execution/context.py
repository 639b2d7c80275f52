"""What a cell can ask about the run it is in: `orch_nb.run.id`, `.name`, `.parameters`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class RunContext:
    """The run that this process works for; empty strings outside of any run."""

    id: str = ""
    name: str = ""
    flow: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    task: str = ""
    attempt: int = 1
    depth: int = 0  # of notebooks that run each other; 1 in one that nobody else runs
    data_interval: tuple[datetime, datetime] | None = None  # what a scheduled run is about, UTC

    def __bool__(self) -> bool:
        return bool(self.id)


current = RunContext()


def set_run(record: Mapping[str, Any]) -> None:
    """Enter a run, given its id, name, flow and parameters."""
    global current
    fields = dict(record)
    interval = fields.get("data_interval")
    if interval is not None:
        start, end = (datetime.fromisoformat(moment) for moment in interval)
        fields["data_interval"] = (start, end)
    current = RunContext(**fields)


def set_task(name: str) -> None:
    """The task that this process runs from now on."""
    global current
    current = replace(current, task=name)
