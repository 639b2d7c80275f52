"""Run calls of cells, each in a fork of the process that holds the notebook's values; or of one
elsewhere, to which what they read was shipped.
"""

from __future__ import annotations

import functools
import gc
import json
import os
import signal
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import FunctionType
from typing import Any, NoReturn

import cloudpickle

from orch_nb.dynamic.processes import Forks
from orch_nb.dynamic.records import CellRecord
from orch_nb.dynamic.shipped_cells import ShippedCells
from orch_nb.errors import SessionError, TaskError
from orch_nb.execution import forking, processes
from orch_nb.execution.by_hand import names_used
from orch_nb.execution.call_worker import serve, work
from orch_nb.execution.calls import CallError, Namespace
from orch_nb.execution.fingerprint import Fingerprinter
from orch_nb.execution.job import Job, SessionSpec, to_message
from orch_nb.execution.outputs import ErrorInfo, OutputEvent
from orch_nb.execution.shell import CellShell
from orch_nb.execution.shipping import ship_inputs


class CellError(Exception):
    """The error that ended a called cell, as its shell told it."""

    def __init__(self, label: str, info: ErrorInfo) -> None:
        super().__init__(f"{label}: {info.name}: {info.value}")
        error = TaskError(f"{info.name}: {info.value}", where=label)
        self.described = CallError(
            info.name,
            info.value,
            info.types,
            "\n".join(info.traceback),
            info.line,
            cloudpickle.dumps(error),
        )


def fork_server(shell: CellShell, cells: Mapping[int, Mapping[str, Any]]) -> Forks:
    """A process that holds the values as they are now, and forks a child for every call.

    Raises SessionError where this process can't be forked. Between cells only.
    """
    why_not = forking.why_not()
    if why_not:
        raise SessionError(f"cells can't be called: {why_not}")
    forking.pause_pools()
    shell.flush()
    ours, theirs = socket.socketpair()
    pid = forking.fork()
    if pid == 0:
        try:
            ours.close()
            processes.die_with_parent()
            processes.adopt_orphans()
            forking.reset_pools()
            shell.after_fork()
            serve_cells(shell, cells, theirs)
        finally:
            os._exit(0)
    theirs.close()
    return Forks(ours, pid)


def serve_cells(
    shell: CellShell, cells: Mapping[int, Mapping[str, Any]], sock: socket.socket
) -> NoReturn:
    """Be the process that is forked for every call of the cells, which are given by their
    numbers; ends with the socket that asks for forks."""
    gc.freeze()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    Namespace.names = shell.user_ns
    serve(sock, functools.partial(_become_caller, shell, cells), forking.fork)


def ship_cells(
    shell: CellShell,
    job: Job,
    spec: SessionSpec,
    cells: Sequence[Mapping[str, Any]],
    *,
    setups: Sequence[str] = (),
    preload: Sequence[str] = (),
) -> ShippedCells:
    """Write what the cells read, as it is now, to the results. ``job`` is that of the cell which
    calls them; ``setups`` are the sources of setup cells above it.

    Raises Pinned, with the reason in words, when something can't leave this process.
    """
    source = "\n".join(cell["source"] for cell in cells)
    variables = shell.variables()
    # What is given to a call, or comes back from it, may be of any class of the notebook's.
    own = [name for name, value in variables.items() if _is_own(name, value)]
    reads = names_used("\n".join([source, *own]), shell.user_ns) & variables.keys()
    wanted = replace(job, calls={}, source=source, reads=tuple(sorted(reads)), apply=())
    manifest, _ = ship_inputs(shell, wanted, spec)
    return ShippedCells(to_message(spec), tuple(cells), manifest, tuple(setups), tuple(preload))


def _is_own(name: str, value: Any) -> bool:
    own = isinstance(value, type | FunctionType) and value.__module__ == "__main__"
    return own and value.__name__ == name


def _become_caller(
    shell: CellShell, cells: Mapping[int, Mapping[str, Any]], descriptor: int
) -> None:
    try:
        processes.die_with_parent()
        processes.adopt_orphans()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        shell.after_fork()

        def load(function: bytes) -> Callable[..., Any]:
            return functools.partial(_run_cell, shell, cells[json.loads(function)])

        with socket.socket(fileno=descriptor) as sock:
            work(sock, load, enter=False)
    except OSError:
        pass  # the driver is gone
    finally:
        os._exit(0)


def _run_cell(shell: CellShell, cell: Mapping[str, Any], **given: Any) -> CellRecord:
    namespace = shell.user_ns
    loop = given.pop("__loop__", None)
    namespace.update(given)
    before = shell.variables()
    printer = Fingerprinter(namespace)
    shared = [name for name in cell["changes"] if name in before and name != loop]
    digests = {name: printer.digest(before[name]) for name in shared} if loop else {}
    shell.sink = _show
    result = shell.run(cell["source"], count=cell["number"])
    shell.sink = None
    if result.error is not None and result.error.exit_code != 0:
        raise CellError(cell["label"], result.error)
    for name, digest in digests.items():
        if Fingerprinter(namespace).digest(before[name]) != digest:
            raise TaskError(
                f"item {repr(given[loop])[:60]} changes '{name}' in place, which all items share",
                where=cell["label"],
                hint=f"make a copy of '{name}' first, or bind what is new under another name",
            )
    after = shell.variables()
    bound = {
        name: value
        for name, value in after.items()
        if name not in before or before[name] is not value or name in cell["changes"]
    }
    if loop is not None:
        bound = {name: value for name, value in bound.items() if name != loop}
    return CellRecord(cell["name"], bound)


def _show(event: OutputEvent) -> None:
    """What is shown, and is text, is told with the call's logs."""
    if event["type"] == "stream":
        print(event["text"], end="")
    elif event["type"] == "output":
        text = event["output"].get("data", {}).get("text/plain")
        if isinstance(text, str):
            print(text)
