"""Run one call of a function and say what came of it: the one implementation for every executor.

A call is a pickled function and its pickled arguments, in which a number stands for the value
of each call that it waited for. What comes back is plain: the value is only bytes here, so that
whoever records it never unpickles what a worker made.
"""

from __future__ import annotations

import functools
import inspect
import io
import pickle
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FunctionType
from typing import Any

from orch_nb.errors import ResultError
from orch_nb.results.blob import Manifest, blob_path, read_blob, write_blob

SMALL = 4096  # bytes up to which a value is kept with its record, and not in a file of its own
_LONGEST_TRACEBACK = 20_000  # characters


@dataclass(frozen=True, slots=True)
class Kept:
    """A pickled value: in ``frame`` where it is small, else in the blob of ``manifest``."""

    manifest: Mapping[str, Any]
    frame: bytes | None = None

    @property
    def digest(self) -> str:
        """What the value is known by."""
        return str(self.manifest["digest"])


@dataclass(frozen=True, slots=True)
class CallError:
    """An error that ended a call. ``pickled`` is the exception itself, if it can be shipped."""

    name: str
    value: str
    types: tuple[str, ...] = ()  # the class and its bases
    trace: str = ""
    line: int | None = None
    pickled: bytes = b""


@dataclass(frozen=True, slots=True)
class CallOutcome:
    """What one attempt of a call gave: a value that is kept, one that can't be (``unshippable``
    says why), or an error."""

    kept: Kept | None = None
    error: CallError | None = None
    unshippable: str = ""
    seconds: float = 0.0
    crashed: bool = False
    timed_out: bool = False

    @property
    def ok(self) -> bool:
        """Whether the call returned."""
        return self.error is None


@dataclass(frozen=True, slots=True)
class CallSpec:
    """One call as it is sent. ``inputs`` are the values that the arguments' numbers stand for;
    ``staging`` is the folder that large values are written to and read from."""

    function: bytes
    arguments: bytes
    inputs: Sequence[Kept] = ()
    staging: str = ""
    task: str = ""
    timeout: float | None = None  # seconds
    priority: int = 0  # where calls of many flows wait for one cluster: the higher, the sooner
    resources: Mapping[str, float] = field(default_factory=dict)  # that a worker must offer


def run_call(spec: CallSpec, load: Callable[[bytes], Any] = pickle.loads) -> CallOutcome:
    """Run the call in this process. ``load`` unpickles the function. Nothing is raised but what
    ends the process: the outcome tells everything."""
    begin = time.perf_counter()
    try:
        function = load(spec.function)
        args, kwargs = load_arguments(spec)
        begin = time.perf_counter()
        value = call_function(function, args, kwargs)
    except BaseException as error:  # SystemExit, too: it must not end the worker
        return CallOutcome(error=describe_error(error), seconds=time.perf_counter() - begin)
    seconds = time.perf_counter() - begin
    try:
        try:
            kept = keep_value(value, Path(spec.staging))
        except Exception:
            only = getattr(type(value), "only", None)  # a record's own, not what its cell bound
            if only is None:
                raise
            kept = keep_value(only(value, _why_not_shipped), Path(spec.staging))
        return CallOutcome(kept, seconds=seconds)
    except Exception as error:  # the value's own code runs here
        words = f"its value ({type(value).__qualname__}) can't be kept: {error}"[:300]
        return CallOutcome(
            error=CallError("ResultError", words, ("ResultError",)),
            unshippable=words,
            seconds=seconds,
        )


def _why_not_shipped(value: Any) -> str:
    """Why a value can't be pickled; empty when it can."""
    try:
        make_pickler()(io.BytesIO(), protocol=5).dump(value)
    except Exception as error:  # the value's own code runs here
        return f"{type(error).__name__}: {error}"[:200]
    return ""


