"""A digest of a value by its type's meaning: equal values have it, in any process, any day.

Never pickle bytes, which differ for equal values. A float's NaN equals itself here; sets have
no order; dicts have one; notebook functions and classes count by their code; an array counts by
its elements, whatever memory they lie in; caches do not count.
"""

from __future__ import annotations

import array
import datetime
import decimal
import dis
import enum
import fractions
import functools
import math
import pathlib
import re
import struct
import sys
import types
import uuid
from collections.abc import Callable
from typing import Any

import xxhash

from orch_nb.execution.anatomy import ATOMS, anatomy_of
from orch_nb.execution.anatomy_arrays import owner_of
from orch_nb.execution.walk import Namespace

BUDGET = 200_000  # objects looked at under one name
_X87 = 63  # bits of the mantissa of a long double that has 80 bits in 128
_MANY = 64  # items from which a list of one plain type is taken as a whole
_ATOMIC = frozenset({int, float, complex, bool, str, bytes, type(None)})

_BY_REPR: tuple[type, ...] = (
    datetime.date,
    datetime.time,
    datetime.timedelta,
    datetime.tzinfo,
    decimal.Decimal,
    fractions.Fraction,
    pathlib.PurePath,
    uuid.UUID,
    slice,
)


class Fingerprinter:
    """Digests the values of one namespace.

    After ``digest``, ``partial`` says that something was passed over, and ``unknown`` of what
    type it was; ``late`` are the global names that functions in the value read when they are
    called, ``modules`` where its types and functions come from, and ``met`` the objects in it
    that can be changed.
    """

    def __init__(self, namespace: Namespace) -> None:
        self._namespace = namespace
        self.late: set[str] = set()
        self.modules: set[str] = set()

    def digest(self, value: Any) -> str:
        """32 hexadecimal digits."""
        self._seen: dict[int, int] = {}  # mutable objects, numbered as they are met
        self._done: dict[int, bytes] = {}  # others: whether one is shared can't be noticed
        self._alive: list[Any] = []
        self._left = BUDGET
        self._owners: dict[int, Any] = {}
        self.partial = False
        self.unknown = ""
        self.late = set()
        self.modules = set()
        return self._feed(value).hex()

    @property
    def met(self) -> dict[int, Any]:
        """What can be changed in the value, and arrays whose memory it shows, by their ids."""
        return {id(part): part for part in self._alive if id(part) in self._seen} | self._owners

    def _pass_over(self, cls: type, why: str = "") -> None:
        self.partial = True
        self.unknown = self.unknown or why or _name(cls).decode()

    def _feed(self, value: Any, depth: int = 0) -> bytes:
        cls = type(value)
        if cls in ATOMS:
            return _atom(value)
        if id(value) in self._seen:
            return _hash(b"again", str(self._seen[id(value)]).encode())
        if id(value) in self._done:
            return self._done[id(value)]
        self._alive.append(value)
        self.modules.add(cls.__module__)
        self._left -= 1
        if self._left < 0 or depth > 400:
            self._pass_over(cls, "more objects than are looked at")
            return _hash(b"beyond", _name(cls))
        if self._can_change(value):
            self._seen[id(value)] = len(self._seen)
            return self._by_kind(value, cls, depth + 1)
        self._done[id(value)] = _hash(b"inside itself")
        found = self._done[id(value)] = self._by_kind(value, cls, depth + 1)
        return found

    def _can_change(self, value: Any) -> bool:
        pandas = sys.modules.get("pandas")
        if pandas is not None and isinstance(value, pandas.Index):
            return False
        return anatomy_of(value, self._namespace).mutable

    def _by_kind(self, value: Any, cls: type, depth: int) -> bytes:
        library = cls.__module__.partition(".")[0]
        if library in _LIBRARIES and library in sys.modules:
            done = _LIBRARIES[library](self, value, depth)
            if done is not None:
                return done
        if cls in (list, tuple) or isinstance(value, (list, tuple)):
            alike = _alike(value)
            if alike is not None:
                return _hash(_name(cls), *alike)
            parts = [self._feed(item, depth) for item in value]
            return _hash(_name(cls), *parts)
        if isinstance(value, dict):
            pairs = [part for item in dict.items(value) for part in item]
            return _hash(_name(cls), *(self._feed(part, depth) for part in pairs))
        if cls is types.MappingProxyType:
            return _hash(_name(cls), self._feed(dict(value), depth))
        if isinstance(value, (set, frozenset)):
            return _hash(_name(cls), *self._unordered(value, depth))
        if isinstance(value, (bytearray, memoryview)):
            return _hash(_name(cls), bytes(value))
        if isinstance(value, enum.Enum):
            return _hash(_name(cls), value.name.encode())
        if isinstance(value, re.Pattern):
            return _hash(b"pattern", repr((value.pattern, value.flags)).encode())
        if isinstance(value, _BY_REPR):
            return _hash(_name(cls), repr(value).encode())
        if isinstance(value, types.ModuleType):
            self.modules.add(value.__name__)
            return _hash(b"module", value.__name__.encode())
        if cls is types.FunctionType:
            return self._function(value, depth)
        if isinstance(value, type):
            return self._class(value, depth)
        if cls is types.MethodType:
            bound = self._feed(value.__self__, depth), self._feed(value.__func__, depth)
            return _hash(b"method", *bound)
        if cls is types.CellType:
            return _hash(b"cell", *(self._feed(part, depth) for part in _cell(value)))
        return self._instance(value, cls, depth)

    def _unordered(self, value: Any, depth: int) -> list[bytes]:
        """The digests of a set's items, sorted; the order they lie in must not show anywhere."""
        if _ATOMIC.issuperset(map(type, value)):
            return sorted(map(_atom, value))
        before = self._seen
        found = []
        for item in value:
            self._seen = dict(before)  # what one item holds has no number in another
            found.append((self._feed(item, depth), list(self._seen)[len(before) :]))
        found.sort(key=lambda pair: pair[0])
        self._seen = before
        for _, new in found:
            for key in new:
                self._seen.setdefault(key, len(self._seen))
        return [digest for digest, _ in found]

    def _function(self, value: types.FunctionType, depth: int) -> bytes:
        if value.__globals__ is not self._namespace:
            self.modules.add(str(value.__module__))
            named = str(value.__module__).encode(), value.__qualname__.encode()
            if "<locals>" not in value.__qualname__:
                return _hash(b"function", *named)
            # made by a call: what it was made with is part of it
            made = value.__closure__, value.__defaults__, value.__kwdefaults__
            return _hash(b"function", *named, *(self._feed(part, depth) for part in made))
        self.late |= global_names(value.__code__)
        parts = (value.__defaults__, value.__kwdefaults__, value.__closure__, value.__dict__)
        return _hash(b"function", _code(value.__code__), *(self._feed(p, depth) for p in parts))

    def _class(self, value: type, depth: int) -> bytes:
        if value.__module__ != "__main__":
            self.modules.add(value.__module__)
            return _hash(b"class", _name(value))
        parts = [_name(value), *(self._feed(base, depth) for base in value.__bases__)]
        for name, part in sorted(vars(value).items()):
            if name in _CLASS_NOISE:
                continue
            if isinstance(part, (types.GetSetDescriptorType, types.MemberDescriptorType)):
                parts.append(name.encode())
            else:
                parts += [name.encode(), self._feed(part, depth)]
        return _hash(b"class", *parts)

    def _instance(self, value: Any, cls: type, depth: int) -> bytes:
        own = self._feed(cls, depth) if cls.__module__ == "__main__" else b""
        return _hash(own, self._state(value, cls, depth)) if own else self._state(value, cls, depth)

    def _state(self, value: Any, cls: type, depth: int) -> bytes:
        if any(_tells_pickle(base) for base in cls.__mro__[:-1]):
            # What it tells pickle is what it means: caches are left out.
            try:
                return _hash(_name(cls), self._feed(_plain(cls, value.__reduce_ex__(4)), depth))
            except Exception:  # the type's own code; many can't be pickled
                self._pass_over(cls)
        try:
            attributes = dict(object.__getattribute__(value, "__dict__"))
        except AttributeError:
            parts = [self._feed(p, depth) for p in anatomy_of(value, self._namespace).parts(value)]
            if not parts:
                self._pass_over(cls)
            return _hash(_name(cls), *parts)
        parts = []
        for name, part in _attributes(cls, attributes):
            parts += [str(name).encode(), self._feed(part, depth)]
        return _hash(_name(cls), *parts)


