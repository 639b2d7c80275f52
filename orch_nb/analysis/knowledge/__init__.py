"""What is known of libraries, kept as data: one TOML table for each, read when it is needed.

A table says of a library's functions and of its types' methods what they change, what their
results share with their arguments, which ambient state and which files they touch. Names are
relative to the library; a name without a dot also stands for the same name in a submodule.
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from importlib import resources
from typing import Any

Position = int | str


@dataclass(frozen=True, slots=True)
class CallFacts:
    """What one function or method does when called."""

    known: bool = True  # whether its arguments are safe
    changes: tuple[Position, ...] = ()  # arguments changed in place
    changes_self: bool = False
    changes_deep: bool = False  # what the receiver holds changes with it
    pure: bool = False  # said outright: the type's default does not hold for it
    shared: bool = False  # the result may share with the arguments or the receiver
    makes: bool = False  # the result is an object of its own that holds the arguments
    returns: str = ""  # the result's type
    same: bool = False  # the result has the receiver's type
    draws: tuple[str, ...] = ()
    sets: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    files_read: tuple[Position, ...] | None = None
    files_written: tuple[Position, ...] | None = None
    folder: bool = False  # touches the whole working folder
    cheap: bool = False
    loose: bool = False  # an iterator may be inside the result
    names: bool = False  # strings among its arguments name variables
    draws_own: bool = False  # takes from the random state that the receiver draws on
    unless: str = ""  # draws only where this argument is not given
    stateful: bool = False  # with "unless": it is the result that draws, when used
    barrier: str = ""
    alone: bool = False  # what is said of a group of names (`random.*`) does not hold for it


UNKNOWN_CALL = CallFacts(known=False, changes_self=True, shared=True, loose=True)


@dataclass(frozen=True, slots=True)
class TypeFacts:
    """What is known of a type."""

    methods: Mapping[str, CallFacts]
    default: CallFacts
    attributes: Mapping[str, str] = field(default_factory=dict)
    item: str = ""  # type of an element
    figure: bool = False  # counts as changed whenever reached
    grows: bool = False  # a lookup may add (defaultdict)


@dataclass(frozen=True, slots=True)
class Library:
    """One library's table."""

    name: str
    functions: Mapping[str, CallFacts]
    prefixes: tuple[tuple[str, CallFacts], ...]
    default: CallFacts
    classes: CallFacts
    types: Mapping[str, TypeFacts]
    stores: Mapping[str, str]  # attribute path → ambient name that a store there writes
    loads: Mapping[str, str]  # attribute path → ambient name that a read there reads
    class_type: str  # type of an instance of a class that the table does not name

    def function(self, path: str) -> CallFacts:
        """The facts of a function or class by its path within the library."""
        found = self.functions.get(path)
        if found is not None:
            return found
        for prefix, facts in self.prefixes:
            if path.startswith(prefix):
                return facts
        tail = path.rpartition(".")[2]
        found = self.functions.get(tail)
        if tail[:1].isupper():
            return self._class(tail, found)
        return found or self.default

    def _class(self, tail: str, found: CallFacts | None) -> CallFacts:
        facts = found or self.classes
        type = facts.returns or (f"{self.name}.{tail}" if tail in self.types else self.class_type)
        return replace(facts, returns=type, shared=facts.shared or self.classes.shared)


# Modules whose table has another name.
_TABLES = {
    "pylab": "matplotlib",
    "mpl_toolkits": "matplotlib",
    "pyarrow": "arrow",
    "patsy": "statsmodels",
    "torchvision": "torch",
}


def _text(path: str) -> str | None:
    file = resources.files(__name__).joinpath(path)
    return file.read_text(encoding="utf-8") if file.is_file() else None


@lru_cache(maxsize=256)
def library(root: str) -> Library | None:
    """The table of a top-level module; None for a library that is not known."""
    table = _TABLES.get(root, root)
    text = _text(f"{table}.toml") if table.isidentifier() else None
    if text is not None:
        return _library(table, tomllib.loads(text))
    if root in sys.stdlib_module_names:
        return _standard()
    if root in _more():
        return _library(root, _more()[root])
    return None