def call_function(function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    """The function's value; a coroutine is run to its end."""
    value = function(*args, **kwargs)
    if inspect.iscoroutine(value):
        import asyncio  # most functions need no loop

        return asyncio.run(value)
    return value


def keep_value(value: Any, staging: Path) -> Kept:
    """Pickle a value, small ones in memory, others as a blob under ``staging``."""
    buffers: list[pickle.PickleBuffer] = []
    file = io.BytesIO()
    make_pickler()(file, protocol=5, buffer_callback=buffers.append).dump(value)
    frame = file.getvalue()
    if not buffers and len(frame) <= SMALL:
        return Kept(_describe_small(frame), frame)
    return Kept(write_blob(staging, frame, buffers).to_json())


def _describe_small(frame: bytes) -> dict[str, Any]:
    from orch_nb.results.blob import describe_frame

    return describe_frame(frame).to_json()


def load_value(kept: Kept, staging: Path) -> Any:
    """The value itself. Only for what this store's own processes made: it is unpickled."""
    if kept.frame is not None:
        return _Unpickler(io.BytesIO(kept.frame)).load()
    manifest = Manifest.from_json(kept.manifest)
    frame, buffers = read_blob(blob_path(staging, manifest.digest), manifest)
    return _Unpickler(io.BytesIO(frame), buffers=buffers).load()


class Namespace:
    """The notebook whose cells are called: its classes and functions travel by name, so that an
    object that comes back is of the class that is there."""

    names: Mapping[str, Any] | None = None  # None: no cells are called, and all travel by value

    @classmethod
    def name_of(cls, obj: Any) -> str | None:
        """The notebook's name for a class or function of its own."""
        if cls.names is None or not isinstance(obj, type | FunctionType):
            return None
        name = obj.__name__
        own = obj.__module__ == "__main__" and cls.names.get(name) is obj
        return name if own else None


@functools.cache
def make_pickler(stand_in: Any = None) -> Any:
    """The class that pickles values and arguments: objects of the class ``stand_in`` stand for
    the values of other calls. cloudpickle is loaded with the first value that is shipped."""
    import cloudpickle

    class CallPickler(cloudpickle.Pickler):  # type: ignore[misc]
        def persistent_id(self, obj: Any) -> Any:
            if stand_in is not None and type(obj) is stand_in:
                return obj.position, obj.names
            name = Namespace.name_of(obj)
            return None if name is None else (name, None)

    return CallPickler


class _Unpickler(pickle.Unpickler):
    def persistent_load(self, pid: Any) -> Any:
        name, _ = pid
        if Namespace.names is None or name not in Namespace.names:
            raise ResultError(f"a kept value needs '{name}', which is not there")
        return Namespace.names[name]


class _ArgumentUnpickler(_Unpickler):
    def __init__(self, spec: CallSpec) -> None:
        super().__init__(io.BytesIO(spec.arguments))
        self._spec = spec

    def persistent_load(self, pid: Any) -> Any:
        position, names = pid
        if names is None:
            return super().persistent_load(pid)
        value = load_value(self._spec.inputs[position], Path(self._spec.staging))
        for name in names:
            value = getattr(value, name)
        return value


def load_arguments(spec: CallSpec) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The positional and named arguments, with what they waited for in its places."""
    args, kwargs = _ArgumentUnpickler(spec).load()
    return args, kwargs


def describe_error(error: BaseException) -> CallError:
    """An error as plain data, and pickled where that goes."""
    import cloudpickle

    described = getattr(error, "described", None)
    if isinstance(described, CallError):
        return described
    frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename != __file__]
    text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    try:
        pickled = cloudpickle.dumps(error)
        pickle.loads(pickled)  # some can be pickled and not be read again
    except Exception:
        pickled = b""
    return CallError(
        type(error).__name__,
        str(error)[:2000],
        tuple(f"{c.__module__}.{c.__qualname__}" for c in type(error).__mro__),
        text[-_LONGEST_TRACEBACK:],
        frames[-1].lineno if frames else None,
        pickled,
    )


def check_small(kept: Kept) -> None:
    """Raise ResultError unless a small value is the one that its manifest tells of."""
    import hashlib

    manifest = Manifest.from_json(kept.manifest)
    if kept.frame is None or hashlib.sha256(kept.frame).hexdigest() != manifest.pickle_sha256:
        raise ResultError("a kept value is damaged: its digest is another")
