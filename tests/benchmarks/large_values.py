"""What handing a large value from one task to two others costs, beside writing it once.

Run as ``python -m tests.benchmarks.large_values [GIGABYTES]``. The cost is what a run with the
large value takes longer than the same run with a small one, without the time that making it takes.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

from orch_nb import app
from tests.command_line import code, make_document

REPEATS = 3
MAKE = {
    "NumPy array": "import numpy as np\nbig = np.full({count}, {value}.0)",
    "Arrow-backed frame": (
        "import pandas as pd, pyarrow as pa, numpy as np\n"
        "half = {count} // 2\n"
        "table = pa.table({{'a': np.full(half, {value}.0), 'b': np.arange(half)}})\n"
        "big = table.to_pandas(types_mapper=pd.ArrowDtype)\ndel table"
    ),
}
READ = {"NumPy array": "float(big[::4096].sum())", "Arrow-backed frame": "int(big.b.iloc[-1])"}
OWN = (
    "lines = open('/proc/self/smaps_rollup').read().split('\\n')\n"
    "print(next(line.split()[1] for line in lines if line.startswith('Anonymous')))"
)


def main() -> None:
    """Measure both kinds of value."""
    size = float(sys.argv[1]) if len(sys.argv) > 1 else 1.0
    with tempfile.TemporaryDirectory() as place:
        os.environ["ORCH_NB_HOME"] = str(Path(place, "home"))
        folder = Path(place)
        count = int(size * 1e9 / 8)
        once = statistics.median(_write(folder / f"once-{n}", count * 8) for n in range(REPEATS))
        print(f"{size:g} GB written once: {once:.2f} s")
        print(f"{'':<22}{'handed over':>12}{'ratio':>8}{'a reader writes':>18}")
        for name in MAKE:
            costs, dirty = [], 0
            for value in range(REPEATS):  # each its own, so that none is there already
                large, dirty = _run(folder, name, count, value)
                small, _ = _run(folder, name, 1000, value)
                costs.append(large - small)
            cost = statistics.median(costs)
            print(f"{name:<22}{cost:>10.2f} s{cost / once:>8.2f}{dirty / 1000:>15.0f} MB")


def _write(path: Path, count: int) -> float:
    data = memoryview(bytearray(count))
    begin = time.monotonic()
    with path.open("wb") as file:
        file.write(data)
    return time.monotonic() - begin  # the file stays: the next one needs fresh memory, as ours do


def _run(folder: Path, name: str, count: int, value: int) -> tuple[float, int]:
    """Seconds of a run without what making the value takes; a reader's own memory in kB."""
    path = folder / "large.ipynb"
    make = "%%task make\n" + MAKE[name].format(count=count, value=value)
    reads = [f"%%task read{i}\nprint({READ[name]})\n{OWN}" for i in (1, 2)]
    document = make_document(code("import numpy, pandas, pyarrow"), make, *reads)
    path.write_text(json.dumps(document))
    result = app.run(app.RunRequest(str(path)))
    if result.run.state_name != "Completed":
        sys.exit(f"{name}: {result.run.state_message}")
    making = next(task.seconds or 0 for task in result.tasks if task.name == "make")
    cell = result.document["cells"][2]
    printed = "".join("".join(output["text"]) for output in cell["outputs"]).split()
    return result.seconds - making, int(printed[-1])


if __name__ == "__main__":
    main()
