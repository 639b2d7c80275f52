"""Cells that a flow's body calls, or that run once for each item, on real Dask clusters."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from orch_nb.app.resuming import ResumeRequest, resume
from orch_nb.model import TaskRun
from orch_nb.states import StateName
from orch_nb.store import LogQuery, open_store
from tests.integration.runners.clusters import Theirs, printed, run_cells

pytestmark = pytest.mark.timeout(200)

APART = """
def dask_setup(worker):
    from orch_nb.runners import dask_slot

    dask_slot.Probe.is_here = property(lambda probe: False)
"""


@pytest.fixture
def theirs(tmp_path: Path) -> Iterator[Theirs]:
    found = Theirs(tmp_path)
    yield found
    found.close()


def calls_of(run: str) -> list[TaskRun]:
    with open_store() as store:
        return [one for one in store.task_runs(run) if one.is_call]  # type: ignore[arg-type]


ABOVE = """
from pathlib import Path
base = 10
kept = [1]
class Place:
    def __init__(self, year): self.year = year
def helper(x):
    return x + base"""
LOAD = """%%task load
assert kept == [1]
kept.append(2)
sales = helper(year)
place = Place(year)
print('loads', year)"""
SCORE = "%%task score\nscored = sales * 2 + place.year"
BODY = """%%flow report
first = load(year=0)
many = load.map(range(8))
assert isinstance(first.place, Place), first.place
scores = score.map(sales=[one.sales for one in many], place=[one.place for one in many])
scores = [one.scored for one in scores.result()]
print(scores, kept)"""
EXPECTED = f"{[2 * (10 + year) + year for year in range(8)]} [1]\n"


@pytest.mark.parametrize("apart", [False, True], ids=["shared files", "no shared files"])
def test_a_flows_body_calls_its_cells_on_the_cluster(
    theirs: Theirs, tmp_path: Path, apart: bool
) -> None:
    (tmp_path / "apart.py").write_text(APART)
    preload = ("--preload", str(tmp_path / "apart.py")) if apart else ()
    for _ in range(2):
        theirs.add_worker(*preload, nanny=False)
    result = run_cells(tmp_path, [ABOVE, LOAD, SCORE, BODY], str(theirs.file))
    assert result.run.state_name is StateName.COMPLETED, result.run.state_message
    text = printed(result)
    assert text.endswith(EXPECTED)
    assert Counter(text.splitlines()[:-1]) == {
        "loads 0": 2,
        **{f"loads {year}": 1 for year in range(1, 8)},
    }
    calls = calls_of(result.run.id)
    assert Counter((one.name, one.state_name) for one in calls) == {
        ("load", StateName.COMPLETED): 9,
        ("score", StateName.COMPLETED): 8,
    }
    assert all(one.where and one.where.startswith("dask") for one in calls)
    assert _servers_left() == []


def test_a_cluster_of_the_runs_own_is_started_once(tmp_path: Path) -> None:
    cells = [ABOVE, LOAD, SCORE, BODY + "\nimport os\nPath('pid').write_text(str(os.getpid()))"]
    result = run_cells(tmp_path, cells, "")
    assert result.run.state_name is StateName.COMPLETED, result.run.state_message
    assert printed(result).endswith(EXPECTED)
    with open_store() as store:
        run = store.list_runs()[0]
        where = {one.where for one in store.task_runs(run.id) if one.is_call}
    assert len(where) <= 2


def test_a_cell_with_each_runs_its_items_on_the_cluster_and_a_resume_those_that_are_left(
    theirs: Theirs, tmp_path: Path
) -> None:
    theirs.add_worker(nanny=False)
    ran, fixed = tmp_path / "ran", tmp_path / "fixed"
    cells = [
        "import os, time\nshared = {'factor': 3}",
        "%%task fit --each n in range(6)\n"
        f"with open({str(ran)!r}, 'a') as f: f.write(f'{{n}} ')\n"
        f"if n == 4 and not os.path.exists({str(fixed)!r}): raise ValueError('four')\n"
        "result = n * shared['factor']",
        "print(result)",
    ]
    failed = run_cells(tmp_path, cells, str(theirs.file))
    assert failed.run.state_name is StateName.FAILED
    assert sorted(ran.read_text().split()) == list("012345")
    fixed.touch()
    again = resume(ResumeRequest(failed.run.id))
    assert again.run.state_name is StateName.COMPLETED, again.run.state_message
    assert printed(again) == "[0, 3, 6, 9, 12, 15]\n"
    assert ran.read_text().split()[6:] == ["4"]
    assert all(one.where and one.where.startswith("dask") for one in calls_of(again.run.id))


def test_an_item_that_changes_what_all_share_is_named_on_the_cluster_too(
    theirs: Theirs, tmp_path: Path
) -> None:
    theirs.add_worker(nanny=False)
    cells = ["shared = []", "%%task fit --each n in range(3)\nshared.append(n)"]
    failed = run_cells(tmp_path, cells, str(theirs.file))
    assert failed.run.state_name is StateName.FAILED
    assert "changes 'shared' in place" in failed.run.state_message


def test_cells_that_read_what_cant_be_shipped_are_called_here_and_the_run_says_why(
    theirs: Theirs, tmp_path: Path
) -> None:
    theirs.add_worker(nanny=False)
    cells = [
        "import threading\nlock = threading.Lock()",
        "%%task held\nfree = not lock.locked() and n",
        "%%flow all\nprint([one.free for one in held.map(n=[1, 2]).result()])",
    ]
    result = run_cells(tmp_path, cells, str(theirs.file))
    assert printed(result) == "[1, 2]\n", result.run.state_message
    assert {one.where for one in calls_of(result.run.id)} == {"process"}
    with open_store() as store:
        told = [log.message for log in store.logs(result.run.id, LogQuery(limit=50))]
    assert any("called on this machine" in text and "lock" in text for text in told), told


def test_a_worker_that_is_killed_costs_only_the_calls_of_cells_that_it_was_running(
    theirs: Theirs, tmp_path: Path
) -> None:
    first = theirs.add_worker(nanny=False)
    theirs.add_worker(nanny=False)
    ran = tmp_path / "ran"
    cells = [
        "import time",
        f"%%task work\nwith open({str(ran)!r}, 'a') as f: f.write(f'{{n}} ')\n"
        "time.sleep(0.2)\ndone = n * n",
        "%%flow all\nprint([one.done for one in work.map(n=range(30)).result()])",
    ]

    def kill() -> None:
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            if ran.exists() and len(ran.read_text().split()) >= 10:
                psutil.Process(first.pid).kill()
                return
            time.sleep(0.05)

    killer = threading.Thread(target=kill)
    killer.start()
    result = run_cells(tmp_path, cells, str(theirs.file), max_workers=None)
    killer.join()
    assert printed(result) == f"{[n * n for n in range(30)]}\n", result.run.state_message
    times = Counter(ran.read_text().split())
    assert len(times) == 30
    assert sum(times.values()) <= 32  # what ran there, and what it had just ended
    assert _servers_left() == []


def _servers_left() -> list[int]:
    """Processes that hold what cells read, for a Dask worker: they end with the flow's run."""

    def look() -> list[int]:
        found = []
        for process in psutil.Process().children(recursive=True):
            try:
                above = process.parent()
                ended = process.status() == psutil.STATUS_ZOMBIE  # its template has yet to look
                if not ended and above and "orch_nb.execution.template" in above.cmdline():
                    found.append(process.pid)
            except psutil.Error:
                continue
        return found

    deadline = time.monotonic() + 15
    while look() and time.monotonic() < deadline:
        time.sleep(0.1)
    return look()