_CLASS_NOISE = frozenset(
    {
        "__dict__",
        "__weakref__",
        "__module__",
        "_abc_impl",
        "__firstlineno__",
        "__doc__",
        "__slotnames__",
    }
)


def _tells_pickle(cls: type) -> bool:
    return not {"__reduce__", "__reduce_ex__", "__getstate__"}.isdisjoint(vars(cls))


def _plain(cls: type, reduced: Any) -> Any:
    """What ``__reduce_ex__`` gave, with iterators made into lists and attributes in order."""
    if isinstance(reduced, str):
        return reduced
    plain = [list(part) if i in (3, 4) and part else part for i, part in enumerate(reduced)]
    if len(plain) > 2:
        states = plain[2] if isinstance(plain[2], tuple) else (plain[2],)
        plain[2] = [_attributes(cls, s) if type(s) is dict else s for s in states]
    return plain


def _attributes(cls: type, state: dict[Any, Any]) -> list[tuple[Any, Any]]:
    """A state's items in order, without what is only a cache of something computed."""
    return [
        (name, state[name])
        for name in sorted(state, key=str)
        if name != "_cache"
        and not isinstance(getattr(cls, str(name), None), functools.cached_property)
    ]


def _atom(value: Any) -> bytes:
    if isinstance(value, float):
        return _hash(b"float", b"nan" if value != value else struct.pack("<d", value))
    if isinstance(value, str):
        return _hash(b"str", value.encode("utf-8", "surrogatepass"))
    if isinstance(value, bytes):
        return _hash(b"bytes", value)
    return _hash(type(value).__name__.encode(), repr(value).encode())


