"""Deploy a notebook, and look at, pause, change and start deployments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from orch_nb.app.destination import lasting_path
from orch_nb.app.local_time import local_zone
from orch_nb.app.preparing import check_cells
from orch_nb.app.requests import RunRequest
from orch_nb.app.running import kernel_of
from orch_nb.app.secrets import env_file_variables, resolve_references
from orch_nb.app.snapshots import take_snapshot
from orch_nb.errors import InputError, NotFoundError, OptionError
from orch_nb.model import FlowRun
from orch_nb.notebook.binding import GivenParameter, bind_parameters
from orch_nb.notebook.literals import json_value
from orch_nb.notebook.reader import read_notebook
from orch_nb.schedules import IntervalSchedule, Policy, Schedule, next_ticks, parse_schedule
from orch_nb.schedules.deployment import (
    DEFAULT_POOL,
    DeployedRun,
    Deployment,
    DeploymentId,
    DeploymentSpec,
    DeploymentVersion,
    OnCrash,
    Origin,
    Tick,
)
from orch_nb.schedules.policy import Overlap
from orch_nb.store import Store, Transaction, new_flow_run_id, open_store
from orch_nb.store import deployments as stored
from orch_nb.store.enqueueing import enqueue, find_by_key, scheduled_run
from orch_nb.store.notices import NotifyRule, list_rules, set_rules
from orch_nb.store.queue_reading import runs_of_deployment, waiting_runs_of
from orch_nb.store.queueing import drop_waiting
from orch_nb.store.ticking import first_cursors
from orch_nb.store.trigger_rows import Trigger, list_triggers, set_triggers

_LONGEST_NAME = 200


@dataclass(frozen=True, slots=True)
class DeployRequest:
    """What to deploy and how. ``include`` are paths beside the notebook; ``notify`` are pairs of
    state names and a target; ``triggers`` come without ids."""

    notebook: str
    name: str | None = None
    schedules: tuple[Schedule, ...] = ()
    policy: Policy = Policy()
    parameters: tuple[GivenParameter, ...] = ()
    tags: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    include: tuple[str, ...] = ()
    follow: bool = False
    kernel: str | None = None
    cwd: str | None = None
    env_file: str | None = None
    pool: str = DEFAULT_POOL
    keep: float | None = None
    html: bool = False
    paused: bool = False
    notify: tuple[NotifyRule, ...] = ()
    triggers: tuple[Trigger, ...] = ()
    keep_anchors: bool = False  # intervals count on from where the version before counted from


@dataclass(frozen=True, slots=True)
class DeploymentDetails:
    """One deployment with what belongs to it; ``upcoming`` are its next ticks."""

    deployment: Deployment
    upcoming: tuple[datetime, ...]
    runs: tuple[FlowRun, ...]
    ticks: tuple[Tick, ...]
    rules: tuple[NotifyRule, ...]
    triggers: tuple[Trigger, ...]


def deploy(request: DeployRequest, *, now: datetime | None = None) -> Deployment:
    """Record a deployment, or a new version of the one of that name.

    Without a schedule it has the one that the notebook's `%%flow` cell declares, if it does. The
    notebook is read and its parameters are checked now; secrets are looked up only to know
    that they are there. Raises InputError for whatever a run could not use.
    """
    now = now or datetime.now(UTC)
    if not request.schedules:
        request = replace(request, schedules=declared_schedules(request.notebook, now))
    if request.keep_anchors:
        request = replace(request, schedules=_with_old_anchors(request))
    spec, files, blobs = _specify(request)
    name = request.name or spec.flow
    if not name.strip() or len(name) > _LONGEST_NAME or any(not c.isprintable() for c in name):
        raise OptionError(f"{name[:40]!r} is no name for a deployment")
    wanted = Deployment(
        DeploymentId(str(new_flow_run_id())), name, 0, spec, files, paused=request.paused
    )

    def save(transaction: Transaction) -> Deployment:
        cursors = first_cursors(spec, now)
        saved = stored.save_deployment(transaction, wanted, blobs, cursors)
        set_rules(transaction, saved.id, request.notify)
        set_triggers(transaction, saved.id, request.triggers)
        if request.paused and not saved.paused:
            stored.set_paused(transaction, saved, True, cursors)
            saved = replace(saved, paused=True)
        return saved

    with open_store() as store:
        return store.write(save)


def declared_schedules(path: str, now: datetime) -> tuple[Schedule, ...]:
    """What `%%flow … --schedule` says in the notebook, as a schedule."""
    if path == "-" or "://" in path:
        return ()
    flow = read_notebook(path).flow
    if flow.schedule is None:
        return ()
    return (parse_schedule(flow.schedule, flow.zone or local_zone(), now=now),)


def _with_old_anchors(request: DeployRequest) -> tuple[Schedule, ...]:
    """The schedules; an interval that the deployment has already keeps its anchor."""
    with open_store() as store:
        name = request.name or read_notebook(request.notebook).flow.name
        try:
            old = stored.get_deployment(store, name).spec.schedules
        except NotFoundError:
            return request.schedules
    known = {(s.every, s.zone): s for s in old if isinstance(s, IntervalSchedule)}
    return tuple(
        known.get((s.every, s.zone), s) if isinstance(s, IntervalSchedule) else s
        for s in request.schedules
    )


def _specify(request: DeployRequest) -> tuple[DeploymentSpec, tuple[Any, ...], dict[str, bytes]]:
    """The version's spec and snapshot, everything checked that can be."""
    if request.notebook == "-" or "://" in request.notebook:
        raise InputError(
            "only a notebook in a file can be deployed",
            where=request.notebook,
            hint="save it on this machine first",
        )
    if request.follow and request.include:
        raise OptionError(
            "--follow and --include contradict each other",
            hint="--follow runs the files as they are, --include those of now",
        )
    if not request.pool.strip():
        raise OptionError("a pool needs a name", hint=f"leave --pool away for {DEFAULT_POOL!r}")
    notebook = read_notebook(request.notebook)
    check_cells(notebook, request.options)
    bind_parameters(notebook, request.parameters)
    kernel_of(notebook, RunRequest(request.notebook, kernel=request.kernel))
    parameters = tuple(
        (given.name, json_value(given.value), str(given.source)) for given in request.parameters
    )
    resolve_references(value for _, value, _ in parameters)
    env_file_variables(request.env_file)
    if request.html:
        _check_exporter()
    path = Path(request.notebook).absolute()
    files, blobs = ((), {}) if request.follow else take_snapshot(path, request.include)
    spec = DeploymentSpec(
        notebook=lasting_path(request.notebook),
        flow=notebook.flow.name,
        schedules=request.schedules,
        policy=request.policy,
        parameters=parameters,
        tags=request.tags,
        options={name: _plain(value) for name, value in request.options.items()},
        kernel=request.kernel,
        cwd=None if request.cwd is None else lasting_path(request.cwd),
        env_file=None if request.env_file is None else lasting_path(request.env_file),
        pool=request.pool,
        keep=request.keep,
        html=request.html,
        follow=request.follow,
        on_crash=OnCrash(request.options.get("on_crash", notebook.flow.options.on_crash)),
    )
    return spec, files, blobs


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _check_exporter() -> None:
    import importlib.util

    if importlib.util.find_spec("nbconvert") is None:
        raise OptionError(
            "--html needs nbconvert, which is not installed", hint="pip install 'orch_nb[html]'"
        )


