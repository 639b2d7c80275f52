"""Sets with the order that they have: what is shown or drawn from one goes by it.

A set is a table, and where an element lies, and so the set's order, depends on what else was in
the table when the element came. A set that is made of another one's elements mostly has their
order, but not always. For those where it has not, the table is read (Python tells nothing of it),
and the elements are put into a table of the same size so that each finds its place taken or free
as it was: see ``set_add_entry`` in CPython's ``Objects/setobject.c``.
"""

from __future__ import annotations

import contextlib
import ctypes
import itertools
import operator
from collections.abc import Container, Iterable, Iterator
from typing import Any

_SMALLEST = 8  # places in a table
_LINEAR = 9  # places after the first one that are tried next, where they lie within the table
_SHIFT = 5
_WORD = (1 << 8 * ctypes.sizeof(ctypes.c_size_t)) - 1
# Types whose values leave it to an object of another type whether they are equal.
_POLITE = frozenset({int, float, complex, bool, str, bytes, tuple, frozenset, type(None)})

_Sets = set[Any] | frozenset[Any]


class Arranged:
    """A set's elements in an order in which they make the same table, of ``size`` places; a
    `_Gone` stands where one was taken out. Pickled, it becomes the set."""

    def __init__(self, kind: type, size: int, entries: list[Any]) -> None:
        self._kind = kind
        self.size = size
        self.entries = entries

    def __reduce__(self) -> tuple[Any, ...]:
        if self._kind is frozenset:
            return _make_frozenset, (self.size, self.entries)
        # An element may hold the set: it is there before them.
        return set, (), (self.size, self.entries), None, None, _fill


def arrange(obj: _Sets) -> Arranged | None:
    """How to make the set again; None where its elements, in their order, do.

    Raises LookupError for one whose history is too long to be told: elements were popped, or came
    where others had been taken out, each in the way of the other. (An empty one is taken as new.)
    """
    elements = list(_iterate(obj))
    try:
        plain = set(elements)
    except Exception:  # an element's own code
        return None
    table, again = _Table(obj), _Table(plain)
    if not table.is_read or len(plain) != len(elements):
        return None
    if elements and table.finger:
        raise LookupError("its pop would go on elsewhere")
    same = table.size == again.size and table.filled == len(elements)
    if not elements or (same and all(map(operator.is_, plain, elements))):
        return None
    entries = table.entries(elements)
    if len(entries) < _at_once(table.size, entries) and not any(map(_echoes, entries)):
        return None
    return Arranged(frozenset if isinstance(obj, frozenset) else set, table.size, entries)


def refill(obj: set[Any], content: tuple[int, list[Any]] | list[Any]) -> None:
    """Give a set these elements and no others: in their order, or as they were arranged."""
    set.clear(obj)
    if isinstance(content, list):
        set.update(obj, content)
    else:
        _fill(obj, content)


class _Header(ctypes.Structure):
    _fields_ = [
        ("fill", ctypes.c_ssize_t),  # with places whose elements were taken out
        ("used", ctypes.c_ssize_t),
        ("mask", ctypes.c_ssize_t),
        ("table", ctypes.c_void_p),
        ("hash", ctypes.c_ssize_t),
        ("finger", ctypes.c_ssize_t),
    ]


class _Table:
    """The table of a set that is alive."""

    def __init__(self, obj: _Sets) -> None:
        header = _Header.from_address(id(obj) + object.__basicsize__)
        self._place = header.table
        self.finger = header.finger  # where ``pop`` goes on
        self.size = header.mask + 1
        self.filled = header.fill
        # Python may lay out its sets in another way, one day
        whole = self.size >= _SMALLEST and self.size & header.mask == 0
        self.is_read = whole and header.used == len(obj) <= self.filled < self.size

    def entries(self, elements: Iterable[Any]) -> list[Any]:
        """The elements, which are in the table's order, in one in which they find their places."""
        words = (ctypes.c_size_t * (2 * self.size)).from_address(self._place or 0)
        mask, rest = self.size - 1, iter(elements)
        placed: dict[int, Any] = {}
        late: dict[int, tuple[int, Any]] = {}  # those that found the first place taken
        for place, (key, hashed) in enumerate(zip(words[0::2], words[1::2], strict=True)):
            if not key:
                continue
            if hashed == _WORD:
                placed[place] = _Gone(place)
            elif hashed & mask == place:
                placed[place] = next(rest)
            else:
                late[place] = hashed, next(rest)
        for place in late:
            todo = [place]
            while todo:
                place = todo[-1]
                hashed, entry = late.get(place, (0, None))
                before = [] if place in placed else _untaken(placed, hashed, mask, place)
                if not before:
                    placed.setdefault(todo.pop(), entry)
                elif late.keys() >= set(before) and len(todo) <= self.size:
                    todo += before
                else:
                    raise LookupError("no order of the elements makes this table")
        return list(placed.values())


def _untaken(placed: Container[int], hashed: int, mask: int, end: int) -> list[int]:
    """The places that an element tries before ``end``, without those that are taken already."""
    found: list[int] = []
    place, perturb = hashed & mask, hashed
    for _ in range(mask + 64):
        row = range(place, place + 1 + (_LINEAR if place + _LINEAR <= mask else 0))
        if end in row:
            return found + [at for at in range(place, end) if at not in placed]
        found += [at for at in row if at not in placed]
        perturb >>= _SHIFT
        place = (place * 5 + 1 + perturb) & mask
    return found


class _Gone:
    """Takes the place of an element that was taken out, and is taken out, too."""

    def __init__(self, place: int) -> None:
        self._place = place

    def __hash__(self) -> int:
        return self._place


class _Echo:
    """Equal to an element once the table has its size: a key that makes it larger beforehand, and
    does not enter it."""

    sounds = False

    def __init__(self, element: Any) -> None:
        self._element = element

    def __hash__(self) -> int:
        return hash(self._element)

    def __eq__(self, other: object) -> bool:
        return self is other or (_Echo.sounds and other is self._element)


def _at_once(size: int, entries: list[Any]) -> int:
    """Of how many keys a dict must be to make a table of that size; 0 for the smallest."""
    return 0 if size == _SMALLEST else max(size // 4, 5, min(len(entries), size // 2 - 1))


def _echoes(entry: Any) -> bool:
    """Whether an `_Echo` of it can be made."""
    return type(entry) in _POLITE or isinstance(entry, _Gone)


def _keys(size: int, entries: list[Any]) -> dict[Any, None]:
    """A dict that makes a table of that size, with the first entries."""
    most = _at_once(size, entries)
    keys = dict.fromkeys(entries[:most])
    echoed = itertools.cycle(filter(_echoes, entries))
    while len(keys) < most:
        keys[_Echo(next(echoed))] = None
    return keys


def _fill(made: set[Any], arranged: tuple[int, list[Any]]) -> None:
    size, entries = arranged
    keys = _keys(size, entries)
    with _sounding():
        set.update(made, keys)
    set.update(made, entries[len(keys) :])
    for entry in entries:
        if isinstance(entry, _Gone):
            set.discard(made, entry)


def _make_frozenset(size: int, entries: list[Any]) -> frozenset[Any]:
    keys = _keys(size, entries)
    with _sounding():
        made = frozenset(keys)
    return made.union(entries[len(keys) :]) if len(keys) < len(entries) else made


@contextlib.contextmanager
def _sounding() -> Iterator[None]:
    _Echo.sounds = True
    try:
        yield
    finally:
        _Echo.sounds = False


def _iterate(obj: _Sets) -> Iterator[Any]:
    return frozenset.__iter__(obj) if isinstance(obj, frozenset) else set.__iter__(obj)
