"""How objects of each type are taken apart and put together again, in place.

For every object that a cell may change, three questions are answered without running the
user's code: which objects does it hold (``parts``), does it look the same as before
(``freeze``), and what must another process do to its own copy to make it equal (``content``
and ``restore``). Comparison is by identity of the parts, never by ``==``, which may be the
user's. An object whose state can't be seen is ``pinned``: its consumers run where it lives.
"""

from __future__ import annotations

import _abc  # type: ignore[import-not-found]
import abc
import array
import collections
import datetime
import decimal
import dis
import enum
import fractions
import functools
import gc
import io
import logging
import pathlib
import re
import types
import uuid
import weakref
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import xxhash

from orch_nb.execution import sets
from orch_nb.execution.identity import identity

ATOMS: frozenset[type] = frozenset(
    {
        int,
        float,
        complex,
        bool,
        str,
        bytes,
        type(None),
        type(Ellipsis),
        type(NotImplemented),
        range,
    }
)

# Immutable as far as anyone can see, and never worth a reference to.
_IMMUTABLE: tuple[type, ...] = (
    *ATOMS,
    slice,
    types.ModuleType,
    types.CodeType,
    types.MethodDescriptorType,
    types.WrapperDescriptorType,
    types.GetSetDescriptorType,
    types.MemberDescriptorType,
    types.ClassMethodDescriptorType,
    types.GenericAlias,
    types.UnionType,
    datetime.date,
    datetime.time,
    datetime.timedelta,
    datetime.tzinfo,
    decimal.Decimal,
    enum.Enum,
    fractions.Fraction,
    pathlib.PurePath,
    re.Pattern,
    re.Match,
    uuid.UUID,
    logging.Logger,
    weakref.ref,
)

# State that can be neither seen nor sent: whoever uses one runs where it lives.
_PINNED: tuple[type, ...] = (
    types.GeneratorType,
    types.CoroutineType,
    types.AsyncGeneratorType,
    types.FrameType,
    types.TracebackType,
    io.IOBase,
    type(iter(())),
    type(iter([])),
    type(iter({})),
    type(iter(set())),
    type(iter("")),
    type(iter(b"")),
    type(iter(range(0))),
    zip,
    map,
    filter,
    enumerate,
    reversed,
)

State = tuple[tuple[Any, ...], Any]


class Pinned(Exception):
    """An object's state can't be seen; ``args[0]`` names its type."""


class Anatomy:
    """The answers for one family of types; the base is an immutable leaf."""

    mutable = False
    only_attributes = False  # nothing else makes up the object
    quick = False  # so cheap to look at that it is done though no change is expected

    def size(self, obj: Any) -> int:
        """How many parts, or units of such work, a look at it takes."""
        return 0

    def parts(self, obj: Any) -> Iterable[Any]:
        """The objects it holds, in an order that a copy of it repeats."""
        return ()

    def freeze(self, obj: Any) -> State:
        """References compared by identity, and a digest compared by equality."""
        return (), None

    def content(self, obj: Any) -> Any:
        """What ``restore`` needs; held objects are put in as they are."""
        raise TypeError(type(obj).__name__)

    def restore(self, obj: Any, content: Any) -> None:
        """Make ``obj`` equal to the one that ``content`` was taken from, in place."""
        raise TypeError(type(obj).__name__)


class _Frozen(Anatomy):
    """Tuples, methods and the like: fixed, but they hold objects."""

    def __init__(self, parts: Callable[[Any], Iterable[Any]]) -> None:
        self._parts = parts

    def parts(self, obj: Any) -> Iterable[Any]:
        return self._parts(obj)


class _PinnedAnatomy(Anatomy):
    mutable = True

    def freeze(self, obj: Any) -> State:
        raise Pinned(type(obj).__qualname__)


_HEAP_TYPE = 1 << 9  # CPython's flag of types made while it runs


