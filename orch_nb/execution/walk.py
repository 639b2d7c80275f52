"""Walk the objects that names reach, in an order that a copy of them repeats.

The n-th object found under a name in one process is the n-th in any other that holds an equal
copy; so ``(name, n)`` refers to an object across processes, also to the inside of a container.
"""

from __future__ import annotations

import builtins
import gc
import itertools
import operator
import types
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from orch_nb.execution.anatomy import ATOMS, FUNCTION, LEAF, Anatomy, Pinned, State, anatomy_of
from orch_nb.execution.identity import identity
from orch_nb.execution.last_look import LastLook, Reach

BUDGET = 100_000  # objects looked at under all the names of one cell
MANY = 10_000  # from so many on, only those are watched of which a change is expected
LONG = 10_000  # items of a container from which on it is watched only then

Namespace = dict[str, Any]

_PLAIN = frozenset({list, tuple, dict})
_PLAIN_ANATOMY: dict[type, Anatomy] = {cls: anatomy_of(cls(), {}) for cls in _PLAIN}
BUILTINS = vars(builtins)  # which `exec` puts into dicts
_FEW = 16  # items that are looked at one by one


class BudgetExceeded(Pinned):
    """More objects than a walk may look at; they never leave their process."""


def walk(root: Any, namespace: Namespace, budget: list[int]) -> dict[int, tuple[Any, Anatomy]]:
    """Every object that ``root`` reaches, itself first, with its anatomy, by its identity; atoms
    are left out.

    ``budget`` is a one-element list that is counted down; at zero BudgetExceeded is raised.
    """
    found: dict[int, tuple[Any, Anatomy]] = {}
    stack = [] if type(root) in ATOMS else [root]
    left = budget[0]
    while stack:
        obj = stack.pop()
        key = identity(obj)
        if key in found:
            continue
        if obj is BUILTINS:
            found[key] = obj, LEAF
            continue
        cls = type(obj)
        anatomy = _PLAIN_ANATOMY.get(cls) or anatomy_of(obj, namespace)
        found[key] = obj, anatomy
        if len(found) > left:
            budget[0] = -1
            raise BudgetExceeded(f"more than {BUDGET:,} objects")
        if cls in _PLAIN and len(obj) > _FEW and _all_atoms(obj):
            continue
        if cls is list or cls is tuple:
            inner = [part for part in obj if type(part) not in ATOMS]
        elif cls is dict:
            inner = [part for item in obj.items() for part in item if type(part) not in ATOMS]
        else:
            inner = [part for part in _parts(obj, anatomy) if type(part) not in ATOMS]
        if inner:
            inner.reverse()
            stack += inner
    budget[0] = left - len(found)
    return found


def _reach(root: Any, namespace: Namespace, budget: list[int]) -> frozenset[int]:
    """The identities of all that ``walk`` finds, found faster, since in no order: containers that
    are equally far from ``root`` are looked into by one call."""
    seen: set[int] = set()
    level = {identity(root): root}
    alive = []  # what a type makes up when it is looked at: its identity must not be another's
    while level:
        seen.update(level)
        if len(seen) > budget[0]:
            budget[0] = -1
            raise BudgetExceeded(f"more than {BUDGET:,} objects")
        alive.append(level)
        plain: list[Any] = []
        inner: list[Any] = []
        for obj in level.values():
            if obj is BUILTINS:
                continue
            if type(obj) in _PLAIN:
                if len(obj) <= _FEW or not _all_atoms(obj):
                    plain.append(obj)
            else:
                inner += _parts(obj, anatomy_of(obj, namespace))
        inner += gc.get_referents(*plain)
        level = {identity(part): part for part in inner if type(part) not in ATOMS}
        for known in seen.intersection(level):
            del level[known]
    budget[0] -= len(seen)
    return frozenset(seen)


def _parts(obj: Any, anatomy: Anatomy) -> list[Any]:
    """The objects that ``obj`` holds; Pinned when the type's own code fails at that."""
    try:
        return list(anatomy.parts(obj))
    except Pinned:
        raise
    except Exception as error:  # any type may fail in any way
        raise Pinned(type(obj).__qualname__) from error


def _frozen(obj: Any, anatomy: Anatomy) -> State:
    """A frozen look at ``obj``; Pinned as above."""
    try:
        return anatomy.freeze(obj)
    except Pinned:
        raise
    except Exception as error:  # as above
        raise Pinned(type(obj).__qualname__) from error


def _all_atoms(obj: Any) -> bool:
    """Whether a container holds only atoms; runs at C speed, for long ones."""
    if type(obj) is dict:
        return ATOMS.issuperset(map(type, obj)) and ATOMS.issuperset(map(type, obj.values()))
    return ATOMS.issuperset(map(type, obj))


def _names_in(code: types.CodeType) -> Iterator[str]:
    """Names that a function's code looks up, be they globals or attributes: quicker than to tell
    them apart, which a fork would do for each function again."""
    yield from code.co_names
    for constant in code.co_consts:
        if type(constant) is types.CodeType:
            yield from _names_in(constant)


@dataclass(frozen=True, slots=True)
class Reference:
    """An object that both processes hold: the ``position``-th under ``name``."""

    name: str
    position: int


