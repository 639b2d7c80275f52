"""Runs and deployments as the API tells them: as `--json` does, with paths of the contents API."""

from __future__ import annotations

import hashlib
from pathlib import Path

from orch_nb.app.deployment_json import deployment_record
from orch_nb.model import FlowRun, Json
from orch_nb.schedules import describe
from orch_nb.schedules.deployment import Deployment
from orch_nb.server.paths import Root
from orch_nb.wire import run_record


def run_of(run: FlowRun, root: Root) -> Json:
    """A run; ``path`` and ``output_path`` are None for files outside of the server's root."""
    # where contents are elsewhere, what a run has written is on this disk alone
    output = (run.output or "") if root.folder is not None else ""
    return {
        **run_record(run),
        "pinned": run.pinned,
        "path": root.shown(run.notebook),
        "output_path": root.shown(output),
        "runner": run.options.runner,
        "parameter_sources": dict(run.parameter_sources),
    }


def deployment_of(found: Deployment, root: Root, token: str | None = None) -> Json:
    """A deployment; ``changed`` says that the file is no longer what its version holds."""
    return {
        **deployment_record(found),
        "path": root.shown(found.spec.notebook),
        "changed": _is_changed(found),
        "sentences": [f"{describe(one)} ({one.zone})" for one in found.spec.schedules],
        "token": token,
    }


def _is_changed(found: Deployment) -> bool:
    if not found.files:
        return False  # it follows the file
    try:
        held = Path(found.spec.notebook).read_bytes()
    except OSError:
        return False
    return hashlib.sha256(held).hexdigest() != found.files[0].digest
