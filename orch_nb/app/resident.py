"""The daemon that servers start when something is scheduled: who wants it, and whether it runs.

One per store, by a lease. It stays while a server that said so is there (each holds a lease, too),
or for good if it was told to.
"""

from __future__ import annotations

import enum
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from orch_nb.app.working import Seen, workers
from orch_nb.errors import SessionError
from orch_nb.schedules.deployment import Deployment
from orch_nb.store import Lease, LeaseObserver, Store, is_gone, new_holder, open_store
from orch_nb.store.deployments import list_deployments
from orch_nb.store.limits import expire_places
from orch_nb.store.queue_reading import queue_lengths
from orch_nb.store.trigger_rows import list_triggers

_DAEMON = "daemon"
_SERVERS = "server/"
_WISH = "daemon_wish"
LOST_AFTER = 45.0  # seconds without a sign of life from another host


class Wish(enum.StrEnum):
    """How long the daemon is to be there."""

    SERVERS = "servers"  # while there is a server
    STAY = "stay"  # when the last server has stopped, too
    OFF = "off"  # not at all


@dataclass(frozen=True, slots=True)
class DaemonStatus:
    """Whether schedules run. ``active`` are the deployments that would start by themselves;
    ``sentence`` says it all, ``hint`` what to do."""

    runs: bool
    own: bool  # by the daemon that servers start, not by `orch-nb start`
    wish: Wish
    active: tuple[str, ...]
    working: tuple[Seen, ...]
    sentence: str
    hint: str = ""


class ServerLease:
    """Tells the daemon that a server is there. From one thread at a time."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._holder = new_holder()
        self._lease: Lease | None = None

    def renew(self) -> None:
        """Show that the server lives."""
        lease = self._lease
        if lease is not None and self._store.write(lambda t: t.renew_slots([lease])):
            return
        resource = _SERVERS + self._holder.rpartition("/")[2]
        self._lease = self._store.write(lambda t: t.acquire_slot(resource, self._holder, slots=1))

    def give_back(self) -> None:
        """The server stops."""
        lease, self._lease = self._lease, None
        if lease is not None:
            self._store.write(lambda t: t.free_slot(lease))


class ServerWatch:
    """Whether a server is there, as the daemon sees it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._observer = LeaseObserver(LOST_AFTER)

    def any_there(self) -> bool:
        """Look; leases of servers that are gone are taken away."""
        leases = self._store.leases(_SERVERS)
        dead = [lease for lease in leases if is_gone(lease.holder)]
        dead += self._observer.expired(leases, time.monotonic())
        if dead:
            self._store.write(lambda t: expire_places(t, dead))
        return len(leases) > len({lease.resource for lease in dead})


