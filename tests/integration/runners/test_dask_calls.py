"""Functions on a real Dask cluster: what comes of them is what comes of them here."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from dask.utils import key_split
from distributed import Client, LocalCluster

from orch_nb import flow, task
from orch_nb.dynamic.executors import Hear, Setting
from orch_nb.runners.dask_calls import DaskExecutor
from orch_nb.states import StateName
from orch_nb.store import LogQuery, open_store
from tests.integration.runners.clusters import printed, run_cells

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(scope="module")
def cluster() -> Iterator[LocalCluster]:
    with LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        memory_limit=0,
        dashboard_address="127.0.0.1:0",
        silence_logs=logging.CRITICAL,
    ) as made:
        yield made


@pytest.fixture(params=["local", "dask"])
def runner(request: pytest.FixtureRequest) -> str:
    """Each in turn: what a test says is so for both."""
    if request.param == "local":
        return "local"
    return f"dask={request.getfixturevalue('cluster').scheduler_address}"


@pytest.fixture
def dask(cluster: LocalCluster) -> str:
    return f"dask={cluster.scheduler_address}"


@task
def double(x: int) -> int:
    return x * 2


@task
def total(values: list[int]) -> int:
    return sum(values)


def test_calls_maps_and_futures_give_the_same_everywhere(runner: str) -> None:
    @flow(runner=runner, max_workers=2)
    def sums() -> Any:
        doubled = double.map(range(500))
        return total.submit([double.submit(double.submit(1)), *doubled]), doubled[7]

    assert sums() == (4 + 499 * 500, 14)


def test_errors_are_the_tasks_own_and_what_needs_them_is_not_run(runner: str) -> None:
    @task
    def check(x: int) -> int:
        if x == 3:
            raise KeyError("three")
        return x

    @flow(runner=runner, max_workers=2)
    def checks() -> Any:
        found = check.map(range(5))
        return total.submit(found)

    with pytest.raises(Exception, match="needs check"):
        checks()
    with open_store() as store:
        tasks = store.task_runs(store.list_runs()[0].id)
        found = {(one.name, one.map_index): (one.state_name, one.error_name) for one in tasks}
    good = {("check", n): (StateName.COMPLETED, None) for n in (0, 1, 2, 4)}
    assert found == good | {
        ("check", 3): (StateName.FAILED, "KeyError"),
        ("total", None): (StateName.UPSTREAM_FAILED, None),
    }


def test_what_calls_print_and_log_is_kept(runner: str) -> None:
    @task
    def say(x: int) -> None:
        print("said", x)

    @flow(runner=runner, max_workers=2)
    def says() -> None:
        say.map(range(3)).result()

    says()
    with open_store() as store:
        run = store.list_runs()[0]
        logs = store.logs(run.id, LogQuery(limit=100))
        assert sorted(log.message for log in logs if log.logger == "stdout") == [
            "said 0",
            "said 1",
            "said 2",
        ]


def test_a_call_that_takes_its_process_along_or_takes_too_long_is_tried_again(
    runner: str, tmp_path: Path
) -> None:
    @task(retries=1)
    def die_once(x: int) -> int:
        mark = tmp_path / f"died-{x}"
        if not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return x

    @task(timeout=1, retries=1)
    def sleep_once(x: int) -> int:
        mark = tmp_path / f"slept-{x}"
        if not mark.exists():
            mark.touch()
            time.sleep(60)
        return x

    @flow(runner=runner, max_workers=2)
    def tries() -> Any:
        return die_once.map(range(2)), sleep_once.submit(5)

    assert tries() == ([0, 1], 5)
    with open_store() as store:
        run = store.list_runs()[0]
        tasks = store.task_runs(run.id)
        assert {one.attempt for one in tasks} == {2}
        states = {
            (change.new, change.message.split(":")[0])
            for change in store.history(run.id)
            if change.new is StateName.AWAITING_RETRY
        }
    assert states == {
        (StateName.AWAITING_RETRY, "Crashed"),
        (StateName.AWAITING_RETRY, "TimedOut"),
    }


def test_a_resumed_map_of_a_thousand_runs_only_what_is_left(runner: str, tmp_path: Path) -> None:
    broken, ran = tmp_path / "broken", tmp_path / "ran"
    broken.touch()

    @task
    def item(x: int) -> int:
        if x == 731 and broken.exists():
            raise ValueError("not this one")
        with ran.open("a") as file:
            file.write(f"{x}\n")
        return x

    @flow(runner=runner, max_workers=2)
    def items() -> list[int]:
        found: list[int] = item.map(range(1000)).result()
        return found

    with pytest.raises(ValueError, match="not this one"):
        items()
    with open_store() as store:
        name = store.list_runs()[0].name
    before = ran.read_text().split()
    assert len(before) == 999
    broken.unlink()
    assert items.resume(name) == list(range(1000))
    assert ran.read_text().split() == [*before, "731"]


def test_a_record_says_where_a_call_ran(dask: str, cluster: LocalCluster) -> None:
    @task
    def slow(x: int) -> int:
        time.sleep(0.05)
        return os.getppid()

    @flow(runner=dask)
    def slowly() -> Any:
        return slow.map(range(6)).result()

    assert os.getpid() not in slowly()
    with open_store() as store:
        tasks = store.task_runs(store.list_runs()[0].id)
    workers = {str(worker.worker_address) for worker in cluster.workers.values()}
    assert {one.where for one in tasks} == {f"dask: {address}" for address in workers}


def test_a_long_map_is_never_whole_on_the_cluster(
    dask: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    most, windows = [0], []

    class Counting(DaskExecutor):
        def flush(self, *, short: bool) -> None:
            super().flush(short=short)
            most[0] = max(most[0], len(self._lots))
            windows.append(self.window)

    monkeypatch.setattr("orch_nb.runners.dask_calls.DaskExecutor", Counting)

    @flow(runner=dask)
    def long() -> int:
        return len(double.map(range(3000)).result())

    assert long() == 3000
    assert 64 < most[0] <= windows[-1] < 500


def test_the_scheduler_holds_a_part_of_a_long_map_and_knows_it_by_name(
    dask: str, cluster: LocalCluster
) -> None:
    held: list[int] = []
    names: set[str] = set()
    over = threading.Event()

    def watch() -> None:
        with Client(cluster) as client:
            while not over.wait(0.02):
                keys = client.run_on_scheduler(_keys)
                held.append(len(keys))
                names.update(key_split(key) for key in keys)

    @flow(runner=dask)
    def lengthy() -> int:
        return len(double.map(range(5000)).result())

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        assert lengthy() == 5000
    finally:
        over.set()
        watcher.join()
    assert 0 < max(held) < 100  # lots of up to 64 calls
    assert names == {"lengthy/double"}
    with open_store() as store:
        logs = store.logs(store.list_runs()[0].id, LogQuery(limit=100))
    assert f"the cluster's dashboard: {cluster.dashboard_link}" in [log.message for log in logs]


def test_what_has_a_higher_priority_comes_first(dask: str, tmp_path: Path) -> None:
    ran = tmp_path / "ran"

    @task
    def note(word: str) -> None:
        with ran.open("a") as file:
            file.write(f"{word} ")
        time.sleep(0.3)

    urgent = note.with_options(priority=10)

    @flow(runner=dask)
    def ordered() -> None:
        later = [note.submit("later") for _ in range(6)]
        time.sleep(0.2)  # both workers are busy by then
        first = [urgent.submit("urgent") for _ in range(2)]
        for future in (*later, *first):
            future.result()

    ordered()
    words = ran.read_text().split()
    assert words.index("urgent") < 6, words
    assert words[-1] == "later"


class Apart(DaskExecutor):
    """An executor whose workers share no files with it, as far as they can tell."""

    def open(self, setting: Setting, hear: Hear) -> None:
        super().open(setting, hear)
        self._probe = replace(self._probe, token="another machine's")


def test_workers_that_share_no_files_are_sent_values_and_modules(
    dask: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orch_nb.runners.dask_calls.DaskExecutor", Apart)
    (tmp_path / "besides.py").write_text("FACTOR = 3\n")
    (tmp_path / "apart_flow.py").write_text(
        "import os\n"
        "from orch_nb import flow, task\n"
        "import besides\n"
        "@task\n"
        "def make(n):\n"
        "    return list(range(n)), os.getcwd()\n"
        "@task\n"
        "def use(made):\n"
        "    return sum(made[0]) * besides.FACTOR\n"
        "@flow\n"
        "def apart(n):\n"
        "    made = make.submit(n)\n"
        "    return made, use.submit(made)\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    import apart_flow  # type: ignore[import-not-found]

    (values, folder), used = apart_flow.apart.with_options(runner=dask)(50_000)
    assert values == list(range(50_000))
    assert used == 3 * sum(range(50_000))
    assert Path(folder).name == "folder"
    assert "orch_nb-" in folder
    sys.modules.pop("apart_flow")


def test_a_cancelled_flow_leaves_nothing_running(dask: str, cluster: LocalCluster) -> None:
    @task
    def forever(x: int) -> None:
        time.sleep(600)

    @flow(runner=dask)
    def ever() -> None:
        forever.map(range(50)).result()

    def cancel() -> None:
        with open_store() as store:
            deadline = time.monotonic() + 60
            while time.monotonic() < deadline:
                for run in store.list_runs():
                    states = [one.state_name for one in store.task_runs(run.id)]
                    if StateName.RUNNING in states:
                        store.write(lambda t, run=run: t.request_cancel(run.id, by="test"))
                        return
                time.sleep(0.1)

    canceller = threading.Thread(target=cancel)
    canceller.start()
    with pytest.raises(KeyboardInterrupt, match="cancelled by test"):
        ever()
    canceller.join()
    with open_store() as store:
        run = store.list_runs()[0]
        assert run.state_name is StateName.CANCELLED
        assert {one.state_name for one in store.task_runs(run.id)} == {StateName.CANCELLED}
    with Client(cluster) as client:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and (_tasks(client) or _call_processes()):
            time.sleep(0.1)
        assert _tasks(client) == 0
    assert _call_processes() == []


def test_cells_run_on_the_cluster_and_say_so(tmp_path: Path, cluster: LocalCluster) -> None:
    cells = [
        "import time",
        "xs = [1, 2]",
        "#| task one\ntime.sleep(0.3)\na = sum(xs)\nprint('a', a)",
        "#| task two\ntime.sleep(0.3)\nb = max(xs)",
        "print(a, b)",
    ]
    result = run_cells(tmp_path, cells, cluster.scheduler_address)
    assert result.run.state_name is StateName.COMPLETED, result.run.state_message
    assert printed(result) == "a 3\n3 2\n"
    workers = {f"dask: {worker.worker_address}" for worker in cluster.workers.values()}
    assert {one.where for one in result.tasks if one.name in ("one", "two")} <= workers


def _tasks(client: Client) -> int:
    return len(client.run_on_scheduler(_keys))


def _keys(dask_scheduler: Any = None) -> list[str]:
    return [str(key) for key in dask_scheduler.tasks]


def _call_processes() -> list[int]:
    """Processes that run calls for a Dask worker: the children of its templates."""
    found = []
    for process in psutil.Process().children(recursive=True):
        try:
            above = process.parent()
            mine = "orch_nb.execution.call_worker" in process.cmdline()
            forked = above is not None and "orch_nb.execution.call_worker" in above.cmdline()
            if (
                mine
                and forked
                and any("spawn" in word for p in process.parents() for word in p.cmdline())
            ):
                found.append(process.pid)
        except psutil.Error:
            continue
    return found
