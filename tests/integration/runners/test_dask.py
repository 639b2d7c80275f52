"""Cells on real Dask clusters: results are the local runner's, whatever becomes of the workers."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import nbformat
import psutil
import pytest

from orch_nb.app.requests import Control, RunRequest
from orch_nb.app.running import run
from orch_nb.app.sibling_modules import find_modules
from orch_nb.errors import OrchError, SessionError
from orch_nb.execution.job import SessionSpec
from orch_nb.runners.base import Listener
from orch_nb.runners.dask_cluster import DaskCluster
from orch_nb.runners.dask_runner import DaskRunner, Sending
from orch_nb.states import StateName
from tests.guarantee import harness
from tests.guarantee.harness import Bench, open_bench
from tests.guarantee.test_hazards import NOTEBOOKS
from tests.integration.runners.clusters import Theirs, printed, run_cells

pytestmark = pytest.mark.timeout(150)


class Apart(DaskRunner):
    """A runner whose workers share no files with it, as far as they can tell."""

    async def open(self, spec: SessionSpec, listener: Listener) -> None:
        await super().open(spec, listener)
        if self._probe is None:
            raise RuntimeError("the runner is not open")
        self._probe = replace(self._probe, token="another machine's")


@pytest.fixture(scope="module")
def cluster() -> Iterator[DaskCluster]:
    cluster = DaskCluster("", 2, ".")
    yield cluster
    cluster.close()


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    with open_bench() as found:
        yield found


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_cluster_gives_what_serial_gives(
    bench: Bench, cluster: DaskCluster, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    serial = bench.run(NOTEBOOKS[name], serial=True)
    monkeypatch.setattr(harness, "LocalRunner", _made(DaskRunner, cluster))
    found = harness.differences(serial, bench.run(NOTEBOOKS[name], workers=2))
    assert not found, "\n".join(found)


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_workers_that_share_no_files_are_sent_the_values(
    bench: Bench, cluster: DaskCluster, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    serial = bench.run(NOTEBOOKS[name], serial=True)
    monkeypatch.setattr(harness, "LocalRunner", _made(Apart, cluster))
    found = harness.differences(serial, bench.run(NOTEBOOKS[name], workers=2))
    assert not found, "\n".join(found)


def test_cells_run_on_workers_beside_each_other(
    bench: Bench, cluster: DaskCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(harness, "LocalRunner", _made(DaskRunner, cluster))
    cells = (
        "import os, time",
        "xs = [1, 2]; home = os.getpid()",
        "time.sleep(0.3); a = sum(xs); one = os.getppid()",
        "time.sleep(0.3); b = max(xs); two = os.getppid()",
        "print(a, b, len({home, one, two}))",
    )
    seen = bench.run(cells, workers=2)
    assert seen.outputs[4] == ("stdout: 3 2 3\n",)


def _made(runner: type[DaskRunner], cluster: DaskCluster) -> Callable[[Any], DaskRunner]:
    return lambda template: runner(template, cluster, Sending(preload=("numpy", "pandas")))


# -- clusters that are told of


@pytest.fixture
def theirs(tmp_path: Path) -> Iterator[Theirs]:
    found = Theirs(tmp_path)
    yield found
    found.close()


def test_a_worker_that_dies_costs_only_what_it_was_running(theirs: Theirs, tmp_path: Path) -> None:
    for _ in range(2):
        theirs.add_worker(nanny=True)
    cells = [
        "import os, time",
        "xs = [1, 2]",
        "with_count = len(xs)\ntime.sleep(1)",
        # The worker is the parent of the template, which is the session's.
        "import psutil\nfirst = not os.path.exists('killed')\ntime.sleep(1.5)\na = sum(xs)",
        "time.sleep(2)\nb = max(xs)",
        "print(a, b, with_count)",
    ]
    killed: list[int] = []

    def kill_one() -> None:
        deadline = time.monotonic() + 60
        while not killed and time.monotonic() < deadline:
            for session in _sessions():
                worker = psutil.Process(session).parent().parent()  # type: ignore[union-attr]
                time.sleep(0.5)
                worker.kill()
                killed.append(worker.pid)
                return
            time.sleep(0.05)

    killer = threading.Thread(target=kill_one)
    killer.start()
    result = run_cells(tmp_path, cells, str(theirs.file))
    killer.join()
    assert killed
    assert result.run.state_name is StateName.COMPLETED, result.run.state_message
    assert printed(result) == "3 2 2\n"


def _sessions() -> list[int]:
    """Processes that run a cell for a Dask worker."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if "orch_nb.execution.template" in words:
            with contextlib.suppress(psutil.Error):  # it has ended meanwhile
                parent = process.parent()
                above = " ".join(parent.cmdline()) if parent else ""
                if "multiprocessing" in above or "dask_worker" in above:
                    found += [child.pid for child in process.children()]
    return found