def _cell(cell: types.CellType) -> tuple[Any, ...]:
    try:
        return (cell.cell_contents,)
    except ValueError:
        return ()


def _code(code: types.CodeType) -> bytes:
    names = repr((code.co_names, code.co_varnames, code.co_freevars, code.co_flags)).encode()
    constants = (_constant(constant) for constant in code.co_consts)
    return _hash(code.co_code, code.co_exceptiontable, names, *constants)


def _constant(value: Any) -> bytes:
    if isinstance(value, types.CodeType):
        return _code(value)
    if isinstance(value, frozenset):  # its repr has the order of this process's hashes
        return _hash(b"frozenset", *sorted(map(_constant, value)))
    if isinstance(value, tuple):
        return _hash(b"tuple", *map(_constant, value))
    return _atom(value)


@functools.lru_cache(maxsize=4096)
def global_names(code: types.CodeType) -> frozenset[str]:
    """The names that a function's code, with what is nested in it, looks up as globals."""
    found = {
        str(step.argval)
        for step in dis.get_instructions(code)
        if step.opname in ("LOAD_GLOBAL", "LOAD_NAME")
    }
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            found |= global_names(constant)
    return frozenset(found)


def _alike(items: Any) -> tuple[bytes, ...] | None:
    """A long list of one plain type, at C speed; None where it is none."""
    if len(items) < _MANY:
        return None
    kinds = set(map(type, items))
    if len(kinds) != 1:
        return None
    (kind,) = kinds
    if kind is str:
        sizes = array.array("q", map(len, items)).tobytes()
        return b"strs", sizes, "".join(items).encode("utf-8", "surrogatepass")
    if kind is float:
        plain = [math.nan if item != item else item for item in items]
        return b"floats", array.array("d", plain).tobytes()
    if kind is int:
        try:
            return b"ints", array.array("q", items).tobytes()
        except OverflowError:
            return None
    return None


def _name(cls: type) -> bytes:
    return f"{cls.__module__}.{cls.__qualname__}".encode()


def _hash(*parts: bytes | memoryview) -> bytes:
    digest = xxhash.xxh3_128()
    for part in parts:
        size = part.nbytes if isinstance(part, memoryview) else len(part)
        digest.update(struct.pack("<q", size))
        digest.update(part)
    return digest.digest()


