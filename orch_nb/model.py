"""Ids and frozen records that all layers share: cells as read, runs as recorded."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NewType

from orch_nb.options import FlowOptions, TaskOptions
from orch_nb.states import TYPE_OF, StateName, StateType

FlowRunId = NewType("FlowRunId", str)
TaskRunId = NewType("TaskRunId", str)

Json = Any  # a value that json.dumps accepts
CALL = "call:"  # how the cell id of a call's task run begins


class CellKind(enum.StrEnum):
    """What a code cell is in a flow (the table in the docs' "cell kinds")."""

    PARAMETERS = "parameters"
    INJECTED = "injected-parameters"
    TASK = "task"
    FLOW = "flow"
    SETUP = "setup"
    SKIP = "skip"
    PLAIN = "plain"


class CellsMode(enum.StrEnum):
    """Which cells are tasks (`--cells`)."""

    AUTO = "auto"
    TAGGED = "tagged"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class Cell:
    """One code cell as read from a notebook.

    ``number`` counts code cells from 1, as the prompt does after "Restart & Run All";
    ``position`` is its index among all cells of the notebook, from 0. ``source`` is what
    IPython runs: the `%%task` line is blanked (never removed, so that line numbers in
    tracebacks stay the notebook's). ``name`` is the task's name, given or derived.
    """

    number: int
    position: int
    id: str
    name: str
    kind: CellKind
    source: str
    options: TaskOptions = TaskOptions()
    tags: tuple[str, ...] = ()
    named: bool = False  # the user gave the name

    @property
    def label(self) -> str:
        """How messages name the cell: ``cell 3 'load'``."""
        return f"cell {self.number} '{self.name}'" if self.named else f"cell {self.number}"


@dataclass(frozen=True, slots=True)
class Parameter:
    """One name of the parameters cell.

    ``type`` is the annotation's source, or one inferred from the default, or None.
    ``default`` is the default's source text; ``help`` the trailing comment. ``declared`` says
    that the type was written, not inferred: values are held to it.
    """

    name: str
    type: str | None
    default: str
    help: str = ""
    declared: bool = False


@dataclass(frozen=True, slots=True)
class FlowRun:
    """One execution of a flow, as recorded. Times are aware datetimes in UTC."""

    id: FlowRunId
    name: str
    flow: str
    notebook: str
    state_name: StateName
    state_message: str = ""
    parameters: Mapping[str, Json] = field(default_factory=dict)
    parameter_sources: Mapping[str, str] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    options: FlowOptions = FlowOptions()
    request: Mapping[str, Json] = field(default_factory=dict)  # kernel, cwd, report_mode
    output: str | None = None
    attempt: int = 1
    scheduled_time: datetime | None = None
    start_time: datetime | None = None
    end_time: datetime | None = None
    epoch: int = 0
    pinned: bool = False  # kept when old runs are deleted; given by the store
    parent_run: FlowRunId | None = None  # the run that started this one, for a subflow

    @property
    def state_type(self) -> StateType:
        """The type that the state's name belongs to."""
        return TYPE_OF[self.state_name]


@dataclass(frozen=True, slots=True)
class TaskRun:
    """One execution of a task in a flow run, as recorded; a cell's latest attempt.

    ``attempt`` counts from the run's first attempt on, through all resumes; it is the attempt
    that runs or has run, or else the one to come. ``max_attempts`` is where retries end.
    """

    id: TaskRunId
    flow_run_id: FlowRunId
    name: str
    cell_number: int
    cell_id: str
    kind: CellKind
    state_name: StateName
    state_message: str = ""
    attempt: int = 1
    max_attempts: int = 1
    start_time: datetime | None = None
    end_time: datetime | None = None
    seconds: float | None = None
    peak_memory: int | None = None  # bytes
    where: str = ""  # "home" or "fork", and why
    error_name: str | None = None
    error_value: str | None = None
    error_line: int | None = None
    source_hash: str = ""  # of the cell as it was run
    map_index: int | None = None  # which item, for a task that runs once per item

    @property
    def attempts_begun(self) -> int:
        """How many attempts at it have begun."""
        return self.attempt if self.start_time is not None else self.attempt - 1

    @property
    def is_call(self) -> bool:
        """Whether it is one of the calls of a cell, by a flow's body or once for each item."""
        return self.cell_id.startswith(CALL)

    @property
    def state_type(self) -> StateType:
        """The type that the state's name belongs to."""
        return TYPE_OF[self.state_name]


@dataclass(frozen=True, slots=True)
class StateChange:
    """One row of a run's append-only history."""

    run_id: str  # of a flow run or task run
    time: datetime
    old: StateName | None
    new: StateName
    message: str
    by: str  # who: "driver", "cli", …
    attempt: int = 1


@dataclass(frozen=True, slots=True)
class LogRecord:
    """One captured `logging` record, or a line of text output kept with the run."""

    flow_run_id: FlowRunId
    task: str | None
    time: datetime
    level: int
    logger: str
    message: str
    attempt: int = 1
    id: int | None = None  # given by the store, growing; None until recorded