def deployments() -> tuple[Deployment, ...]:
    """All deployments, by name."""
    with open_store() as store:
        return stored.list_deployments(store)


def deployment_details(called: str, *, count: int = 5) -> DeploymentDetails:
    """One deployment with its next ticks, last runs and ticks. Raises NotFoundError."""
    with open_store() as store:
        found = stored.get_deployment(store, called)
        return DeploymentDetails(
            found,
            upcoming_of(found, datetime.now(UTC), count),
            runs_of_deployment(store, found.id, limit=count),
            stored.list_ticks(store, found.id, limit=count),
            list_rules(store, found.id),
            list_triggers(store, found.id),
        )


def upcoming_of(deployment: Deployment, now: datetime, count: int) -> tuple[datetime, ...]:
    """The next ticks of all the deployment's schedules; none while it is paused."""
    if deployment.paused:
        return ()
    found = {
        tick for schedule in deployment.spec.schedules for tick in next_ticks(schedule, now, count)
    }
    return tuple(sorted(found)[:count])


def upcoming(count: int = 20) -> tuple[tuple[datetime, Deployment], ...]:
    """The next ticks of all deployments, the soonest first."""
    now = datetime.now(UTC)
    found = [
        (tick, deployment)
        for deployment in deployments()
        for tick in upcoming_of(deployment, now, count)
    ]
    return tuple(sorted(found, key=lambda pair: (pair[0], pair[1].name))[:count])