@lru_cache(maxsize=1)
def _standard() -> Library:
    return _library("stdlib", tomllib.loads(_text("stdlib.toml") or ""))


@lru_cache(maxsize=1)
def _more() -> dict[str, Any]:
    return tomllib.loads(_text("more.toml") or "")


@lru_cache(maxsize=4096)
def function(path: str) -> CallFacts | None:
    """The facts of a dotted function or class; None where its library is not known."""
    root, _, rest = path.partition(".")
    table = library(root)
    if table is None:
        return None
    return table.function(f"{root}.{rest}" if table.name == "stdlib" else rest)


@lru_cache(maxsize=1024)
def type_facts(type: str) -> TypeFacts | None:
    """The facts of a type, written ``library.Type``; None where it is not known."""
    root, _, tail = type.partition(".")
    table = library(root if tail else "builtins")
    return table.types.get(tail or root) if table else None


@lru_cache(maxsize=8192)
def method(type: str, name: str) -> CallFacts | None:
    """The facts of a method; None where the type is not known."""
    facts = type_facts(type)
    if facts is None:
        return None
    return facts.methods.get(name, facts.default)


@lru_cache(maxsize=4096)
def generic(name: str) -> CallFacts:
    """The facts of a method of that name on a receiver that is not known."""
    facts = library("builtins")
    found = facts.types["any"].methods.get(name) if facts else None
    return found or UNKNOWN_CALL


def store_target(path: str) -> str:
    """The ambient name that a store to an attribute of a module writes."""
    root, _, rest = path.partition(".")
    table = library(root)
    if table is not None:
        full = f"{root}.{rest}" if table.name == "stdlib" else rest
        for known, ambient in table.stores.items():
            if full == known or full.startswith(known + ".") or full.endswith("." + known):
                return ambient
    return f"module {root}"


@lru_cache(maxsize=4096)
def load_source(path: str) -> str:
    """The ambient name that reading an attribute of a module reads, or an empty string."""
    root, _, rest = path.partition(".")
    table = library(root)
    if table is None:
        return ""
    full = f"{root}.{rest}" if table.name == "stdlib" else rest
    for known, ambient in table.loads.items():
        if full == known or full.startswith(known + ".") or full.endswith("." + known):
            return ambient
    return ""


def star_names(module: str) -> frozenset[str] | None:
    """What ``from module import *`` binds; None where that is not known."""
    text = _stars().get("modules", {}).get(module)
    return frozenset(text.split()) if text is not None else None


def star_origins(module: str) -> dict[str, str]:
    """Where names of a star import come from, if not from the module itself."""
    return _spread(_stars().get("origins", {}).get(module, {}))


@lru_cache(maxsize=1)
def _stars() -> dict[str, Any]:
    return tomllib.loads(_text("stars.toml") or "")


@lru_cache(maxsize=1)
def magics() -> dict[str, Any]:
    """The classes of magics."""
    return tomllib.loads(_text("magics.toml") or "")


# reading the tables


def _library(name: str, data: Mapping[str, Any]) -> Library:
    found = _facts(data.get("functions", {}))
    prefixes = sorted(
        ((path[:-1], facts) for path, facts in found.items() if path.endswith("*")),
        key=lambda item: -len(item[0]),
    )
    return Library(
        name=name,
        functions={
            path: _completed(path, facts, prefixes)
            for path, facts in found.items()
            if not path.endswith("*")
        },
        prefixes=tuple(prefixes),
        default=_policy(data.get("results", "fresh")),
        classes=_policy(data.get("classes", "shared")),
        types={key: _type(value) for key, value in data.get("types", {}).items()},
        stores=_spread(data.get("stores", {})),
        loads=_spread(data.get("loads", {})),
        class_type=f"{name}.{data['class_type']}" if "class_type" in data else "",
    )


