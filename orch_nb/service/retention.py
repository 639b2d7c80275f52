"""Runs of deployments that are older than their deployment keeps them: deleted with their files."""

from __future__ import annotations

import contextlib
import shutil
from datetime import datetime
from pathlib import Path

from orch_nb.app.cleaning import delete_runs
from orch_nb.app.deployed import output_folder
from orch_nb.model import FlowRun
from orch_nb.places import find_places
from orch_nb.results.location import open_results
from orch_nb.store import Store
from orch_nb.store.deployments import list_deployments
from orch_nb.store.queue_reading import ended_before

EVERY = 600.0  # seconds
_WAIT = 5.0  # between signs of life
_AT_ONCE = 100  # runs of one deployment


class Retention:
    """Deletes what has expired, now and then; one of any number on a store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._done = float("-inf")

    def step(self, now: datetime, monotonic: float) -> float:
        """Delete if it is time; the seconds until the next look."""
        if monotonic - self._done >= EVERY:
            self._done = monotonic
            if delete_expired(self._store, now) >= _AT_ONCE:
                self._done = float("-inf")  # there may be more
        return _WAIT


def delete_expired(store: Store, now: datetime) -> int:
    """Delete what no deployment keeps any more, some of it; how many runs went.

    A run that `orch-nb keep` was told of stays, and so does one that is gone on with. Raises
    ResultError when the place of kept values can't be reached.
    """
    count = 0
    for deployment in list_deployments(store):
        keep = deployment.spec.keep
        if keep is None:
            continue
        expired = ended_before(store, deployment.id, now.timestamp() - keep, _AT_ONCE)
        if not expired:
            continue
        gone = delete_runs(store, open_results(), expired).runs
        for run in gone:
            _delete_files(run, output_folder(deployment.name))
        count += len(gone)
    return count


def _delete_files(run: FlowRun, outputs: Path) -> None:
    """Only what a deployment's run wrote by itself, in our own folders."""
    shutil.rmtree(find_places().home / "runs" / run.id, ignore_errors=True)
    if run.output is None or Path(run.output).parent != outputs:
        return
    for path in (Path(run.output), Path(run.output).with_suffix(".html")):
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
