"""Notebooks of two shapes, a chain and a fan, beside the same cells in a plain kernel.

Run as ``python -m tests.benchmarks.shapes``. Start-up is taken off: each time is that of the
notebook less that of a notebook with only its first cell, run in the same minute.
"""

from __future__ import annotations

import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import nbformat
from nbclient import NotebookClient

from orch_nb import app
from tests.command_line import make_document

REPEATS = 3
FIRST = (
    "import time\nimport numpy as np, pandas as pd\n"
    "def work(seconds):\n"
    "    end = time.process_time() + seconds\n"
    "    while time.process_time() < end:\n"
    "        sum(range(1000))\n"
    "    return seconds\n"
    "frame = pd.DataFrame({'a': np.arange(100_000.0)})\nmodels = {}"
)
SHAPES: dict[str, tuple[str, ...]] = {
    "chain of 40 cells of 50 ms": tuple(
        f"frame['c{i}'] = frame.a * {i} + work(0.05)\nmodels['m{i}'] = list(range({i}))"
        for i in range(40)
    ),
    "chain of 300 cells of 1 ms": tuple(f"models['m{i}'] = work(0.001)" for i in range(300)),
    "8 cells that wait 0.5 s": tuple(f"time.sleep(0.5); r{i} = {i}" for i in range(8)),
    "2 branches of 4 cells of 0.3 s": tuple(
        f"{side} = {side if step else 0} + work(0.3)" for step in range(4) for side in "xy"
    ),
}


def main() -> None:
    """Measure each shape in both."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        os.environ["ORCH_NB_HOME"] = str(folder / "home")
        print(f"{'seconds beyond start-up':<34}{'orch_nb':>9}{'kernel':>9}{'ratio':>8}")
        for number, (name, cells) in enumerate(SHAPES.items()):
            path = folder / f"shape-{number}.ipynb"
            ours, theirs = [], []
            for _ in range(REPEATS):
                ours.append(_beyond(_run_ours, path, cells))
                theirs.append(_beyond(_run_kernel, path, cells))
            mine, plain = statistics.median(ours), statistics.median(theirs)
            print(f"{name:<34}{mine:>9.2f}{plain:>9.2f}{mine / plain:>8.2f}", flush=True)


def _beyond(run: Callable[[Path], None], path: Path, cells: tuple[str, ...]) -> float:
    return _time(run, path, FIRST, *cells) - _time(run, path, FIRST)


def _time(run: Callable[[Path], None], path: Path, *cells: str) -> float:
    path.write_text(json.dumps(make_document(*cells)))
    begin = time.monotonic()
    run(path)
    return time.monotonic() - begin


def _run_ours(path: Path) -> None:
    result = app.run(app.RunRequest(str(path)))
    if result.run.state_name != "Completed":
        raise RuntimeError(result.run.state_message)


def _run_kernel(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=None).execute()


if __name__ == "__main__":
    main()
