"""One call for each item of what a map is given."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from orch_nb.dynamic.calls import MappedCalls, TaskWork
from orch_nb.dynamic.engine import Engine
from orch_nb.dynamic.futures import AttributeFuture, FutureList, TaskFuture
from orch_nb.errors import FlowError


@dataclass(frozen=True, slots=True)
class unmapped:  # the word that Prefect's users know
    """A value that `.map` gives to every call as it is, though it could be gone through."""

    value: Any


def map_items(
    engine: Engine,
    work: TaskWork,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    wait_for: tuple[TaskFuture, ...] = (),
) -> FutureList:
    """Have a task run once for each item of its arguments, which have one length."""
    args = _without_futures(args)
    kwargs = dict(zip(kwargs, _without_futures(kwargs.values()), strict=True))
    count, pick = _items(work.name, args, kwargs)
    futures = FutureList(TaskFuture(work.label(index)) for index in range(count))
    if count:
        engine.map(MappedCalls(work, enumerate(futures), pick, wait_for))
    return futures


def _without_futures(values: Iterable[Any]) -> tuple[Any, ...]:
    """The values; a future that is mapped over is waited for, to know its length."""
    return tuple(
        value.result() if isinstance(value, TaskFuture | AttributeFuture) else value
        for value in values
    )


def _items(
    name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> tuple[int, Callable[[int], tuple[tuple[Any, ...], dict[str, Any]]]]:
    """How many calls a map makes, and the arguments of each."""
    taken = [_sequence(value) for value in args]
    named = {key: _sequence(value) for key, value in kwargs.items()}
    lengths = {len(value) for value, many in (*taken, *named.values()) if many}
    if not lengths:
        raise FlowError(
            f"{name}.map() was given nothing to go through", hint="give it a list, or use submit"
        )
    if len(lengths) > 1:
        shown = " and ".join(map(str, sorted(lengths)))
        raise FlowError(
            f"{name}.map() was given arguments of {shown} items",
            hint="give all the same length, and wrap what is the same for all in unmapped()",
        )

    def pick(index: int) -> tuple[tuple[Any, ...], dict[str, Any]]:
        return (
            tuple(value[index] if many else value for value, many in taken),
            {key: value[index] if many else value for key, (value, many) in named.items()},
        )

    return lengths.pop(), pick


def _sequence(value: Any) -> tuple[Any, bool]:
    """The value as one that can be indexed, and whether it is gone through."""
    if isinstance(value, unmapped):
        return value.value, False
    if isinstance(value, str | bytes | bytearray | Mapping) or not hasattr(value, "__iter__"):
        return value, False
    if isinstance(value, list | tuple | range):
        return value, True
    return list(value), True
