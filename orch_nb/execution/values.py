"""The changes that a cell made in another process, applied in place in this one.

References find the objects that were there before, so that aliases and identity survive;
notebook functions are bound to the receiving namespace. What makes the values anew is named in
the pickles that are kept: its names are here to stay.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import io
import os
import pickle
import sys
import types
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from orch_nb.execution import copy_on_write
from orch_nb.execution.anatomy import ATOMS, Anatomy, anatomy_of, end_seen
from orch_nb.execution.anatomy_arrays import make_view
from orch_nb.execution.identity import identity
from orch_nb.execution.walk import BUDGET, BUILTINS, Namespace, walk

ARRANGED = "set in its order"  # what stands for one begins so
LARGE = 1 << 20  # bytes from which a buffer travels beside the pickle

_make_view = make_view  # as pickles that were kept before it moved name it


class ApplyError(Exception):
    """Changes that do not fit the namespace they are applied to."""


def _make_function(code: types.CodeType, namespace: Namespace, name: str, closure: Any) -> Any:
    return types.FunctionType(code, namespace, name, None, closure)


def _find_in_library(module: str, name: str, kind: str) -> Any:
    found = getattr(importlib.import_module(module), name, None)
    if type(found).__qualname__ != kind:
        raise ApplyError(f"{module} has no {name} yet")
    return found


def _make_arrow(kind: Any, length: int, buffers: list[Any], offset: int) -> Any:
    import pyarrow

    # told how many are missing, it would leave the bitmap out as well
    return pyarrow.Array.from_buffers(kind, length, buffers, -1, offset)


def _make_block(cls: Any, values: Any, places: Any, ndim: int, refs: Any) -> Any:
    from pandas._libs.internals import BlockPlacement

    return cls(values, placement=BlockPlacement(places), ndim=ndim, refs=refs)


def _make_of_constants(make: Any, arguments: tuple[Any, ...]) -> Any:
    return make(*(sys.intern(one) if type(one) is str else one for one in arguments))


def _set_in_order(obj: Any, told: tuple[dict[str, Any], tuple[str, ...]]) -> None:
    state, order = told
    obj.__setstate__(state)
    own = obj.__dict__
    given = {name: value for name, value in state.items() if type(value) in ATOMS}
    own.update((name, value) for name, value in given.items() if name in own)  # or it begins anew
    if own.keys() == set(order) and tuple(own) != order:
        attributes = [(name, own[name]) for name in order]
        own.clear()
        own.update(attributes)


def _set_state(obj: Any, state: dict[str, Any]) -> None:
    obj.__setstate__({sys.intern(k) if type(k) is str else k: v for k, v in state.items()})


def _make_view_of_dict(shown: dict[Any, Any], kind: str) -> Any:
    return getattr(shown, kind)() if kind else types.MappingProxyType(shown)


def _make_closed_file(name: Any, mode: str, encoding: str) -> Any:
    """What ``with open(…) as file`` leaves under its name."""
    file: Any = Path(os.devnull).open(encoding=encoding)  # noqa: SIM115 - closed below
    file.buffer.raw.name, file.mode = name, mode
    file.close()
    return file


def _make_cached(parameters: dict[str, Any], function: Callable[..., Any]) -> Any:
    return functools.lru_cache(**parameters)(function)


def _finish_function(function: types.FunctionType, state: tuple[Any, Any, Any]) -> None:
    function.__defaults__, attributes, slots = state
    function.__dict__.update(attributes)
    for name, value in slots.items():
        if name != "__type_params__" or sys.version_info >= (3, 12):
            setattr(function, name, value)


def _make_subview(cls: Any, *place: Any) -> Any:
    import numpy as np

    return np.ndarray.view(make_view(*place), cls)


def _set_attributes(view: Any, attributes: dict[str, Any]) -> None:
    own = getattr(view, "__dict__", {})
    own.clear()
    own.update(attributes)


def _finish_enum(cls: Any, told: tuple[Any, Any, dict[str, dict[str, Any]]]) -> None:
    """Give an enum its attributes, as cloudpickle has it, and each member its own."""
    finish, state, attributes = told
    finish(cls, state)
    for name, own in attributes.items():
        _set_attributes(cls.__members__[name], own)


def _restore_instance(obj: Any, content: Any) -> None:
    """Give an object of the notebook's class its attributes, without asking the class."""
    anatomy_of(obj, {}).restore(obj, content)


def _make_record(*place: Any) -> Any:
    return make_view(*place)[()]


