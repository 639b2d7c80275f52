"""How a function is shipped to a worker, and what its outcome depends on."""

from __future__ import annotations

import hashlib
import importlib
import inspect
import pickle
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path
from typing import Any

from orch_nb.execution.fingerprint import Fingerprinter

_MAIN = "__main__"
IMPORTED_MAIN = "__mp_main__"  # a script that is imported: what multiprocessing calls it, too


def where_from(function: Callable[..., Any]) -> str:
    """Module and name of a function: the same in each attempt of a run."""
    module = getattr(function, "__module__", None) or ""
    module = _MAIN if module == IMPORTED_MAIN else module
    return f"{module}:{getattr(function, '__qualname__', type(function).__qualname__)}"


def pickle_function(function: Callable[..., Any], wrapper: Any = None) -> bytes:
    """The function as bytes: by its name where a worker can import it, else as it is.

    ``wrapper`` is what stands under the function's name in its module. Raises whatever pickling
    raises.
    """
    module, _, name = where_from(function).partition(":")
    if module and module != _MAIN and "<locals>" not in name and _is_file(module):
        found: Any = sys.modules[module]
        for part in name.split("."):
            found = getattr(found, part, None)
        if found is function or (wrapper is not None and found is wrapper):
            return pickle.dumps(ImportedFunction(module, name), protocol=5)
    import cloudpickle

    pickled: bytes = cloudpickle.dumps(function, protocol=5)
    return pickled


class ImportedFunction:
    """A function by its name; what decorates it is taken off when it is called."""

    def __init__(self, module: str, name: str) -> None:
        self.module = module
        self.name = name

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        found: Any = importlib.import_module(self.module)
        for part in self.name.split("."):
            found = getattr(found, part)
        return getattr(found, "__wrapped_task__", found)(*args, **kwargs)


def _is_file(module: str) -> bool:
    """Whether another process finds the module: it has a file, and a parent that has one."""
    return getattr(sys.modules.get(module), "__file__", None) is not None


def digest_code(function: Callable[..., Any]) -> str:
    """A digest of the code that the function's outcome depends on: its own text, what it was made
    with, and the text of its module where that is no installed package."""
    inner = inspect.unwrap(function)
    parts = [where_from(function), _source(inner)]
    code = getattr(inner, "__code__", None)
    if code is not None:
        made = (inner.__defaults__, inner.__kwdefaults__, _closure(inner))
        parts.append(Fingerprinter({}).digest(made))
        used = {name: inner.__globals__.get(name) for name in sorted(code.co_names)}
        parts.append(_digest_globals(used))
    module = sys.modules.get(getattr(inner, "__module__", "") or "")
    file = getattr(module, "__file__", None)
    if file is not None and module is not sys.modules.get(_MAIN) and not _is_installed(file):
        parts.append(Path(file).read_text(encoding="utf-8", errors="replace"))
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()


def _source(function: Callable[..., Any]) -> str:
    try:
        return inspect.getsource(function)
    except (OSError, TypeError):
        code = getattr(function, "__code__", None)
        return "" if code is None else f"{code.co_code.hex()} {code.co_consts!r}"


def _closure(function: Any) -> tuple[Any, ...]:
    found = []
    for cell in function.__closure__ or ():
        try:
            found.append(cell.cell_contents)
        except ValueError:  # not set yet
            found.append(None)
    return tuple(found)


def _digest_globals(used: dict[str, Any]) -> str:
    parts = []
    for name, value in used.items():
        if inspect.ismodule(value) or value is None:
            parts.append(name)
        elif inspect.isfunction(value):
            parts.append(name + _source(value))
        elif inspect.isclass(value) or hasattr(value, "__wrapped_task__"):
            parts.append(name + where_from(getattr(value, "__wrapped_task__", value)))
        else:
            parts.append(name + Fingerprinter({}).digest(value))
    return "\n".join(parts)


def _is_installed(file: str) -> bool:
    places = {sysconfig.get_path(kind) for kind in ("stdlib", "platlib", "purelib")}
    return "site-packages" in file or any(file.startswith(p + "/") for p in places if p)
