"""What a cell changed, pickled for another process: see orch_nb.execution.values, which applies it.

Objects that were there before travel as references, so that aliases and identity survive;
what is new travels by value; large buffers travel beside the pickle, to be mapped and not copied.
"""

from __future__ import annotations

import contextlib
import copyreg
import enum
import gc
import importlib
import io
import itertools
import marshal
import operator
import pickle
import sys
import types
import weakref
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import cloudpickle

from orch_nb.execution.anatomy import (
    CACHED_FUNCTION,
    Anatomy,
    Pinned,
    anatomy_of,
    arrange_set,
    is_notebooks_cache,
)
from orch_nb.execution.anatomy_arrays import backing_of, is_array, make_view, owner_of, place_of
from orch_nb.execution.copy_on_write import written_blocks
from orch_nb.execution.identity import identity
from orch_nb.execution.sets import Arranged
from orch_nb.execution.values import (
    ARRANGED,
    LARGE,
    _find_in_library,
    _finish_enum,
    _finish_function,
    _make_array,
    _make_arrow,
    _make_block,
    _make_cached,
    _make_closed_file,
    _make_function,
    _make_of_constants,
    _make_record,
    _make_subview,
    _make_view_of_dict,
    _restore_instance,
    _set_attributes,
    _set_in_order,
    _set_state,
)
from orch_nb.execution.walk import BUDGET, BUILTINS, Index, Namespace, walk
from orch_nb.execution.warned import Warned

_SETS = frozenset({set, frozenset})
_ITERATORS_OF = frozenset({"builtins", "itertools"})
# Pickle would make something else of them; and a deque that is changed, as it is when a change of
# it arrives, ends its iterators.
_PINNED = frozenset({memoryview, type(iter(deque())), type(reversed(deque()))})
_PANDAS_INSIDE = frozenset(
    {"pandas._libs.internals", "pandas.core.internals.blocks", "pandas.core.internals.managers"}
)
# Where there is one of a kind whose type belongs to no library: dataclasses' empty metadata.
_KEPT_IN = {types.MappingProxyType: "dataclasses"}
_STATE, _SETTER = 2, 5  # places in what __reduce__ returns
_VIEWS = {
    types.MappingProxyType: "",
    type({}.keys()): "keys",
    type({}.values()): "values",
    type({}.items()): "items",
}
_IN_CLASSES = frozenset({"__module__", "__doc__"})  # in each class's own dict
_ADDED_TO_CLASSES = frozenset({"__dict__", "__weakref__"})  # in most of them
_MAKERS = frozenset({"__new__", "__init__", "__prepare__", "__call__"})
_HOOKS = frozenset(
    {
        "__new__",
        "__reduce__",
        "__reduce_ex__",
        "__getstate__",
        "__setstate__",
        "__getnewargs__",
        "__getnewargs_ex__",
    }
)
_MAKERS_OF_MEMBERS = ("__new__", "__new_member__", "__init__")
_PLAIN = frozenset({int, float, str, bytes})  # an enum's members may be such values as well
_NO_LIBRARY = frozenset({"builtins", "__main__"})
_MADE = 6  # parts of what cloudpickle tells of a class that it makes anew


@dataclass(slots=True)
class Changes:
    """What a cell did to its namespace."""

    bound: dict[str, Any] = field(default_factory=dict)
    deleted: tuple[str, ...] = ()
    changed: list[tuple[Any, Anatomy]] = field(default_factory=list)
    ambient: dict[str, Any] = field(default_factory=dict)
    warned: Warned = field(default_factory=Warned)
    out: tuple[Any, ...] = ()  # the cell's result, if a later cell may name it
    refs: set[str] = field(default_factory=set)  # filled by `pack`: names that it speaks of