def _numpy(printer: Fingerprinter, value: Any, depth: int) -> bytes | None:
    import numpy as np

    if isinstance(value, np.ndarray):
        head = _hash(_name(type(value)), repr((value.dtype.str, value.shape)).encode())
        owner = owner_of(value)
        printer._owners[id(owner)] = owner
        if value.dtype.hasobject:
            return _hash(head, printer._feed(value.tolist(), depth))
        if isinstance(value, np.ma.MaskedArray):
            mask = np.ma.getmaskarray(value)
            return _hash(head, printer._feed(value.filled(), depth), bytes(mask.tobytes()))
        if value.dtype.names:  # there may be anything between the fields
            fields = [printer._feed(value[name], depth) for name in value.dtype.names]
            return _hash(head, repr(value.dtype.descr).encode(), *fields)
        return _hash(head, _elements(value))
    if isinstance(value, np.generic):
        return _hash(_name(type(value)), repr(value).encode())
    if isinstance(value, np.dtype):
        return _hash(b"dtype", repr(value).encode())
    if isinstance(value, np.random.RandomState):
        return _hash(b"random", printer._feed(value.get_state(legacy=False), depth))
    if isinstance(value, np.random.BitGenerator):
        return _hash(b"random", printer._feed(value.state, depth))
    if isinstance(value, np.random.Generator):
        return _hash(b"random", printer._feed(value.bit_generator, depth))
    if isinstance(value, np.ufunc):
        return _hash(b"ufunc", value.__name__.encode())
    return None


def _elements(value: Any) -> memoryview | bytes:
    """The bytes of an array's elements in order, every NaN alike."""
    import numpy as np

    if not value.size:
        return b""
    flat = np.ascontiguousarray(value).reshape(-1)
    if flat.dtype.kind in "fc" and np.isnan(flat).any():
        flat = np.where(np.isnan(flat), np.nan, flat)
    if flat.dtype.char in "gG" and np.finfo(flat.dtype).nmant == _X87:
        wide = flat.view(np.uint8).reshape(-1, flat.real.dtype.itemsize)
        return wide[:, :10].tobytes()  # the rest of each number is not set
    return flat.view(np.uint8).data


def _pandas(printer: Fingerprinter, value: Any, depth: int) -> bytes | None:
    import pandas as pd

    if isinstance(value, pd.DataFrame):
        parts = [printer._feed(value.index, depth), printer._feed(value.columns, depth)]
        parts += [_array(printer, value.iloc[:, i].array, depth) for i in range(value.shape[1])]
        return _hash(_name(type(value)), *parts, printer._feed(dict(value.attrs), depth))
    if isinstance(value, pd.Series):
        parts = [printer._feed(value.index, depth), _array(printer, value.array, depth)]
        return _hash(_name(type(value)), *parts, printer._feed(value.name, depth))
    if isinstance(value, pd.MultiIndex):
        levels = [value.get_level_values(i) for i in range(value.nlevels)]
        return _hash(b"multi", *(printer._feed(level, depth) for level in levels))
    if isinstance(value, pd.Index):
        parts = [_array(printer, value.array, depth), printer._feed(value.name, depth)]
        return _hash(_name(type(value)), *parts)
    if isinstance(value, pd.api.extensions.ExtensionArray):
        return _array(printer, value, depth)
    if isinstance(value, (pd.Timestamp, pd.Timedelta, pd.Period, pd.Interval)):
        return _hash(_name(type(value)), repr(value).encode())
    if isinstance(value, (type(pd.NaT), type(pd.NA))):
        return _hash(repr(value).encode())
    if isinstance(value, pd.api.extensions.ExtensionDtype):
        return _hash(b"dtype", repr(value).encode())
    return None


def _array(printer: Fingerprinter, array: Any, depth: int) -> bytes:
    import numpy as np
    import pandas as pd

    dtype = repr(array.dtype).encode()
    if hasattr(array, "_pa_array"):
        return _hash(dtype, printer._feed(array._pa_array, depth))
    if isinstance(array, pd.Categorical):
        parts = printer._feed(array.codes, depth), printer._feed(array.categories, depth)
        return _hash(dtype, *parts)
    values = np.asarray(array)
    if values.dtype.kind == "M" or values.dtype.kind == "m":
        values = values.view("i8")
    return _hash(dtype, printer._feed(values, depth))


