"""From a cell's source to a syntax tree, by way of IPython's transformer where needed."""

from __future__ import annotations

import ast
import warnings
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from orch_nb.analysis.values import Definition


@dataclass(frozen=True, slots=True)
class Parsed:
    """A cell's statements, or why there are none. ``plain`` says that it is Python as written."""

    tree: ast.Module | None
    reason: str = ""
    plain: bool = True
    definitions: dict[ast.AST, Definition] = field(default_factory=dict, compare=False)


def python(source: str) -> ast.Module | None:
    """The tree of Python source; None where it is not Python."""
    with warnings.catch_warnings():
        # an invalid escape in a user's string is the user's affair
        warnings.simplefilter("ignore")
        try:
            return ast.parse(source)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None


@lru_cache(maxsize=20_000)
def parse(source: str) -> Parsed:
    """Parse one cell. Never raises."""
    tree = python(source)
    if tree is not None and "?" not in source:
        return Parsed(tree)
    transformed = _transform(source)
    if transformed is None:
        return Parsed(tree, "" if tree else "it holds IPython syntax and IPython is not there")
    if transformed.strip() == source.strip() and tree is not None:
        return Parsed(tree)
    tree = python(transformed)
    if tree is None:
        return Parsed(None, "it can't be read as Python", plain=False)
    return Parsed(tree, plain=False)


def _transform(source: str) -> str | None:
    manager = _manager()
    if manager is None:
        return None
    try:
        return str(manager.transform_cell(source))
    except Exception:
        # IPython raises whatever its tokenizer does on broken source
        return source


@lru_cache(maxsize=1)
def _manager() -> Any:
    try:
        from IPython.core.inputtransformer2 import TransformerManager
    except ImportError:
        return None
    return TransformerManager()
