"""What a run tells the cluster that its cells are sent to."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from orch_nb.app.policies import workers_resources
from orch_nb.app.preparing import Prepared
from orch_nb.app.sessions import Session
from orch_nb.app.sibling_modules import find_modules, imported_by
from orch_nb.runners.dask_runner import Sending
from orch_nb.runners.kernelspecs import KernelMode

# Loading these starts no thread that a fork would miss.
_SAFE_TO_FORK = frozenset(
    {"matplotlib", "numpy", "pandas", "scipy", "seaborn", "sklearn", "statsmodels"}
)


def sending_of(
    prepared: Prepared, folder: str, session: Session, notice: Callable[[str], None]
) -> Sending:
    """``notice`` takes what the user should know of the cluster."""
    sources = [cell.source for cell in prepared.notebook.cells]
    kernel = session.kernel
    return Sending(
        flow=prepared.notebook.flow.name,
        names=prepared.names,
        resources={
            cell.number: dict(cell.options.resources)
            for cell in prepared.notebook.cells
            if cell.options.resources
        },
        needed={
            cell.number: wanted
            for cell in prepared.notebook.cells
            if (wanted := workers_resources(cell, prepared.options))
        },
        priorities={
            cell.number: cell.options.priority
            for cell in prepared.notebook.cells
            if cell.options.priority
        },
        modules=find_modules(sources, Path(folder)),
        python="" if kernel.mode is KernelMode.OURS else kernel.python or "",
        preload=preload_of(prepared),
        notice=notice,
    )


def preload_of(prepared: Prepared) -> tuple[str, ...]:
    """Libraries that the notebook imports, and that its processes on a worker are forked with."""
    imported = set[str]().union(*(imported_by(cell.source) for cell in prepared.notebook.cells))
    return tuple(sorted(imported & _SAFE_TO_FORK))
