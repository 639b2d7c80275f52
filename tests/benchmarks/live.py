"""What orch_nb costs in a kernel: loading, a %%task cell, and a flow of ten tasks that are done.

Run it as ``python tests/benchmarks/live.py``. Targets: 150 ms, 3 ms, 150 ms.
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


def main() -> None:
    """Measure, and print one line each."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["ORCH_NB_HOME"] = f"{folder}/home"
        kernel = load_kernel()(Path(folder), None)
        try:
            kernel.run("1")
            print(f"load_ext    {milliseconds(kernel, '%load_ext orch_nb'):7.1f} ms")
            kernel.run("%%task warm\nw = 1")
            plain = [milliseconds(kernel, f"p = {n}") for n in range(40)]
            tasks = [milliseconds(kernel, f"%%task t\nq = {n}") for n in range(40)]
            extra = statistics.median(tasks) - statistics.median(plain)
            print(f"%%task      {extra:7.1f} ms over a plain cell")
            for n in range(10):
                kernel.run(f"%%task done{n}\nv{n} = {n}")
            print(f"flow, first {milliseconds(kernel, '%%flow'):7.1f} ms")
            again = [milliseconds(kernel, "%%flow") for _ in range(5)]
            print(f"flow of ten {statistics.median(again):7.1f} ms")
        finally:
            kernel.close()


if __name__ == "__main__":
    main()
