"""Where the calls of a flow of functions may run, by the name of the runner."""

from __future__ import annotations

import importlib

from orch_nb.dynamic.executors import Executor
from orch_nb.errors import InputError

# Each is made with its slots.
EXECUTORS: dict[str, str] = {
    "local": "orch_nb.dynamic.processes:ProcessExecutor",
    "inline": "orch_nb.dynamic.executors:ThreadExecutor",
}


def make_executor(runner: str, workers: int) -> Executor:
    """The executor of a runner's name."""
    if runner not in EXECUTORS:
        known = ", ".join(EXECUTORS)
        raise InputError(f"a flow of functions can't run on '{runner}'", hint=f"choose of {known}")
    module, _, name = EXECUTORS[runner].partition(":")
    made: Executor = getattr(importlib.import_module(module), name)(workers)
    return made
