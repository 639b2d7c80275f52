"""What is measured: the notebooks and tasks, who does them, and which ratio is wanted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

OURS = "orch_nb"
SPIN = (
    "import time\n"
    "def work(seconds):\n"
    "    end = time.process_time() + seconds\n"
    "    while time.process_time() < end:\n"
    "        sum(range(1000))\n"
    "    return seconds\n"
)
LIBRARIES = "import numpy as np, pandas as pd, pyarrow as pa"
ARRAY = "big = np.arange({count}, dtype=float)"
FRAME = (
    "half = {count} // 2\n"
    "columns = {{'x': np.arange(half, dtype=float), 'y': np.arange(half)}}\n"
    "big = pa.table(columns).to_pandas(types_mapper=pd.ArrowDtype)\n"
    "del columns"
)


@dataclass(frozen=True, slots=True)
class Contender:
    """Who does a workload, and how: a script with its arguments, or a whole command."""

    name: str
    environment: str
    script: str = ""
    arguments: tuple[str, ...] = ()
    program: tuple[str, ...] = ()  # of the environment; its wall time counts, start and all
    warm: bool = False
    size: int | None = None  # where it would take too long with the workload's own


@dataclass(frozen=True, slots=True)
class Target:
    """The ratio that is wanted: ours to ``against``'s, or to ``seconds`` where that is given."""

    most: float
    against: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Workload:
    """One row. ``cells`` make the notebook of a notebook's work, ``size`` counts tasks; ``more``
    makes the cells of a notebook of another size."""

    name: str
    contenders: tuple[Contender, ...]
    targets: tuple[Target, ...] = ()
    cells: tuple[str, ...] = ()
    first: str = "pass"  # of the notebook whose time is taken off
    size: int = 0
    per_task: bool = False
    grows: tuple[int, ...] = ()  # sizes to show how ours grows
    more: Callable[[int], tuple[str, ...]] = lambda size: ()
    note: str = ""


def _notebook_peers(*ours: str) -> tuple[Contender, ...]:
    return (
        Contender(OURS, OURS, "orch_notebook_peer.py", ours),
        Contender("papermill", "notebooks", "papermill_peer.py"),
        Contender("nbclient", "notebooks", "nbclient_peer.py"),
        Contender("ploomber-engine", "notebooks", "ploomber_peer.py"),
    )


def _task_peers(work: str, prefect: int | None) -> tuple[Contender, ...]:
    return (
        Contender(OURS, OURS, "orch_task_peer.py", (work,)),
        Contender("Prefect", "prefect", "prefect_peer.py", (work,), size=prefect),
        Contender("Dask", "dask", "dask_peer.py", (work,)),
        Contender("concurrent.futures", OURS, "futures_peer.py", (work,)),
    )


def _sums(count: int) -> tuple[str, ...]:
    return tuple(f"x{i} = sum(range({i % 100} * 1000))\nx{i}" for i in range(count))


def _large(gigabytes: float, make: str, first: str, second: str) -> tuple[str, ...]:
    """Two branches that read one large value, and a cell that joins what they found."""
    make = make.format(count=int(gigabytes * 1e9 / 8))
    return (LIBRARIES, make, f"a = {first}", f"b = {second}", "print(a + b)")


