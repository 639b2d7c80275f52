"""What the analysis knows of one value: its type, what it may share, what code it may run."""

from __future__ import annotations

import ast
from dataclasses import dataclass, replace

from orch_nb.analysis.scopes import Names

NONE: frozenset[str] = frozenset()

# Types whose values can't be changed in place, nor hold anything that can.
IMMUTABLE = frozenset(
    {
        "int",
        "float",
        "complex",
        "bool",
        "str",
        "bytes",
        "none",
        "range",
        "slice",
        "scalar",  # a number of a library: numpy.float64, pandas.Timestamp …
        "path",
        "constants",  # a tuple of values that can't be changed
    }
)
# Types whose elements are objects apart: a change of the container is no change of them.
CONTAINERS = frozenset({"list", "dict", "set", "tuple", "instance"})
NUMBERS = frozenset({"int", "float", "complex", "bool", "scalar"})
# Types that are used up by iteration.
ITERATORS = frozenset({"iterator", "file"})
ATTRIBUTES = "attributes"  # the type of what `vars(x)` and `x.__dict__` give
IMPORT = "import:"  # prefix of the type of a library's module, function or class


class Definition:
    """A function, lambda or class written in the notebook; compared by identity.

    ``outer`` holds the local names of the functions around it, which are not the notebook's.
    ``transparent`` says that calling the value is calling this code, nothing more.
    """

    __slots__ = ("_shares", "memo", "name", "names", "nested", "node", "outer", "parts", "top")

    def __init__(
        self,
        node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef,
        name: str,
        outer: frozenset[str],
        top: bool,
    ) -> None:
        self.node = node
        self.name = name
        self.outer = outer
        self.top = top
        # summaries by argument types, each with what was looked up to make it
        self.memo: dict[tuple[object, ...], list[tuple[dict[str, object], object]]] = {}
        self.names: Names | None = None
        self.parts: dict[str, Definition] | None = None  # a class's methods
        self.nested: dict[ast.AST, Definition] = {}
        self._shares: bool | None = None

    @property
    def shares_attributes(self) -> bool:
        """Whether its code gives objects the ``__dict__`` of others: ``self.__dict__ = shared``."""
        if self._shares is None:
            stores = (n for n in ast.walk(self.node) if isinstance(n, ast.Attribute))
            self._shares = any(
                n.attr == "__dict__" and isinstance(n.ctx, ast.Store) for n in stores
            )
        return self._shares

    def __repr__(self) -> str:
        return f"<{self.name}>"


NO_CODE: frozenset[Definition] = frozenset()


@dataclass(frozen=True, slots=True)
class Value:
    """An over-estimate of what a value may be.

    ``own`` are the objects it may be, ``reach`` all objects it may hold (``own`` included);
    objects are named after where they were made, and ``o*`` stands for what lies inside ``o``.
    A fresh value has no ``own`` until a name is bound to it. ``code`` is what using it may run,
    ``draws`` the ambient state that its use takes from; ``loose`` says that an iterator may be
    inside; ``text`` is a constant's value.
    """

    type: str = ""  # "" where it is not known
    own: frozenset[str] = NONE
    reach: frozenset[str] = NONE
    code: frozenset[Definition] = NO_CODE
    draws: frozenset[str] = NONE
    loose: bool = True
    text: str | None = None

    @property
    def immutable(self) -> bool:
        """Whether no use can change it."""
        return self.type in IMMUTABLE or self.type.startswith(IMPORT)

    def part(self, type: str = "") -> Value:
        """An attribute or element of it: may be, and hold, whatever it reaches."""
        if self.type in IMMUTABLE:
            return Value(type, loose=False)
        reach = self.reach
        if self.type in CONTAINERS:
            shells = frozenset(item for item in self.own if item + "*" in reach)
            reach -= shells
        return Value(type, reach, reach, self.code, self.draws, self.loose)

    def held(self, type: str = "", loose: bool | None = None) -> Value:
        """A fresh value that holds it."""
        return Value(
            type,
            NONE,
            self.reach,
            self.code,
            self.draws,
            self.loose if loose is None else loose,
        )

    def grown(self, other: Value) -> Value:
        """Itself after ``other`` was stored somewhere inside."""
        loose = self.loose or other.loose or other.type in ITERATORS
        if (
            other.reach <= self.reach
            and other.code <= self.code
            and other.draws <= self.draws
            and loose == self.loose
        ):
            return self
        return Value(
            self.type,
            self.own,
            self.reach | other.reach,
            self.code | other.code,
            self.draws | other.draws,
            loose,
            self.text,
        )


UNKNOWN = Value()
NOTHING = Value("none", loose=False)
PLAIN = Value(loose=False)  # fresh, of unknown type, no iterator


def attributes_of(value: Value) -> Value:
    """What ``vars(value)`` gives: a change of it is one of the value."""
    return replace(value.part(ATTRIBUTES), own=value.own)


def scalar(type: str, text: str | None = None) -> Value:
    """A value that can't be changed."""
    return Value(type, loose=False, text=text)


def imported(path: str) -> Value:
    """A module, or a function or class of one."""
    return Value(IMPORT + path, loose=False)


def joined(first: Value, second: Value) -> Value:
    """What is one or the other."""
    if first is second or first == second:
        return first
    return Value(
        first.type if first.type == second.type else "",
        first.own | second.own,
        first.reach | second.reach,
        first.code | second.code,
        first.draws | second.draws,
        first.loose or second.loose or first.type in ITERATORS or second.type in ITERATORS,
        first.text if first.text == second.text else None,
    )


def holding(values: list[Value], type: str = "") -> Value:
    """A fresh value that may hold all of these."""
    reach, code, draws, loose = NONE, NO_CODE, NONE, False
    for value in values:
        if value.reach:
            reach |= value.reach
        if value.code:
            code |= value.code
        if value.draws:
            draws |= value.draws
        loose = loose or (value.loose and not value.immutable) or value.type in ITERATORS
    return Value(type, NONE, reach, code, draws, loose)
