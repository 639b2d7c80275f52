"""Give a cell that calls other cells what it calls them by, while it runs."""

from __future__ import annotations

import contextlib
import importlib
from contextlib import AbstractContextManager

from orch_nb.execution.job import Job, SessionSpec
from orch_nb.execution.shell import CellShell


def conduct(shell: CellShell, job: Job, spec: SessionSpec) -> AbstractContextManager[Job]:
    """While inside, the cells of ``job.calls`` can be called by the cell that runs; gives the job
    as it is to be run.

    Who runs calls is above this layer: the driver names it in the job, as ``module:function``.
    """
    if not job.calls:
        return contextlib.nullcontext(job)
    module, _, name = str(job.calls["conductor"]).partition(":")
    opened: AbstractContextManager[Job] = getattr(importlib.import_module(module), name)(
        shell, job, spec
    )
    return opened
