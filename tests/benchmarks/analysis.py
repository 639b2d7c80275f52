"""How long the analysis takes: medians in milliseconds of CPU time, against what was asked of it.

Run: ``python tests/benchmarks/analysis.py``; exit code 1 where a limit is passed.
"""

from __future__ import annotations

import gc
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import replace

from orch_nb.analysis.syntax import parse
from orch_nb.graph.build import GraphBuilder, build_graph
from orch_nb.graph.layout import lay_out
from orch_nb.model import Cell, CellKind

_FIRST = "import numpy as np\nimport pandas as pd\nimport matplotlib.pyplot as plt\nbase = 1"
_SHAPES = (
    "frame_{n} = pd.read_csv('data/{n}.csv')\nframe_{n}['a'] = frame_{n}['b'] * 2\n"
    "total_{n} = frame_{n}['a'].sum()\nprint(total_{n})",
    "values_{n} = np.array([{n}, 2, 3])\nvalues_{n} = values_{n} * total_{m}\n"
    "mean_{n} = values_{n}.mean()\nmean_{n}",
    "def scale_{n}(x, factor={n}):\n    return x * factor + base\n"
    "result_{n} = scale_{n}(mean_{m})\nresult_{n}",
    "parts_{n} = []\nfor item in range({n}):\n    parts_{n}.append(item + base)\nlen(parts_{n})",
    "fig_{n}, ax_{n} = plt.subplots()\nax_{n}.plot(parts_{m})\nax_{n}.set_title('{n}')\nplt.show()",
)


def notebook(count: int, salt: str = "") -> list[Cell]:
    """A notebook of ``count`` cells with four lines each, no two alike."""
    sources = [_FIRST + f"  # {salt}"]
    for number in range(1, count):
        shape = _SHAPES[(number - 1) % len(_SHAPES)]
        sources.append(shape.format(n=number, m=number - 1) + f"  # {salt}")
    return [
        Cell(number, number - 1, f"id-{number}", f"cell-{number}", CellKind.PLAIN, source)
        for number, source in enumerate(sources, 1)
    ]


def median(run: Callable[[int], object], times: int = 7) -> float:
    """The median of some runs, in milliseconds."""
    spent = []
    for turn in range(times):
        gc.collect()
        start = time.process_time()
        run(turn)
        spent.append((time.process_time() - start) * 1000)
    return statistics.median(spent)


def whole(count: int, times: int = 7) -> float:
    """Analyse a notebook that was never seen."""
    fresh = [notebook(count, f"{count} {turn}") for turn in range(times)]
    parse.cache_clear()
    return median(lambda turn: build_graph(fresh[turn]), times)


def edit(count: int, position: int, line: str) -> float:
    """Analyse a notebook again after a line was added to one cell."""
    cells = notebook(count)
    builder = GraphBuilder()
    builder.build(cells)
    versions = []
    for turn in range(9):
        cell = cells[position]
        changed = replace(cell, source=f"{cell.source}\n{line.format(turn=turn)}")
        versions.append([*cells[:position], changed, *cells[position + 1 :]])
    return median(lambda turn: builder.build(versions[turn]), 9)


def main() -> int:
    """Print the medians; 1 where one is over its limit."""
    whole(50)  # reads the tables
    thousand, most = whole(1000), whole(10_000, 1)
    graph = build_graph(notebook(1000))
    rows = [
        ("1,000 cells of four lines", thousand, 400.0),
        ("10,000 cells, per thousand", most / 10, 1.5 * thousand),
        ("one edited cell of 1,000, in the middle", edit(1000, 500, "x_{turn} = {turn}"), 5.0),
        ("one edited cell of 1,000, at the top", edit(1000, 1, "base = {turn}"), 5.0),
        ("one edited cell of 1,000, at the end", edit(1000, 999, "y = {turn}"), 5.0),
        ("layout of 1,000 cells", median(lambda _: lay_out(graph)), 50.0),
    ]
    for name, spent, limit in rows:
        mark = "ok" if spent <= limit else "TOO SLOW"
        print(f"{name:<42} {spent:9.1f} ms   (at most {limit:.0f})  {mark}")
    return int(any(spent > limit for _, spent, limit in rows))


if __name__ == "__main__":
    sys.exit(main())