def _is_python(cls: type) -> bool:
    """Whether a ``class`` statement made it (C types carry none of these entries; a derived class
    leaves them to its base)."""
    marks = ("__dict__", "__slots__", "__weakref__")
    family = cls.__mro__ if cls.__flags__ & _HEAP_TYPE else (cls,)
    return any(mark in vars(base) for base in family for mark in marks)


def _slot_names(cls: type) -> Iterable[tuple[type, str]]:
    for base in cls.__mro__:
        for name, member in vars(base).items():
            own = isinstance(member, types.MemberDescriptorType) and name != "__dict__"
            if own and _is_python(base):
                yield base, name


class _Attributes(Anatomy):
    """Instances of Python classes: their ``__dict__``, slots, and a built-in container's items."""

    mutable = quick = True

    def __init__(self, cls: type) -> None:
        self._slots = tuple(_slot_names(cls))
        self._has_dict = any("__dict__" in vars(base) for base in cls.__mro__) or (
            cls.__dictoffset__ != 0
        )
        self._items = next((_ITEMS[base] for base in cls.__mro__ if base in _ITEMS), None)
        self.only_attributes = self._items is None
        self._class_is_notebooks = cls.__module__ == "__main__"

    def _attributes(self, obj: Any) -> dict[str, Any]:
        if self._has_dict and not self._slots:
            own: dict[str, Any] = object.__getattribute__(obj, "__dict__")
            return own
        found = {}
        if self._has_dict:
            found.update(object.__getattribute__(obj, "__dict__"))
        for base, name in self._slots:
            try:
                found[name] = vars(base)[name].__get__(obj)
            except AttributeError:
                continue
        return found

    def parts(self, obj: Any) -> Iterable[Any]:
        own = self._attributes(obj).values()
        items = () if self._items is None else self._items.parts(obj)
        return (type(obj), *items, *own) if self._class_is_notebooks else (*items, *own)

    def freeze(self, obj: Any) -> State:
        attributes = self._attributes(obj)
        refs = (type(obj), *attributes.values())
        digest: Any = tuple(attributes)
        if self._items is not None:
            more, shape = self._items.freeze(obj)
            refs, digest = (*refs, *more), (digest, shape)
        return refs, digest

    def content(self, obj: Any) -> Any:
        items = None if self._items is None else self._items.content(obj)
        return type(obj), dict(self._attributes(obj)), items

    def restore(self, obj: Any, content: Any) -> None:
        cls, attributes, items = content
        if type(obj) is not cls:
            obj.__class__ = cls
        slots = {name: base for base, name in self._slots}
        for name, base in slots.items():
            member = vars(base)[name]
            if name in attributes:
                member.__set__(obj, attributes[name])
            elif hasattr(obj, name):
                member.__delete__(obj)
        if self._has_dict:
            own = object.__getattribute__(obj, "__dict__")
            own.clear()
            own.update((name, value) for name, value in attributes.items() if name not in slots)
        if self._items is not None:
            self._items.restore(obj, items)


def is_mortal(cls: type) -> bool:
    """Whether the notebook's code runs when an object of this class ends: nobody but the notebook
    may keep it alive."""
    return cls.__module__ == "__main__" and hasattr(cls, "__del__")


_WEAK = (
    weakref.ref,
    weakref.ProxyType,
    weakref.CallableProxyType,
    weakref.WeakSet,
    weakref.WeakKeyDictionary,
    weakref.WeakValueDictionary,
    weakref.finalize,
)


def end_seen(value: Any) -> str:
    """How the notebook sees that this object ends, or another one by it; empty where it can't.

    Where it does, nobody else may keep anything alive.
    """
    cls = type(value)
    if cls in ATOMS:
        return ""
    if is_mortal(cls):
        return "an object whose end runs the notebook's code"
    if cls is types.GeneratorType and value.gi_suspended and _cleans_up(value.gi_code):
        return "a generator with code to run at its end"
    if issubclass(cls, _WEAK):
        return "a weak reference, by which an object's end is seen"
    if cls.__module__ == "__main__" and not isinstance(value, type):
        refs = weakref.getweakrefs(value)  # a plain one may be ours
        if any(type(ref) is not weakref.ref or ref.__callback__ is not None for ref in refs):
            return "an object that is referred to weakly"
    return ""


