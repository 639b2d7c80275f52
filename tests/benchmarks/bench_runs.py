"""Times whole commands beside papermill's: `make bench`. Prints a table; take the ratios."""

from __future__ import annotations

import json
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.command_line import EXAMPLES, Bench, make_document

REPEATS = 3
CASES: dict[str, tuple[str | dict[str, Any], ...]] = {
    "one cell": ("print(1)",),
    "200 cells of `pass`": ("pass",) * 200,
    "eight sleeps of 1 s": ("import time", *["time.sleep(1)"] * 8),
    "import pandas": ("import pandas as pd\npd.DataFrame({'a': [1]})",),
}


def measure(bench: Bench, command: list[str]) -> float:
    """The median wall time of a command, in seconds."""
    times = []
    for _ in range(REPEATS):
        begin = time.monotonic()
        ended = bench.call(command)
        times.append(time.monotonic() - begin)
        if ended.code != 0:
            sys.exit(f"{' '.join(command)} ended with {ended.code}:\n{ended.err}")
    return statistics.median(times)


def main() -> None:
    """Measure every case with both and print a row for each."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        bench = Bench(folder, folder / "home")
        shutil.copytree(EXAMPLES, bench.folder, dirs_exist_ok=True)
        examples = ("parallel_and_equal", "exploration")
        names = {f"{name} (example)": f"{name}.ipynb" for name in examples}
        for number, (name, cells) in enumerate(CASES.items()):
            names[name] = f"case-{number}.ipynb"
            (bench.folder / names[name]).write_text(json.dumps(make_document(*cells)))
        ours = bench.command("run", "-o", "ours.ipynb", "--max-workers", "8")
        papermill = [sys.executable, "-m", "papermill", "--no-progress-bar"]
        print(f"{'seconds, median of ' + str(REPEATS):<28}{'orch-nb':>9}{'papermill':>11}")
        print(f"{'--help':<28}{measure(bench, bench.command('--help')):>9.2f}")
        for name, path in names.items():
            mine = measure(bench, [*ours, path])
            theirs = measure(bench, [*papermill, path, "theirs.ipynb"])
            print(f"{name:<28}{mine:>9.2f}{theirs:>11.2f}", flush=True)


if __name__ == "__main__":
    main()
