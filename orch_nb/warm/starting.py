"""Starts the daemon that is to serve the commands after this one, and speaks to those there are."""

from __future__ import annotations

import contextlib
import fcntl
import marshal
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from orch_nb.warm import identity
from orch_nb.warm.client import connect
from orch_nb.warm.options import idle_seconds

MODULE = "orch_nb.cli.warm_process"
_MOST_DAEMONS = 4
_PATIENCE = 2.0  # seconds


def start_daemon(imports: Sequence[Sequence[str]] = ()) -> bool:
    """Have a daemon come up for commands like this one, without waiting for it; whether there
    will be one. ``imports`` are those of notebooks that were run.
    """
    if not identity.is_wanted():
        return False
    folder = identity.private_folder()
    try:
        Path(folder).mkdir(mode=0o700, exist_ok=True)
        if not identity.is_private(folder):
            return False
        born = identity.standing()
        address = identity.address(born)
        others = [one for one in _addresses() if one != address]
        lock = _take_lock(address) if len(others) < _MOST_DAEMONS else None
        if lock is None:
            return len(others) < _MOST_DAEMONS
        with contextlib.closing(lock), Path(f"{address}.log").open("wb") as log:
            told = {
                "address": address,
                "standing": born,
                "lock": lock.fileno(),
                "imports": [list(one) for one in imports],
                "idle": idle_seconds(),
            }
            _spawn(told, lock, log)
    except OSError:
        return False
    return True


def _spawn(told: dict[str, Any], lock: IO[bytes], log: IO[bytes]) -> None:
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", MODULE],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=log,
        cwd="/",
        pass_fds=[lock.fileno()],
        start_new_session=True,
    )
    lock.write(str(process.pid).encode())
    lock.flush()
    if process.stdin is not None:
        with contextlib.suppress(OSError):
            process.stdin.write(marshal.dumps(told))
            process.stdin.close()
    process.returncode = 0  # nobody waits for it: it outlives this process


def _take_lock(address: str) -> IO[bytes] | None:
    """What makes a daemon the only one of its address; None if there is one."""
    path = Path(f"{address}.lock")
    lock = path.open("ab")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        return None
    if os.fstat(lock.fileno()).st_nlink == 0:  # its owner took it away just then
        lock.close()
        return _take_lock(address)
    lock.truncate(0)
    return lock


def daemons() -> list[dict[str, Any]]:
    """What each of this user's daemons says of itself."""
    return [said for address in _addresses() if (said := _ask(address, "status"))]


def stop_daemons() -> None:
    """Have all end, as soon as the commands that they run have ended."""
    for address in _addresses():
        if not _ask(address, "stop"):  # it is coming up, or hangs
            with contextlib.suppress(OSError, ValueError):
                os.kill(int(Path(f"{address}.lock").read_bytes()), signal.SIGTERM)


def is_any_there() -> bool:
    """Whether a daemon is there, or coming up, or sees its last commands to their end."""
    return any(True for _ in _addresses())


def _ask(address: str, what: str) -> dict[str, Any] | None:
    """A daemon's answer, if it gives one."""
    line = connect(f"{address}.sock", _PATIENCE)
    if line is None:
        return None
    with contextlib.closing(line), contextlib.suppress(OSError, ValueError, EOFError):
        line.send({"what": what})
        return line.receive()
    return None


def _addresses() -> Iterator[str]:
    """Those of the daemons that are there, or coming up."""
    folder = Path(identity.private_folder())
    if not identity.is_private(str(folder)):
        return
    for path in sorted(folder.glob("*.lock")):
        with path.open("rb") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                yield str(path.with_suffix(""))
            else:
                path.unlink(missing_ok=True)  # its owner was killed
