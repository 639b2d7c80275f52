"""The arguments of a call: the futures in them, their digest, and how they are shipped."""

from __future__ import annotations

import hashlib
import io
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from orch_nb.dynamic.futures import AttributeFuture, Future, TaskFuture, base_of
from orch_nb.execution.calls import make_pickler
from orch_nb.execution.fingerprint import Fingerprinter

_ATOMS = frozenset({int, float, complex, bool, str, bytes, type(None)})


@dataclass(frozen=True, slots=True)
class Waited:
    """Stands in arguments for the value that a call waits for."""

    position: int
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Arguments:
    """Arguments with each future taken out: ``futures`` has the calls they are of."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    futures: tuple[TaskFuture, ...] = ()


def take_out(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Arguments:
    """Find the futures in arguments, also inside lists, tuples, dicts and sets."""
    if all(type(value) in _ATOMS for value in (*args, *kwargs.values())):
        return Arguments(args, kwargs)
    found: dict[int, tuple[int, TaskFuture]] = {}

    def stand_in(future: Future) -> Waited:
        base = base_of(future)
        position, _ = found.setdefault(id(base), (len(found), base))
        return Waited(position, future.names if isinstance(future, AttributeFuture) else ())

    args, kwargs = replace_futures((args, kwargs), stand_in)
    return Arguments(args, kwargs, tuple(future for _, future in found.values()))


def replace_futures(value: Any, by: Callable[[Future], Any]) -> Any:
    """``value`` with each future replaced; what holds none is the same object as before."""
    if isinstance(value, TaskFuture | AttributeFuture):
        return by(value)
    cls = type(value)
    if cls is dict:
        changed = {replace_futures(k, by): replace_futures(v, by) for k, v in value.items()}
        same = all(a is b for a, b in zip(value.values(), changed.values(), strict=True))
        return value if same and all(map(_same, value, changed)) else changed
    if cls in (set, frozenset):
        items = [replace_futures(item, by) for item in value]
        return value if all(map(_same, value, items)) else cls(items)
    if isinstance(value, list | tuple):
        items = [replace_futures(item, by) for item in value]
        if all(map(_same, value, items)):
            return value
        if cls is tuple or not isinstance(value, tuple):
            return tuple(items) if cls is tuple else items
        return cls(*items) if hasattr(value, "_fields") else cls(items)
    return value


def _same(one: Any, other: Any) -> bool:
    return one is other


def digest_arguments(arguments: Arguments) -> tuple[str, bool]:
    """A digest of the arguments but for what they wait for, and whether it tells all of them."""
    if not arguments.futures and not arguments.kwargs:
        plain = arguments.args
        if all(type(value) in _ATOMS for value in plain):
            text = repr([(type(value).__name__, value) for value in plain])
            return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32], True
    printer = Fingerprinter({})
    try:
        digest = printer.digest((arguments.args, sorted(arguments.kwargs.items())))
    except Exception:  # the values' own code runs here
        return "", False
    return digest, not printer.partial


def pickle_arguments(arguments: Arguments) -> bytes:
    """The arguments as bytes. Raises whatever a value that can't be pickled raises."""
    values = (*arguments.args, *arguments.kwargs.values())
    if all(type(value) in _ATOMS for value in values):
        return pickle.dumps((arguments.args, arguments.kwargs), protocol=5)
    file = io.BytesIO()
    make_pickler(Waited)(file, protocol=5).dump((arguments.args, arguments.kwargs))
    return file.getvalue()


def put_in(arguments: Arguments) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments with the values of their futures, which have ended, in place."""
    values = [future.result() for future in arguments.futures]

    def fill(value: Any) -> Any:
        if type(value) is Waited:
            found = values[value.position]
            for name in value.names:
                found = getattr(found, name)
            return found
        if type(value) is dict:
            return {fill(k): fill(v) for k, v in value.items()}
        if isinstance(value, list | set | frozenset) or type(value) is tuple:
            return type(value)(fill(item) for item in value)
        if isinstance(value, tuple) and hasattr(value, "_fields"):
            return type(value)(*(fill(item) for item in value))
        return value

    if not arguments.futures:
        return arguments.args, arguments.kwargs
    return fill(arguments.args), fill(arguments.kwargs)