class Index:
    """The objects that were there before a cell ran, each with its reference."""

    def __init__(self, names: Iterable[str], namespace: Namespace) -> None:
        # With the objects, whose identities stay taken as long as they live; and where each is.
        self._found: dict[int, tuple[Any, Anatomy, str, int]] = {}
        self._also: dict[int, list[str]] = {}  # names other than the first that reach an object
        self._namespace = namespace
        budget = [BUDGET]
        known: set[str] = set()
        new = list(names)
        while new:
            known.update(new)
            first = len(self._found)
            for name in new:
                if name in namespace:
                    self._add(name, namespace[name], budget)
            # Functions that a cell comes upon otherwise than by their names use globals, too.
            added = itertools.islice(self._found.values(), first, None)
            codes = [o.__code__ for o, anatomy, _, _ in added if anatomy is FUNCTION]
            used = frozenset[str]().union(*map(_names_in, codes))
            new = sorted(used.difference(known).intersection(namespace))

    def _add(self, name: str, root: Any, budget: list[int]) -> None:
        found = self._found
        walked = walk(root, self._namespace, budget)
        for position, (key, (obj, anatomy)) in enumerate(walked.items()):
            if key in found:
                self._also.setdefault(key, []).append(name)
            else:
                found[key] = obj, anatomy, name, position

    def __len__(self) -> int:
        return len(self._found)

    def objects(self) -> Iterator[tuple[Any, Anatomy]]:
        """All of them, each once."""
        return ((obj, anatomy) for obj, anatomy, _, _ in self._found.values())

    def reference(self, obj: Any) -> Reference | None:
        """The reference of an object that was there before, else None."""
        found = self._found.get(identity(obj))
        return None if found is None else Reference(*found[2:])

    def names_of(self, obj: Any) -> list[str]:
        """The names that reach ``obj``."""
        found = self._found.get(identity(obj))
        return [] if found is None else [found[2], *self._also.get(identity(obj), ())]


class Watch:
    """Frozen looks of the objects that a cell may change, and of others where that is cheap.

    Objects whose state can't be seen raise Pinned; where they are ``tolerated`` they count as
    changed, and ``pinned`` says which there are, in words. With ``last``, large arrays are not
    looked at again that the watch before has seen when its cell ended.
    """

    def __init__(
        self,
        names: Iterable[str],
        index: Index,
        namespace: Namespace,
        *,
        tolerated: bool = False,
        last: LastLook | None = None,
    ) -> None:
        self._frozen: list[tuple[Any, Anatomy, State]] = []
        self._lists: list[tuple[list[Any], tuple[Any, ...]]] = []  # there are most of these
        self._unseen: list[tuple[Any, Anatomy]] = []
        self.pinned = ""
        self._last = LastLook() if last is None else last
        wanted = set(names)
        others = len(index) <= MANY
        for obj, anatomy in index.objects():
            if type(obj) is list:
                if (others and len(obj) <= LONG) or not wanted.isdisjoint(index.names_of(obj)):
                    self._lists.append((obj, tuple(obj)))
            elif anatomy.mutable and (
                (others and anatomy.quick and anatomy.size(obj) <= LONG)
                or not wanted.isdisjoint(index.names_of(obj))
            ):
                try:
                    state = self._last.recall(obj) or _frozen(obj, anatomy)
                    self._frozen.append((obj, anatomy, state))
                except Pinned as pin:
                    names_text = ", ".join(index.names_of(obj)[:3])
                    words = f"{names_text} holds a {pin.args[0]}"
                    if not tolerated:
                        raise Pinned(words) from None
                    self.pinned = self.pinned or words
                    self._unseen.append((obj, anatomy))

    def changed(self) -> list[tuple[Any, Anatomy]]:
        """The objects that no longer look as they did, and those that can't be looked at."""
        found = list(self._unseen)
        for items, before in self._lists:
            if len(items) != len(before) or not all(map(operator.is_, items, before)):
                found.append((items, _PLAIN_ANATOMY[list]))
        for obj, anatomy, (refs, digest) in self._frozen:
            try:
                now_refs, now_digest = _frozen(obj, anatomy)
            except Pinned as pin:
                self.pinned = self.pinned or str(pin.args[0])
                found.append((obj, anatomy))
                continue
            self._last.remember(obj, anatomy, (now_refs, now_digest))
            same = len(refs) == len(now_refs) and all(map(operator.is_, refs, now_refs))
            if not same or digest != now_digest:
                found.append((obj, anatomy))
        return found


def names_reaching(
    objects: Iterable[Any],
    names: Iterable[str],
    namespace: Namespace,
    reach: Reach | None = None,
) -> set[str]:
    """Those of ``names`` that reach any of ``objects``; all of them where it can't be told.

    What is in ``reach`` is not walked again; what is walked is put there.
    """
    wanted = {identity(obj) for obj in objects}
    found: set[str] = set()
    budget = [BUDGET]
    names = list(names)
    known: Reach = {} if reach is None else reach
    for name in names:
        if name not in namespace or type(namespace[name]) in ATOMS:
            continue
        root = namespace[name]
        entry = known.get(name)
        if entry is None or entry[0] is not root:
            try:
                entry = root, _reach(root, namespace, budget)
            except Pinned:
                return set(names)
            known[name] = entry
        if not wanted.isdisjoint(entry[1]):
            found.add(name)
    return found
