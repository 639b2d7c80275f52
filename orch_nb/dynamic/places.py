"""Places in limits that all runs share, taken for the calls of one flow."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from orch_nb.dynamic.calls import Call
from orch_nb.dynamic.ledger import Ledger
from orch_nb.errors import OptionError, StoreError
from orch_nb.store import Lease, is_gone, new_holder
from orch_nb.store.limits import PREFIX, acquire_places, expire_places, free_places, read_sizes

_AGAIN = 0.3  # seconds between attempts to get a place


class Places:
    """Takes and gives back places; ``post`` has a function called in the engine's thread."""

    def __init__(self, ledger: Ledger, post: Callable[[Callable[[], None]], None]) -> None:
        self._ledger = ledger
        self._post = post
        self._held: set[tuple[Lease, ...]] = set()
        self._checked: set[str] = set()
        self._lock = threading.Lock()

    def check(self, label: str, uses: tuple[tuple[str, int], ...]) -> None:
        """Raise OptionError for a limit that nobody has given a size."""
        if all(name in self._checked for name, _ in uses):
            return
        sizes = read_sizes(self._ledger.store)
        for name, count in uses:
            if count > sizes.get(name, 0):
                problem = f"it uses {count} places of limit '{name}', which has {sizes.get(name)}"
                if name not in sizes:
                    problem = f"there is no limit '{name}'"
                hint = f"set its size:  orch-nb limits {name}=4"
                raise OptionError(problem, where=f"task {label}", hint=hint)
            self._checked.add(name)

    def acquire(self, call: Call, ready: Callable[[], None]) -> None:
        """Get the call its places; ``ready`` is called in the engine's thread."""

        def ask() -> None:
            with contextlib.suppress(StoreError):  # the flow has ended meanwhile
                self._ask(call).add_done_callback(answered)

        def answered(done: Future[Any]) -> None:
            if done.exception() is None and done.result():
                self._hold(call, done.result())
                self._post(ready)
            else:
                timer = threading.Timer(_AGAIN, self._free_and, [ask])
                timer.daemon = True
                timer.start()

        ask()

    def acquire_here(self, call: Call) -> None:
        """As ``acquire``, and wait for it in this thread."""
        if not call.work.options.uses or call.places:
            return
        while not (leases := self._ask(call).result()):
            time.sleep(_AGAIN)
            self._free_dead()
        self._hold(call, leases)

    def release(self, call: Call) -> None:
        """Give back what the call has."""
        leases, call.places = call.places, ()
        if leases:
            with self._lock:
                self._held.discard(leases)
            self._ledger.writer.submit(lambda t: free_places(t, leases))

    def beat(self) -> None:
        """Show that the holder lives."""
        with self._lock:
            leases = [lease for held in self._held for lease in held]
        if leases:
            self._ledger.writer.submit(lambda t: t.renew_slots(leases))

    def _ask(self, call: Call) -> Future[tuple[Lease, ...]]:
        wish = dict(call.work.options.uses)
        holder = new_holder(f"{self._ledger.run.name} {call.future.label}")
        return self._ledger.writer.submit(lambda t: acquire_places(t, wish, holder))

    def _hold(self, call: Call, leases: tuple[Lease, ...]) -> None:
        call.places = leases
        with self._lock:
            self._held.add(leases)

    def _free_and(self, then: Callable[[], None]) -> None:
        with contextlib.suppress(StoreError):  # as above
            self._free_dead()
            then()

    def _free_dead(self) -> None:
        dead = [lease for lease in self._ledger.store.leases(PREFIX) if is_gone(lease.holder)]
        if dead:
            self._ledger.writer.submit(lambda t: expire_places(t, dead))
