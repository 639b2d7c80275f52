"""Processes as the system sees them: their families, their end, their ties to each other."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36


def die_with_parent() -> None:
    """Ask the kernel to kill this process when its parent ends (Linux only)."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def adopt_orphans() -> None:
    """Make this process the parent of its descendants' orphans (Linux only)."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


def kill_tree(pid: int) -> None:
    """Kill a process and all its descendants, at once and without asking them.

    Stopped first, so that none of them starts another while they are being counted.
    """
    family = [pid]
    for member in family:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(member, signal.SIGSTOP)
        family.extend(child for child in children_of(member) if child not in family)
    for member in reversed(family):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(member, signal.SIGKILL)


def children_of(pid: int) -> list[int]:
    """The direct children of a process."""
    if sys.platform == "linux":
        found: list[int] = []
        with contextlib.suppress(OSError):
            for thread in os.listdir(f"/proc/{pid}/task"):  # noqa: PTH208  # each run waits for it
                with open(f"/proc/{pid}/task/{thread}/children") as children:  # noqa: PTH123
                    found.extend(map(int, children.read().split()))
        return found
    import subprocess

    listed = subprocess.run(
        ["/usr/bin/pgrep", "-P", str(pid)], capture_output=True, text=True, check=False
    )
    return [int(line) for line in listed.stdout.split()]


def how_it_ended(code: int) -> str:
    """An exit code, or a negated signal number, in words: "exit code 3", "SIGSEGV"."""
    if code >= 0:
        return f"exit code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    return f"{name} (out of memory?)" if -code == signal.SIGKILL else name


def memory_of(pid: int) -> int | None:
    """A process's resident memory in bytes, or None when it can't be told."""
    try:
        fields = Path(f"/proc/{pid}/statm").read_text().split()
    except OSError:
        return None
    return int(fields[1]) * os.sysconf("SC_PAGE_SIZE")


def own_memory_of(pid: int) -> int:
    """Bytes that a process does not share with others, as far as the system tells. What it has only
    read of files is not among them: the system takes that away where room is short."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(1024 * int(line.split()[1]) for line in lines if line.startswith("Private_Dirty"))