class _Pickler(cloudpickle.Pickler):  # type: ignore[misc]
    def __init__(
        self,
        file: io.BytesIO,
        index: Index,
        namespace: Namespace,
        buffer_callback: Callable[[pickle.PickleBuffer], Any],
        refs: set[str],
    ) -> None:
        super().__init__(file, protocol=5, buffer_callback=buffer_callback)
        self._index = index
        self._namespace = namespace
        self._refs = refs
        self._shared_owners: set[int] = set()
        self._spaces: set[int] = set()
        self._copies: list[Any] = []
        self._libraries: dict[str, dict[int, str]] = {}
        self._sets: dict[int, tuple[Any, tuple[str, Arranged] | None]] = {}

    def share(self, owners: set[int]) -> None:
        """Arrays (identities) whose memory several new views show: it must stay one memory."""
        self._shared_owners = owners

    def keep_spaces(self, bound: Iterable[Any]) -> None:
        """Dicts among the values that the cell has bound: functions made in one by `exec` keep it
        as their globals."""
        self._spaces = {identity(value) for value in bound if type(value) is dict}

    def _is_ours(self, space: dict[str, Any]) -> bool:
        if space is self._namespace:
            return True
        ours = identity(space) in self._spaces or self._index.reference(space) is not None
        return ours and "__builtins__" in space  # which exec puts there

    def persistent_id(self, obj: Any) -> Any:
        if obj is self._namespace:
            return "namespace"
        if obj is BUILTINS:
            return "builtins"
        reference = self._index.reference(obj)
        if reference is None and type(obj) in _SETS:
            return self._arranged(obj)
        if reference is None:
            return None
        self._refs.add(reference.name)
        return reference.name, reference.position, type(obj).__qualname__

    def _arranged(self, obj: Any) -> Any:
        """Pickle would make sets of their elements, which may have another order then."""
        if identity(obj) not in self._sets:
            arranged = arrange_set(obj)
            stands = None if arranged is None else (ARRANGED, arranged)
            self._sets[identity(obj)] = obj, stands  # which keeps it alive, as pickle's memo does
        return self._sets[identity(obj)][1]

    def reducer_override(self, obj: Any) -> Any:
        cls = type(obj)
        if cls is types.FunctionType and self._is_ours(obj.__globals__):
            return self._reduce_function(obj)
        if cls is types.CodeType:  # cloudpickle leaves out the file, which tells its source
            return marshal.loads, (marshal.dumps(obj),)
        if cls is io.TextIOWrapper:
            return self._reduce_file(obj)
        if isinstance(obj, enum.Enum) and cls.__module__ == "__main__":
            name = obj._name_  # a combination of flags may have none
            if name in cls.__members__:
                return operator.getitem, (cls, name)
        if cls.__module__ == "__main__" and _pickles_itself(cls):
            anatomy = anatomy_of(obj, self._namespace)
            if anatomy.only_attributes:
                return object.__new__, (cls,), anatomy.content(obj), None, None, _restore_instance
        if cls in _PINNED or isinstance(obj, weakref.WeakSet):
            raise Pinned(cls.__qualname__)
        if cls is CACHED_FUNCTION and is_notebooks_cache(obj, self._namespace):
            if any((obj.cache_info().hits, obj.cache_info().misses)):
                raise Pinned("cache of calls")
            return _make_cached, (obj.cache_parameters(), obj.__wrapped__), _attributes_of(obj)
        if cls.__module__ in _ITERATORS_OF and hasattr(cls, "__next__"):
            return _reduce_iterator(obj)
        numpy = sys.modules.get("numpy")
        if numpy is not None and cls is numpy.ndarray:
            if not obj.dtype.hasobject or (obj.dtype == object and self._stays_view(obj)):
                return self._reduce_array(obj)
            return super().reducer_override(obj)
        if numpy is not None and isinstance(obj, numpy.void) and self._shows_other(obj):
            if not self._stays_view(obj):
                raise Pinned("record that shows an array's memory")
            return _make_record, place_of(obj)
        if numpy is not None and isinstance(obj, numpy.dtype) and obj is numpy.dtype(obj.str):
            return numpy.dtype, (obj.str,)  # which pickle would make another one of
        if (cls.__module__, cls.__name__) == ("numpy.random._generator", "Generator"):
            return cls, (obj.bit_generator,)  # others may draw from it too: NumPy 1 forgets that
        if is_array(obj) and self._shows_other(obj):
            if not self._stays_view(obj):
                raise Pinned(f"{cls.__qualname__} that shares another's memory")
            attributes = getattr(obj, "__dict__", {})
            return _make_subview, (cls, *place_of(obj)), attributes, None, None, _set_attributes
        if is_array(obj) and backing_of(obj) is obj:
            raise Pinned("memmap")
        if cls.__module__ == "pyarrow.lib" and hasattr(obj, "buffers"):
            return _reduce_arrow(obj)
        if cls.__module__ in _PANDAS_INSIDE:
            return self._reduce_inside(obj)
        home = _KEPT_IN.get(cls, cls.__module__)
        known = self._library_names(home).get(identity(obj))
        if known is not None and not isinstance(obj, (type, types.FunctionType)):
            return _find_in_library, (home, known, cls.__qualname__)
        if cls in _VIEWS:
            return self._reduce_view(obj)
        if isinstance(obj, BaseException) and obj.__traceback__ is not None:
            raise Pinned(f"{cls.__qualname__} with its traceback")
        if isinstance(obj, type) and obj.__module__ not in sys.modules:
            # a library's own, from a module that it loads when asked, as numpy.rec: cloudpickle
            # would make another class of it
            with contextlib.suppress(Exception):
                importlib.import_module(obj.__module__)
        reduced = super().reducer_override(obj)
        if isinstance(obj, type) and isinstance(reduced, tuple) and len(reduced) == _MADE:
            return (_whole_enum if issubclass(obj, enum.Enum) else _whole_class)(obj, reduced)
        if reduced is NotImplemented and cls.__module__.partition(".")[0] == "pandas":
            return self._reduce_pandas(obj)
        sets = hasattr(cls, "__setstate__") and cls not in self.dispatch_table
        return _reduce_in_order(obj) if reduced is NotImplemented and sets else reduced

    @staticmethod
    def _reduce_file(obj: io.TextIOWrapper) -> Any:
        """A closed file is only a name; what is open stays where it is."""
        if not obj.closed:
            raise Pinned("open file")
        return _make_closed_file, (obj.name, obj.mode, obj.encoding)

    @staticmethod
    def _reduce_view(obj: Any) -> Any:
        """A proxy or view of a dict goes on showing what becomes of it."""
        (shown,) = gc.get_referents(obj)
        if type(shown) is not dict or shown.keys() >= _IN_CLASSES:
            raise Pinned(f"{type(obj).__qualname__} of a {type(shown).__qualname__}")
        return _make_view_of_dict, (shown, _VIEWS[type(obj)])

    def _library_names(self, module: str) -> dict[int, str]:
        """The names, by identity, of what a library's module holds: there is one of each in a
        process (a sentinel, the global random state), and it must stay one."""
        names = self._libraries.get(module)
        if names is None:
            own = {} if module in _NO_LIBRARY else vars(sys.modules.get(module, types))
            names = self._libraries[module] = {identity(value): name for name, value in own.items()}
        return names

    @staticmethod
    def _reduce_pandas(obj: Any) -> Any:
        """With the texts of pandas' source, as a string type's storage and the attributes' names:
        a process has one of each, and a pickle that the notebook makes tells whether it does."""
        if type(obj).__name__ == "StringDtype":
            return _make_of_constants, obj.__reduce__()
        made = obj.__reduce_ex__(pickle.HIGHEST_PROTOCOL)
        keeps = isinstance(made, tuple) and len(made) > _STATE and type(made[_STATE]) is dict
        if keeps and hasattr(type(obj), "__setstate__"):
            if "_pa_array" in made[_STATE]:  # pandas would make one of its chunks
                made[_STATE]["_pa_array"] = obj._pa_array
            return (*(*made, None, None)[:_SETTER], _set_state)
        return made

    def _reduce_inside(self, obj: Any) -> Any:
        """Blocks, with the references by which pandas knows that memory is shared."""
        cls = type(obj)
        if cls.__name__ == "BlockValuesRefs":
            return cls, ()
        if cls.__name__ == "SingleBlockManager":
            return cls, (obj.blocks[0], obj.axes[0])
        if hasattr(obj, "refs"):
            places = obj.mgr_locs.as_array
            return _make_block, (cls, obj.values, places, obj.ndim, obj.refs)
        return super().reducer_override(obj)

    def _reduce_function(self, obj: types.FunctionType) -> Any:
        state = (
            dict(obj.__dict__),
            {
                "__kwdefaults__": obj.__kwdefaults__,
                "__doc__": obj.__doc__,
                "__module__": obj.__module__,
                "__qualname__": obj.__qualname__,
                "__annotations__": obj.__annotations__,
                "__type_params__": getattr(obj, "__type_params__", ()),
            },
        )
        arguments = (obj.__code__, obj.__globals__, obj.__name__, obj.__closure__)
        # Defaults and attributes may hold the function itself: they follow as its state.
        return _make_function, arguments, (obj.__defaults__, *state), None, None, _finish_function

    def _stays_view(self, obj: Any) -> bool:
        """Whether an array is to be made as a view of another's memory again."""
        owner = owner_of(obj)
        return self._shows_other(obj) and (owner.flags.c_contiguous or owner.flags.f_contiguous)

    def _shows_other(self, obj: Any) -> bool:
        """Whether an array's memory belongs to another one, which is there or travels too."""
        owner = owner_of(obj)
        known = self._index.reference(owner) is not None
        return owner is not obj and (known or identity(owner) in self._shared_owners)

    def _reduce_array(self, obj: Any) -> Any:
        if self._stays_view(obj):
            return make_view, place_of(obj)
        backing = backing_of(owner_of(obj))
        if backing is not None:
            raise Pinned(f"array over a {type(backing).__qualname__}")
        order = "F" if obj.flags.f_contiguous and not obj.flags.c_contiguous else "C"
        if not (obj.flags.c_contiguous or obj.flags.f_contiguous):
            obj = obj.copy(order="K")
            if not obj.flags.c_contiguous:
                obj = obj.copy(order="C")
            self._copies.append(obj)
        flat = obj.T if order == "F" else obj
        buffer = pickle.PickleBuffer(flat.reshape(-1).view("u1") if flat.size else b"")
        return _make_array, (obj.shape, obj.dtype, order, buffer, obj.flags.writeable)


