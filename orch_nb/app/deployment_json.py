"""Deployments as the JSON that scripts rely on (`--json`, and the REST API)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from orch_nb.app.deploying import DeploymentDetails, upcoming_of
from orch_nb.model import Json
from orch_nb.schedules.deployment import Deployment, DeploymentVersion, Tick
from orch_nb.wire import format_time, run_record

SHOWN = 5  # next times


def deployment_record(found: Deployment) -> dict[str, Json]:
    """A deployment as it is now, with its next times."""
    times = upcoming_of(found, datetime.now(UTC), SHOWN)
    return {
        "id": found.id,
        "name": found.name,
        "version": found.version,
        "paused": found.paused,
        "next_times": [format_time(time) for time in times],
        **found.spec.to_json(),
        "files": [file.path for file in found.files],
    }


def details_record(details: DeploymentDetails) -> dict[str, Json]:
    """A deployment with its last runs and ticks, and who is told."""
    return {
        **deployment_record(details.deployment),
        "runs": [run_record(run) for run in details.runs],
        "ticks": [_tick_record(tick) for tick in details.ticks],
        "rules": [{"states": list(r.states), "target": r.target} for r in details.rules],
        "triggers": [{"kind": t.kind, **_shown(t.spec)} for t in details.triggers],
    }


def _shown(spec: Any) -> dict[str, Json]:
    return {name: value for name, value in spec.items() if name != "token_hash"}


def _tick_record(tick: Tick) -> dict[str, Json]:
    return {
        "scheduled_time": format_time(tick.scheduled_time),
        "run": tick.flow_run_id,
        "reason": tick.reason,
    }


def version_record(version: DeploymentVersion, found: Deployment) -> dict[str, Json]:
    """One version of a deployment."""
    return {
        "version": version.version,
        "current": version.version == found.version,
        "created": format_time(version.created),
        **version.spec.to_json(),
        "files": [file.path for file in version.files],
    }
