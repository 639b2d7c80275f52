"""What a run tells its watchers: small frozen records, in the order they happened.

Faces (terminal, panel, server) subscribe to these and never look at the engine's insides.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from orch_nb.graph.model import FlowGraph
from orch_nb.model import FlowRun, LogRecord, TaskRun


@dataclass(frozen=True, slots=True)
class RunStarted:
    """First event. ``tasks`` has one entry for each cell that will run, in document order;
    ``waits`` maps a cell number to its inputs' ``(name, cell number)`` pairs;
    ``expected`` maps a cell number to seconds learned from earlier runs;
    ``counted`` are the numbers of the cells that count as tasks; ``graph`` is what is run.
    """

    run: FlowRun
    tasks: tuple[TaskRun, ...]
    cells_total: int
    tasks_total: int  # of the cells, those that count as tasks
    workers: int
    waits: Mapping[int, tuple[tuple[str, int], ...]] = field(default_factory=dict)
    expected: Mapping[int, float] = field(default_factory=dict)
    counted: frozenset[int] | None = None
    graph: FlowGraph | None = None


@dataclass(frozen=True, slots=True)
class RunChanged:
    """The flow run has a new state (or learned its output path)."""

    run: FlowRun


@dataclass(frozen=True, slots=True)
class TaskChanged:
    """A task run has a new state."""

    task: TaskRun


@dataclass(frozen=True, slots=True)
class TaskProgress:
    """The latest line a running task printed, and its memory in bytes, if known."""

    cell_number: int
    text: str = ""
    memory: int | None = None


@dataclass(frozen=True, slots=True)
class Printed:
    """What a running cell showed as text, as it came: any part of a line, or several.

    ``name`` is the stream, "stdout" or "stderr", or "result" for the text of a rich output.
    """

    cell_number: int
    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Logged:
    """A captured log record."""

    record: LogRecord


@dataclass(frozen=True, slots=True)
class Notice:
    """A sentence for the user that is no error (an upgraded format, a cell run again)."""

    text: str


@dataclass(frozen=True, slots=True)
class RunEnded:
    """Last event. ``files`` are the paths the run was seen to write, relative to its folder."""

    run: FlowRun
    tasks: tuple[TaskRun, ...]
    seconds: float
    files: tuple[str, ...] = ()


Event = RunStarted | RunChanged | TaskChanged | TaskProgress | Printed | Logged | Notice | RunEnded
Listener = Callable[[Event], None]