@functools.lru_cache(maxsize=256)
def _cleans_up(code: types.CodeType) -> bool:
    """Whether code has a ``finally``, ``except`` or ``with``, which runs when it is left."""
    return any(step.opname == "PUSH_EXC_INFO" for step in dis.get_instructions(code))


class _Mortal(_Attributes):
    def parts(self, obj: Any) -> Iterable[Any]:
        raise Pinned(f"{type(obj).__qualname__}, whose end runs the notebook's code")


class _List(Anatomy):
    mutable = quick = True

    def size(self, obj: Any) -> int:
        return len(obj) if type(obj) in _ITEMS else 0

    def parts(self, obj: Any) -> Iterable[Any]:
        return list.__iter__(obj)

    def freeze(self, obj: Any) -> State:
        return tuple(list.__iter__(obj)), None

    def content(self, obj: Any) -> Any:
        return list(list.__iter__(obj))

    def restore(self, obj: Any, content: Any) -> None:
        list.__setitem__(obj, slice(None), content)


class _Dict(Anatomy):
    mutable = quick = True

    def size(self, obj: Any) -> int:
        return len(obj) if type(obj) in _ITEMS else 0

    def parts(self, obj: Any) -> Iterable[Any]:
        for key, value in dict.items(obj):
            yield key
            yield value

    def freeze(self, obj: Any) -> State:
        return (*dict.keys(obj), *dict.values(obj)), None

    def content(self, obj: Any) -> Any:
        return list(dict.items(obj))

    def restore(self, obj: Any, content: Any) -> None:
        dict.clear(obj)
        dict.update(obj, content)


class _DefaultDict(_Dict):
    def parts(self, obj: Any) -> Iterable[Any]:
        yield obj.default_factory
        yield from super().parts(obj)

    def freeze(self, obj: Any) -> State:
        refs, digest = super().freeze(obj)
        return (obj.default_factory, *refs), digest

    def content(self, obj: Any) -> Any:
        return obj.default_factory, super().content(obj)

    def restore(self, obj: Any, content: Any) -> None:
        obj.default_factory, items = content
        super().restore(obj, items)


class _OrderedDict(_Dict):
    """An OrderedDict keeps its order outside the dict: its own methods must be used."""

    def parts(self, obj: Any) -> Iterable[Any]:
        for key, value in collections.OrderedDict.items(obj):
            yield key
            yield value

    def freeze(self, obj: Any) -> State:
        items = collections.OrderedDict.items(obj)
        return tuple(part for item in items for part in item), None

    def content(self, obj: Any) -> Any:
        return list(collections.OrderedDict.items(obj))

    def restore(self, obj: Any, content: Any) -> None:
        collections.OrderedDict.clear(obj)
        for key, value in content:
            collections.OrderedDict.__setitem__(obj, key, value)


class _Set(Anatomy):
    """A copied set may order its elements otherwise: atoms only are looked into."""

    mutable = quick = True

    def size(self, obj: Any) -> int:
        return len(obj) if type(obj) in _ITEMS else 0

    def freeze(self, obj: Any) -> State:
        return tuple(sorted(set.__iter__(obj), key=identity)), None

    def content(self, obj: Any) -> Any:
        arranged = arrange_set(obj)
        return list(set.__iter__(obj)) if arranged is None else (arranged.size, arranged.entries)

    def restore(self, obj: Any, content: Any) -> None:
        sets.refill(obj, content)


def arrange_set(obj: Any) -> sets.Arranged | None:
    """What makes the set with the order that it has; None where its elements do."""
    try:
        return sets.arrange(obj)
    except LookupError:
        raise Pinned(type(obj).__qualname__) from None