def _reduce_iterator(obj: Any) -> Any:
    """Pickle makes a list's iterator of a dict's or a set's, and a new one of one that is used up:
    those stay where they are."""
    reduced = obj.__reduce_ex__(4)
    if reduced[0] is iter:
        made = iter(*reduced[1])
        if type(made) is not type(obj) or len(made.__reduce_ex__(4)) != len(reduced):
            raise Pinned(type(obj).__qualname__)
    return reduced


def _whole_class(cls: type, reduced: tuple[Any, ...]) -> tuple[Any, ...]:
    """cloudpickle's way to make a class, and what it leaves out: slots and the full name, which
    must be there from the start, the attributes' order, and those that a base class has as well
    (it may change). Pinned where the notebook's own code runs whenever such a class is made."""
    if _tells_of_itself(cls):
        raise Pinned("class whose making runs the notebook's code")
    make, (constructor, name, bases, keywords, *ids), (attributes, slots), *rest = reduced
    own = vars(cls)
    inherited = {
        name: value
        for name, value in own.items()
        if name not in attributes and any(vars(b).get(name) is value for b in cls.__mro__[1:])
    }
    found = {**attributes, **inherited}
    state = {name: found.pop(name) for name in own if name in found} | found
    # What stands in the class's body comes before these two, which Python adds.
    body = itertools.takewhile(lambda one: one not in _ADDED_TO_CLASSES, own)
    places = dict.fromkeys(one for one in body if one in state)
    keywords = {"__qualname__": cls.__qualname__, **places, **keywords}
    if "__slots__" in own:
        keywords["__slots__"] = own["__slots__"]
    return make, (constructor, name, bases, keywords, *ids), (state, slots), *rest


