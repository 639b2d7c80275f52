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
import threading
import types
import uuid
from collections import OrderedDict
from typing import Any

from orch_nb.execution.anatomy import ATOMS, anatomy_of
from orch_nb.execution.digests import hash_parts, type_name
from orch_nb.execution.fingerprint_libraries import LIBRARIES
from orch_nb.execution.identity import identity
from orch_nb.execution.streams import CapturedStream
from orch_nb.execution.walk import BUILTINS, Namespace

BUDGET = 200_000  # objects looked at under one name
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
        self.owners: dict[int, Any] = {}
        self.partial = False
        self.unknown = ""
        self.late = set()
        self.modules = set()
        return self.feed(value).hex()

    @property
    def met(self) -> dict[int, Any]:
        """What can be changed in the value, and arrays whose memory it shows, by identity."""
        parts = {identity(part): part for part in self._alive}
        return {key: part for key, part in parts.items() if key in self._seen} | self.owners

    def _pass_over(self, cls: type, why: str = "") -> None:
        self.partial = True
        self.unknown = self.unknown or why or type_name(cls).decode()

    def feed(self, value: Any, depth: int = 0) -> bytes:
        """The digest of a part of the value; 16 bytes."""
        cls = type(value)
        if cls in ATOMS:
            return _atom(value)
        if value is self._namespace:
            return hash_parts(b"namespace")  # whose variables are told one by one
        if value is BUILTINS:
            return hash_parts(b"builtins")
        key = identity(value)
        if key in self._seen:
            return hash_parts(b"again", str(self._seen[key]).encode())
        if key in self._done:
            return self._done[key]
        self._alive.append(value)
        self.modules.add(cls.__module__)
        self._left -= 1
        if self._left < 0 or depth > 400:
            self._pass_over(cls, "more objects than are looked at")
            return hash_parts(b"beyond", type_name(cls))
        if self._can_change(value):
            self._seen[key] = len(self._seen)
            return self._by_kind(value, cls, depth + 1)
        self._done[key] = hash_parts(b"inside itself")
        found = self._done[key] = self._by_kind(value, cls, depth + 1)
        return found

    def _can_change(self, value: Any) -> bool:
        pandas = sys.modules.get("pandas")
        if pandas is not None and isinstance(value, pandas.Index):
            return False
        return anatomy_of(value, self._namespace).mutable

    def _by_kind(self, value: Any, cls: type, depth: int) -> bytes:
        library = cls.__module__.partition(".")[0]
        if library in LIBRARIES and library in sys.modules:
            done = LIBRARIES[library](self, value, depth)
            if done is not None:
                return done
        if cls in (list, tuple) or isinstance(value, (list, tuple)):
            alike = _alike(value)
            if alike is not None:
                return hash_parts(type_name(cls), *alike)
            parts = [self.feed(item, depth) for item in value]
            return hash_parts(type_name(cls), *parts)
        if isinstance(value, dict):
            # an OrderedDict keeps its order outside the dict
            own: Any = OrderedDict if isinstance(value, OrderedDict) else dict
            pairs = [part for item in own.items(value) for part in item]
            return hash_parts(type_name(cls), *(self.feed(part, depth) for part in pairs))
        if cls is types.MappingProxyType:
            return hash_parts(type_name(cls), self.feed(dict(value), depth))
        if isinstance(value, (set, frozenset)):
            return hash_parts(type_name(cls), *self._unordered(value, depth))
        if isinstance(value, (bytearray, memoryview)):
            return hash_parts(type_name(cls), bytes(value))
        if isinstance(value, enum.Enum):
            own = (
                sorted(vars(value).keys() - _OF_ALL_MEMBERS) if cls.__module__ == "__main__" else ()
            )
            parts = [self.feed((name, vars(value)[name]), depth) for name in own]
            return hash_parts(type_name(cls), str(value.name).encode(), *parts)
        if _is_machinery(cls):
            return hash_parts(type_name(cls))
        if cls is CapturedStream:  # there is one of each in a process
            return hash_parts(type_name(cls), value.name.encode())
        if isinstance(value, re.Pattern):
            return hash_parts(b"pattern", repr((value.pattern, value.flags)).encode())
        if isinstance(value, _BY_REPR):
            return hash_parts(type_name(cls), repr(value).encode())
        if isinstance(value, types.ModuleType):
            self.modules.add(value.__name__)
            return hash_parts(b"module", value.__name__.encode())
        if cls is types.FunctionType:
            return self._function(value, depth)
        if isinstance(value, type):
            return self._class(value, depth)
        if cls is types.MethodType:
            bound = self.feed(value.__self__, depth), self.feed(value.__func__, depth)
            return hash_parts(b"method", *bound)
        if cls in (staticmethod, classmethod):  # what else they hold is copied from the function
            return hash_parts(type_name(cls), self.feed(value.__func__, depth))
        if cls is types.CellType:
            return hash_parts(b"cell", *(self.feed(part, depth) for part in _cell(value)))
        return self._instance(value, cls, depth)

    def _unordered(self, value: Any, depth: int) -> list[bytes]:
        """The digests of a set's items, sorted; the order they lie in must not show anywhere."""
        if _ATOMIC.issuperset(map(type, value)):
            return sorted(map(_atom, value))
        before = self._seen
        found = []
        for item in value:
            self._seen = dict(before)  # what one item holds has no number in another
            found.append((self.feed(item, depth), list(self._seen)[len(before) :]))
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
                return hash_parts(b"function", *named)
            # made by a call: what it was made with is part of it
            made = value.__closure__, value.__defaults__, value.__kwdefaults__
            return hash_parts(b"function", *named, *(self.feed(part, depth) for part in made))
        self.late |= global_names(value.__code__)
        parts = (value.__defaults__, value.__kwdefaults__, value.__closure__, value.__dict__)
        return hash_parts(b"function", _code(value.__code__), *(self.feed(p, depth) for p in parts))

    def _class(self, value: type, depth: int) -> bytes:
        if value.__module__ != "__main__":
            self.modules.add(value.__module__)
            return hash_parts(b"class", type_name(value))
        parts = [type_name(value), *(self.feed(base, depth) for base in value.__bases__)]
        for name, part in sorted(vars(value).items()):
            if name in _CLASS_NOISE:
                continue
            if isinstance(part, (types.GetSetDescriptorType, types.MemberDescriptorType)):
                parts.append(name.encode())
            else:
                parts += [name.encode(), self.feed(part, depth)]
        return hash_parts(b"class", *parts)

    def _instance(self, value: Any, cls: type, depth: int) -> bytes:
        own = self.feed(cls, depth) if cls.__module__ == "__main__" else b""
        return (
            hash_parts(own, self._state(value, cls, depth))
            if own
            else self._state(value, cls, depth)
        )

    def _state(self, value: Any, cls: type, depth: int) -> bytes:
        if any(_tells_pickle(base) for base in cls.__mro__[:-1]):
            # What it tells pickle is what it means: caches are left out.
            try:
                return hash_parts(
                    type_name(cls), self.feed(_plain(cls, value.__reduce_ex__(4)), depth)
                )
            except Exception:  # the type's own code; many can't be pickled
                self._pass_over(cls)
        try:
            attributes = dict(object.__getattribute__(value, "__dict__"))
        except AttributeError:
            parts = [self.feed(p, depth) for p in anatomy_of(value, self._namespace).parts(value)]
            if not parts:
                self._pass_over(cls)
            return hash_parts(type_name(cls), *parts)
        parts = []
        for name, part in _attributes(cls, attributes):
            parts += [str(name).encode(), self.feed(part, depth)]
        return hash_parts(type_name(cls), *parts)


