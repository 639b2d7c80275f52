"""The modules that lie beside a notebook, or a flow's own, and that it uses."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from pathlib import Path


def find_modules(sources: Iterable[str], folder: Path) -> dict[str, str]:
    """The modules beside the notebook that these cells import, and those that they import:
    path in ``folder`` → source. What can't be read or parsed is left out."""
    found: dict[str, str] = {}
    texts = list(sources)
    while texts:
        for name in sorted(imported_by(texts.pop())):
            for path in _files_of(folder, name):
                inside = path.relative_to(folder).as_posix()
                if inside not in found:
                    try:
                        found[inside] = path.read_text(encoding="utf-8")
                    except (OSError, UnicodeDecodeError):
                        continue
                    texts.append(found[inside])
    return found


def imported_by(source: str) -> set[str]:
    """The first part of each module's name that is imported."""
    magics = ("%", "!")
    lines = ["" if line.lstrip().startswith(magics) else line for line in source.splitlines()]
    try:
        tree = ast.parse("\n".join(lines))
    except (SyntaxError, ValueError):
        return set()
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.partition(".")[0])
    return names


def _files_of(folder: Path, name: str) -> list[Path]:
    module = folder / f"{name}.py"
    if module.is_file():
        return [module]
    package = folder / name
    if (package / "__init__.py").is_file():
        return sorted(package.rglob("*.py"))
    return []
