"""The fields that a cell's outcome depends on, and the key that the first of them make."""

from __future__ import annotations

import ast
import enum
import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Self

from orch_nb.analysis.syntax import parse
from orch_nb.graph.model import Node

_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*://\S+\Z")
FORMAT = 1  # of keys and of what is kept under them: another one makes every entry useless


class Group(enum.StrEnum):
    """What kind of thing a field is."""

    CODE = "code"
    RULES = "rules"  # how the cell is run, as far as that shows in its outcome
    PYTHON = "python"
    EXTRA = "extra"  # what the user declared
    INPUT = "input"  # the version of a variable
    AMBIENT = "ambient"
    ENVIRONMENT = "environment"  # a variable of the process's environment
    FILE = "file"
    MODULE = "module"
    PACKAGE = "package"


@dataclass(frozen=True, slots=True)
class Field:
    """One thing that a cell's outcome depends on.

    Fields are the same if group, name and value are; ``shown`` is what to tell people of the
    value, ``hint`` what helps to look at a file again (see `Content`).
    """

    group: Group
    name: str
    value: str
    shown: str = ""
    hint: tuple[Any, ...] = ()

    def to_json(self) -> list[Any]:
        """As plain JSON."""
        return [self.group.value, self.name, self.value, self.shown, list(self.hint)]

    @classmethod
    def from_json(cls, plain: Any) -> Self:
        """Back from JSON; ValueError or TypeError when it is no field."""
        group, name, value, shown, hint = plain
        return cls(Group(group), str(name), str(value), str(shown), tuple(hint))


def key_of(fields: Iterable[Field]) -> str:
    """The key that fields make, whatever their order: 64 hexadecimal digits."""
    return digest_of(sorted([field.group.value, field.name, field.value] for field in fields))


def digest_of(value: Any) -> str:
    """A digest of plain JSON."""
    text = json.dumps([FORMAT, value], sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def code_field(node: Node) -> Field:
    """A cell's code without its comments and formatting. Docstrings are code; the text of a cell
    magic is what its magic makes of it, so it counts as it is written."""
    source = node.cell.source
    tree = parse(source).tree
    plain = source.strip() if tree is None else ast.dump(tree)
    return Field(Group.CODE, "code", digest_of(plain)[:32])


def remote_paths(source: str) -> frozenset[str]:
    """Addresses of things elsewhere that a cell's code gives to some call: what native code
    reads there is not seen."""
    tree = parse(source).tree
    if tree is None:
        return frozenset()
    given = (
        part.value
        for call in ast.walk(tree)
        if isinstance(call, ast.Call)
        for part in (*call.args, *(keyword.value for keyword in call.keywords))
        if isinstance(part, ast.Constant) and isinstance(part.value, str)
    )
    return frozenset(text for text in given if _ADDRESS.match(text))


def literals(source: str) -> frozenset[str]:
    """The strings in a cell's code that could be names of environment variables."""
    tree = parse(source).tree
    if tree is None:
        return frozenset()
    return frozenset(
        part.value
        for part in ast.walk(tree)
        if isinstance(part, ast.Constant)
        and isinstance(part.value, str)
        and part.value.isidentifier()
    )