def workloads(*, quick: bool = False) -> Sequence[Workload]:
    """All of them; ``quick`` ones say little and show that everything runs."""
    tasks, fan = (50, 100) if quick else (500, 2000)
    cells = 20 if quick else 200
    nap = 0.2 if quick else 1.0
    size = 0.01 if quick else 1.0
    orch = ("orch-nb", "run", "{notebook}", "-o", "out.ipynb", "-q")
    papermill = ("papermill", "--no-progress-bar", "{notebook}", "out.ipynb")
    jupyter = ("jupyter-execute", "{notebook}", "--output=out.ipynb")
    ploomber = ("ploomber-engine", "{notebook}", "out.ipynb", "--no-progress-bar")
    command_peers = (
        Contender("papermill", "notebooks", program=papermill),
        Contender("nbclient", "notebooks", program=jupyter),
        Contender("ploomber-engine", "notebooks", program=ploomber),
    )
    return (
        Workload(
            "one cell, from cold",
            (Contender(OURS, OURS, program=orch), *command_peers),
            (Target(0.35, "papermill"),),
            cells=("print(1)",),
            note="the whole command",
        ),
        Workload(
            "one cell, warm",
            (Contender(OURS, OURS, program=orch, warm=True), *command_peers),
            (Target(0.03, "papermill"), Target(1.0, seconds=0.12)),
            cells=("print(1)",),
            note="the whole command, beside a daemon; the others have none",
        ),
        Workload(
            f"{cells} cells of `pass`",
            _notebook_peers(),
            (Target(1 / 50, "papermill"),),
            cells=("pass",) * cells,
            grows=() if quick else (200, 2000, 20_000),
            more=lambda size: ("pass",) * size,
            note="beyond start-up",
        ),
        Workload(
            f"eight cells that sleep {nap:g} s",
            _notebook_peers("--max-workers", "8"),
            (Target(1.15, seconds=nap),),
            cells=("import time", *(f"time.sleep({nap})",) * 8),
            first="import time",
            note="beyond start-up; the longest sleeps as long as one",
        ),
        Workload(
            "a diamond of CPU-bound cells",
            _notebook_peers(),
            (Target(1.1, seconds=0.1 + nap + 0.1),),
            cells=(
                SPIN,
                "a = work(0.1)",
                f"b = a + work({nap})",
                f"c = a + work({nap})",
                "d = b + c + work(0.1)",
            ),
            first=SPIN,
            note="beyond start-up; ideal for two cores: 0.1 s, one branch, 0.1 s",
        ),
        Workload(
            "a chain of 40 cells of 50 ms",
            _notebook_peers(),
            (Target(1.1, "nbclient"),),
            cells=(SPIN + "m = {}", *(f"m[{i}] = work(0.05)" for i in range(4 if quick else 40))),
            first=SPIN,
            note="beyond start-up; a plain kernel is serial",
        ),
        Workload(
            f"an array of {size:g} GB between branches",
            _notebook_peers(),
            (Target(1.5, "nbclient"),),
            cells=_large(size, ARRAY, "float(np.sqrt(big).sum())", "float(np.cbrt(big).sum())"),
            first=LIBRARIES,
            note="beyond start-up and imports; in a plain kernel nothing is handed over",
        ),
        Workload(
            f"an Arrow frame of {size:g} GB between branches",
            _notebook_peers(),
            (Target(1.5, "nbclient"),),
            cells=_large(size, FRAME, "float((big.x * 2.0).sum())", "int((big.y * 2).sum())"),
            first=LIBRARIES,
            note="beyond start-up and imports; in a plain kernel nothing is handed over",
        ),
        Workload(
            "100 cells again, all unchanged",
            (
                Contender(OURS, OURS, "orch_notebook_peer.py", ("--cache",)),
                *_notebook_peers()[1:],
            ),
            (Target(1 / 20, "papermill"),),
            cells=_sums(100),
            grows=() if quick else (100, 1000, 10_000),
            more=lambda size: tuple(f"x{i} = {i}\nx{i}" for i in range(size)),
            note="beyond start-up; ours from its cache, with no session",
        ),
        Workload(
            f"a chain of {tasks} tasks",
            _task_peers("chain", None),
            (Target(1 / 15, "Prefect"),),
            size=tasks,
            per_task=True,
            grows=() if quick else (500, 5000, 50_000),
            note="that do nothing; ours and Prefect's are recorded",
        ),
        Workload(
            f"a fan of {fan} tasks",
            _task_peers("fan", min(fan, 500)),
            (Target(1 / 8, "Prefect"),),
            size=fan,
            per_task=True,
            grows=() if quick else (2000, 20_000, 200_000),
            note="that do nothing, submitted at once; Prefect's thread runner, server running",
        ),
        Workload(
            f"{fan // 2} tasks through Dask",
            (
                Contender(OURS, OURS, "orch_task_peer.py", ("dask",)),
                Contender("Dask", "dask", "dask_peer.py", ("dask",)),
                Contender("Prefect", "prefect", "prefect_peer.py", ("dask",), size=100),
            ),
            (Target(1.5, "Dask"),),
            size=fan // 2,
            per_task=True,
            grows=() if quick else (1000, 10_000, 100_000),
            note="that do nothing; Dask alone records nothing; Prefect by prefect-dask",
        ),
        Workload(
            "analysis of 1,000 cells",
            (Contender(OURS, OURS, "analysis_peer.py", ("analysis",)),),
            size=100 if quick else 1000,
            grows=() if quick else (100, 1000, 10_000),
        ),
    )
