"""Where the calls of a flow of functions may run, by the name of the runner."""

from __future__ import annotations

import functools
import os
from pathlib import Path

from orch_nb.app.function_runs import FlowWork
from orch_nb.dynamic.executors import Executor, ThreadExecutor
from orch_nb.dynamic.processes import ProcessExecutor
from orch_nb.errors import InputError
from orch_nb.runners.dask_cluster import is_dask, place_of


def make_executor(work: FlowWork) -> Executor:
    """What runs the flow's calls; see ``choose_executor``."""
    folder = str(Path(work.file).parent) if work.file else str(Path.cwd())
    return choose_executor(work.options.runner, work.options.max_workers, folder, work.name)


def choose_executor(runner: str, most: int | None, folder: str, flow: str) -> Executor:
    """What runs calls of functions: at most so many at once. ``folder`` is where a factory of
    clusters is looked for, too; ``flow`` is named in Dask's dashboard.

    Raises InputError for a runner that is not known, SessionError where it needs what is not
    installed.
    """
    workers = most or os.cpu_count() or 1
    if runner == "local":
        return ProcessExecutor(workers)
    if runner == "inline":
        return ThreadExecutor(workers)
    if not is_dask(runner):
        raise InputError(
            f"a flow of functions can't run on '{runner}'", hint="choose of local, inline, dask"
        )
    from orch_nb.runners.dask_calls import DaskExecutor
    from orch_nb.runners.dask_cluster import borrow_cluster

    place = place_of(runner)
    cluster = functools.partial(borrow_cluster, place, workers, folder)
    return DaskExecutor(most if place else None, cluster, flow)
