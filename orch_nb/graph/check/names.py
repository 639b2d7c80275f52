"""Names that are read before any cell sets them, that nobody sets, or that hide a builtin."""

from __future__ import annotations

import builtins
import difflib
from collections.abc import Iterator

from orch_nb.graph.check.problem import Problem, Severity
from orch_nb.graph.model import FlowGraph, Node

# Builtins whose loss is sure to hurt later; names such as `id` or `input` are fair.
_PRECIOUS = frozenset(
    {
        "abs",
        "all",
        "any",
        "bool",
        "dict",
        "enumerate",
        "filter",
        "float",
        "getattr",
        "int",
        "isinstance",
        "iter",
        "len",
        "list",
        "map",
        "max",
        "min",
        "next",
        "object",
        "open",
        "print",
        "range",
        "round",
        "set",
        "setattr",
        "sorted",
        "str",
        "sum",
        "super",
        "tuple",
        "type",
        "zip",
    }
)
_GUARDS = ("NameError", "globals()", "locals()", "dir()")


def name_problems(graph: FlowGraph) -> Iterator[Problem]:
    """Hidden order, undefined names and shadowed builtins."""
    setters: dict[str, int] = {}
    for node in graph.nodes:
        for name in node.bound:
            setters.setdefault(name, node.cell.number)
    known: set[str] = set()
    anything = False  # a barrier may have set names that are not known
    for node in graph.nodes:
        if not anything and not any(guard in node.cell.source for guard in _GUARDS):
            for name in sorted(node.reads - known):
                if name not in node.bound:
                    yield _unset(graph, node, name, setters)
        yield from _shadowed(node)
        known |= node.bound
        anything = anything or bool(node.barrier)


def _unset(graph: FlowGraph, node: Node, name: str, setters: dict[str, int]) -> Problem:
    number = node.cell.number
    below = setters.get(name)
    if below is not None and below > number:
        return Problem(
            "hidden-order",
            Severity.ERROR,
            node.cell,
            f"cell {number} reads '{name}', set only below, in cell {below}",
            f"it worked because you ran {below} first; move cell {below} above cell {number}",
        )
    candidates = [other for other, place in setters.items() if place < number]
    near = difflib.get_close_matches(name, [*candidates, *dir(builtins)], n=1)
    hint = f"did you mean '{near[0]}'?" if near else "set it in a cell above, or import it"
    message = f"cell {number} reads '{name}', which no cell sets"
    return Problem("undefined-name", Severity.ERROR, node.cell, message, hint)


def _shadowed(node: Node) -> Iterator[Problem]:
    if node.imports_only:
        return
    for name in sorted(node.bound & _PRECIOUS):
        yield Problem(
            "shadowed-builtin",
            Severity.WARNING,
            node.cell,
            f"'{name}' hides Python's builtin from every cell below",
            f"call it '{name}_' or something that says what it holds",
        )
