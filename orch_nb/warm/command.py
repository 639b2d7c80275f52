"""A fork of the daemon becomes the process of a command: as if the command had been started."""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import os
import resource
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from io import BufferedReader, BufferedWriter, FileIO, TextIOWrapper
from typing import Any, NoReturn

from orch_nb.warm.messages import Line

_PATIENCE = 5.0  # seconds for the client to send its request


def become_command(line: Line, run: Callable[[Sequence[str]], int]) -> NoReturn:
    """Take over what the client sends, run the command, and tell how it ended."""
    code = 1
    try:
        line.sock.settimeout(_PATIENCE)
        request = line.receive()
        line.sock.settimeout(None)
        if request is not None:  # else the client has other plans
            connection = _take_descriptors(line, request)
            _take_circumstances(request)
            process = os.pidfd_open(os.getpid())
            connection.send({"op": "started"}, [process])
            os.close(process)
            code = _run(run, sys.argv[1:])
            connection.send({"op": "ended", "code": code})
    finally:
        os._exit(code)


def _take_descriptors(line: Line, request: Mapping[str, Any]) -> Line:
    """The client's descriptors under their numbers, and nothing else below; the line's new end."""
    import socket

    given = line.take_descriptors()
    above = 1 + max(request["descriptors"])
    high = [fcntl.fcntl(one, fcntl.F_DUPFD_CLOEXEC, above) for one in given]
    connection = fcntl.fcntl(line.sock.fileno(), fcntl.F_DUPFD_CLOEXEC, above)
    for one in (*given, line.sock.detach()):
        os.close(one)
    folder, *streams = high
    os.fchdir(folder)
    os.close(folder)
    for number, descriptor in zip(request["descriptors"], streams, strict=True):
        os.dup2(descriptor, number, inheritable=True)
        os.close(descriptor)
    _open_streams()
    return Line(socket.socket(fileno=connection))


def _open_streams() -> None:
    """Python's own streams anew: what they write to is another file, perhaps a terminal."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        old: TextIOWrapper = getattr(sys, name)
        raw = FileIO(number, "r" if name == "stdin" else "w", closefd=False)
        raw.name = f"<{name}>"
        stream = TextIOWrapper(
            BufferedReader(raw) if name == "stdin" else BufferedWriter(raw),
            encoding=old.encoding,
            errors=old.errors,
            newline="\n",
            line_buffering=old.write_through or name == "stderr" or raw.isatty(),
            write_through=old.write_through,
        )
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


def _take_circumstances(request: Mapping[str, Any]) -> None:
    os.environb.clear()
    os.environb.update(request["environment"])
    os.umask(request["umask"])
    for name, limit in request["limits"].items():
        resource.setrlimit(getattr(resource, name), limit)
    sys.argv = [os.fsdecode(word) for word in request["arguments"]]
    tempfile.tempdir = None  # looked up anew: it depends on the environment


def _run(run: Callable[[Sequence[str]], int], arguments: Sequence[str]) -> int:
    try:
        code = run(arguments)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    threading._shutdown()  # type: ignore[attr-defined]  # what an interpreter does when it ends
    atexit._run_exitfuncs()
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
    return code