def _whole_enum(cls: Any, reduced: tuple[Any, ...]) -> tuple[Any, ...]:
    """cloudpickle's way to make an enum, and what it leaves out: second names of members, their
    attributes, and how values are given to members of enums derived from it."""
    members = {name: member._value_ for name, member in cls.__members__.items()}
    plain = type(cls) is type(cls.__bases__[-1]) and not _tells_of_itself(cls)
    if not plain or not all(map(_is_made_by_value, cls.__members__.values())):
        raise Pinned("enum whose making runs the notebook's code")
    make, (bases, name, qualname, _, *ids), (attributes, slots), _, _, finish = reduced
    state = {name: value for name, value in attributes.items() if name not in members}
    giving = vars(cls).get("_generate_next_value_")
    if getattr(giving, "__module__", "") == "__main__":
        state["_generate_next_value_"] = giving
    own = {name: dict(vars(member)) for name, member in cls.__members__.items()}
    told = finish, (state, slots), own
    return make, (bases, name, qualname, members, *ids), told, None, None, _finish_enum


def _is_made_by_value(member: Any) -> bool:
    """Whether an enum's member can be made of nothing but its value, by Python's own code."""
    cls, value = type(member), member._value_
    kind: Any = cls._member_type_
    if isinstance(value, type) or hasattr(value, "__get__"):
        return False
    makers = (vars(base).get(name) for base in _own(cls.__mro__[1:]) for name in _MAKERS_OF_MEMBERS)
    if any(getattr(maker, "__module__", "") == "__main__" for maker in makers):
        return False
    equal = kind.__eq__
    return kind is object or (kind in _PLAIN and type(value) is kind and bool(equal(member, value)))


