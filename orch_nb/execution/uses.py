"""Which modules a cell uses: those of its own code, of the values it had, and of their sources.

A module that lies outside of where packages are installed counts by its source, with all local
modules that it imports; any other by the package it belongs to.
"""

from __future__ import annotations

import ast
import functools
import sys
import sysconfig
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

_INSTALLED = frozenset({"site-packages", "dist-packages"})
_OURS = frozenset({"orch_nb", "__main__", "builtins", "IPython", "ipykernel", "sitecustomize"})


@dataclass(frozen=True, slots=True)
class Uses:
    """``local`` maps a module's name to its source file; ``packages`` are top-level names."""

    local: Mapping[str, str] = field(default_factory=dict)
    packages: tuple[str, ...] = ()


def find_uses(names: Iterable[str]) -> Uses:
    """Sort the modules of these names, and all that local ones import, as they are loaded now."""
    local: dict[str, str] = {}
    packages: set[str] = set()
    todo = [name for name in names if name]
    seen: set[str] = set()
    while todo:
        name = todo.pop()
        if name in seen:
            continue
        seen.add(name)
        top = name.partition(".")[0]
        if top in _OURS or top in sys.stdlib_module_names:
            continue
        module = sys.modules.get(name)
        path = _file_of(module)
        if path is None:
            if module is not None or "." not in name:
                if top in sys.modules and _file_of(sys.modules[top]) is not None and name != top:
                    todo.append(top)
                continue
            todo.append(name.rpartition(".")[0])  # `from module import name`
        elif not _INSTALLED.isdisjoint(Path(path).parts):
            if not top.startswith("_"):  # a part of some package that goes by its own name
                packages.add(top)
        elif not path.startswith(_standard()):
            local[name] = path
            if "." in name:
                todo.append(name.rpartition(".")[0])
            todo.extend(_imports_of_file(path, name, Path(path).stem == "__init__"))
    return Uses(local, tuple(sorted(packages)))


def imported_names(source: ast.AST, module: str = "", package: bool = False) -> frozenset[str]:
    """The modules that code imports anywhere in it, absolute; ``module`` is where it stands."""
    found: set[str] = set()
    for node in ast.walk(source):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(node, module, package)
            found.add(base)
            found.update(f"{base}.{alias.name}" for alias in node.names if alias.name != "*")
    return frozenset(name.strip(".") for name in found)


def _absolute(node: ast.ImportFrom, module: str, package: bool) -> str:
    if not node.level:
        return node.module or ""
    parts = module.split(".")
    keep = len(parts) - node.level + (1 if package else 0)
    return ".".join([*parts[: max(keep, 0)], *([node.module] if node.module else [])])


def _file_of(module: ModuleType | None) -> str | None:
    path = getattr(module, "__file__", None)
    return path if isinstance(path, str) else None


@functools.cache
def _standard() -> tuple[str, ...]:
    paths = sysconfig.get_paths()
    return tuple({f"{paths[name]}/" for name in ("stdlib", "platstdlib")})


def _imports_of_file(path: str, name: str, package: bool) -> frozenset[str]:
    try:
        stat = Path(path).stat()
    except OSError:
        return frozenset()
    return _read_imports(path, stat.st_mtime_ns, stat.st_size, name, package)


@functools.lru_cache(maxsize=2000)
def _read_imports(path: str, modified: int, size: int, name: str, package: bool) -> frozenset[str]:
    """``modified`` and ``size`` make a changed file another entry."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            tree = ast.parse(Path(path).read_bytes())
        except (OSError, SyntaxError, ValueError):
            return frozenset()  # compiled, or edited since: its own content counts anyway
    return imported_names(tree, name, package)