def pause_deployment(called: str, paused: bool) -> Deployment:
    """Pause a deployment (what waits is cancelled), or let it go on with the ticks to come."""

    def change(store: Store) -> Deployment:
        found = stored.get_deployment(store, called)
        now = datetime.now(UTC)
        cursors = first_cursors(found.spec, now)
        waiting = waiting_runs_of(store, found.id) if paused else ()

        def write(transaction: Transaction) -> None:
            stored.set_paused(transaction, found, paused, cursors)
            drop_waiting(transaction, waiting, "its deployment was paused", now)

        store.write(write)
        return replace(found, paused=paused)

    with open_store() as store:
        return change(store)


def delete_deployment(called: str) -> Deployment:
    """Forget a deployment; its runs stay recorded, those that wait are cancelled."""
    with open_store() as store:
        found = stored.get_deployment(store, called)
        waiting = waiting_runs_of(store, found.id)
        now = datetime.now(UTC)

        def write(transaction: Transaction) -> None:
            drop_waiting(transaction, waiting, "its deployment was deleted", now)
            stored.delete_deployment(transaction, found.id)

        store.write(write)
        return found


def deployment_history(called: str) -> tuple[Deployment, tuple[DeploymentVersion, ...]]:
    """A deployment and all its versions, the newest first."""
    with open_store() as store:
        found = stored.get_deployment(store, called)
        return found, stored.list_versions(store, found.id)


def roll_back(called: str, version: int | None = None) -> Deployment:
    """Run an earlier version from now on; without a number the one before the current."""
    with open_store() as store:
        found = stored.get_deployment(store, called)
        earlier = [v.version for v in stored.list_versions(store, found.id)]
        if version is None:
            before = [number for number in earlier if number < found.version]
            if not before:
                raise NotFoundError(f"deployment {found.name} has no earlier version")
            version = before[0]
        target = stored.get_version(store, found.id, version) if version in earlier else None
        wanted = version
        cursors = first_cursors(target.spec, datetime.now(UTC)) if target else ()
        store.write(lambda t: stored.use_version(t, found, wanted, cursors))
        return stored.get_deployment(store, called)


def run_deployment(
    called: str,
    parameters: Sequence[GivenParameter] = (),
    *,
    idempotency_key: str | None = None,
    interval: tuple[datetime, datetime] | None = None,
) -> tuple[FlowRun, bool]:
    """Put a run of a deployment into the queue, for now; returns it, and whether it is new.

    With an ``idempotency_key`` that the deployment has seen, the earlier run is returned.
    """
    with open_store() as store:
        found = stored.get_deployment(store, called)
        return start_now(
            store,
            with_parameters(store, found, parameters),
            Origin.MANUAL,
            key=idempotency_key,
            interval=interval,
        )


def with_parameters(
    store: Store, deployment: Deployment, parameters: Sequence[GivenParameter]
) -> Deployment:
    """The deployment for a run that is given these parameters too.

    They are checked against the notebook that will run. Raises ParameterError.
    """
    if not parameters:
        return deployment
    spec, text = deployment.spec, None
    if deployment.files and not spec.follow:
        text = stored.read_snapshot(store, deployment.files[0].digest).decode("utf-8-sig")
    bind_parameters(read_notebook(spec.notebook, text=text), parameters)
    resolve_references(given.value for given in parameters)
    own = {name: (name, value, source) for name, value, source in spec.parameters}
    own |= {
        given.name: (given.name, json_value(given.value), str(given.source)) for given in parameters
    }
    return replace(deployment, spec=replace(spec, parameters=tuple(own.values())))


def start_now(
    store: Store,
    deployment: Deployment,
    origin: Origin,
    *,
    key: str | None = None,
    interval: tuple[datetime, datetime] | None = None,
) -> tuple[FlowRun, bool]:
    """Put one run into the queue, once for each ``key``; and whether it is new."""
    now = datetime.now(UTC)
    run = scheduled_run(deployment.spec, now)
    given = DeployedRun(
        flow_run_id=run.id,
        deployment_id=deployment.id,
        deployment=deployment.name,
        version=deployment.version,
        pool=deployment.spec.pool,
        origin=origin,
        due=now,
        overlap=_patient(deployment.spec.policy.overlap),
        interval=interval,
        idempotency_key=key,
    )

    def write(transaction: Transaction) -> tuple[str, bool]:
        stored.lock_deployment(transaction, deployment.id)
        added = enqueue(transaction, [(run, given)], by=origin.value)
        if added:
            return added[0].id, True
        return find_by_key(transaction, deployment.id, key or "") or "", False

    run_id, new = store.write(write)
    return store.get_run(run_id), new


def _patient(overlap: Overlap) -> Overlap:
    """A run that was asked for waits its turn where a tick would be skipped."""
    return Overlap.ALLOW if overlap is Overlap.ALLOW else Overlap.QUEUE
