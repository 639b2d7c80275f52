"""What stands for the value of a call that has not ended yet."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Generator, Iterable
from typing import Any

from orch_nb.errors import TaskError
from orch_nb.states import TYPE_OF, StateName

_lock = threading.Lock()  # between a future's end and those who begin to wait for it


class TaskFuture:
    """The value of a call, now or later.

    A task takes it as an argument, also inside lists, tuples, dicts and sets. ``future.name`` is a
    future of that attribute of the value, for cells and for records.
    """

    __slots__ = (
        "__weakref__",
        "_ended",
        "_error",
        "_load",
        "_state",
        "_value",
        "_watchers",
        "digest",
        "kept",
        "label",
        "seen",
    )

    def __init__(self, label: str) -> None:
        self.label = label  # "score[731]"
        self.digest = ""  # what its value is known by, once it is there
        self.kept: Any = None  # how its value is shipped, where it can be
        self.seen = False  # somebody has asked for its value, and knows of its error
        self._ended = False
        self._state = StateName.PENDING
        self._value: Any = None
        self._load: Callable[[], Any] | None = None
        self._error: Callable[[], BaseException] | None = None
        self._watchers: list[Callable[[], None]] | None = None

    def result(self, timeout: float | None = None, raise_on_failure: bool = True) -> Any:
        """The value, waited for. The task's own error is raised, or returned where
        ``raise_on_failure`` is false; TimeoutError after ``timeout`` seconds."""
        self.wait(timeout)
        if not self._ended:
            raise TimeoutError(f"{self.label} has not ended after {timeout} s")
        return self._given(raise_on_failure)

    def wait(self, timeout: float | None = None) -> None:
        """Wait until it has ended, or for ``timeout`` seconds."""
        self.seen = True
        if self._ended:
            return
        ended = threading.Event()
        if self.watch(ended.set):
            ended.wait(timeout)

    def done(self) -> bool:
        """Whether it has ended, well or not."""
        return self._ended

    @property
    def state(self) -> StateName:
        """The call's state as it is now."""
        self.seen = True
        return self._state

    def __await__(self) -> Generator[Any, None, Any]:
        self.seen = True
        if not self._ended:
            loop = asyncio.get_running_loop()
            waiter: asyncio.Future[None] = loop.create_future()

            def wake() -> None:
                if not waiter.done():
                    waiter.set_result(None)

            def tell() -> None:
                loop.call_soon_threadsafe(wake)

            if self.watch(tell):
                yield from waiter.__await__()
        return self._given(True)

    def __getattr__(self, name: str) -> AttributeFuture:
        if name.startswith("_"):
            raise AttributeError(name)
        return AttributeFuture(self, (name,))

    def __reduce__(self) -> Any:
        if self._ended and self._error is None:
            return _ended_future, (self.label, self._state, self._given(True), self.digest)
        if self._ended:
            return _failed_future, (self.label, self._state, self.why())
        raise TypeError(
            f"the future of {self.label} is hidden in an object: give it to a task as an argument, "
            "or inside a list, tuple, dict or set"
        )

    def __repr__(self) -> str:
        return f"<future of {self.label}: {self._state}>"

    # -- for the engine

    def watch(self, tell: Callable[[], None]) -> bool:
        """Have ``tell`` called once, when it ends; False if it has ended already."""
        with _lock:
            if self._ended:
                return False
            if self._watchers is None:
                self._watchers = []
            self._watchers.append(tell)
            return True

    def move(self, state: StateName) -> None:
        """Enter a state that is not the last."""
        self._state = state

    def give(
        self, load: Callable[[], Any], digest: str, state: StateName, kept: Any = None
    ) -> None:
        """End well: ``load`` gives the value when it is first asked for."""
        self._load, self.digest, self.kept = load, digest, kept
        self._end(state)

    def fail(self, error: Callable[[], BaseException], state: StateName) -> None:
        """End without a value; ``error`` makes what is raised."""
        self._error = error
        self._end(state)

    @property
    def has_failed(self) -> bool:
        """Whether it ended without a value."""
        return self._ended and TYPE_OF[self._state] is not TYPE_OF[StateName.COMPLETED]

    def why(self) -> BaseException:
        """What it would raise."""
        return TaskError(f"{self.label} has no value") if self._error is None else self._error()

    def _end(self, state: StateName) -> None:
        with _lock:
            self._state, self._ended = state, True
            watchers, self._watchers = self._watchers, None
        for tell in watchers or ():
            tell()

    def _given(self, raise_on_failure: bool) -> Any:
        if self._error is not None:
            error = self._error()
            if raise_on_failure:
                raise error
            return error
        if self._load is not None:
            self._value = self._load()
            self._load = None
        return self._value


def _ended_future(label: str, state: StateName, value: Any, digest: str) -> TaskFuture:
    future = TaskFuture(label)
    future.give(lambda: value, digest, state)
    return future


def _failed_future(label: str, state: StateName, error: BaseException) -> TaskFuture:
    future = TaskFuture(label)
    future.fail(lambda: error, state)
    return future


class AttributeFuture:
    """The future of an attribute of a call's value."""

    __slots__ = ("future", "names")

    def __init__(self, future: TaskFuture, names: tuple[str, ...]) -> None:
        self.future = future
        self.names = names

    def result(self, timeout: float | None = None) -> Any:
        """The attribute, waited for."""
        return self._of(self.future.result(timeout))

    def done(self) -> bool:
        """Whether the call has ended."""
        return self.future.done()

    def __await__(self) -> Generator[Any, None, Any]:
        value = yield from self.future.__await__()
        return self._of(value)

    def __getattr__(self, name: str) -> AttributeFuture:
        if name.startswith("_"):
            raise AttributeError(name)
        return AttributeFuture(self.future, (*self.names, name))

    def __repr__(self) -> str:
        return f"<future of {self.future.label}.{'.'.join(self.names)}>"

    def _of(self, value: Any) -> Any:
        for name in self.names:
            value = getattr(value, name)
        return value


class FutureList(list[TaskFuture]):
    """The futures of the items of a map, in their order."""

    def result(self, timeout: float | None = None, raise_on_failure: bool = True) -> list[Any]:
        """All values; ``timeout`` counts for each wait."""
        return [future.result(timeout, raise_on_failure) for future in self]

    def wait(self, timeout: float | None = None) -> None:
        """Wait until all have ended; ``timeout`` counts for each."""
        for future in self:
            future.wait(timeout)

    def __getattr__(self, name: str) -> list[AttributeFuture]:
        if name.startswith("_"):
            raise AttributeError(name)
        return [AttributeFuture(future, (name,)) for future in self]


Future = TaskFuture | AttributeFuture


def base_of(future: Future) -> TaskFuture:
    """The call that a future belongs to."""
    return future if isinstance(future, TaskFuture) else future.future


def futures_of(wait_for: Iterable[Any] | Future | None) -> tuple[TaskFuture, ...]:
    """What ``wait_for=`` names, be it one future, several, or lists of them."""
    if wait_for is None:
        return ()
    if isinstance(wait_for, TaskFuture | AttributeFuture):
        return (base_of(wait_for),)
    return tuple(future for item in wait_for for future in futures_of(item))
