"""What a call passes, and which parameter gets it."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from orch_nb.analysis.scopes import Function
from orch_nb.analysis.values import Value, holding

CLOSURE = "<closure>"  # stands for what a function holds


@dataclass(frozen=True, slots=True)
class Arguments:
    """What a call passes: by position, by keyword, and through stars."""

    positional: tuple[Value, ...] = ()
    keywords: Mapping[str, Value] = field(default_factory=dict)
    starred: Value | None = None

    def all(self) -> list[Value]:
        """Every value passed."""
        values = [*self.positional, *self.keywords.values()]
        return values if self.starred is None else [*values, self.starred]

    def at(self, position: int | str) -> Value | None:
        """The argument at a position, or of a name; None where it is not given."""
        if isinstance(position, str):
            return self.keywords.get(position)
        if position < len(self.positional):
            return self.positional[position]
        return self.starred


def bind_arguments(
    node: Function, arguments: Arguments, callee: Value, this: Value | None
) -> dict[str, Value]:
    """Which value each parameter has in a call; ``<closure>`` for what the function holds."""
    given = node.args
    mapping: dict[str, Value] = {CLOSURE: callee}
    positional = ([this] if this is not None else []) + list(arguments.positional)
    slots = [a.arg for a in (*given.posonlyargs, *given.args)]
    mapping.update(zip(slots, positional, strict=False))
    rest = positional[len(slots) :]
    names = {*slots, *(a.arg for a in given.kwonlyargs)}
    extra = []
    for name, value in arguments.keywords.items():
        if name in names:
            mapping[name] = value
        else:
            extra.append(value)
    if arguments.starred is not None:
        rest.append(arguments.starred)
        extra.append(arguments.starred)
        for name in names:
            mapping.setdefault(name, arguments.starred.part())
    if given.vararg:
        mapping[given.vararg.arg] = holding(rest, "tuple")
    if given.kwarg:
        mapping[given.kwarg.arg] = holding(extra, "dict")
    for name, default in _default_nodes(node):
        if name not in mapping:
            mapping[name] = _default_value(default, callee)
    return mapping


def _default_nodes(node: Function) -> Iterator[tuple[str, ast.expr]]:
    given = node.args
    slots = [a.arg for a in (*given.posonlyargs, *given.args)]
    yield from zip(slots[len(slots) - len(given.defaults) :], given.defaults, strict=True)
    for argument, default in zip(given.kwonlyargs, given.kw_defaults, strict=True):
        if default is not None:
            yield argument.arg, default


def _default_value(node: ast.expr, callee: Value) -> Value:
    if isinstance(node, ast.Constant):
        kind = "none" if node.value is None else type(node.value).__name__
        return Value(kind, loose=False, text=node.value if isinstance(node.value, str) else None)
    return Value("", callee.reach, callee.reach, callee.code)


def called(node: ast.Call) -> str:
    """How reasons name what is called."""
    function = node.func
    if isinstance(function, ast.Attribute):
        return f".{function.attr}()"
    return f"{function.id}()" if isinstance(function, ast.Name) else "a call"
