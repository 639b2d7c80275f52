"""Libraries that a template loads before it is known which run needs them, and when it must not."""

from __future__ import annotations

import gc
import importlib.util
import os
import signal
import site
import sys
import sysconfig
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orch_nb.execution import processes

if TYPE_CHECKING:
    from orch_nb.execution.shell import CellShell

_NEVER = frozenset({"orch_nb"})  # it has state of the run it is in


def preload(shell: CellShell, modules: Sequence[str]) -> dict[str, Any]:
    """Import ``modules`` as a cell would; tell what came of it. ``a.b:c`` is what
    ``from a.b import c`` says, where ``c`` may be a module.

    ``refused`` are modules that can't be had beforehand, each with the reason: with one of them
    loaded, a run would not be as without. ``names`` are the top-level modules that are loaded
    now, ``files`` all files of modules, ``memory`` the bytes that are this process's own.
    """
    before = set(sys.modules)
    shell.preload(["builtins"])  # the first cell is the slowest: its forks need not have one
    refused = {module: why for module in modules if (why := _load(shell, module))}
    gc.collect()
    gc.freeze()
    new = {name.partition(".")[0] for name in set(sys.modules) - before}
    return {
        "refused": refused,
        "names": sorted(new - set(sys.stdlib_module_names)),
        "files": module_files(),
        "memory": processes.own_memory_of(os.getpid()),
    }


def _load(shell: CellShell, wanted: str) -> str:
    """Load one; why that must not be, else nothing."""
    module, _, name = wanted.partition(":")
    if not _is_installed(module):
        return "it is no installed library"
    state = _state()
    failed = shell.preload([module])
    if not failed and name and not hasattr(sys.modules[module], name):
        failed = shell.preload([f"{module}.{name}"])
    if failed:
        return "its import fails, or shows something"
    return "" if _state() == state else "its import changes the process"


def module_files() -> list[str]:
    """The files of all modules that this process has loaded, and its folders of libraries."""
    files = {getattr(module, "__file__", None) for module in list(sys.modules.values())}
    return sorted({file for file in files if isinstance(file, str)} | set(library_folders()))


def library_folders() -> list[str]:
    """Where packages are installed; a package that comes, goes or changes is seen in them."""
    folders = [*site.getsitepackages(), site.getusersitepackages()]
    folders += [sysconfig.get_path(name) for name in ("purelib", "platlib")]
    return sorted({folder for folder in folders if Path(folder).is_dir()})


def _is_installed(module: str) -> bool:
    """Whether it comes from a folder of libraries: others may change at any time."""
    top = module.partition(".")[0]
    if top in _NEVER:
        return False
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return False
    if spec is None:
        return False
    places = [spec.origin or "", *(spec.submodule_search_locations or ())]
    return any(place.startswith(f"{f}/") for place in places for f in library_folders())


def _state() -> tuple[object, ...]:
    """What an import should leave alone, and a fork of this process could not go without."""
    handlers = [signal.getsignal(number) for number in signal.valid_signals()]
    return threading.active_count(), handlers, Path.cwd(), list(sys.path), sys.excepthook