def _arrow(printer: Fingerprinter, value: Any, depth: int) -> bytes | None:
    import pyarrow as pa

    if isinstance(value, (pa.Table, pa.RecordBatch)):
        columns = [_arrow_column(printer, column, depth) for column in value.columns]
        schema = value.schema.to_string(show_schema_metadata=True, truncate_metadata=False)
        return _hash(b"arrow", schema.encode(), *columns)
    if isinstance(value, (pa.Array, pa.ChunkedArray)):
        return _arrow_column(printer, value, depth)
    if isinstance(value, (pa.Schema, pa.DataType, pa.Field)):
        return _hash(b"arrow type", str(value).encode())
    if isinstance(value, pa.Scalar):
        return _hash(b"arrow scalar", str(value.type).encode(), printer._feed(value.as_py(), depth))
    return None


def _arrow_column(printer: Fingerprinter, column: Any, depth: int) -> bytes:
    """The elements of an Arrow array, whatever its chunks, and whatever lies below its nulls."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = column.type
    head = _hash(b"arrow", str(kind).encode())
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
        if isinstance(column, pa.ChunkedArray):  # of none, or too long for one
            return _hash(head, *(_arrow_column(printer, chunk, depth) for chunk in column.chunks))
    numbers = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_temporal(kind)
    if numbers and not pa.types.is_interval(kind):
        nulls = b""
        if column.null_count:
            nulls = bytes(pc.is_null(column).to_numpy(zero_copy_only=False).tobytes())
            column = pc.fill_null(column, pa.scalar(0, pa.int64()).cast(kind, safe=False))
        return _hash(head, nulls, _elements(column.to_numpy(zero_copy_only=False)))
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        lengths = pc.fill_null(pc.binary_length(column), -1).to_numpy(zero_copy_only=False)
        joined = pc.binary_join(
            pa.LargeListArray.from_arrays(
                [0, len(column)], pc.fill_null(column.cast(pa.large_string()), "")
            ),
            pa.scalar("", pa.large_string()),
        )
        return _hash(head, _elements(lengths), memoryview(joined[0].as_buffer()))
    return _hash(head, printer._feed(column.to_pylist(), depth))


def _polars(printer: Fingerprinter, value: Any, depth: int) -> bytes | None:
    import polars as pl

    if isinstance(value, pl.DataFrame):
        return _hash(b"polars", printer._feed(value.to_arrow(), depth))
    if isinstance(value, pl.Series):
        name = value.name.encode()
        return _hash(b"polars", name, printer._feed(value.to_arrow(), depth))
    if isinstance(value, pl.DataType) or (
        isinstance(value, type) and issubclass(value, pl.DataType)
    ):
        return _hash(b"polars type", repr(value).encode())
    return None


def _torch(printer: Fingerprinter, value: Any, depth: int) -> bytes | None:
    import torch

    if type(value) in (torch.Tensor, torch.nn.Parameter) and value.device.type == "cpu":
        head = repr((str(value.dtype), tuple(value.shape), value.requires_grad)).encode()
        plain = value.detach().contiguous().reshape(-1).view(torch.uint8).numpy()
        return _hash(b"torch", _name(type(value)), head, printer._feed(plain, depth))
    return None


def _matplotlib(printer: Fingerprinter, value: Any, depth: int) -> bytes | None:
    """A figure is what it looks like; an artist its kind in its figure."""
    from matplotlib.artist import Artist
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    if isinstance(value, Figure):
        kept = value.canvas
        try:
            canvas = FigureCanvasAgg(value)
            canvas.draw()
            pixels = memoryview(canvas.buffer_rgba()).tobytes()
        finally:
            value.set_canvas(kept)
        return _hash(b"figure", pixels)
    if isinstance(value, Artist):
        figure = value.get_figure()
        shown = b"" if figure is None else printer._feed(figure, depth)
        return _hash(_name(type(value)), shown)
    return None


_LIBRARIES: dict[str, Callable[[Fingerprinter, Any, int], bytes | None]] = {
    "matplotlib": _matplotlib,
    "numpy": _numpy,
    "pandas": _pandas,
    "pyarrow": _arrow,
    "polars": _polars,
    "torch": _torch,
}