def _tells_of_itself(cls: type) -> bool:
    """Whether the notebook's code is told of a class when it is made: by its metaclass, by a
    class that it derives from, or by a descriptor in it."""
    kinds = [type(value) for value in vars(cls).values()]
    made = any(not _MAKERS.isdisjoint(vars(kind)) for kind in _own(type.mro(type(cls))))
    derived = any("__init_subclass__" in vars(base) for base in _own(cls.__mro__[1:]))
    return made or derived or any(hasattr(kind, "__set_name__") for kind in _own(kinds))


def _pickles_itself(cls: type) -> bool:
    """Whether the notebook's code makes its objects anew, and may make others of them."""
    hooked = any(not _HOOKS.isdisjoint(vars(kind)) for kind in _own(cls.__mro__))
    hooked = hooked or cls in copyreg.dispatch_table
    return hooked and not issubclass(cls, enum.Enum)  # of whose members there is one of each


def _own(classes: Iterable[type]) -> list[type]:
    """Those of them that the notebook has made."""
    return [cls for cls in classes if cls.__module__ == "__main__"]


def _reduce_arrow(obj: Any) -> Any:
    """An Arrow array with the bitmap that says that no value is missing: pickle leaves it out, and
    `DataFrame.info` tells a few bytes less."""
    kind, buffers = obj.type, obj.buffers()
    plain = kind.num_fields == 0 and len(buffers) == getattr(kind, "num_buffers", 0)
    if obj.null_count or not plain or buffers[0] is None or hasattr(obj, "dictionary"):
        return NotImplemented
    return _make_arrow, (kind, len(obj), buffers, obj.offset)


def _reduce_in_order(obj: Any) -> Any:
    """An object that sets its state itself, with the order that its attributes have now."""
    made = obj.__reduce_ex__(pickle.HIGHEST_PROTOCOL)
    if not isinstance(made, tuple):
        return made
    made = (*made, None, None, None, None)[: _SETTER + 1]
    state = made[_STATE]
    if type(state) is not dict or made[_SETTER] is not None:
        return made
    own = getattr(obj, "__dict__", None)  # some make one when asked, but not with such a state
    if type(own) is not dict:
        return made
    return (*made[:_STATE], (state, tuple(own)), *made[_STATE + 1 : _SETTER], _set_in_order)


def _attributes_of(cached: Any) -> dict[str, Any] | None:
    """What a notebook has set on a function under `lru_cache`; the rest comes with making it."""
    own = {name: value for name, value in vars(cached).items() if name != "cache_parameters"}
    return {name: value for name, value in own.items() if not name.startswith("__")} or None


def pack(
    changes: Changes, index: Index, namespace: Namespace
) -> tuple[bytes, list[pickle.PickleBuffer]]:
    """Pickle ``changes``: the pickle, and the large buffers beside it.

    Whatever the values' own pickling raises comes through; Pinned means that an object's
    state can't be told to another process.
    """
    buffers: list[pickle.PickleBuffer] = []

    def keep_beside(buffer: pickle.PickleBuffer) -> bool:
        if buffer.raw().nbytes < LARGE:
            return True  # in band
        buffers.append(buffer)
        return False

    contents = [(obj, anatomy.content(obj)) for obj, anatomy in changes.changed]
    stream = io.BytesIO()
    pickler = _Pickler(stream, index, namespace, keep_beside, changes.refs)
    pickler.keep_spaces(changes.bound.values())
    pickler.share(_shared_owners((changes.bound, contents, changes.out), index, namespace))
    written = written_blocks(
        (obj for obj, _ in changes.changed), (obj for obj, _ in index.objects())
    )
    if written:
        pickler.dump(written)
    pickler.dump(
        {
            "changed": contents,
            "bound": changes.bound,
            "deleted": changes.deleted,
            "ambient": changes.ambient,
            "warned": changes.warned,
            "out": changes.out,
        }
    )
    return stream.getvalue(), buffers


def _shared_owners(new: Any, index: Index, namespace: Namespace) -> set[int]:
    """Arrays (identities) whose memory is shown by more than one of the ``new`` objects."""
    numpy = sys.modules.get("numpy")
    if numpy is None:
        return set()
    shown: dict[int, int] = {}
    budget = [BUDGET]
    for obj, _ in walk(new, namespace, budget).values():
        if isinstance(obj, (numpy.ndarray, numpy.void)) and index.reference(obj) is None:
            owner = identity(owner_of(obj))
            shown[owner] = shown.get(owner, 0) + 1
    return {owner for owner, count in shown.items() if count > 1}
