"""Runs whose process was lost: recorded as crashed, and gone on with where that is wished."""

from __future__ import annotations

import contextlib
import logging
from datetime import datetime

from orch_nb.app.abandoned import LEASE, crash_run
from orch_nb.errors import NotFoundError, TransitionError
from orch_nb.model import FlowRun
from orch_nb.schedules.deployment import DeployedRun, OnCrash
from orch_nb.states import StateType
from orch_nb.store import Lease, LeaseObserver, Store, is_gone, new_holder
from orch_nb.store.deployments import get_version
from orch_nb.store.queue_reading import deployed_run_of
from orch_nb.store.queueing import end_taken, reclaim_unbegun, requeue_crashed

MOST_RESUMES = 3
_RUNS = "run/"
_UNBEGUN = "its worker was lost before it began"

_log = logging.getLogger(__name__)


class CrashWatch:
    """Watches the claims on runs; call it again and again."""

    def __init__(self, store: Store, length: float = LEASE) -> None:
        self._store = store
        self._observer = LeaseObserver(length)

    def look(self, now: datetime, monotonic: float) -> tuple[FlowRun, ...]:
        """Settle the runs whose holder is known to be gone or has been silent for too long."""
        leases = self._store.leases(_RUNS)
        silent = set(self._observer.expired(leases, monotonic))
        lost = [lease for lease in leases if lease in silent or is_gone(lease.holder)]
        return tuple(settle_lost(self._store, lease, now) for lease in lost)


def settle_lost(
    store: Store, lease: Lease, now: datetime, given: DeployedRun | None = None
) -> FlowRun:
    """Record the run of a lost process as crashed, and queue it again if its deployment says so.

    One of which nothing had begun just goes back to the queue. ``given`` is what the run was given
    when it was taken, where that is known.
    """
    run = store.get_run(lease.resource.removeprefix(_RUNS))
    given = given or deployed_run_of(store, run.id)
    if given is not None and run.state_type is StateType.PENDING and not store.task_runs(run.id):
        with contextlib.suppress(TransitionError):  # another observer was faster
            store.write(lambda t: reclaim_unbegun(t, run, lease, new_holder(), _UNBEGUN))
        return store.get_run(run.id)
    run = crash_run(store, lease)
    _log.warning("run %s: %s", run.name, run.state_message)
    if given is not None:
        settle_ended(store, given, now)
    return run


def settle_ended(store: Store, given: DeployedRun, now: datetime) -> None:
    """What follows when a deployment's run was found to be crashed, or has ended otherwise."""
    run = store.get_run(given.flow_run_id)
    resumes = False
    if run.state_type is StateType.CRASHED:
        try:
            spec = get_version(store, given.deployment_id, given.version).spec
            resumes = spec.on_crash is OnCrash.RESUME
        except NotFoundError:  # the deployment is gone
            resumes = False
    if resumes and store.write(lambda t: requeue_crashed(t, given, now, MOST_RESUMES)):
        return
    store.write(lambda t: end_taken(t, given))
