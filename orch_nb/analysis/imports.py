"""The libraries that every run of some cells loads, whatever else happens in it."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable

from orch_nb.analysis.syntax import parse


def imports_of(sources: Iterable[str]) -> tuple[str, ...]:
    """Modules outside the standard library that the cells import in any case, in their order.

    ``a.b:c`` stands for ``from a.b import c``, where ``c`` may be a module. Nothing is told of
    cells that look at what is loaded: they would see a library that came earlier.
    """
    found: dict[str, None] = {}
    for source in sources:
        if "sys.modules" in source:
            return ()
        tree = parse(source).tree
        for statement in tree.body if tree is not None else ():
            found |= dict.fromkeys(_named(statement))
    return tuple(found)


def _named(statement: ast.stmt) -> list[str]:
    if isinstance(statement, ast.Import):
        names = [alias.name for alias in statement.names]
    elif isinstance(statement, ast.ImportFrom) and statement.module and not statement.level:
        names = [f"{statement.module}:{alias.name}" for alias in statement.names]
        names = [name.removesuffix(":*") for name in names]
    else:
        return []
    return [name for name in names if _top(name) not in sys.stdlib_module_names]


def _top(name: str) -> str:
    return name.partition(":")[0].partition(".")[0]