class _Deque(Anatomy):
    mutable = quick = True

    def size(self, obj: Any) -> int:
        return len(obj) if type(obj) in _ITEMS else 0

    def parts(self, obj: Any) -> Iterable[Any]:
        return tuple(collections.deque.__iter__(obj))

    def freeze(self, obj: Any) -> State:
        return tuple(collections.deque.__iter__(obj)), obj.maxlen

    def content(self, obj: Any) -> Any:
        return list(collections.deque.__iter__(obj))

    def restore(self, obj: Any, content: Any) -> None:
        collections.deque.clear(obj)
        collections.deque.extend(obj, content)


class _Bytes(Anatomy):
    """bytearray and array.array: a flat buffer."""

    mutable = True

    def freeze(self, obj: Any) -> State:
        return (), (len(obj), xxhash.xxh3_128_digest(memoryview(obj).cast("B")))

    def content(self, obj: Any) -> Any:
        return bytes(memoryview(obj).cast("B"))

    def restore(self, obj: Any, content: Any) -> None:
        shown = memoryview(obj).cast("B")
        if len(shown) == len(content):  # which others may look at, as arrays do
            shown[:] = content
            return
        shown.release()
        del obj[:]
        if isinstance(obj, array.array):
            obj.frombytes(content)
        else:
            obj.extend(content)


class _Cell(Anatomy):
    """A closure's cell: one variable shared by functions."""

    mutable = quick = True

    @staticmethod
    def _value(obj: Any) -> tuple[Any, ...]:
        try:
            return (obj.cell_contents,)
        except ValueError:
            return ()

    def parts(self, obj: Any) -> Iterable[Any]:
        return self._value(obj)

    def freeze(self, obj: Any) -> State:
        return self._value(obj), None

    def content(self, obj: Any) -> Any:
        return self._value(obj)

    def restore(self, obj: Any, content: Any) -> None:
        if content:
            obj.cell_contents = content[0]
        else:
            del obj.cell_contents


class _Function(Anatomy):
    """A function defined in the notebook."""

    mutable = True

    def parts(self, obj: Any) -> Iterable[Any]:
        yield from obj.__closure__ or ()
        yield from (obj.__defaults__, obj.__kwdefaults__, obj.__dict__, obj.__annotations__)

    def freeze(self, obj: Any) -> State:
        return (obj.__code__, obj.__defaults__, obj.__kwdefaults__), None

    def content(self, obj: Any) -> Any:
        raise Pinned("function with a new body")


class _Partial(Anatomy):
    """functools.partial: what it calls, and attributes like a function's."""

    mutable = quick = True

    @staticmethod
    def _attributes(obj: Any) -> dict[str, Any]:
        # not by vars(), which leaves an empty dict behind that pickle then tells of
        return obj.__reduce__()[2][3] or {}

    def parts(self, obj: Any) -> Iterable[Any]:
        yield from (obj.func, obj.args, obj.keywords)
        yield from self._attributes(obj).values()

    def freeze(self, obj: Any) -> State:
        own = self._attributes(obj)
        return (obj.func, *obj.args, *obj.keywords.values(), *own.values()), tuple(own)

    def content(self, obj: Any) -> Any:
        return obj.func, obj.args, obj.keywords, self._attributes(obj) or None

    def restore(self, obj: Any, content: Any) -> None:
        obj.__setstate__(content)


class _Cached(Anatomy):
    """A notebook function under ``lru_cache``, which may have attributes like any function; what
    it remembers never leaves the process."""

    mutable = quick = True

    def parts(self, obj: Any) -> Iterable[Any]:
        yield from vars(obj).values()  # `__wrapped__` among them

    def freeze(self, obj: Any) -> State:
        own = vars(obj)
        return tuple(own.values()), (tuple(own), tuple(obj.cache_info()))

    def content(self, obj: Any) -> Any:
        raise Pinned("cache of calls")


