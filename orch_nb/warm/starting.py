"""Starts the daemon that is to serve the commands after this one, and speaks to those there are."""

from __future__ import annotations

import contextlib
import fcntl
import marshal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from orch_nb.warm import identity
from orch_nb.warm.client import connect
from orch_nb.warm.options import idle_seconds

MODULE = "orch_nb.cli.warm_process"
_MOST_DAEMONS = 4
_PATIENCE = 2.0  # seconds


def start_daemon(imports: Sequence[Sequence[str]] = ()) -> bool:
    """Have a daemon come up for commands like this one, without waiting for it; whether it will.

    ``imports`` are those of notebooks that were run. Nothing is said where it can't be had.
    """
    if not identity.is_wanted():
        return False
    folder = identity.private_folder()
    try:
        Path(folder).mkdir(mode=0o700, exist_ok=True)
        if not identity.is_private(folder) or len(list(_addresses())) >= _MOST_DAEMONS:
            return False
        born = identity.standing()
        address = identity.address(born)
        with Path(f"{address}.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", MODULE],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=log,
                cwd="/",
                start_new_session=True,
            )
    except OSError:
        return False
    told = {
        "address": address,
        "standing": born,
        "imports": [list(one) for one in imports],
        "idle": idle_seconds(),
    }
    with contextlib.suppress(OSError):
        if process.stdin is not None:
            process.stdin.write(marshal.dumps(told))
            process.stdin.close()
    process.returncode = 0  # nobody waits for it: it outlives this process
    return True


def daemons() -> list[dict[str, Any]]:
    """What each of this user's daemons says of itself."""
    return list(_ask_all("status"))


def stop_daemons() -> list[dict[str, Any]]:
    """Have all end as soon as the commands that they run have ended; what each says to it."""
    return list(_ask_all("stop"))


def _ask_all(what: str) -> Iterator[dict[str, Any]]:
    for address in _addresses():
        line = connect(f"{address}.sock", _PATIENCE)
        if line is None:
            continue
        with contextlib.closing(line), contextlib.suppress(OSError, ValueError, EOFError):
            line.send({"what": what})
            answer = line.receive()
            if answer is not None:
                yield answer


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
