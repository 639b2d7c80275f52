"""Measures everybody, in turns, and writes the table, the page and the JSON.

Run as ``python -m tests.benchmarks.peers [--quick] [--only TEXT]… [--repeats N] [--no-page]``.
With ``--only``, the rows that were measured take the place of those on the page.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from orch_nb import __version__
from tests.benchmarks.peers import environments, report
from tests.benchmarks.peers.measuring import Place
from tests.benchmarks.peers.workloads import Workload, workloads
from tests.command_line import ROOT

_PAGE = ROOT / "docs" / "explanation" / "speed.md"
_NUMBERS = _PAGE.with_name("peers.json")


def main() -> None:
    """Build, measure, tell."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small sizes, one repeat, no page")
    parser.add_argument(
        "--only", action="append", default=[], help="workloads whose names contain this"
    )
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--no-page", action="store_true", help="leave the documentation alone")
    given = parser.parse_args()
    environments.build()
    every = workloads(quick=given.quick)
    chosen = [w for w in every if not given.only or any(text in w.name for text in given.only)]
    rows: list[report.Row] = []
    with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as folder:
        place = Place(Path(folder))
        try:
            for workload in chosen:
                rows.append(_measure(place, workload, 1 if given.quick else given.repeats))
                print(report.as_table(rows[-1:]), flush=True)
        finally:
            _stop_daemon(place)
    print("\n" + report.as_table(rows))
    if not (given.quick or given.no_page):
        _write_page(every, rows)


def _write_page(every: Sequence[Workload], rows: Sequence[report.Row]) -> None:
    """Tell what was measured now, and of the other workloads what was measured before."""
    earlier = json.loads(_NUMBERS.read_text()) if _NUMBERS.exists() else {"workloads": []}
    now = {row.workload.name: row for row in rows}
    found = [now.get(one.name) or report.from_json(earlier, one) for one in every]
    told = [row for row in found if row is not None]
    about = _about()
    _PAGE.write_text(report.as_markdown(told, about))
    _NUMBERS.write_text(json.dumps(report.as_json(told, about), indent=1) + "\n")


def _measure(place: Place, workload: Workload, repeats: int) -> report.Row:
    row = report.Row(workload)
    if any(one.warm for one in workload.contenders):
        _start_daemon(place)
    for _ in range(repeats):
        for contender in workload.contenders:
            print(f"  {workload.name}: {contender.name}", file=sys.stderr, flush=True)
            size = contender.size or workload.size
            found = place.measure(workload, contender, size)
            row.found.setdefault(contender.name, []).append(found)
    for size in workload.grows:
        print(f"  {workload.name}: {size}", file=sys.stderr, flush=True)
        row.growth.append((size, place.measure(workload, workload.contenders[0], size)))
    return row


def _start_daemon(place: Place) -> None:
    _orch(place, "warm", "start")


def _stop_daemon(place: Place) -> None:
    _orch(place, "warm", "stop")


def _orch(place: Place, *words: str) -> None:
    program = environments.program_of(environments.OURS, "orch-nb")
    environment = place.environment(warm=True)
    subprocess.run([program, *words], env=environment, stdout=subprocess.DEVNULL, check=False)


def _about() -> Mapping[str, str]:
    """What was compared, and on what; nothing that tells whose machine it was."""
    found = {
        "cores": str(os.cpu_count()),
        "Python": platform.python_version(),
        "orch_nb": __version__,
    }
    notebooks = ("papermill", "nbclient", "ploomber-engine", "jupyterlab")
    found |= environments.versions("notebooks", notebooks)
    found |= environments.versions("prefect", ("prefect", "prefect-dask"))
    return found | environments.versions("dask", ("distributed",))


if __name__ == "__main__":
    main()