class DaemonLease:
    """The one place for the daemon of a store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._holder = new_holder()
        self._lease: Lease | None = None

    def take(self, patience: float = 2 * LOST_AFTER) -> bool:
        """Take it if nobody who lives has it; it may take ``patience`` seconds to see that one
        on another host does not live."""
        observer = LeaseObserver(LOST_AFTER)
        end = time.monotonic() + patience
        before = None
        while time.monotonic() < end:
            self._lease = self._store.write(
                lambda t: t.acquire_slot(_DAEMON, self._holder, slots=1)
            )
            if self._lease is not None:
                return True
            held = self._store.leases(_DAEMON)
            dead = [lease for lease in held if is_gone(lease.holder)]
            dead += observer.expired(held, time.monotonic())
            if dead:
                self._expire(dead)
                continue
            if before is not None and held and held != before:
                return False  # its counter has grown
            before = held
            time.sleep(0.5)
        return False

    def _expire(self, dead: Sequence[Lease]) -> None:
        self._store.write(lambda t: expire_places(t, dead))

    def renew(self) -> bool:
        """Show that it lives; False when another has the place."""
        lease = self._lease
        return lease is not None and bool(self._store.write(lambda t: t.renew_slots([lease])))

    def give_back(self) -> None:
        """Somebody else may have it."""
        lease, self._lease = self._lease, None
        if lease is not None:
            self._store.write(lambda t: t.free_slot(lease))


def read_wish(store: Store) -> Wish:
    """How long the daemon is to be there."""
    try:
        return Wish(store.write(lambda t: t.put_meta(_WISH, Wish.SERVERS.value)))
    except ValueError:  # of a newer orch_nb
        return Wish.SERVERS


def set_wish(wish: Wish) -> None:
    """Say how long the daemon is to be there; one that runs heeds it within seconds."""
    with open_store() as store:
        old = read_wish(store)
        store.write(lambda t: t.put_meta(_WISH, wish.value, replace=old.value))


def daemon_status() -> DaemonStatus:
    """Whether schedules run, and who sees to it."""
    with open_store() as store:
        active = tuple(one.name for one in active_deployments(store))
        wish = read_wish(store)
        own = any(not is_gone(lease.holder) for lease in store.leases(_DAEMON))
    working = tuple(seen for seen in workers() if seen.condition in ("alive", "silent"))
    kinds = {seen.worker.kind for seen in working}
    runs = {"scheduler", "worker"} <= kinds
    sentence, hint = _say(runs, kinds, own, wish, len(active))
    return DaemonStatus(runs, own, wish, active, working, sentence, hint)


def _say(runs: bool, kinds: set[str], own: bool, wish: Wish, active: int) -> tuple[str, str]:
    if runs and own and wish is Wish.SERVERS:
        return (
            "Schedules run while this Jupyter server is up",
            "let the daemon stay, or run `orch-nb start` as a service",
        )
    if runs:
        return "Schedules run", ""
    if "worker" in kinds:
        return "Schedules do not run: there is a worker, but no scheduler", "orch-nb start"
    if "scheduler" in kinds:
        return "Schedules do not run: there is a scheduler, but no worker", "orch-nb start"
    if wish is Wish.OFF:
        return "Schedules do not run: the daemon was stopped", "start it, or run `orch-nb start`"
    if not active:
        return "Nothing is scheduled", "the daemon starts with the first schedule"
    return "Schedules do not run yet: the daemon is being started", ""


def active_deployments(store: Store) -> tuple[Deployment, ...]:
    """The deployments that start by themselves: with a schedule or a trigger, and not paused."""
    return tuple(
        one
        for one in list_deployments(store)
        if not one.paused and (one.spec.schedules or list_triggers(store, one.id))
    )


def has_work(store: Store) -> bool:
    """Whether something will start by itself, or waits for a worker."""
    waiting, _, _ = queue_lengths(store)
    return bool(waiting or active_deployments(store))


def tend(store: Store, lease: ServerLease, log: Path) -> None:
    """What a server does every few seconds: tell that it is there where there is something to do,
    and start the daemon if nobody does it."""
    if not has_work(store):
        return
    lease.renew()
    if is_wanted(store):
        start_daemon(log)


def is_wanted(store: Store) -> bool:
    """Whether a daemon is to be started now: there is something to do, and nobody does it."""
    if not has_work(store) or read_wish(store) is Wish.OFF:
        return False
    if any(not is_gone(lease.holder) for lease in store.leases(_DAEMON)):
        return False
    kinds = {seen.worker.kind for seen in workers() if seen.condition in ("alive", "silent")}
    return not {"scheduler", "worker"} <= kinds


def start_daemon(log: Path) -> None:
    """Start a daemon that outlives this process; it ends at once if there is one already.

    What it says goes to the file ``log``. Raises SessionError.
    """
    try:
        log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with log.open("ab") as says:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "orch_nb.service.resident"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=says,
                cwd=log.parent,
                start_new_session=True,
            )
    except OSError as error:
        raise SessionError(
            f"the daemon could not be started: {error.strerror or error}", hint="orch-nb start"
        ) from None
    threading.Thread(target=process.wait, name="orch_nb daemon", daemon=True).start()
