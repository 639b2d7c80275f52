"""Runs of deployments that are older than their deployment keeps them: deleted with their files."""

from __future__ import annotations

import contextlib
import shutil
from datetime import datetime
from functools import partial
from pathlib import Path

from orch_nb.app.deployed import output_folder
from orch_nb.model import FlowRun
from orch_nb.places import find_places
from orch_nb.store import Store, Transaction
from orch_nb.store.deployments import list_deployments
from orch_nb.store.queue_reading import ended_before


def delete_expired(store: Store, now: datetime) -> int:
    """Delete what no deployment keeps any more; how many runs went."""
    count = 0
    for deployment in list_deployments(store):
        keep = deployment.spec.keep
        if keep is None:
            continue
        for run in ended_before(store, deployment.id, now.timestamp() - keep):
            _delete_files(run, output_folder(deployment.name))
            store.write(partial(_forget, run))
            count += 1
    return count


def _forget(run: FlowRun, transaction: Transaction) -> None:
    transaction.delete_run(run.id)


def _delete_files(run: FlowRun, outputs: Path) -> None:
    """Only what a deployment's run wrote by itself, in our own folders."""
    shutil.rmtree(find_places().home / "runs" / run.id, ignore_errors=True)
    if run.output is None or Path(run.output).parent != outputs:
        return
    for path in (Path(run.output), Path(run.output).with_suffix(".html")):
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
