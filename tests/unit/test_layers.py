"""The layer rule over the whole tree, and that nothing heavy is imported before it is needed."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "orch_nb"

# The longest matching prefix decides; the package itself holds only the version and lazy names.
LAYERS = {
    "orch_nb.errors": 1,
    "orch_nb.states": 1,
    "orch_nb.model": 1,
    "orch_nb.automagic": 1,
    "orch_nb.first_line": 1,
    "orch_nb.options": 1,
    "orch_nb.option_text": 1,
    "orch_nb.option_schema": 1,
    "orch_nb.amounts": 1,
    "orch_nb.browser": 1,
    "orch_nb.durations": 1,
    "orch_nb.places": 1,
    "orch_nb.settings": 1,
    "orch_nb.wire": 1,
    "orch_nb.analysis": 2,
    "orch_nb.graph": 2,
    "orch_nb.schedules": 2,
    "orch_nb.notebook": 2,
    "orch_nb.execution": 3,
    "orch_nb.results": 3,
    "orch_nb.engine": 3,
    "orch_nb.store": 3,
    "orch_nb.runners": 4,
    "orch_nb.dynamic": 4,
    "orch_nb.warm": 4,
    "orch_nb.engine.driver": 4,
    "orch_nb.papermill": 5,
    "orch_nb.app": 5,
    "orch_nb.decorators": 5,
    "orch_nb.service": 5,
    "orch_nb.magics": 6,
    "orch_nb.panel": 6,
    "orch_nb.server": 6,
    "orch_nb.cli": 6,
}
FACES = {"orch_nb.magics", "orch_nb.panel", "orch_nb.server", "orch_nb.cli"}
NOT_FOR_FACES = {"orch_nb.store", "orch_nb.runners"}
NOT_IN_PYODIDE = ("ipykernel", "distributed", "papermill", "jupyter_server", "jupyterlab")
HEAVY = (
    "IPython",
    "alembic",
    "fsspec",
    "ipykernel",
    "jupyter_client",
    "nbclient",
    "nbformat",
    "numpy",
    "pandas",
    "papermill",
    "rich",
    "sqlalchemy",
    "traitlets",
    "yaml",
)


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def layer_of(module: str) -> int | None:
    name = module
    while name != "orch_nb" and name:
        if name in LAYERS:
            return LAYERS[name]
        name = name.rpartition(".")[0]
    return None


def part_of(module: str) -> str:
    return ".".join(module.split(".")[:2])


def imports_of(path: Path, module: str) -> Iterator[tuple[int, str]]:
    """Every module that ``path`` imports, late imports included, with the line."""
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                anchor = package.rsplit(".", node.level - 1)[0]
                base = f"{anchor}.{base}" if base else anchor
            for alias in node.names:
                full = f"{base}.{alias.name}"
                yield node.lineno, full if full in MODULES else base


def test_every_module_belongs_to_a_layer() -> None:
    without = [name for name in MODULES if name != "orch_nb" and layer_of(name) is None]
    assert without == []


def test_imports_only_go_downward() -> None:
    upward = []
    for module, path in MODULES.items():
        own = layer_of(module)
        for line, target in imports_of(path, module):
            other = layer_of(target)
            if own is not None and other is not None and other > own:
                upward.append(f"{module}:{line} ({own}) imports {target} ({other})")
    assert upward == []


def test_faces_go_through_the_app_and_never_to_each_other() -> None:
    wrong = []
    for module, path in MODULES.items():
        face = part_of(module)
        if face not in FACES:
            continue
        for line, target in imports_of(path, module):
            other = part_of(target)
            if other in NOT_FOR_FACES or (other in FACES and other != face):
                wrong.append(f"{module}:{line} imports {target}")
    assert wrong == []


def run_python(code: str) -> str:
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


LOADED = "import sys\n{}\nprint('\\n'.join(sorted(m for m in sys.modules)))"


@pytest.mark.parametrize(
    "statement",
    [
        "import orch_nb",
        "from orch_nb.cli.__main__ import run_command; assert run_command(['--help']) == 0",
        "from orch_nb.cli.__main__ import run_command; assert run_command(['rnu']) == 2",
    ],
)
def test_nothing_heavy_is_imported_at_the_start(statement: str) -> None:
    loaded = run_python(LOADED.format(statement)).split()
    assert [name for name in HEAVY if name in loaded] == []


def test_help_does_not_import_the_commands() -> None:
    statement = "from orch_nb.cli.__main__ import run_command; assert run_command(['-h']) == 0"
    loaded = run_python(LOADED.format(statement)).split()
    own = {name for name in loaded if name.startswith("orch_nb.cli.")}
    assert own == {"orch_nb.cli.__main__", "orch_nb.cli.commands", "orch_nb.cli.failure"}


def test_layers_one_to_three_import_without_what_pyodide_lacks() -> None:
    # Alembic runs its migrations itself; they can't be imported outside of it.
    named = [name for name in MODULES if ".migrations." not in name]
    low = [name for name in named if (layer_of(name) or 9) <= 3]
    code = f"""
import importlib, sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {NOT_IN_PYODIDE!r}:
            raise ModuleNotFoundError("blocked: " + name, name=name)

sys.meta_path.insert(0, Blocked())
for name in {low!r}:
    importlib.import_module(name)
print(len({low!r}))
"""
    assert int(run_python(code)) == len(low) > 10
