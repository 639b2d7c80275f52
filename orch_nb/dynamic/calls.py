"""One task and its calls, as the engine keeps them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from orch_nb.dynamic.arguments import Arguments, digest_arguments, pickle_arguments, take_out
from orch_nb.dynamic.futures import TaskFuture
from orch_nb.dynamic.ledger import CallName, Entry
from orch_nb.options import TaskOptions


@dataclass(slots=True)
class TaskWork:
    """What a task does, and how it may fail. ``blob`` is the pickled function, made when it is
    first shipped; ``code`` a digest of all the code that its outcome depends on, for the cache."""

    name: str
    number: int
    where_from: str
    function: Callable[..., Any]
    options: TaskOptions
    delays: tuple[float, ...]
    blob: Callable[[], bytes]
    code: Callable[[], str]
    salt: Callable[[frozenset[str]], str] | None = (
        None  # what else calls that give these names read
    )
    keeper: Any = None  # what must live as long: works are found by its id
    at_home: str = ""  # why its calls run in a thread of the flow's process, once that is known

    def call_name(self, index: int | None) -> CallName:
        """How the record calls one of its calls."""
        attempts = len(self.delays) + 1
        return CallName(self.name, self.number, self.where_from, index, attempts)

    def label(self, index: int | None) -> str:
        """How messages call one of its calls."""
        return self.name if index is None else f"{self.name}[{index}]"


@dataclass(slots=True, eq=False)
class Call:
    """One call that was submitted and has not ended."""

    number: int
    work: TaskWork
    arguments: Arguments
    future: TaskFuture
    index: int | None = None
    wait_for: tuple[TaskFuture, ...] = ()
    digest: str = ""  # of the arguments
    shipped: bytes | None = None  # the arguments
    unshippable: str = ""  # why they are not
    partial: bool = False  # the digest does not tell all of them
    missing: int = 0  # calls that it still waits for
    key: str = ""
    cache_key: str | None = None
    entry: Entry | None = None
    failures: int = 0
    here: bool = False  # it runs in a thread of this process
    begun: bool = False  # an attempt runs, and its record says so
    value: Any = None  # of a call that ran here, where it can't be kept
    places: tuple[Any, ...] = field(default=())  # in limits that runs share


@dataclass(slots=True)
class MappedCalls:
    """The calls of one map, made one after the other when there is room for them."""

    work: TaskWork
    futures: Iterator[tuple[int, TaskFuture]]
    arguments: Callable[[int], tuple[tuple[Any, ...], dict[str, Any]]]
    wait_for: tuple[TaskFuture, ...] = ()


def make_call(
    number: int,
    work: TaskWork,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    future: TaskFuture,
    *,
    index: int | None = None,
    wait_for: tuple[TaskFuture, ...] = (),
) -> Call:
    """A call with its arguments as they are now: what its caller changes later is not seen."""
    arguments = take_out(args, kwargs)
    digest, whole = digest_arguments(arguments)
    if work.salt is not None:
        digest += work.salt(frozenset(kwargs))
    call = Call(number, work, arguments, future, index, wait_for, digest, partial=not whole)
    try:
        call.shipped = pickle_arguments(arguments)
        work.blob()
    except Exception as error:  # the values' own code runs here
        call.unshippable = f"{type(error).__name__}: {error}"[:200]
    else:
        if not arguments.futures:
            call.arguments = Arguments((), {})  # what is shipped is enough
    return call
