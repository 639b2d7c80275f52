"""What a run's options mean for each cell, and whether this machine has what cells need."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from orch_nb.amounts import format_amount
from orch_nb.engine.plan import Policy
from orch_nb.engine.retry import chance_of, retry_delays
from orch_nb.errors import OptionError
from orch_nb.model import Cell
from orch_nb.options import FlowOptions
from orch_nb.runners.dask_cluster import place_of

_MEMORY = "memory"
_CORES = "cpu"


def make_policies(
    cells: Sequence[Cell], options: FlowOptions, run_id: str = ""
) -> dict[int, Policy]:
    """The policy of each cell, by its number; ``run_id`` makes the jitter this run's own. What a
    cell needs of a cluster's workers is no policy: the cluster sees to it."""
    return {cell.number: _policy(cell, options, run_id) for cell in cells}


def _policy(cell: Cell, options: FlowOptions, run_id: str) -> Policy:
    given = cell.options
    elsewhere = workers_resources(cell, options)
    return Policy(
        delays=retry_delays(given, chance_of(run_id, cell.id or cell.name)),
        timeout=given.timeout,
        may_fail=options.allow_errors or "raises-exception" in cell.tags,
        retry_on=given.retry_on,
        uses=given.uses,
        resources=tuple(pair for pair in given.resources if pair[0] not in elsewhere),
        question=given.pause,
    )


def machine_resources(
    cells: Sequence[Cell], options: FlowOptions, filename: str
) -> Mapping[str, float]:
    """What this machine has for tasks: as the options say, and else its memory and its cores.

    Raises OptionError, naming the cell, where one needs more than there is.
    """
    resources = _known_resources(options)
    for cell in cells:
        elsewhere = workers_resources(cell, options)
        for name, amount in cell.options.resources:
            if name in elsewhere or amount <= resources.get(name, 0.0):
                continue
            has = f"has {format_amount(resources[name])}" if name in resources else "is not given"
            raise OptionError(
                f"it needs {name}={format_amount(amount)}, and {name} {has} on this machine",
                where=f"{filename}, {cell.label}",
                hint=f"say what there is, as  --resources {name}={format_amount(amount)}",
            )
    return resources


def workers_resources(cell: Cell, options: FlowOptions) -> Mapping[str, float]:
    """What a cell needs of the workers of a Dask cluster that is told of: all that nobody has
    said to be this machine's."""
    if not cell.options.resources or not place_of(options.runner):
        return {}
    here = _known_resources(options)
    return {name: amount for name, amount in cell.options.resources if name not in here}


def _known_resources(options: FlowOptions) -> Mapping[str, float]:
    return _own_resources() | dict(options.resources)


def _own_resources() -> dict[str, float]:
    found = {_CORES: float(os.cpu_count() or 1)}
    try:
        found[_MEMORY] = float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    except (ValueError, OSError, AttributeError):  # a system that does not tell
        found[_MEMORY] = 0.0
    return found