_OF_ALL_MEMBERS = frozenset({"_value_", "_name_", "__objclass__", "_sort_order_"})
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


def _is_machinery(cls: type) -> bool:
    """Whether objects of this class hold only how the process works: IPython's own parts, what
    runs functions in threads or processes, and threads themselves."""
    root = cls.__module__.partition(".")[0]
    if root in ("IPython", "ipykernel"):
        return any(base.__name__ == "Configurable" for base in cls.__mro__)
    return cls is threading.Thread or (
        cls.__module__.startswith("concurrent.futures.") and cls.__name__.endswith("Executor")
    )


def _tells_pickle(cls: type) -> bool:
    return not {"__reduce__", "__reduce_ex__", "__getstate__"}.isdisjoint(vars(cls))


def _plain(cls: type, reduced: Any) -> Any:
    """What ``__reduce_ex__`` gave, with iterators made into lists and attributes in order."""
    if isinstance(reduced, str):
        return reduced
    plain = [list(part) if i in (3, 4) and part else part for i, part in enumerate(reduced)]
    if len(plain) == 3 and plain[2] in (None, {}):
        plain.pop()  # an exception tells of its empty `__dict__` once somebody has looked at it
    if len(plain) > 2:
        states = plain[2] if isinstance(plain[2], tuple) else (plain[2],)
        plain[2] = [_attributes(cls, s) if type(s) is dict else s for s in states]
    return plain


def _attributes(cls: type, state: dict[Any, Any]) -> list[tuple[Any, Any]]:
    """A state's items in order; of a library's objects without what only caches something."""
    names = sorted(state, key=str)
    if cls.__module__ != "__main__":
        names = [name for name in names if not _is_cache(cls, str(name))]
    return [(name, state[name]) for name in names]


def _is_cache(cls: type, name: str) -> bool:
    return (name.startswith("_") and "cache" in name) or isinstance(
        getattr(cls, name, None), functools.cached_property
    )


def _atom(value: Any) -> bytes:
    if isinstance(value, float):
        return hash_parts(b"float", b"nan" if value != value else struct.pack("<d", value))
    if isinstance(value, str):
        return hash_parts(b"str", value.encode("utf-8", "surrogatepass"))
    if isinstance(value, bytes):
        return hash_parts(b"bytes", value)
    return hash_parts(type(value).__name__.encode(), repr(value).encode())


def _cell(cell: types.CellType) -> tuple[Any, ...]:
    try:
        return (cell.cell_contents,)
    except ValueError:
        return ()


def _code(code: types.CodeType) -> bytes:
    names = repr((code.co_names, code.co_varnames, code.co_freevars, code.co_flags)).encode()
    constants = (_constant(constant) for constant in code.co_consts)
    return hash_parts(code.co_code, code.co_exceptiontable, names, *constants)


def _constant(value: Any) -> bytes:
    if isinstance(value, types.CodeType):
        return _code(value)
    if isinstance(value, frozenset):  # its repr has the order of this process's hashes
        return hash_parts(b"frozenset", *sorted(map(_constant, value)))
    if isinstance(value, tuple):
        return hash_parts(b"tuple", *map(_constant, value))
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
