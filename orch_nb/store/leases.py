"""Whether a lease's holder still lives, by the observer's own clock or by a look at the host."""

from __future__ import annotations

import hashlib
import os
import socket
import uuid
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from orch_nb.store.records import Lease


class LeaseObserver:
    """Finds leases whose counter has stood still for ``length`` seconds.

    Only the observer's monotonic clock counts: no wall clock, and no clock of another host. A
    lease is watched from when this observer first saw it, so a new observer waits in full.
    """

    def __init__(self, length: float) -> None:
        self.length = length
        self._seen: dict[tuple[str, int], tuple[Lease, float]] = {}

    def expired(self, leases: Iterable[Lease], now: float) -> tuple[Lease, ...]:
        """Of the leases now in the store, those expired at ``now`` (monotonic seconds)."""
        watched: dict[tuple[str, int], tuple[Lease, float]] = {}
        for lease in leases:
            key = (lease.resource, lease.slot)
            before = self._seen.get(key)
            watched[key] = before if before is not None and before[0] == lease else (lease, now)
        self._seen = watched
        return tuple(lease for lease, since in watched.values() if now - since >= self.length)


def new_holder(label: str = "") -> str:
    """A name for a holder in this process: ``HOST/PID/BIRTH/RANDOM``, or ``…/RANDOM:LABEL``.

    The host is this boot of this machine (or container), ``NAME.MACHINE.BOOT.SPACE``, and the
    birth is the process's, so that a number used again is not taken for the same process.
    """
    last = uuid.uuid4().hex[:8] + (f":{label.replace('/', '-')}" if label else "")
    return f"{_host()}/{os.getpid()}/{_birth(os.getpid())}/{last}"


def holder_label(holder: str) -> str:
    """The label that the holder was given, or else its process in words."""
    parts = holder.split("/")
    if len(parts) != 4:
        return holder
    label = parts[3].partition(":")[2]
    return label or f"process {parts[1]} on {parts[0].partition('.')[0]}"


def is_gone(holder: str) -> bool:
    """Whether a holder's process is known to have ended; False when that can't be told (it is
    another host's, or its name has another form).
    """
    parts = holder.split("/")
    if len(parts) != 4 or not parts[1].isdigit():
        return False
    if parts[0] != _host():
        return _was_before_boot(parts[0])
    birth = _birth(int(parts[1]))
    return birth != parts[2] and parts[2] != ""


def is_here(holder: str) -> bool:
    """Whether a holder's process is, or was, where `is_gone` can tell whether it lives."""
    return holder.partition("/")[0] == _host()


def _was_before_boot(host: str) -> bool:
    """Whether ``host`` is this machine before it was started the last time."""
    theirs, own = host.rsplit(".", 3), _host().rsplit(".", 3)
    machine = theirs[:2] == own[:2] and own[1] != ""
    return machine and theirs[2] != own[2] and "" not in (theirs[2], own[2])


def _host() -> str:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()[:8]
        space = Path("/proc/self/ns/pid").readlink().name.strip("pid:[]")
    except OSError:  # no procfs: then nothing is known about other processes either
        boot, space = "", ""
    return f"{socket.gethostname()}.{_machine()}.{boot}.{space}".replace("/", "-")


@cache
def _machine() -> str:
    """A digest of what the system knows this installation by; empty where it knows nothing."""
    try:
        known = Path("/etc/machine-id").read_bytes().strip()
    except OSError:
        return ""
    return hashlib.sha256(b"orch_nb " + known).hexdigest()[:8] if known else ""


def _birth(pid: int) -> str:
    """The process's start in clock ticks since boot; empty when there is no such process (a
    zombie counts as none) or no procfs.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
    except OSError:
        return ""
    fields = stat.rpartition(")")[2].split()  # the name before it may hold anything
    return "" if fields[0] in "ZX" else fields[19]
