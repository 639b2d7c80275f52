"""Make a process safe to fork, and its child safe to run in."""

from __future__ import annotations

import ctypes
import os
import random
import sys
import threading
from pathlib import Path

_SWITCH = "ORCH_NB_NO_FORK"
_SWITCHED_OFF = os.environ.get(_SWITCH) == "1"  # as it was when the process began


def why_not() -> str:
    """Why this process must not be forked now, in words; empty when it may be."""
    if _SWITCHED_OFF:
        return f"forking is switched off by {_SWITCH}"
    if not hasattr(os, "fork") or sys.platform == "darwin":
        return "this system does not fork safely"
    threads = threading.active_count() - 1
    if threads:
        return f"{threads} Python thread{'s are' if threads > 1 else ' is'} alive"
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        return "CUDA is in use"
    return ""


def pause_pools() -> None:
    """Stop OpenMP's idle threads (GNU's library), whose locks a child would wait for forever."""
    if sys.platform != "linux":
        return
    maps = Path("/proc/self/maps").read_text(errors="replace")
    for library in {line.split()[-1] for line in maps.splitlines() if "libgomp" in line}:
        pause = getattr(ctypes.CDLL(library), "omp_pause_resource_all", None)
        if pause is not None:
            pause(2)  # omp_pause_hard


def fork() -> int:
    """``os.fork``, after which the child goes on with the parent's random numbers.

    Python seeds ``random`` anew in every child, but a cell is to draw what serial would.
    """
    state = random.getstate()
    pid = os.fork()
    if pid == 0:
        random.setstate(state)
    return pid


def reset_pools() -> None:
    """Forget pools of threads and processes that the parent had: they did not come along."""
    dask_threaded = sys.modules.get("dask.threaded")
    if dask_threaded is not None:
        vars(dask_threaded)["default_pool"] = None
        dask_threaded.pools.clear()
    loky = sys.modules.get("joblib.externals.loky.reusable_executor")
    if loky is not None:
        vars(loky)["_executor"] = None
