"""The calls of a flow that do not run yet: those that need others, and those whose turn it is not.
Of those that could start, the ones with the highest priority come first, in their order.

The next call of a map is made only when there is room for it, so that a long map is never held
as calls.
"""

from __future__ import annotations

import bisect
import functools
import heapq
import itertools
from collections import deque
from collections.abc import Callable, Iterator

from orch_nb.dynamic.calls import Call, MappedCalls, TaskWork, make_call
from orch_nb.dynamic.futures import TaskFuture
from orch_nb.dynamic.mail import Ready
from orch_nb.dynamic.progress import Progress
from orch_nb.states import StateName


class Waiting:
    """Calls in the order in which they may start. Only the engine's thread uses it; ``post`` has
    it told of ends that other threads notice."""

    def __init__(self, progress: Progress, post: Callable[[Ready], None]) -> None:
        self.numbers = itertools.count(1)
        self._progress = progress
        self._post = post
        self._ready: list[tuple[int, int, Call]] = []  # a heap, by priority and place
        self._places = itertools.count()
        self._held: set[Call] = set()
        self._maps: deque[MappedCalls] = deque()  # by priority

    @property
    def is_empty(self) -> bool:
        """Whether nothing is left to start."""
        return not (self._ready or self._held or self._maps)

    def add_map(self, calls: MappedCalls) -> None:
        """Have its calls made when there is room for them."""
        at = bisect.bisect(self._maps, _rank(calls.work), key=lambda each: _rank(each.work))
        self._maps.insert(at, calls)

    def admit(self, call: Call) -> None:
        """Have the call started once what it needs has ended."""
        needs = {id(f): f for f in (*call.arguments.futures, *call.wait_for)}.values()
        self._held.add(call)
        call.missing = 1
        for future in needs:
            call.missing += 1
            if not future.watch(functools.partial(self._post, Ready(call))):
                call.missing -= 1
        self.one_less(call)

    def one_less(self, call: Call) -> None:
        """One of those that the call needs has ended."""
        call.missing -= 1
        if call.missing or call not in self._held:
            return
        self._held.discard(call)
        for future in (*call.arguments.futures, *call.wait_for):
            if future.has_failed:
                future.seen = True
                self._progress.lose(call, future)
                return
        self._add(call, next(self._places))

    def hold(self, call: Call) -> None:
        """Keep a call back until it is ``due``: after a delay, or for a place in a limit."""
        self._held.add(call)

    def due(self, call: Call) -> None:
        """What the call was held for is there."""
        if call in self._held:
            self._held.discard(call)
            self._add(call, next(self._places))

    def put_first(self, call: Call) -> None:
        """Have a call started before all others of its priority."""
        self._add(call, -call.number)

    def take(self) -> Call | None:
        """The next call to start, if there is one."""
        while self._maps and (not self._ready or _rank(self._maps[0].work) < self._ready[0][0]):
            self._make_next()
        return heapq.heappop(self._ready)[2] if self._ready else None

    def clear(self) -> tuple[list[Call], Iterator[TaskFuture]]:
        """Forget all; gives the calls, and the futures of those that were not made yet."""
        calls = [*(call for _, _, call in sorted(self._ready)), *self._held]
        futures = [future for mapped in self._maps for _, future in mapped.futures]
        self._ready.clear()
        self._held.clear()
        self._maps.clear()
        return calls, iter(futures)

    def _add(self, call: Call, place: int) -> None:
        heapq.heappush(self._ready, (_rank(call.work), place, call))

    def _make_next(self) -> None:
        mapped = self._maps[0]
        found = next(mapped.futures, None)
        if found is None:
            self._maps.popleft()
            return
        index, future = found
        number = next(self.numbers)
        try:
            args, kwargs = mapped.arguments(index)
            call = make_call(
                number, mapped.work, args, kwargs, future, index=index, wait_for=mapped.wait_for
            )
        except Exception as error:  # an iterable of the user's own
            self._progress.fail(future, error, StateName.FAILED)
            return
        self.admit(call)


def _rank(work: TaskWork) -> int:
    return -work.options.priority
