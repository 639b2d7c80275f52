"""What a run tells the cluster that its cells are sent to."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable
from pathlib import Path

from orch_nb.app.preparing import Prepared
from orch_nb.app.sessions import Session
from orch_nb.runners.dask_runner import Sending
from orch_nb.runners.kernelspecs import KernelMode

# Loading these starts no thread that a fork would miss.
_SAFE_TO_FORK = frozenset(
    {"matplotlib", "numpy", "pandas", "scipy", "seaborn", "sklearn", "statsmodels"}
)


def sending_of(
    prepared: Prepared, folder: str, session: Session, notice: Callable[[str], None]
) -> Sending:
    """``notice`` takes what the user should know of the cluster."""
    sources = [cell.source for cell in prepared.notebook.cells]
    kernel = session.kernel
    imported = set[str]().union(*map(_imported, sources))
    return Sending(
        flow=prepared.notebook.flow.name,
        names=prepared.names,
        modules=find_modules(sources, Path(folder)),
        python="" if kernel.mode is KernelMode.OURS else kernel.python or "",
        preload=tuple(sorted(imported & _SAFE_TO_FORK)),
        notice=notice,
    )


def find_modules(sources: Iterable[str], folder: Path) -> dict[str, str]:
    """The modules beside the notebook that these cells import, and those that they import:
    path in ``folder`` → source. What can't be read or parsed is left out."""
    found: dict[str, str] = {}
    texts = list(sources)
    while texts:
        for name in sorted(_imported(texts.pop())):
            for path in _files_of(folder, name):
                inside = path.relative_to(folder).as_posix()
                if inside not in found:
                    try:
                        found[inside] = path.read_text(encoding="utf-8")
                    except (OSError, UnicodeDecodeError):
                        continue
                    texts.append(found[inside])
    return found


def _imported(source: str) -> set[str]:
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
