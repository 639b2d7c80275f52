"""The source files of the user's own modules that a cell of a kernel's notebook uses."""

from __future__ import annotations

import types
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from orch_nb.app.sibling_modules import find_modules
from orch_nb.execution.uses import find_uses
from orch_nb.graph.model import Node


def source_files(node: Node, namespace: Mapping[str, Any], folder: Path) -> frozenset[str]:
    """Of modules in ``folder`` that the cell imports, and of those that the values come from which
    it reads, with all that these import in turn. Packages that are installed don't count."""
    values = [namespace[name] for name in node.reads if name in namespace]
    files = set(find_uses(_modules_of(values)).local.values())
    if "import" in node.cell.source:
        files |= {str(folder / path) for path in find_modules([node.cell.source], folder)}
    return frozenset(files)


def _modules_of(values: Iterable[Any]) -> Iterable[str]:
    for value in values:
        if isinstance(value, types.ModuleType):
            yield value.__name__
        else:
            owner = value if isinstance(value, type | types.FunctionType) else type(value)
            yield str(owner.__module__)