def test_a_scheduler_that_dies_crashes_the_run_in_words(theirs: Theirs, tmp_path: Path) -> None:
    theirs.add_worker(nanny=False)
    begun = threading.Event()

    def kill() -> None:
        begun.wait(60)
        time.sleep(2)
        theirs.scheduler.send_signal(signal.SIGKILL)

    def told(event: Any) -> None:
        if "RUNNING" in repr(event) and "cell_number=3" in repr(event):
            begun.set()

    killer = threading.Thread(target=kill)
    killer.start()
    cells = ["import time", "x = 1", "time.sleep(60)\ny = x", "time.sleep(60)\nz = x"]
    result = run_cells(tmp_path, cells, str(theirs.file), told)
    killer.join()
    assert result.run.state_name is StateName.CRASHED
    assert "scheduler is gone" in result.run.state_message


def test_a_worker_without_the_package_is_told_before_anything_runs(
    theirs: Theirs, tmp_path: Path
) -> None:
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    (hidden / "sitecustomize.py").write_text(
        "import sys\n"
        "class Hide:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'orch_nb': raise ModuleNotFoundError('hidden', name=name)\n"
        "sys.meta_path.insert(0, Hide())\n"
    )
    theirs.add_worker(nanny=False, environment={"PYTHONPATH": str(hidden)})
    with pytest.raises(SessionError, match="does not have orch_nb") as caught:
        run_cells(tmp_path, ["x = 1"], str(theirs.file))
    assert "install orch_nb" in str(caught.value)


def test_a_cluster_that_is_not_there_is_told_in_words(tmp_path: Path) -> None:
    with pytest.raises(SessionError, match="can't be used") as caught:
        run_cells(tmp_path, ["x = 1"], "tcp://127.0.0.1:9")
    assert "--runner dask=tcp://127.0.0.1:9" in str(caught.value)


@pytest.mark.parametrize(
    ("source", "place", "words"),
    [
        ("", "no_such_module:make", "can't be loaded"),
        ("def make():\n    return 5\n", "mine:make", "returned int, which is no Dask cluster"),
        ("def make():\n    raise OSError('no nodes')\n", "mine:make", "OSError: no nodes"),
    ],
)
def test_a_factory_that_fails_is_told_in_words(
    tmp_path: Path, source: str, place: str, words: str
) -> None:
    (tmp_path / "mine.py").write_text(source)
    sys.modules.pop("mine", None)
    with pytest.raises(OrchError, match=words):
        run_cells(tmp_path, ["x = 1"], place)


def test_a_factory_makes_the_cluster_and_it_is_closed(tmp_path: Path) -> None:
    (tmp_path / "making.py").write_text(
        "from distributed import LocalCluster\n"
        "class Mine(LocalCluster):\n"
        "    def close(self, *a, **k):\n"
        "        open(__file__ + '.closed', 'w').close()\n"
        "        return super().close(*a, **k)\n"
        "def make():\n"
        "    return Mine(n_workers=1, threads_per_worker=2, dashboard_address=':0')\n"
    )
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    cells = ["import time", "x = 1", "time.sleep(1)\na = x", "time.sleep(1)\nb = x", "print(a + b)"]
    result = run_cells(tmp_path, cells, "making:make", max_workers=None)
    assert result.run.state_name is StateName.COMPLETED, result.run.state_message
    assert printed(result) == "2\n"
    assert (tmp_path / "making.py.closed").exists()
    left = {child.pid for child in psutil.Process().children(recursive=True)} - before
    names = [" ".join(psutil.Process(pid).cmdline()) for pid in left]
    assert not [name for name in names if "orch_nb" in name]


def test_a_cancelled_run_leaves_no_cell_running(theirs: Theirs, tmp_path: Path) -> None:
    theirs.add_worker(nanny=False)
    control = Control()
    cells = ["import time", "x = 1", "time.sleep(90)\ny = x", "time.sleep(90)\nz = x"]
    path = tmp_path / "flow.ipynb"
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in cells])
    nbformat.write(notebook, path)

    def cancel() -> None:
        deadline = time.monotonic() + 60
        while not _sessions() and time.monotonic() < deadline:
            time.sleep(0.1)
        control.cancel()

    canceller = threading.Thread(target=cancel)
    canceller.start()
    options = {"runner": f"dask={theirs.file}", "max_workers": 2}
    result = run(RunRequest(str(path), options=options), None, control)
    canceller.join()
    assert result.run.state_name is StateName.CANCELLED
    deadline = time.monotonic() + 10
    while _sessions() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert _sessions() == []


def test_modules_beside_the_notebook_are_found(tmp_path: Path) -> None:
    (tmp_path / "one.py").write_text("import two\nimport os\n")
    (tmp_path / "two.py").write_text("x = 1\n")
    (tmp_path / "unused.py").write_text("")
    (tmp_path / "pack" / "inner").mkdir(parents=True)
    (tmp_path / "pack" / "__init__.py").write_text("from . import inner\n")
    (tmp_path / "pack" / "inner" / "deep.py").write_text("import one\n")
    cells = ["%matplotlib inline\nimport one, json", "from pack.inner import deep", "not python"]
    assert find_modules(cells, tmp_path) == {
        "one.py": "import two\nimport os\n",
        "two.py": "x = 1\n",
        "pack/__init__.py": "from . import inner\n",
        "pack/inner/deep.py": "import one\n",
    }
