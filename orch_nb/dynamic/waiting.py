"""The calls of a flow that do not run yet: those that need others, and those whose turn it is not.

The next call of a map is made only when there is room for it, so that a long map is never held
as calls.
"""

from __future__ import annotations

import functools
import itertools
from collections import deque
from collections.abc import Callable, Iterator

from orch_nb.dynamic.calls import Call, MappedCalls, make_call
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
        self._ready: deque[Call] = deque()
        self._held: set[Call] = set()
        self._maps: deque[MappedCalls] = deque()

    @property
    def is_empty(self) -> bool:
        """Whether nothing is left to start."""
        return not (self._ready or self._held or self._maps)

    def add_map(self, calls: MappedCalls) -> None:
        """Have its calls made when there is room for them."""
        self._maps.append(calls)

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
        self._ready.append(call)

    def hold(self, call: Call) -> None:
        """Keep a call back until it is ``due``: after a delay, or for a place in a limit."""
        self._held.add(call)

    def due(self, call: Call) -> None:
        """What the call was held for is there."""
        if call in self._held:
            self._held.discard(call)
            self._ready.append(call)

    def put_first(self, call: Call) -> None:
        """Have a call started before all others."""
        self._ready.appendleft(call)

    def take(self) -> Call | None:
        """The next call to start, if there is one."""
        while not self._ready and self._maps:
            self._make_next()
        return self._ready.popleft() if self._ready else None

    def clear(self) -> tuple[list[Call], Iterator[TaskFuture]]:
        """Forget all; gives the calls, and the futures of those that were not made yet."""
        calls = [*self._ready, *self._held]
        futures = [future for mapped in self._maps for _, future in mapped.futures]
        self._ready.clear()
        self._held.clear()
        self._maps.clear()
        return calls, iter(futures)

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
