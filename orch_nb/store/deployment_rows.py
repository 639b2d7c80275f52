"""Deployments, ticks and their runs to table rows and back."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import RowMapping

from orch_nb.model import FlowRunId
from orch_nb.schedules.deployment import (
    DeployedRun,
    Deployment,
    DeploymentId,
    DeploymentSpec,
    DeploymentVersion,
    Origin,
    SnapshotFile,
    Tick,
    WorkerRecord,
)
from orch_nb.schedules.policy import Overlap
from orch_nb.store.rows import text, to_json
from orch_nb.store.times import micros, moment

WAITING, TAKEN, ENDED = 0, 1, 2  # the phases of a deployment's run


def files_json(files: Sequence[SnapshotFile]) -> str:
    """A snapshot's list of files as it is stored."""
    return to_json([[file.path, file.digest, file.size] for file in files])


def _files(stored: str) -> tuple[SnapshotFile, ...]:
    return tuple(SnapshotFile(*fields) for fields in json.loads(stored))


def deployment(row: RowMapping) -> Deployment:
    """A row of deployments joined with its version's as a record."""
    return Deployment(
        id=DeploymentId(row["id"]),
        name=row["name"],
        version=row["version"],
        spec=DeploymentSpec.from_json(json.loads(row["spec"])),
        files=_files(row["files"]),
        paused=row["paused"],
        created=moment(row["created"]),
        updated=moment(row["updated"]),
    )


def deployment_version(row: RowMapping) -> DeploymentVersion:
    """A row of deployment_versions as a record."""
    return DeploymentVersion(
        row["version"],
        moment(row["created"]),
        DeploymentSpec.from_json(json.loads(row["spec"])),
        _files(row["files"]),
    )


def tick(row: RowMapping) -> Tick:
    """A row of ticks as a record."""
    return Tick(
        DeploymentId(row["deployment_id"]),
        moment(row["scheduled_time"]),
        None if row["flow_run_id"] is None else FlowRunId(row["flow_run_id"]),
        row["reason"],
        moment(row["decided"]),
    )


def deployed_run_row(run: DeployedRun) -> dict[str, Any]:
    """The columns of a deployment's run that waits to be taken."""
    start, end = run.interval or (None, None)
    return {
        "flow_run_id": run.flow_run_id,
        "deployment_id": run.deployment_id,
        "deployment": run.deployment,
        "version": run.version,
        "pool": text(run.pool),
        "origin": run.origin.value,
        "due": micros(run.due),
        "phase": WAITING,
        "overlap": run.overlap.value,
        "interval_start": micros(start),
        "interval_end": micros(end),
        "deadline": micros(run.deadline),
        "idempotency_key": None if run.idempotency_key is None else text(run.idempotency_key),
        "batch": run.batch,
        "max_active": run.max_active,
        "resumed": run.resumed,
    }


def deployed_run(row: RowMapping) -> DeployedRun:
    """A row of deployed_runs as a record."""
    start, end = moment(row["interval_start"]), moment(row["interval_end"])
    return DeployedRun(
        flow_run_id=FlowRunId(row["flow_run_id"]),
        deployment_id=DeploymentId(row["deployment_id"]),
        deployment=row["deployment"],
        version=row["version"],
        pool=row["pool"],
        origin=Origin(row["origin"]),
        due=moment(row["due"]),
        overlap=Overlap(row["overlap"]),
        interval=None if start is None or end is None else (start, end),
        deadline=moment(row["deadline"]),
        idempotency_key=row["idempotency_key"],
        batch=row["batch"],
        max_active=row["max_active"],
        resumed=row["resumed"],
    )


def worker(row: RowMapping) -> WorkerRecord:
    """A row of workers as a record."""
    fields = dict(row)
    return WorkerRecord(**fields | {name: moment(fields[name]) for name in ("started", "seen")})