class _Class(Anatomy):
    """A class defined in the notebook."""

    mutable = quick = True
    _OWN = frozenset({"__dict__", "__weakref__", "__module__", "__firstlineno__"})
    _CACHES = frozenset(
        {"_abc_impl", "__abstractmethods__", "__static_attributes__", "__slotnames__"}
    )

    def _attributes(self, obj: Any) -> dict[str, Any]:
        skip = self._OWN | self._CACHES
        return {name: value for name, value in vars(obj).items() if name not in skip}

    def parts(self, obj: Any) -> Iterable[Any]:
        yield from (base for base in obj.__bases__ if base.__module__ == "__main__")
        yield from self._attributes(obj).values()

    @staticmethod
    def _registered(obj: Any) -> list[type]:
        """The classes that an abstract one was told to count as its subclasses."""
        if "_abc_impl" not in vars(obj):
            return []
        references = _abc._get_dump(obj)[0]
        return sorted((cls for found in references if (cls := found()) is not None), key=identity)

    def freeze(self, obj: Any) -> State:
        attributes = self._attributes(obj)
        refs = (*obj.__bases__, *attributes.values(), *self._registered(obj))
        return refs, (len(obj.__bases__), *attributes)

    def content(self, obj: Any) -> Any:
        return obj.__bases__, self._attributes(obj), self._registered(obj)

    def restore(self, obj: Any, content: Any) -> None:
        bases, attributes, registered = content
        if obj.__bases__ != bases:
            obj.__bases__ = bases
        for name in self._attributes(obj):
            if name not in attributes:
                type.__delattr__(obj, name)
        for name, value in attributes.items():
            if vars(obj).get(name) is not value:
                type.__setattr__(obj, name, value)
        for cls in registered:
            abc.ABCMeta.register(obj, cls)


class _Exception(Anatomy):
    """What was raised: its arguments, attributes, and where it came from."""

    mutable = True

    def parts(self, obj: Any) -> Iterable[Any]:
        yield obj.args
        yield from vars(obj).values()
        yield from (obj.__cause__, obj.__context__, obj.__traceback__)

    def freeze(self, obj: Any) -> State:
        own = vars(obj)
        places = obj.__cause__, obj.__context__, obj.__traceback__
        return (*obj.args, *own.values(), *places), (tuple(own), obj.__suppress_context__)

    def content(self, obj: Any) -> Any:
        return obj.args, dict(vars(obj)), obj.__cause__, obj.__context__, obj.__suppress_context__

    def restore(self, obj: Any, content: Any) -> None:
        obj.args, attributes, obj.__cause__, obj.__context__, obj.__suppress_context__ = content
        own = vars(obj)
        own.clear()
        own.update(attributes)


class _Opaque(Anatomy):
    """A type of some extension module: its state is what it tells pickle."""

    mutable = True

    def freeze(self, obj: Any) -> State:
        import cloudpickle

        try:
            return (), xxhash.xxh3_128_digest(cloudpickle.dumps(obj, protocol=5))
        except Exception as error:  # any type may fail in any way here
            raise Pinned(type(obj).__qualname__) from error

    def content(self, obj: Any) -> Any:
        reduced = obj.__reduce_ex__(4)
        if isinstance(reduced, str) or len(reduced) < 3 or not hasattr(obj, "__setstate__"):
            raise Pinned(type(obj).__qualname__)
        return reduced[2]

    def restore(self, obj: Any, content: Any) -> None:
        obj.__setstate__(content)


_ITEMS: dict[type, Anatomy] = {
    collections.OrderedDict: _OrderedDict(),
    collections.defaultdict: _DefaultDict(),
    list: _List(),
    dict: _Dict(),
    set: _Set(),
    collections.deque: _Deque(),
    bytearray: _Bytes(),
    array.array: _Bytes(),
}

