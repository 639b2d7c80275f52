"""Limits that all runs on a store share: taken for a run's cells, listed, and set."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial

from orch_nb.engine.messages import Admitted, Event, NotAdmitted
from orch_nb.errors import NotFoundError, OptionError
from orch_nb.graph.model import FlowGraph
from orch_nb.model import FlowRun
from orch_nb.store import Lease, LeaseObserver, Store, StoreWriter, is_gone, new_holder, open_store
from orch_nb.store.leases import holder_label
from orch_nb.store.limits import (
    DEFAULT_SIZE,
    PREFIX,
    acquire_places,
    expire_places,
    forget_size,
    free_places,
    limit_resource,
    put_sizes,
    read_sizes,
)

LEASE_SECONDS = 30.0  # a holder on another host that has not beaten for so long is taken for dead
_AGAIN = 0.5  # seconds between attempts to get a place


@dataclass(frozen=True, slots=True)
class LimitState:
    """A limit: how many places it has, and who holds them."""

    name: str
    size: int | None  # None: nobody has said
    holders: tuple[str, ...]


def limits() -> list[LimitState]:
    """The limits of the store, by name; places of processes that are known to be gone are free."""
    with open_store() as store:
        sizes = read_sizes(store)
        held: dict[str, list[str]] = {}
        for lease in store.leases(PREFIX):
            if not is_gone(lease.holder):
                name = lease.resource.removeprefix(PREFIX)
                held.setdefault(name, []).append(holder_label(lease.holder))
    names = sorted(sizes.keys() | held.keys())
    return [LimitState(name, sizes.get(name), tuple(held.get(name, ()))) for name in names]


def set_limits(sizes: Mapping[str, int]) -> None:
    """Set the sizes of limits; who holds more places than there are keeps them."""
    with open_store() as store:
        store.write(lambda t: put_sizes(t, sizes))


def forget_limit(name: str) -> None:
    """Forget a limit's size. Raises NotFoundError when it has none."""
    with open_store() as store:
        if not store.write(lambda t: forget_size(t, name)):
            raise NotFoundError(f"there is no limit {name!r}", hint="`orch-nb limits` lists them")


def check_limits(
    graph: FlowGraph, given: Iterable[tuple[str, int]], store: Store, filename: str
) -> None:
    """Raise OptionError, naming the cell, for a limit without a size, given or kept in the store,
    and for more places than it has.
    """
    sizes = read_sizes(store) | dict(given)
    for node in graph.nodes:
        for name, count in node.cell.options.uses:
            where = f"{filename}, {node.cell.label}"
            if name not in sizes:
                hint = f"say how many places it has, as  --limit {name}=4"
                raise OptionError(f"there is no limit '{name}'", where=where, hint=hint)
            if count > sizes[name]:
                raise OptionError(
                    f"it uses {count} places of limit '{name}', which has {sizes[name]}",
                    where=where,
                    hint=f"make the limit larger, or write  --uses {name}",
                )


class SharedLimits:
    """Takes places for the cells of one run, keeps them, and gives them back.

    Everything but ``__init__`` is called in the driver's event loop. Cells that wait ask again
    and again; each time the places of holders that are gone are freed first.
    """

    def __init__(self, store: Store, writer: StoreWriter, run: FlowRun) -> None:
        self._store = store
        self._writer = writer
        self._run = run
        self._observer = LeaseObserver(LEASE_SECONDS)
        self._wishes: dict[int, dict[str, int]] = {}
        self._held: dict[int, tuple[Lease, ...]] = {}
        self._timers: dict[int, asyncio.TimerHandle] = {}
        self._looking: set[asyncio.Task[None]] = set()

    def open(self, tell: Callable[[Event], None]) -> None:
        """Answer to ``tell`` from now on."""
        self._loop = asyncio.get_running_loop()
        self._tell = tell

    def acquire(self, cell: int, uses: Sequence[tuple[str, int]], task: str) -> None:
        """Get a cell the places it uses; see `engine.messages.Acquire`."""
        self._wishes[cell] = dict(uses)
        self._ask(cell, new_holder(f"{self._run.name} {task}"))

    def release(self, cell: int) -> None:
        """Give back what a cell has, or ask no more."""
        self._wishes.pop(cell, None)
        timer = self._timers.pop(cell, None)
        if timer is not None:
            timer.cancel()
        leases = self._held.pop(cell, ())
        if leases:
            self._writer.submit(lambda t: free_places(t, leases))

    def beat(self) -> None:
        """Show that the holder lives."""
        leases = [lease for held in self._held.values() for lease in held]
        if leases:
            self._writer.submit(lambda t: t.renew_slots(leases))

    def close(self) -> None:
        """Give everything back."""
        for cell in [*self._held, *self._wishes]:
            self.release(cell)
        for task in self._looking:
            task.cancel()

    def _ask(self, cell: int, holder: str) -> None:
        self._timers.pop(cell, None)
        wish = self._wishes.get(cell)
        if wish is None:
            return
        future = self._writer.submit(lambda t: acquire_places(t, wish, holder))

        def answer(done: Future[tuple[Lease, ...]]) -> None:
            self._loop.call_soon_threadsafe(self._answered, cell, wish, holder, done)

        future.add_done_callback(answer)

    def _answered(
        self, cell: int, wish: dict[str, int], holder: str, done: Future[tuple[Lease, ...]]
    ) -> None:
        leases = () if done.exception() else done.result()
        if self._wishes.get(cell) is not wish:  # it was released meanwhile
            if leases:
                self._writer.submit(lambda t: free_places(t, leases))
        elif leases:
            del self._wishes[cell]
            self._held[cell] = leases
            self._tell(Admitted(cell))
        else:
            looking = self._loop.create_task(self._look(cell, wish, holder))
            self._looking.add(looking)
            looking.add_done_callback(self._looking.discard)

    async def _look(self, cell: int, wish: dict[str, int], holder: str) -> None:
        """Say who is in the way, free what the dead hold, and ask again a little later."""
        leases = await asyncio.to_thread(self._store.leases, PREFIX)
        sizes = await asyncio.to_thread(read_sizes, self._store)
        if self._wishes.get(cell) is not wish:
            return
        dead = {lease for lease in leases if is_gone(lease.holder)}
        dead |= set(self._observer.expired(leases, self._loop.time()))
        if dead:
            self._writer.submit(lambda t: expire_places(t, sorted(dead, key=_order)))
        else:
            self._tell(NotAdmitted(cell, _why(wish, leases, sizes)))
        if self._wishes.get(cell) is wish:
            again = partial(self._ask, cell, holder)
            self._timers[cell] = self._loop.call_later(0.0 if dead else _AGAIN, again)


def _why(wish: Mapping[str, int], leases: Sequence[Lease], sizes: Mapping[str, int]) -> str:
    """Which limit has too few places free, and who holds them."""
    for name, count in sorted(wish.items()):
        holders = [held.holder for held in leases if held.resource == limit_resource(name)]
        size = sizes.get(name, DEFAULT_SIZE)
        if len(holders) + count > size:
            by = sorted({holder_label(holder) for holder in holders})
            shown = ", ".join(by[:3]) + (" …" if len(by) > 3 else "")
            taken = f"{len(holders)} of {size} taken"
            return f"waits for limit {name}: {taken}" + (f" by {shown}" if shown else "")
    return "waits for its limits"


def _order(lease: Lease) -> tuple[str, int]:
    return lease.resource, lease.slot
