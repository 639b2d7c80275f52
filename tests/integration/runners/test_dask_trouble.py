"""Clusters that lose parts in the middle: results stay the same, and nothing kept runs again."""

from __future__ import annotations

import random
import signal
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from orch_nb import flow, task
from orch_nb.app.resuming import ResumeRequest, resume
from orch_nb.errors import SessionError
from orch_nb.runners.dask_cluster import DaskCluster
from orch_nb.runners.dask_runner import DaskRunner, Sending
from orch_nb.states import StateName
from orch_nb.store import open_store
from tests.guarantee import harness
from tests.guarantee.generator import write_notebook
from tests.guarantee.harness import Bench, open_bench
from tests.integration.runners.clusters import Theirs, printed, run_cells

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def theirs(tmp_path: Path) -> Iterator[Theirs]:
    found = Theirs(tmp_path)
    yield found
    found.close()


def squares(runner: str, ran: Path, count: int = 60, seconds: float = 0.1) -> list[int]:
    """A map whose items say that they began and ended."""

    @task
    def square(x: int) -> int:
        with ran.open("a") as file:
            file.write(f"begin {x}\n")
        time.sleep(seconds)
        with ran.open("a") as file:
            file.write(f"end {x}\n")
        return x * x

    @flow(runner=runner)
    def mapped() -> Any:
        return square.map(range(count))

    found: list[int] = mapped()
    return found


def when(ran: Path, lines: int, do: Callable[[], None]) -> threading.Thread:
    """Do something in the middle of a map."""

    def watch() -> None:
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            if ran.exists() and len(ran.read_text().splitlines()) >= lines:
                do()
                return
            time.sleep(0.02)

    thread = threading.Thread(target=watch)
    thread.start()
    return thread


def workers_of(nanny: int) -> list[psutil.Process]:
    """The worker process that a nanny watches over."""
    children = psutil.Process(nanny).children()
    return [one for one in children if any("spawn_main" in word for word in one.cmdline())]


@pytest.mark.parametrize("nanny", [True, False], ids=["restarted by its nanny", "lost for good"])
def test_a_worker_that_is_killed_costs_only_what_it_was_running(
    theirs: Theirs, tmp_path: Path, nanny: bool
) -> None:
    first = theirs.add_worker(nanny=nanny)
    theirs.add_worker(nanny=nanny)
    ran = tmp_path / "ran"

    def kill() -> None:
        victim = workers_of(first.pid)[0] if nanny else psutil.Process(first.pid)
        victim.kill()

    killer = when(ran, 30, kill)
    assert squares(f"dask={theirs.file}", ran) == [x * x for x in range(60)]
    killer.join()
    lines = Counter(ran.read_text().splitlines())
    again = [line for line, times in lines.items() if times > 1 and line.startswith("begin")]
    assert len(again) <= 2  # the one that ran there, and one that it had just ended
    with open_store() as store:
        tasks = store.task_runs(store.list_runs()[0].id)
    assert Counter(one.state_name for one in tasks) == {StateName.COMPLETED: 60}


def test_a_flow_waits_for_a_scheduler_that_is_restarted(tmp_path: Path) -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    theirs = Theirs(tmp_path, port)
    try:
        theirs.add_worker(nanny=False)
        ran = tmp_path / "ran"

        def restart() -> None:
            theirs.scheduler.kill()
            theirs.scheduler.wait()
            time.sleep(1)
            theirs.scheduler = theirs.start_scheduler(port)
            theirs.add_worker(nanny=False)

        restarter = when(ran, 20, restart)
        found = squares(f"dask=tcp://127.0.0.1:{port}", ran, count=40)
        restarter.join()
    finally:
        theirs.close()
    assert found == [x * x for x in range(40)]
    begun = Counter(line for line in ran.read_text().splitlines() if line.startswith("begin"))
    assert max(begun.values()) <= 2
    assert sum(begun.values()) < 40 + 10  # what was on the cluster when it went