def _completed(path: str, facts: CallFacts, prefixes: list[tuple[str, CallFacts]]) -> CallFacts:
    """What the table says of a name, and where it is silent, of all names around it."""
    for prefix, around in prefixes:
        if not path.startswith(prefix) or facts.alone:
            continue
        own = facts.draws or facts.sets or facts.reads or facts.writes
        facts = replace(
            facts,
            draws=facts.draws if own else around.draws,
            reads=facts.reads if own else around.reads,
            writes=facts.writes if own else around.writes,
            shared=facts.shared or around.shared,
            folder=facts.folder or around.folder,
            cheap=facts.cheap or around.cheap,
            loose=facts.loose or around.loose,
            returns=facts.returns or around.returns,
            changes=facts.changes or around.changes,
        )
    return facts


def _policy(word: str) -> CallFacts:
    if word == "unknown":
        return UNKNOWN_CALL
    return CallFacts(shared=word == "shared")


def _type(data: Mapping[str, Any]) -> TypeFacts:
    default = CallFacts()
    if data.get("default") == "unknown":
        default = UNKNOWN_CALL
    elif data.get("default") in ("changes", "changes deep"):
        deep = data["default"] == "changes deep"
        default = CallFacts(changes_self=True, changes_deep=deep, shared=True)
    elif data.get("default") == "shared":
        default = CallFacts(shared=True)
    listed = _facts(data.get("methods", {}))
    return TypeFacts(
        methods={name: _by_default(facts, default) for name, facts in listed.items()},
        default=default,
        attributes=_spread(data.get("attributes", {})),
        item=data.get("item", ""),
        figure=bool(data.get("figure", False)),
        grows=bool(data.get("grows", False)),
    )


def _by_default(facts: CallFacts, default: CallFacts) -> CallFacts:
    """A method's facts; where they don't say what it does to its object, the type's default."""
    if facts.pure or facts.shared or facts.changes_self:
        return facts
    return replace(
        facts,
        known=default.known,
        changes_self=default.changes_self,
        changes_deep=default.changes_deep,
        shared=default.shared,
        loose=facts.loose or default.loose,
    )


def _spread(groups: Mapping[str, str]) -> dict[str, str]:
    """``{"int": "size ndim"}`` → ``{"size": "int", "ndim": "int"}``."""
    return {name: value for value, names in groups.items() for name in names.split()}


def _positions(text: str) -> tuple[Position, ...]:
    return tuple(int(word) if word.isdigit() else word for word in text.split())


_FLAGS = {
    "shared",
    "makes",
    "changes_self",
    "changes_deep",
    "same",
    "cheap",
    "loose",
    "names",
    "folder",
    "pure",
    "draws_own",
    "alone",
}
_AMBIENT = {"draws", "sets", "reads", "writes"}
_PLACES = {"changes", "files_read", "files_written"}


def _facts(data: Mapping[str, Any]) -> dict[str, CallFacts]:
    """Facts by name, from groups such as ``shared = "asarray ravel"`` or
    ``draws = {"numpy.random" = "choice"}``."""
    collected: dict[str, dict[str, Any]] = {}
    for key, name, value in _entries(data):
        entry = collected.setdefault(name, {})
        if key in _AMBIENT:
            entry[key] = (*entry.get(key, ()), value)
        else:
            entry[key] = value
    return {name: CallFacts(**entry) for name, entry in collected.items()}


def _entries(data: Mapping[str, Any]) -> Iterator[tuple[str, str, Any]]:
    for key, group in data.items():
        if key in _FLAGS:
            yield from ((key, name, True) for name in group.split())
        elif key == "unseeded":
            # {"random_state numpy.random" = "train_test_split"}: draws unless seeded
            for words, names in group.items():
                argument, ambient = words.split()
                for name in names.split():
                    yield "unless", name, argument
                    yield "draws", name, ambient
        elif key == "stateful":
            for words, names in group.items():
                argument, ambient = words.split()
                for name in names.split():
                    yield "unless", name, argument
                    yield "draws", name, ambient
                    yield "stateful", name, True
        else:
            for value, names in group.items():
                parsed: Any = _positions(value) if key in _PLACES else value
                yield from ((key, name, parsed) for name in names.split())
