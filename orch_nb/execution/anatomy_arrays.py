"""Anatomy of NumPy's and pandas' types, registered once the library is loaded; and whose memory an
array shows."""

from __future__ import annotations

import array
import sys
from collections.abc import Callable, Iterable
from typing import Any

import xxhash

from orch_nb.execution.anatomy import ATOMS, LEAF, Anatomy, Pinned, State, register

_done: set[str] = set()


def register_loaded() -> None:
    """Teach the types of the libraries that are imported by now; cheap when called again."""
    for name, teach in _TEACHERS.items():
        if name not in _done and name in sys.modules:
            _done.add(name)
            teach()


def owner_of(value: Any) -> Any:
    """The array that owns the memory that ``value`` (an ndarray, or a record of one) shows."""
    import numpy as np

    while (base := value.base) is not None:
        if type(base).__name__ == "DummyArray":  # what as_strided has in between
            base = base.base
        if not isinstance(base, np.ndarray):
            break
        value = base
    return value


def place_of(view: Any) -> tuple[Any, ...]:
    """The owner of a view's memory, and how the view lies in it: what ``make_view`` takes."""
    owner = owner_of(view)
    offset = view.__array_interface__["data"][0] - owner.__array_interface__["data"][0]
    return owner, offset, view.shape, view.strides, view.dtype, view.flags.writeable


