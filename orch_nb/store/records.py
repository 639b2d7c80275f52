"""What goes into and comes out of the store beside the runs of ``orch_nb.model``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from orch_nb.model import FlowRunId, Json, TaskRun, TaskRunId
from orch_nb.states import StateName, StateType


@dataclass(frozen=True, slots=True)
class TaskChange:
    """A task run as it shall be recorded, and the state it must still be in for that."""

    task: TaskRun
    expected: StateName


@dataclass(frozen=True, slots=True)
class RunQuery:
    """Which runs to list: every condition given must hold; the newest come first.

    ``since`` (inclusive) and ``until`` (exclusive) are about when the run was recorded first.
    ``before`` is the cursor: the id of the last run of the page before.
    """

    state_types: tuple[StateType, ...] = ()
    state_names: tuple[StateName, ...] = ()
    flow: str | None = None
    notebook: str | None = None
    tag: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    before: FlowRunId | None = None
    limit: int = 50


@dataclass(frozen=True, slots=True)
class LogQuery:
    """Which log records of a run to read: oldest first, those with an id over ``after``."""

    task: str | None = None
    min_level: int = 0
    after: int = 0
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class ResultRecord:
    """What became of the values that one attempt of a task made.

    A kept result has a ``manifest`` (plain JSON, as `results.blob` made it) with its signature.
    One that was not kept says why in ``reason``. ``size`` is in bytes. ``outcome`` is the
    attempt's Outcome as plain JSON, without the values' manifest. ``recipe`` is a digest of the
    cell and of all that it was made from: of equal recipes, one result serves for both.
    ``cache_note`` tells what it depends on; ``cache_key`` is set where it may serve other runs.
    """

    flow_run_id: FlowRunId
    task_run_id: TaskRunId
    names: tuple[str, ...]
    kept: bool
    reason: str = ""
    attempt: int = 1
    recipe: str = ""
    cache_key: str | None = None
    cache_note: Mapping[str, Json] | None = None
    digest: str | None = None
    manifest: Mapping[str, Json] | None = None
    outcome: Mapping[str, Json] | None = None
    size: int = 0
    signature: str | None = None
    key_id: str | None = None
    created: datetime | None = None  # given by the store
    last_used: datetime | None = None  # given by the store
    id: int | None = None  # given by the store


@dataclass(frozen=True, slots=True)
class Lease:
    """A claim as seen in the store. The holder raises ``counter`` as long as it lives."""

    resource: str
    slot: int
    holder: str
    epoch: int
    counter: int