def _make_array(shape: Any, dtype: Any, order: Any, buffer: Any, writeable: bool) -> Any:
    import numpy as np

    if len(memoryview(buffer)) >= LARGE:
        array = np.ndarray(shape, dtype, buffer=buffer, order=order)
    else:
        array = np.empty(shape, dtype, order=order)
        flat = array.T if order == "F" else array
        if array.size:
            flat.reshape(-1).view("u1")[...] = np.frombuffer(buffer, "u1")
    array.flags.writeable = writeable
    return array


class _Unpickler(pickle.Unpickler):
    def __init__(self, data: memoryview, namespace: Namespace, buffers: list[Any]) -> None:
        super().__init__(io.BytesIO(data), buffers=buffers)
        self._namespace = namespace
        self._found: dict[str, list[Any]] = {}
        self._instead: Mapping[int, Any] = {}

    def stand_in(self, instead: Mapping[int, Any]) -> None:
        """Let references find other objects than those that are there, told by identity."""
        self._instead = instead

    def persistent_load(self, key: Any) -> Any:
        if key == "namespace":
            return self._namespace
        if key == "builtins":
            return BUILTINS
        if key[0] == ARRANGED:
            return key[1]  # the set already: see orch_nb.execution.sets
        name, position, kind = key
        if name not in self._namespace:
            raise ApplyError(f"'{name}' is not there any more")
        if position == 0:
            obj = self._namespace[name]
        else:
            if name not in self._found:
                roots = walk(self._namespace[name], self._namespace, [BUDGET])
                self._found[name] = [obj for obj, _ in roots.values()]
            objects = self._found[name]
            if position >= len(objects):
                raise ApplyError(f"'{name}' has another shape")
            obj = objects[position]
        if type(obj).__qualname__ != kind:
            raise ApplyError(f"'{name}' holds a {type(obj).__qualname__}, not a {kind}")
        return self._instead.get(identity(obj), obj)


def unpack(data: memoryview, buffers: list[Any], namespace: Namespace) -> Mapping[str, Any]:
    """Load packed changes and apply them to ``namespace`` in place; returns what was loaded.

    Raises ApplyError when a reference finds nothing or an object refuses: nothing is applied then.
    """
    separated: list[tuple[Any, Any, Any]] = []
    try:
        unpickler = _Unpickler(data, namespace, buffers)
        first = unpickler.load()
        if type(first) is list:  # blocks of frames, whose memory was written to
            separated, instead = copy_on_write.separate(first)
            unpickler.stand_in(instead)
        loaded: dict[str, Any] = unpickler.load() if type(first) is list else first
    except ApplyError:
        raise
    except Exception as error:  # the values' own code runs here
        raise ApplyError(f"{type(error).__name__}: {error}") from error
    for name in (*loaded["deleted"], *loaded["bound"]):
        seen = end_seen(namespace.get(name))
        if seen:
            raise ApplyError(f"'{name}' holds {seen}")
    for block, values, refs in separated:
        block.values, block.refs = values, refs
    _restore(loaded["changed"], namespace)
    for name in loaded["deleted"]:
        namespace.pop(name, None)
    namespace.update(loaded["bound"])
    return loaded


def _restore(changed: Sequence[tuple[Any, Any]], namespace: Namespace) -> None:
    """Give objects their new contents: all of them, or, where one refuses, none.

    A cell that is run again after half of what it did was applied would do that half twice.
    """
    done: list[tuple[Any, Any]] = []
    for obj, content in changed:
        anatomy = anatomy_of(obj, namespace)
        done.append((obj, _before(obj, anatomy)))
        try:
            anatomy.restore(obj, content)
        except Exception as error:  # a type's own __setstate__ may run here
            for other, before in reversed(done):
                if before is _UNKNOWN and other is obj:
                    continue
                if before is _UNKNOWN:
                    words = f"{type(other).__qualname__} can't be taken back"
                    raise RuntimeError(
                        f"{words} after {type(obj).__qualname__}: {error}"
                    ) from error
                with contextlib.suppress(Exception):  # what refused may do so again
                    anatomy_of(other, namespace).restore(other, before)
            raise ApplyError(f"{type(obj).__qualname__}: {error}") from error


_UNKNOWN = object()
_LARGE = 1 << 24  # bytes of an array of which no copy is made in case that another one refuses


def _before(obj: Any, anatomy: Anatomy) -> Any:
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(obj, numpy.ndarray) and obj.nbytes > _LARGE:
        return _UNKNOWN
    try:
        return anatomy.content(obj)
    except Exception:  # the type's own code, or its state can't be had
        return _UNKNOWN