LEAF = Anatomy()
FUNCTION = _Function()
_CACHED = _Cached()
CACHED_FUNCTION: type = type(functools.lru_cache(len))
_CLASS = _Class()
_known: dict[type, Anatomy] = {}


def _method_parts(obj: Any) -> Sequence[Any]:
    return obj.__self__, obj.__func__


def _receiver(obj: Any) -> Sequence[Any]:
    receiver = getattr(obj, "__self__", None)
    return () if isinstance(receiver, types.ModuleType) else (receiver,)


def _property_parts(obj: Any) -> Sequence[Any]:
    return obj.fget, obj.fset, obj.fdel


def _wrapped_part(obj: Any) -> Sequence[Any]:
    return (obj.__func__,)


def register(cls: type, anatomy: Anatomy, derived: Anatomy | None = None) -> None:
    """Teach the anatomy of a type; its subclasses have ``derived`` or the same, unless they have
    their own."""
    _FAMILIES[cls] = derived or anatomy
    _known.clear()
    if derived is not None:
        _EXACT[cls] = anatomy


_EXACT: dict[type, Anatomy] = {}
_FAMILIES: dict[type, Anatomy] = {
    tuple: _Frozen(tuple.__iter__),
    frozenset: LEAF,
    types.MethodType: _Frozen(_method_parts),
    types.BuiltinMethodType: _Frozen(_receiver),
    types.MethodWrapperType: _Frozen(_receiver),
    types.MappingProxyType: _Frozen(gc.get_referents),
    type({}.keys()): _Frozen(gc.get_referents),
    type({}.values()): _Frozen(gc.get_referents),
    type({}.items()): _Frozen(gc.get_referents),
    property: _Frozen(_property_parts),
    staticmethod: _Frozen(_wrapped_part),
    classmethod: _Frozen(_wrapped_part),
    functools.partial: _Partial(),
    types.CellType: _Cell(),
    types.SimpleNamespace: _Attributes(types.SimpleNamespace),
    BaseException: _Exception(),
    memoryview: _PinnedAnatomy(),
}


def is_notebooks_cache(obj: Any, namespace: dict[str, Any]) -> bool:
    """Whether ``obj``, made by ``lru_cache``, remembers calls of a notebook function."""
    return getattr(getattr(obj, "__wrapped__", None), "__globals__", None) is namespace


def anatomy_of(obj: Any, namespace: dict[str, Any]) -> Anatomy:
    """The anatomy of ``obj``; ``namespace`` tells the notebook's functions from libraries'."""
    cls = type(obj)
    if cls is types.FunctionType:
        # a library's decorator wraps a notebook function in one of its own
        own = obj.__globals__ is namespace or obj.__module__ == "__main__"
        return FUNCTION if own else LEAF
    if cls is CACHED_FUNCTION:
        return _CACHED if is_notebooks_cache(obj, namespace) else LEAF
    if isinstance(obj, type):
        return _CLASS if obj.__module__ == "__main__" else LEAF
    found = _known.get(cls)
    if found is None:
        found = _known[cls] = _anatomy_for(cls)
    return found


def _anatomy_for(cls: type) -> Anatomy:
    exact = _ITEMS.get(cls) or _EXACT.get(cls)
    if exact is not None:
        return exact
    for base in cls.__mro__:
        if base in _FAMILIES:
            return _FAMILIES[base]
    if issubclass(cls, _IMMUTABLE):
        # an enum's members may have attributes like any object
        own = issubclass(cls, enum.Enum) and cls.__module__ == "__main__"
        return _Attributes(cls) if own else LEAF
    if issubclass(cls, _PINNED) or (hasattr(cls, "__next__") and not _is_python(cls)):
        return _PinnedAnatomy()  # what an iterator holds is not all it tells pickle
    if is_mortal(cls):
        return _Mortal(cls)
    foreign = {base for base in cls.__mro__ if not _is_python(base)} - {object, *_ITEMS}
    if not foreign:
        return _Attributes(cls)
    return _Opaque()
