"""Runs whose process was lost: recorded as crashed, and gone on with where that is wished."""

from __future__ import annotations

import contextlib
import logging
from datetime import datetime

from orch_nb.app.abandoned import crash_run
from orch_nb.errors import NotFoundError, TransitionError
from orch_nb.model import FlowRun, FlowRunId
from orch_nb.schedules.deployment import OnCrash
from orch_nb.states import StateType
from orch_nb.store import Lease, LeaseObserver, Store, is_gone, new_holder
from orch_nb.store.deployment_rows import ENDED
from orch_nb.store.deployments import get_version
from orch_nb.store.queueing import (
    deployed_run_of,
    reclaim_unbegun,
    requeue_crashed,
    set_phase,
)

LEASE = 30.0  # seconds without a sign of life after which a run's process is taken for lost
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


def settle_lost(store: Store, lease: Lease, now: datetime) -> FlowRun:
    """Record the run of a lost process as crashed, and queue it again if its deployment says so.

    One of which nothing had begun just goes back to the queue.
    """
    run = store.get_run(lease.resource.removeprefix(_RUNS))
    given = deployed_run_of(store, run.id)
    if given is not None and run.state_type is StateType.PENDING and not store.task_runs(run.id):
        with contextlib.suppress(TransitionError):  # another observer was faster
            store.write(lambda t: reclaim_unbegun(t, run, lease, new_holder(), _UNBEGUN))
        return store.get_run(run.id)
    run = crash_run(store, lease)
    _log.warning("run %s: %s", run.name, run.state_message)
    settle_crashed(store, run.id, now)
    return run


def settle_crashed(store: Store, run_id: FlowRunId, now: datetime) -> None:
    """What follows when a deployment's run was found to be crashed, or has ended otherwise."""
    given = deployed_run_of(store, run_id)
    if given is None:
        return
    run = store.get_run(run_id)
    resumes = False
    if run.state_type is StateType.CRASHED:
        try:
            spec = get_version(store, given.deployment_id, given.version).spec
            resumes = spec.on_crash is OnCrash.RESUME
        except NotFoundError:  # the deployment is gone
            resumes = False
    if resumes and store.write(lambda t: requeue_crashed(t, run_id, now, MOST_RESUMES)):
        return
    store.write(lambda t: set_phase(t, run_id, ENDED))