def make_view(
    owner: Any, offset: int, shape: Any, strides: Any, dtype: Any, writeable: bool
) -> Any:
    """The array that ``place_of`` tells of."""
    import numpy as np

    base = owner if owner.flags.c_contiguous else owner.T
    if dtype.hasobject:  # NumPy won't lay references over a plain buffer
        start = base.reshape(-1)[offset // dtype.itemsize :]
        view = np.lib.stride_tricks.as_strided(start, shape, strides)
        view.flags.writeable = writeable and owner.flags.writeable
        return view
    locked = writeable and not owner.flags.writeable and owner.flags.owndata
    if locked:  # since the view was made
        owner.flags.writeable = True
    view = np.ndarray(shape, dtype, buffer=base, offset=offset, strides=strides)
    view.flags.writeable = writeable and owner.flags.writeable
    if locked:
        owner.flags.writeable = False
    return view


def backing_of(owner: Any) -> Any:
    """What an array was laid over that can be changed by itself, as a bytearray or a file (which
    is told by the memmap itself); else None."""
    import numpy as np

    if isinstance(owner, np.memmap):
        return owner
    base = owner.base
    shown = base.obj if isinstance(base, memoryview) and not base.readonly else base
    return shown if isinstance(shown, (bytearray, array.array)) else None


def mapped_files(changed: Iterable[Any]) -> set[str]:
    """The files that arrays among what has ``changed`` show as their memory, and write to."""
    numpy = sys.modules.get("numpy")
    if numpy is None:
        return set()
    mapped = (value for value in changed if isinstance(value, numpy.memmap))
    return {str(value.filename) for value in mapped if value.filename and value.mode != "c"}


def is_array(value: Any) -> bool:
    """Whether ``value`` is an ndarray, of whatever class."""
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(value, numpy.ndarray)


class _Array(Anatomy):
    mutable = quick = True

    def size(self, obj: Any) -> int:
        return int(obj.size if obj.dtype.hasobject else obj.nbytes >> 6)

    def parts(self, obj: Any) -> Iterable[Any]:
        owner = owner_of(obj)
        if owner is not obj:
            yield owner
        elif obj.base is not None and (backing := backing_of(obj)) is not None:
            yield backing
        if obj.dtype.hasobject and obj.dtype == object:
            yield from obj.ravel(order="K").tolist()

    def freeze(self, obj: Any) -> State:
        import numpy as np

        shape = (obj.shape, obj.strides, obj.dtype, obj.flags.writeable)
        if obj.dtype.hasobject:
            if obj.dtype != object:
                raise Pinned(f"array of {obj.dtype}")
            return tuple(obj.ravel(order="K").tolist()), shape
        flat = obj if obj.flags.c_contiguous else obj.T
        if not flat.flags.c_contiguous:
            flat = np.ascontiguousarray(obj)
        return (), (shape, xxhash.xxh3_128_digest(flat.reshape(-1).view(np.uint8).data))

    def content(self, obj: Any) -> Any:
        return obj.copy(order="K"), obj.flags.writeable

    def restore(self, obj: Any, content: Any) -> None:
        import numpy as np

        value, writeable = content
        if obj.shape == value.shape and obj.dtype == value.dtype:
            if not obj.flags.writeable:
                try:
                    obj.flags.writeable = True
                except ValueError:  # a view that only shows: its owner's elements are restored
                    return
            np.copyto(obj, value)
        elif obj.flags.owndata:
            obj.__setstate__(value.__reduce__()[2])
        else:
            raise Pinned("array view with a new shape")
        if obj.flags.writeable != writeable:
            obj.flags.writeable = writeable


class _SubArray(_Array):
    """A subclass of ndarray (masked arrays, matrices, units): its numbers, and its attributes."""

    @staticmethod
    def _plain(obj: Any) -> Any:
        """The numbers, without the class's own ideas of a view."""
        import numpy as np

        return np.ndarray.view(obj, np.ndarray)

    @staticmethod
    def _attributes(obj: Any) -> dict[str, Any]:
        try:  # the class may have its own ideas of attributes, too
            own: dict[str, Any] = object.__getattribute__(obj, "__dict__")
        except AttributeError:
            return {}
        return own

    def parts(self, obj: Any) -> Iterable[Any]:
        yield from super().parts(self._plain(obj))
        yield from self._attributes(obj).values()

    def freeze(self, obj: Any) -> State:
        if backing_of(obj) is obj:
            raise Pinned("memmap")
        refs, digest = super().freeze(self._plain(obj))
        own = self._attributes(obj)
        return (*refs, *own.values()), (digest, tuple(own))

    def content(self, obj: Any) -> Any:
        return super().content(self._plain(obj)), dict(self._attributes(obj))

    def restore(self, obj: Any, content: Any) -> None:
        plain, attributes = content
        own = self._attributes(obj)
        own.clear()
        own.update(attributes)
        # its shape can be set through the class itself only
        if obj.shape != plain[0].shape or obj.dtype != plain[0].dtype:
            raise Pinned(f"{type(obj).__qualname__} with a new shape")
        super().restore(self._plain(obj), plain)


class _Record(Anatomy):
    """A record of a structured array, which shows the array's memory unless it is a copy."""

    mutable = True

    def parts(self, obj: Any) -> Iterable[Any]:
        owner = owner_of(obj)
        if owner is not obj:
            yield owner

    def freeze(self, obj: Any) -> State:
        if obj.dtype.hasobject:
            raise Pinned(f"record of {obj.dtype}")
        return (), obj.tobytes()

    def content(self, obj: Any) -> Any:
        return obj.item()

    def restore(self, obj: Any, content: Any) -> None:
        for name, value in zip(obj.dtype.names or (), content, strict=False):
            obj[name] = value


class _RandomState(Anatomy):
    """numpy's RandomState and bit generators: a state to get and set."""

    mutable = True

    def __init__(self, *, legacy: bool) -> None:
        self._legacy = legacy

    def _state(self, obj: Any) -> Any:
        return obj.get_state(legacy=False) if self._legacy else obj.state

    def freeze(self, obj: Any) -> State:
        return (), repr_of_state(self._state(obj))

    def content(self, obj: Any) -> Any:
        return self._state(obj)

    def restore(self, obj: Any, content: Any) -> None:
        if self._legacy:
            obj.set_state(content)
        else:
            obj.state = content


class _Generator(Anatomy):
    def parts(self, obj: Any) -> Iterable[Any]:
        yield obj.bit_generator


def repr_of_state(state: Any) -> Any:
    """A nested state of dicts, tuples, arrays and numbers as something that compares by value."""
    if isinstance(state, dict):
        return tuple((key, repr_of_state(value)) for key, value in state.items())
    if isinstance(state, tuple):
        if set(map(type, state)) <= ATOMS:
            return state
        return tuple(repr_of_state(value) for value in state)
    if hasattr(state, "tobytes"):
        return state.tobytes()
    return state


def _teach_numpy() -> None:
    import numpy as np

    register(np.generic, LEAF)
    register(np.void, _Record())
    register(np.dtype, LEAF)
    register(np.ufunc, LEAF)
    register(np.ndarray, _Array(), derived=_SubArray())
    register(np.random.RandomState, _RandomState(legacy=True))
    register(np.random.BitGenerator, _RandomState(legacy=False))
    register(np.random.Generator, _Generator())


class _Frame(Anatomy):
    """DataFrame and Series: a manager of blocks, and a few fields beside it."""

    mutable = True

    def parts(self, obj: Any) -> Iterable[Any]:
        yield obj._mgr
        yield obj.__dict__

    def freeze(self, obj: Any) -> State:
        return (obj._mgr,), None

    def content(self, obj: Any) -> Any:
        return obj._mgr

    def restore(self, obj: Any, content: Any) -> None:
        obj._mgr = content


class _OldFrame(Anatomy):
    """The same before pandas 3, which keeps in one of the fields the columns that somebody has
    looked at: that is no change."""

    mutable = quick = True

    @staticmethod
    def _fields(obj: Any) -> dict[str, Any]:
        return {name: value for name, value in obj.__dict__.items() if name != "_item_cache"}

    def parts(self, obj: Any) -> Iterable[Any]:
        return self._fields(obj).values()

    def freeze(self, obj: Any) -> State:
        fields = self._fields(obj)
        return tuple(fields.values()), tuple(fields)

    def content(self, obj: Any) -> Any:
        return self._fields(obj)

    def restore(self, obj: Any, content: Any) -> None:
        obj.__dict__.clear()
        obj.__dict__.update(content, _item_cache={})


class _Manager(Anatomy):
    """A block manager: its blocks and axes; what it derives from them is dropped."""

    mutable = True

    def parts(self, obj: Any) -> Iterable[Any]:
        yield from obj.blocks
        yield from obj.axes

    def freeze(self, obj: Any) -> State:
        return (*obj.blocks, *obj.axes), len(obj.blocks)

    def content(self, obj: Any) -> Any:
        return tuple(obj.blocks), list(obj.axes)

    def restore(self, obj: Any, content: Any) -> None:
        obj.blocks, obj.axes = content
        if hasattr(obj, "_rebuild_blknos_and_blklocs"):
            # found anew when next asked for: the blocks' places may be yet to be restored
            obj._blknos = obj._blklocs = None
            obj._known_consolidated = False
        if hasattr(obj, "_dtypes_cache"):
            obj._dtypes_cache = None
        _forget_what_was_asked(obj)


def _forget_what_was_asked(obj: Any) -> None:
    """Drop what pandas keeps of its answers: a series' one block, a block's dtype."""
    kept = getattr(obj, "_cache", None)
    if kept:
        kept.clear()


class _Block(Anatomy):
    """``refs`` is shared by the blocks that show the same memory: who writes copies it first."""

    mutable = True

    def parts(self, obj: Any) -> Iterable[Any]:
        yield obj.values
        yield obj.refs

    def freeze(self, obj: Any) -> State:
        return (obj.values, obj.refs), tuple(obj.mgr_locs.as_array.tolist())

    def content(self, obj: Any) -> Any:
        return obj.values, obj.mgr_locs.as_array, obj.refs

    def restore(self, obj: Any, content: Any) -> None:
        from pandas._libs.internals import BlockPlacement

        values, places, refs = content
        obj.values, obj.mgr_locs = values, BlockPlacement(places)
        _forget_what_was_asked(obj)
        if obj.refs is not refs:
            obj.refs = refs
            refs.add_reference(obj)


class _Index(Anatomy):
    """An Index's data never change; its names may."""

    mutable = True

    def freeze(self, obj: Any) -> State:
        return (*obj.names,), None

    def content(self, obj: Any) -> Any:
        return list(obj.names)

    def restore(self, obj: Any, content: Any) -> None:
        obj.names = content


class _ArrayBacked(Anatomy):
    """Extension arrays over one ndarray (dates, categories)."""

    mutable = True

    def parts(self, obj: Any) -> Iterable[Any]:
        yield obj._ndarray

    def freeze(self, obj: Any) -> State:
        return (obj._ndarray, obj.dtype), None

    def content(self, obj: Any) -> Any:
        return obj.__reduce__()[2]

    def restore(self, obj: Any, content: Any) -> None:
        obj.__setstate__(content)


def _teach_pandas() -> None:
    import pandas as pd
    from pandas._libs import arrays as native
    from pandas._libs import internals
    from pandas.core.internals import blocks, managers

    for immutable in (pd.Timestamp, pd.Timedelta, pd.Period, pd.Interval, type(pd.NaT)):
        register(immutable, LEAF)
    register(type(pd.NA), LEAF)
    register(pd.tseries.offsets.BaseOffset, LEAF)
    register(pd.api.extensions.ExtensionDtype, LEAF)
    register(pd.Index, _Index())
    frame = _Frame() if is_new_pandas(pd) else _OldFrame()
    register(pd.DataFrame, frame)
    register(pd.Series, frame)
    register(managers.BaseBlockManager, _Manager())
    register(blocks.Block, _Block())
    register(internals.BlockValuesRefs, LEAF)
    register(native.NDArrayBacked, _ArrayBacked())


def is_new_pandas(pandas: Any) -> bool:
    """Whether frames copy what they share when it is written to."""
    return int(pandas.__version__.partition(".")[0]) >= 3


def _teach_arrow() -> None:
    """Arrow's arrays and tables can't be changed, so it can't be seen whether they are shared."""
    import pyarrow as pa

    for immutable in (
        pa.Array,
        pa.ChunkedArray,
        pa.RecordBatch,
        pa.Table,
        pa.Scalar,
        pa.DataType,
        pa.Field,
        pa.Schema,
    ):
        register(immutable, LEAF)


_TEACHERS: dict[str, Callable[[], None]] = {
    "numpy": _teach_numpy,
    "pandas": _teach_pandas,
    "pyarrow": _teach_arrow,
}
