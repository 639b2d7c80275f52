"""The state of a walk over one cell or one function body: scopes, bindings and effects so far."""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from orch_nb.analysis.values import ATTRIBUTES, NONE, UNKNOWN, Definition, Value, imported, joined

BUILTINS = frozenset(dir(builtins)) | {
    "In",
    "__builtins__",
    "__doc__",
    "__file__",
    "__name__",
    "display",
    "exit",
    "get_ipython",
    "quit",
}
HISTORY = frozenset({"_", "__", "___", "Out", "_oh"})
# `_3` is the output of cell 3; the inputs (`_i`, `_i3`, `_ih`) are text, known beforehand
_PAST = re.compile(r"_(\d+)|_i+\d*|_ih|_dh")
LOGS = "log files"  # the fact whose value draws on the files that loggers may write to
KEPT = "kept by libraries"  # the fact that tells of the notebook's code which libraries keep
# prefixes of what an open file draws on when it is used: the file itself
READS_FILE, WRITES_FILE = "reads file ", "writes file "
HEAP = "@heap"  # stands for all objects of a value that reaches more than REACH_LIMIT
REACH_LIMIT = 48
UNSEEN = "?"  # prefix of the object that a name holds which nothing seen has bound
HERE = "@here"  # prefix of objects made by the cell itself, until they get a name


@dataclass(slots=True)
class Effects:
    """What a walk has found; only ever grows."""

    reads: set[str] = field(default_factory=set)
    soft: set[str] = field(default_factory=set)  # read if there is such a name: from strings
    binds: set[str] = field(default_factory=set)  # every name bound or deleted, on some path
    stores: dict[str, Value] = field(default_factory=dict)  # a function's stores to globals
    changed: dict[str, str] = field(default_factory=dict)  # object → why
    links: dict[str, Value] = field(default_factory=dict)  # object → what it may now hold
    ambient_reads: set[str] = field(default_factory=set)
    ambient_writes: set[str] = field(default_factory=set)
    ambient_sets: set[str] = field(default_factory=set)  # written on every path, so far
    files_read: set[str] = field(default_factory=set)
    files_written: set[str] = field(default_factory=set)
    barrier: str = ""
    alone: bool = False
    extends: bool = False  # a magic in it adds to IPython
    switches: bool = False  # a magic in it changes how the cells below are run or shown
    heavy: bool = False  # something in it may take long
    calls: bool = False  # something in it may look at warnings filters, print options …
    strange: bool = False  # it calls what nothing is known of, which may draw as well
    history: set[int | str] = field(default_factory=set)
    imports: set[str] = field(default_factory=set)  # top-level modules
    logs: set[str] = field(default_factory=set)  # what calls of loggers draw on: their files
    kept: Value | None = None  # the notebook's code that libraries were given to keep


@dataclass(slots=True)
class Scope:
    """A function's, class's or comprehension's names while its body is walked."""

    local: frozenset[str]
    values: dict[str, Value]
    certain: set[str]  # bound for sure (class bodies fall through to the notebook's names)
    is_class: bool = False
    is_comprehension: bool = False
    globals: frozenset[str] = NONE
    parent: Scope | None = None


Key = tuple[Definition, tuple[object, ...]]  # a function and the types of its arguments


@dataclass(slots=True)
class Progress:
    """The bodies being walked for one cell, shared by all its walks."""

    active: dict[Key, None] = field(default_factory=dict)
    done: dict[Key, object] = field(default_factory=dict)  # summaries of this round
    last: dict[Key, object] = field(default_factory=dict)  # summaries of the round before
    assumed: bool = False  # a call took the last round's summary
    walks: int = 0
    steps: int = 0  # statements walked
    loops: int = 0  # loops around the current statement


