"""Deploy a notebook's files as they are now, with all else as the deployment has it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from orch_nb.app.deploying import DeployRequest, deploy, deployment_details
from orch_nb.model import FlowRunId
from orch_nb.notebook.binding import GivenParameter, ParameterSource
from orch_nb.schedules.deployment import DeployedRun, Deployment
from orch_nb.store import open_store
from orch_nb.store.queue_reading import deployed_run_of


def redeploy(called: str, **changed: Any) -> Deployment:
    """A new version of a deployment: its notebook, and what it includes, are read again.

    ``changed`` are fields of DeployRequest in place of what it has. Raises NotFoundError, and
    InputError for what a run could not use any more.
    """
    details = deployment_details(called)
    found = details.deployment
    spec = found.spec
    request = DeployRequest(
        notebook=spec.notebook,
        name=found.name,
        schedules=spec.schedules,
        policy=spec.policy,
        parameters=tuple(
            GivenParameter(name, value, ParameterSource(source))
            for name, value, source in spec.parameters
        ),
        tags=spec.tags,
        options=spec.given_options(),
        include=tuple(file.path for file in found.files[1:]),
        follow=spec.follow,
        kernel=spec.kernel,
        cwd=spec.cwd,
        env_file=spec.env_file,
        pool=spec.pool,
        keep=spec.keep,
        html=spec.html,
        paused=found.paused,
        notify=details.rules,
        triggers=details.triggers,
    )
    return deploy(replace(request, **changed))


def deployed_run(run: FlowRunId) -> DeployedRun | None:
    """What a run has because a deployment started it; None for one that was started by hand."""
    with open_store() as store:
        return deployed_run_of(store, run)
