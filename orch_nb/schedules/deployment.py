"""What a deployment is: a notebook with everything that its runs are given, as plain records."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NewType

from orch_nb.model import FlowRunId, Json
from orch_nb.schedules.model import Schedule, from_json, to_json
from orch_nb.schedules.policy import CatchUp, Overlap, Policy

DeploymentId = NewType("DeploymentId", str)

DEFAULT_POOL = "default"


class OnCrash(enum.StrEnum):
    """What is done about a run whose process was lost."""

    RESUME = "resume"
    FAIL = "fail"


class Origin(enum.StrEnum):
    """What a run of a deployment was started by."""

    SCHEDULE = "schedule"
    MANUAL = "manual"
    BACKFILL = "backfill"
    TRIGGER = "trigger"


@dataclass(frozen=True, slots=True)
class SnapshotFile:
    """One file of a version: its path relative to the notebook's folder, and what it holds."""

    path: str
    digest: str
    size: int  # bytes


@dataclass(frozen=True, slots=True)
class DeploymentSpec:
    """One version's settings. ``parameters`` are ``(name, value, source)`` as given, secrets as
    ``secret:NAME``; ``options`` are FlowOptions fields; ``keep`` is in seconds, None for ever.

    The notebook and what it includes are the version's snapshot, unless it ``follow``\\ s the file.
    """

    notebook: str
    flow: str
    schedules: tuple[Schedule, ...] = ()
    policy: Policy = Policy()
    parameters: tuple[tuple[str, Json, str], ...] = ()
    tags: tuple[str, ...] = ()
    options: Mapping[str, Json] = field(default_factory=dict)
    kernel: str | None = None
    cwd: str | None = None
    env_file: str | None = None
    pool: str = DEFAULT_POOL
    keep: float | None = None
    html: bool = False
    follow: bool = False
    on_crash: OnCrash = OnCrash.FAIL

    def given_options(self) -> dict[str, Any]:
        """The flow options as a run takes them: lists are tuples again."""
        return {name: _as_tuple(value) for name, value in self.options.items()}

    def to_json(self) -> Json:
        """The spec as a JSON object."""
        value = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        value["schedules"] = [to_json(schedule) for schedule in self.schedules]
        value["policy"] = dataclasses.asdict(self.policy)
        value["options"] = dict(self.options)
        return value

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> DeploymentSpec:
        """The inverse of ``to_json``; fields of other versions of orch_nb are left out."""
        known = {f.name for f in dataclasses.fields(DeploymentSpec)}
        fields = {name: given for name, given in value.items() if name in known}
        policy = dict(value["policy"])
        policy["catch_up"] = CatchUp(policy["catch_up"])
        policy["overlap"] = Overlap(policy["overlap"])
        fields |= {
            "schedules": tuple(from_json(schedule) for schedule in value["schedules"]),
            "policy": Policy(**policy),
            "parameters": tuple((name, given, at) for name, given, at in value["parameters"]),
            "tags": tuple(value["tags"]),
            "on_crash": OnCrash(value["on_crash"]),
        }
        return DeploymentSpec(**fields)


def _as_tuple(value: Json) -> Any:
    return tuple(_as_tuple(item) for item in value) if isinstance(value, list) else value


@dataclass(frozen=True, slots=True)
class Deployment:
    """A deployment with its current version. Times are aware datetimes in UTC."""

    id: DeploymentId
    name: str
    version: int
    spec: DeploymentSpec
    files: tuple[SnapshotFile, ...] = ()
    paused: bool = False
    created: datetime | None = None
    updated: datetime | None = None


@dataclass(frozen=True, slots=True)
class DeploymentVersion:
    """One version in a deployment's history."""

    version: int
    created: datetime
    spec: DeploymentSpec
    files: tuple[SnapshotFile, ...] = ()


@dataclass(frozen=True, slots=True)
class Tick:
    """What became of one scheduled time: a run, or none for ``reason``."""

    deployment_id: DeploymentId
    scheduled_time: datetime
    flow_run_id: FlowRunId | None
    reason: str
    decided: datetime


@dataclass(frozen=True, slots=True)
class DeployedRun:
    """What a run has because a deployment started it; ``interval`` is its data interval."""

    flow_run_id: FlowRunId
    deployment_id: DeploymentId
    deployment: str
    version: int
    pool: str
    origin: Origin
    due: datetime
    overlap: Overlap = Overlap.QUEUE
    interval: tuple[datetime, datetime] | None = None
    deadline: datetime | None = None
    idempotency_key: str | None = None
    batch: str | None = None  # the backfill it belongs to
    max_active: int | None = None  # of its batch
    resumed: int = 0  # how often it was resumed after a crash


@dataclass(frozen=True, slots=True)
class WorkerRecord:
    """A scheduler or worker as the store knows it; it is alive while its counter grows."""

    id: str
    name: str
    kind: str
    pool: str
    limit: int
    running: int
    holder: str
    state: str
    counter: int
    started: datetime
    seen: datetime
