"""What orch_nb costs in a kernel: loading, a %%task cell, and a flow of ten tasks that are done.

``python -m tests.benchmarks.live`` prints a line for each, and exits with 1 where a promise is
broken.
"""

from __future__ import annotations

import importlib.util
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

MOST = {"load_ext": 150.0, "%%task": 3.0, "flow of ten": 150.0}  # milliseconds
LARGE = "import numpy; large = numpy.random.default_rng(1).random(12_500_000)"  # 100 MB
_CONFTEST = Path(__file__).parents[1] / "integration" / "magics" / "conftest.py"


def load_kernel() -> Any:
    """The tests' own kernel client."""
    spec = importlib.util.spec_from_file_location("magics_kernel", _CONFTEST)
    if spec is None or spec.loader is None:
        raise RuntimeError(f"{_CONFTEST} can't be loaded")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module.Kernel


def milliseconds(kernel: Any, code: str) -> float:
    """How long a cell takes, from its sending to its end."""
    began = time.perf_counter()
    kernel.run(code)
    return (time.perf_counter() - began) * 1000


def report(name: str, value: float, words: str = "") -> bool:
    """Print what was measured; whether it is more than was promised."""
    most = MOST.get(name)
    broken = most is not None and value > most
    bound = "" if most is None else f"  at most {most:.0f}{' BROKEN' * broken}"
    print(f"{name:<14} {value:7.1f} ms {words}{bound}")
    return broken


def main() -> int:
    """Measure, and print one line each."""
    broken = 0
    with tempfile.TemporaryDirectory() as folder:
        os.environ["ORCH_NB_HOME"] = f"{folder}/home"
        kernel = load_kernel()(Path(folder), None)
        try:
            kernel.run("1")
            broken += report("load_ext", milliseconds(kernel, "%load_ext orch_nb"))
            kernel.run("%%task warm\nw = 1")
            plain = [milliseconds(kernel, f"p = {n}") for n in range(40)]
            tasks = [milliseconds(kernel, f"%%task t\nq = {n}") for n in range(40)]
            extra = statistics.median(tasks) - statistics.median(plain)
            broken += report("%%task", extra, "over a plain cell")
            for n in range(10):
                kernel.run(f"%%task done{n}\nv{n} = {n}")
            report("flow, first", milliseconds(kernel, "%%flow"))
            again = [milliseconds(kernel, "%%flow") for _ in range(5)]
            broken += report("flow of ten", statistics.median(again))
            kernel.run(LARGE)
            large = [milliseconds(kernel, "%%task t\nn = len(large)") for _ in range(9)]
            plain = [milliseconds(kernel, "n = len(large)") for _ in range(9)]
            extra = statistics.median(large) - statistics.median(plain)
            report("%%task, 100 MB", extra, "over a plain cell, its input looked at")
        finally:
            kernel.close()
    return int(broken > 0)


if __name__ == "__main__":
    sys.exit(main())