def test_a_flow_whose_scheduler_is_gone_crashes_in_words_and_can_be_gone_on_with(
    tmp_path: Path, theirs: Theirs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orch_nb.runners.dask_cluster._CONNECT_SECONDS", 4.0)
    theirs.add_worker(nanny=False)
    ran = tmp_path / "ran"
    killer = when(ran, 20, lambda: theirs.scheduler.send_signal(signal.SIGKILL))

    @task
    def square(x: int) -> int:
        with ran.open("a") as file:
            file.write(f"{x}\n")
        time.sleep(0.05)
        return x * x

    @flow(runner=f"dask={theirs.file}")
    def mapped() -> Any:
        return square.map(range(60))

    with pytest.raises(BaseException, match="the Dask scheduler is gone"):
        mapped()
    killer.join()
    with open_store() as store:
        run = store.list_runs()[0]
        assert run.state_name is StateName.CRASHED
        done = {
            str(one.map_index)
            for one in store.task_runs(run.id)
            if one.state_name is StateName.COMPLETED
        }
    assert done
    before = len(ran.read_text().splitlines())
    local = mapped.with_options(runner="local")
    assert local.resume(run.name) == [x * x for x in range(60)]
    assert not done & set(ran.read_text().splitlines()[before:])


def test_cells_whose_scheduler_was_restarted_are_gone_on_with_by_a_resume(
    tmp_path: Path, theirs: Theirs
) -> None:
    theirs.add_worker(nanny=False)
    other = tmp_path / "other"
    other.mkdir()
    go = tmp_path / "go"
    ran = tmp_path / "ran"
    cells = [
        "import time\nfrom pathlib import Path",
        "x = 2",
        f"#| task first\nwith open({str(ran)!r}, 'a') as f: f.write('first\\n')\na = x",
        f"#| task second\nwith open({str(ran)!r}, 'a') as f: f.write('second\\n')\n"
        f"while not Path({str(go)!r}).exists(): time.sleep(0.1)\nb = x * 2",
        "#| task third\nprint(a + b)",
    ]

    def kill() -> None:
        time.sleep(2)  # what the first has made is kept by then
        theirs.scheduler.kill()

    killer = when(ran, 2, kill)
    result = run_cells(tmp_path, cells, str(theirs.file))
    killer.join()
    assert result.run.state_name is StateName.CRASHED
    assert "scheduler is gone" in result.run.state_message
    go.touch()
    new = Theirs(other)
    try:
        new.add_worker(nanny=False)
        again = resume(ResumeRequest(result.run.id, options={"runner": f"dask={new.file}"}))
    finally:
        new.close()
    assert again.run.state_name is StateName.COMPLETED, again.run.state_message
    assert printed(again) == "6\n"
    assert Counter(ran.read_text().split()) == {"first": 1, "second": 2}


LATE = """
import asyncio

def dask_setup(worker):
    get = worker.handlers["get_data"]

    async def late(comm, keys, who=None, serializers=None):
        await asyncio.sleep(0.5)
        return await get(comm, keys, who=who, serializers=serializers)

    worker.handlers["get_data"] = late
"""


def test_a_worker_with_delayed_replies_gives_the_same(theirs: Theirs, tmp_path: Path) -> None:
    (tmp_path / "late.py").write_text(LATE)
    theirs.add_worker("--preload", str(tmp_path / "late.py"), nanny=False)
    theirs.add_worker(nanny=False)
    found = squares(f"dask={theirs.file}", tmp_path / "ran", count=20, seconds=0.02)
    assert found == [x * x for x in range(20)]
    cells = ["import time", "x = 1", *(f"time.sleep(0.2)\ny{n} = x + {n}" for n in range(4))]
    result = run_cells(tmp_path, [*cells, "print(y0, y1, y2, y3)"], str(theirs.file))
    assert printed(result) == "1 2 3 4\n"


def test_a_worker_with_another_version_is_told_before_anything_runs(
    theirs: Theirs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs.add_worker(nanny=False)
    ran = tmp_path / "ran"
    monkeypatch.setattr("orch_nb.runners.dask_cluster.__version__", "99.1")
    with pytest.raises(SessionError, match=r"this machine has orch_nb 99\.1, and the Dask worker"):
        squares(f"dask={theirs.file}", ran)
    assert not ran.exists()
    with open_store() as store:
        run = store.list_runs()[0]
        assert run.state_name is StateName.CRASHED
        assert "orch_nb 99.1" in run.state_message


ADAPTING = """
from distributed import LocalCluster

def make():
    cluster = LocalCluster(
        n_workers=0, threads_per_worker=1, dashboard_address="127.0.0.1:0", silence_logs=50
    )
    cluster.adapt(minimum=0, maximum=2, interval="200ms")
    return cluster
"""


def test_a_cluster_that_adapts_grows_with_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "adapting.py").write_text(ADAPTING)
    monkeypatch.syspath_prepend(str(tmp_path))
    ran = tmp_path / "ran"
    assert squares("dask=adapting:make", ran, 12, seconds=1.5) == [x * x for x in range(12)]
    with open_store() as store:
        tasks = store.task_runs(store.list_runs()[0].id)
    assert len({one.where for one in tasks}) == 2
    cells = ["import time", "x = 1", "time.sleep(1)\na = x", "time.sleep(1)\nb = x", "print(a + b)"]
    result = run_cells(tmp_path, cells, "adapting:make", max_workers=None)
    assert printed(result) == "2\n"
    sys.modules.pop("adapting")


def test_resources_choose_the_worker(
    theirs: Theirs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs.add_worker(nanny=False)
    theirs.add_worker("--resources", "GPU=1", "--name", "with-gpu", nanny=False)

    @task(resources="GPU=1")
    def compute(x: int) -> int:
        time.sleep(0.02)
        return x

    @flow(runner=f"dask={theirs.file}")
    def computing(resources: str) -> Any:
        return compute.with_options(resources=resources).map(range(8))

    assert computing("GPU=1") == list(range(8))
    with open_store() as store:
        tasks = store.task_runs(store.list_runs()[0].id)
    assert len({one.where for one in tasks}) == 1
    monkeypatch.setattr("orch_nb.runners.dask_cluster._OFFER_SECONDS", 1.0)
    with pytest.raises(SessionError, match="needs TPU=2, and the cluster's workers have none"):
        computing("TPU=2")


def test_cells_run_on_the_workers_that_have_what_they_need(
    theirs: Theirs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs.add_worker(nanny=False)
    theirs.add_worker("--resources", "GPU=1", nanny=False)
    cells = [
        "import time\nx = 1",
        *(f"#| task t{n} --resources GPU=1\ntime.sleep(0.3)\ny{n} = x" for n in range(3)),
        "print(y0 + y1 + y2)",
    ]
    result = run_cells(tmp_path, cells, str(theirs.file))
    assert printed(result) == "3\n", result.run.state_message
    where = {one.where for one in result.tasks if one.name in ("t0", "t1", "t2")}
    assert len(where) == 1
    monkeypatch.setattr("orch_nb.runners.dask_cluster._OFFER_SECONDS", 1.0)
    ran = tmp_path / "ran"
    cells = [f"open({str(ran)!r}, 'w').close()", "#| task big --resources TPU=2\n1"]
    with pytest.raises(SessionError, match=r"needs TPU=2, and the cluster's workers have none"):
        run_cells(tmp_path, cells, str(theirs.file))
    assert not ran.exists()


@pytest.mark.parametrize("seed", range(6))
def test_written_notebooks_are_the_same_on_a_cluster(
    seed: int, shared: tuple[Bench, DaskCluster], monkeypatch: pytest.MonkeyPatch
) -> None:
    bench, cluster = shared
    sources = write_notebook(random.Random(seed), most=14)
    serial = bench.run(sources, serial=True)
    sending = Sending(preload=("numpy", "pandas"))
    monkeypatch.setattr(harness, "LocalRunner", lambda t: DaskRunner(t, cluster, sending))
    found = harness.differences(serial, bench.run(sources, workers=2))
    assert not found, "\n".join([*found, *sources])


@pytest.fixture(scope="module")
def shared() -> Iterator[tuple[Bench, DaskCluster]]:
    cluster = DaskCluster("", 2, ".")
    with open_bench() as bench:
        yield bench, cluster
    cluster.close()
