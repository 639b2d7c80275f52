"""Give a running cell its share of the cores: so many threads for BLAS and OpenMP."""

from __future__ import annotations

import functools
import importlib.util
import os
import sys
from typing import Any

# Read by the libraries when they are loaded; what the notebook or the user set is left alone.
_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)
_SET_BY_LOADING = "KMP_DUPLICATE_LIB_OK"
# One of these brings whatever library of that kind there is.
_BRINGERS = frozenset({"numpy", "scipy", "sklearn", "torch", "faiss", "lightgbm", "xgboost"})


def count_cores() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class ThreadShare:
    """The libraries' pools of one process. What it knows goes along when the process forks.

    A number that somebody else sets meanwhile (`torch.set_num_threads`, `threadpool_limits`) is
    taken as the notebook's wish, and is the most that the library gets from then on.
    """

    def __init__(self) -> None:
        self._libraries: list[Any] = []
        self._modules = 0  # how many were loaded when the libraries were looked for
        self._wished: dict[str, int] = {}
        self._given: dict[str, int] = {}
        self._count = 0

    def look(self) -> None:
        """Find the libraries that are loaded, if modules were loaded since the last time.

        It takes milliseconds: a process that is about to fork does it for its children.
        """
        if len(sys.modules) == self._modules or _BRINGERS.isdisjoint(sys.modules):
            return
        self._modules = len(sys.modules)
        self._libraries = _own_threadpoolctl().ThreadpoolController().lib_controllers
        for library in self._libraries:
            self._see(library)

    def give(self, count: int) -> None:
        """Let each library use up to ``count`` threads; 0 lets it use what it would by itself.

        Libraries that are loaded later keep to it as well.
        """
        if not count and not self._count:
            return  # never was anything taken away
        self.look()
        for library in self._libraries:
            self._see(library)
            wished = self._wished[library.filepath]
            given = min(wished, count) if count else wished
            if given != library.num_threads:
                library.set_num_threads(given)
            self._given[library.filepath] = given
        for name in _VARIABLES:
            if name not in os.environ:
                # below os.environ: the notebook's own view of it stays a serial run's
                os.putenv(name, str(count)) if count else os.unsetenv(name)
        self._count = count

    def _see(self, library: Any) -> None:
        now, key = library.num_threads, library.filepath
        if key not in self._wished:
            limited = bool(self._count) and now == self._count
            self._wished[key] = self._given[key] = now
            if limited:  # it was loaded while it had to keep to its share
                self._wished[key] = max(now, count_cores())
        elif now != self._given[key]:
            self._wished[key] = self._given[key] = now


@functools.cache
def _own_threadpoolctl() -> Any:
    """threadpoolctl, loaded for this module alone: it sets an environment variable when loaded,
    which the notebook would see without having loaded it."""
    theirs = importlib.util.find_spec("threadpoolctl")
    path = "" if theirs is None else theirs.origin or ""
    spec = importlib.util.spec_from_file_location("orch_nb.execution._threadpoolctl", path)
    if spec is None or spec.loader is None:
        raise ModuleNotFoundError("threadpoolctl")
    module = importlib.util.module_from_spec(spec)
    was_set = _SET_BY_LOADING in os.environ
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    if not was_set:
        os.environ.pop(_SET_BY_LOADING, None)
    return module


share = ThreadShare()
