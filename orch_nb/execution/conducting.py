"""Give a cell that calls other cells what it calls them by, while it runs; and run such calls for
another process.

Who runs calls is above this layer: it is named in messages, as ``module:function``.
"""

from __future__ import annotations

import contextlib
import importlib
import socket
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any, NoReturn

from orch_nb.execution.job import Job, Message, SessionSpec
from orch_nb.execution.shell import CellShell


def conduct(shell: CellShell, job: Job, spec: SessionSpec) -> AbstractContextManager[Job]:
    """While inside, the cells of ``job.calls`` can be called by the cell that runs; gives the job
    as it is to be run."""
    if not job.calls:
        return contextlib.nullcontext(job)
    opened: AbstractContextManager[Job] = _find(job.calls["conductor"])(shell, job, spec)
    return opened


def serve_calls(
    shell: CellShell, server: str, cells: Sequence[Message], sock: socket.socket
) -> NoReturn:
    """Run calls of the cells, each in a fork of this process, for whoever has the other end of
    ``sock``; ``server`` names who does it."""
    _find(server)(shell, {cell["number"]: cell for cell in cells}, sock)
    raise RuntimeError(f"{server} has returned")


def _find(name: str) -> Callable[..., Any]:
    module, _, function = name.partition(":")
    found: Callable[..., Any] = getattr(importlib.import_module(module), function)
    return found