class State:
    """One walk. ``lookup`` gives the value of a notebook name, or None where no cell has it."""

    def __init__(self, lookup: Callable[[str], Value | None], place: str) -> None:
        self._lookup = lookup
        self.place = place  # names the objects made here
        self.effects = Effects()
        self.values: dict[str, Value] = {}  # notebook names bound by this walk
        self.bound: set[str] = set()  # notebook names bound on every path so far
        self.dead = False  # the path has ended: raise, break …
        self.conditional = 0
        self.scope: Scope | None = None
        self.outer_names: frozenset[str] = NONE  # locals of functions around a closure
        self.closure = UNKNOWN
        self.returned: Value | None = None
        self.progress = Progress()
        # definitions whose effects are counted: when, and with what they hold
        self.used: dict[Definition, tuple[int, frozenset[str]]] = {}
        self.epoch = 0  # moves when a name gets other code
        self.exits: list[list[set[str]]] = []  # per loop: names bound at its breaks
        self.fresh = 0
        self.touched: dict[str, object] = {}  # notebook names looked up, with what was found
        self.definitions: dict[ast.AST, Definition] = {}
        self.statement: ast.expr | None = None  # the expression that is a statement, if in one
        self.evaluate: Callable[[State, ast.expr], Value]
        self.execute: Callable[[State, Iterable[ast.stmt]], None]

    # names

    def known(self, name: str) -> Value | None:
        """The value of a notebook name at this point; None where no cell binds it."""
        value = self.values.get(name)
        if value is None:
            value = self._lookup(name)
        return self._linked(value) if value is not None else None

    def find(self, name: str) -> tuple[Value | None, bool]:
        """A name's value as the code here sees it, and whether it is the notebook's."""
        scope, innermost = self.scope, True
        maybe: Value | None = None
        while scope is not None:
            if name in scope.globals:
                break
            if name in scope.local and (innermost or not scope.is_class):
                value = scope.values.get(name)
                if not scope.is_class or name in scope.certain:
                    return self._linked(value or UNKNOWN), False
                maybe = value
            innermost = innermost and scope.is_comprehension
            scope = scope.parent
        if scope is None and name in self.outer_names:
            return self.closure.part(), False
        value = self.known(name)
        if maybe is not None:
            value = joined(maybe, value or UNKNOWN)
        return value, True

    def _linked(self, value: Value) -> Value:
        """A value with what was stored into it since it was bound."""
        links = self.effects.links
        if not links or not value.reach:
            return value
        todo = [item for item in value.reach if item in links]
        if not todo:
            return value
        reach, code, draws, loose = set(value.reach), value.code, value.draws, value.loose
        for item in todo:  # grows while it is walked
            stored = links[item]
            todo.extend(new for new in stored.reach - reach if new in links)
            reach |= stored.reach
            code |= stored.code
            draws |= stored.draws
            loose = loose or stored.loose
        return Value(value.type, value.own, frozenset(reach), code, draws, loose, value.text)

    def load(self, name: str) -> Value:
        """Read a name."""
        value, notebook = self.find(name)
        if not notebook:
            return value or UNKNOWN
        if value is None and name.startswith("_") and (past := _PAST.fullmatch(name)):
            if past[1]:
                self.effects.history.add(int(past[1]))
            return UNKNOWN
        if name in HISTORY and value is None:
            self.effects.history.add(name)
            return UNKNOWN
        if name not in self.bound and (value is not None or name not in BUILTINS):
            self.effects.reads.add(name)
        if value is None and name in BUILTINS:
            return imported("builtins." + name)
        if value is None:  # bound by what can't be read: `exec`, `%run`
            itself = frozenset((UNSEEN + name,))
            return Value("", itself, itself)
        return value

    def is_builtin(self, node: ast.expr, name: str) -> bool:
        """Whether an expression is the builtin of that name, not shadowed."""
        return isinstance(node, ast.Name) and node.id == name and self.find(name)[0] is None

    def bind(self, name: str, value: Value) -> None:
        """Bind a name in the current scope (a comprehension's walrus: in the one around it)."""
        scope = self.scope
        while scope is not None and scope.is_comprehension and name not in scope.local:
            scope = scope.parent
        if scope is not None and name not in scope.globals and name in scope.local:
            old = scope.values.get(name)
            value = self.owned(value, name)
            if old is None or (not self.conditional and scope.is_comprehension):
                scope.values[name] = value
            else:
                scope.values[name] = joined(old, value) if self.conditional else value
            if not self.conditional:
                scope.certain.add(name)
            return
        if scope is not None and name not in scope.globals and name in self.outer_names:
            self.change(self.closure.reach, f"changed through the closure variable '{name}'")
            return
        self._bind_global(name, value, direct=scope is None)

    def _bind_global(self, name: str, value: Value, direct: bool) -> None:
        self.effects.binds.add(name)
        if value.type == ATTRIBUTES:
            self.block("it names the attributes of an object, which only one process knows as such")
        if value.code:
            self.epoch += 1
        value = self.owned(value, name)
        if direct and not self.conditional:
            self.values[name] = value
        else:
            old = self.known(name)
            self.values[name] = value if old is None else joined(old, value)
        if direct:
            # on a conditional path, too: whoever made the path forgets it where paths meet
            self.bound.add(name)
        else:
            self.effects.stores[name] = self.values[name]

    def store_global(self, name: str, value: Value) -> None:
        """Bind a notebook name on behalf of a function that declares it ``global``."""
        self._bind_global(name, value, direct=False)

    def unbind(self, name: str) -> None:
        """Delete a name in the current scope."""
        scope = self.scope
        # on some path only: where it is still there, it is what it was
        if scope is not None and name not in scope.globals:
            if not self.conditional:
                scope.values[name] = UNKNOWN
            scope.certain.discard(name)
            return
        self.effects.binds.add(name)
        if name in HISTORY:
            self.block(f"from now on IPython may bind '{name}' again")
        if not self.conditional:
            self.values[name] = UNKNOWN
        self.bound.discard(name)

    def owned(self, value: Value, name: str) -> Value:
        """Give a fresh value an object of its own, named after its first name."""
        if value.own or value.immutable:
            return value
        self.fresh += 1
        item = f"@{self.place}.{name}.{self.fresh}"
        own = frozenset((item,))
        reach = value.reach | {item, item + "*"}
        return Value(value.type, own, reach, value.code, value.draws, value.loose, value.text)

    # effects

    def change(self, objects: frozenset[str], why: str) -> None:
        """Note that these objects may be changed in place."""
        changed = self.effects.changed
        for item in objects:
            changed.setdefault(item, why)

    def link(self, holder: frozenset[str], value: Value) -> None:
        """Note that the objects may now hold the value."""
        if value.immutable:
            return
        links = self.effects.links
        stored = Value("", NONE, value.reach, value.code, value.draws, value.loose)
        for item in holder:
            old = links.get(item)
            links[item] = stored if old is None else old.grown(stored)

    def draw(self, names: Iterable[str]) -> None:
        """Note that ambient state is taken from and moved on (random numbers), or an open file."""
        for name in names:
            if name.startswith(READS_FILE):
                self.effects.files_read.add(name.removeprefix(READS_FILE))
            elif name.startswith(WRITES_FILE):
                self.effects.files_written.add(name.removeprefix(WRITES_FILE))
            else:
                self.ambient_read(name)
                self.effects.ambient_writes.add(name)

    def ambient_read(self, name: str) -> None:
        """Note a read of ambient state, unless this walk has set it."""
        if name not in self.effects.ambient_sets:
            self.effects.ambient_reads.add(name)

    def module_read(self, path: str) -> None:
        """Note a look at a library's module, if a cell above has set something in it, or has
        written it."""
        module = "module " + path.partition(".")[0]
        if self.known("wrote " + module) is not None:
            self.ambient_write(module)  # it may keep something: nobody knows what is in it
        elif self.known(module) is not None:
            self.ambient_read(module)

    def module_write(self, path: str) -> None:
        """Note that something may be set in a library's module."""
        self.ambient_write("module " + path.partition(".")[0])

    def ambient_write(self, name: str, definite: bool = False) -> None:
        """Note a write of ambient state: as a whole (a seed), or in part."""
        if not definite or self.conditional:
            self.ambient_read(name)
        else:
            self.effects.ambient_sets.add(name)
        self.effects.ambient_writes.add(name)

    def block(self, reason: str) -> None:
        """Make the cell a barrier; the first reason is kept."""
        self.effects.barrier = self.effects.barrier or reason
