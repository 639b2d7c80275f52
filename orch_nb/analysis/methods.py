"""The methods of the notebook's classes, by name."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from orch_nb.analysis.values import Definition, Value


def methods(definition: Definition) -> dict[str, Definition]:
    """A class's own methods by name, those of nested classes too."""
    if definition.parts is None:
        definition.parts = dict(_methods(definition, definition.node))
    return definition.parts


def _methods(owner: Definition, node: ast.AST) -> Iterator[tuple[str, Definition]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield child.name, Definition(child, child.name, owner.outer, top=False)
        elif isinstance(child, ast.Lambda):
            yield f"<lambda {child.lineno}>", Definition(child, "<lambda>", owner.outer, top=False)
        elif isinstance(child, ast.ClassDef | ast.stmt | ast.keyword) or isinstance(
            node, ast.stmt | ast.keyword | ast.expr
        ):
            yield from _methods(owner, child)


def find_methods(value: Value, name: str) -> list[Definition]:
    """The notebook's methods of that name that a value may have."""
    found = []
    for definition in value.code:
        if isinstance(definition.node, ast.ClassDef):
            method = methods(definition).get(name)
            if method is not None:
                found.append(method)
    return found


def decorated(definition: Definition, *names: str) -> bool:
    """Whether a method has one of these decorators."""
    decorators = getattr(definition.node, "decorator_list", [])
    for decorator in decorators:
        target = decorator.func if isinstance(decorator, ast.Call) else decorator
        tail = target.attr if isinstance(target, ast.Attribute) else getattr(target, "id", "")
        if tail in names:
            return True
    return False
