"""Limits across runs, this machine's resources, and retries, in real runs."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from orch_nb.app import RunRequest, RunResult, run
from orch_nb.app.limits import forget_limit, limits, set_limits
from orch_nb.engine.events import Event, TaskChanged
from orch_nb.errors import NotFoundError, OptionError
from orch_nb.states import StateName
from orch_nb.store import Lease, open_store
from orch_nb.store.limits import acquire_places, put_sizes
from tests.command_line import make_document, wait_until

pytestmark = pytest.mark.usefixtures("orch_home")

SPAN = """%%task {name} {options}
import time
start = time.time()
time.sleep(0.3)
open('{name}.span', 'w').write(f'{{start}} {{time.time()}}')
"""
Runs = Callable[..., RunResult]


@pytest.fixture
def run_cells(tmp_path: Path) -> Runs:
    def start(*cells: str, name: str = "sales", listen: Any = None, **options: Any) -> RunResult:
        path = tmp_path / f"{name}.ipynb"
        path.write_text(json.dumps(make_document(*cells)))
        return run(RunRequest(str(path), options={"max_workers": 4} | options), listen)

    return start


def spans(folder: Path) -> list[tuple[float, float]]:
    found = [path.read_text().split() for path in folder.glob("*.span")]
    return sorted((float(start), float(end)) for start, end in found)


def most_at_once(found: list[tuple[float, float]]) -> int:
    return max(sum(s <= start < e for s, e in found) for start, _ in found)


def three(options: str, prefix: str = "t") -> list[str]:
    return [SPAN.format(name=f"{prefix}{n}", options=options) for n in range(3)]


def test_a_limit_holds_within_a_run(run_cells: Runs, tmp_path: Path) -> None:
    result = run_cells(*three("--uses db"), limit=(("db", 1),))
    assert result.run.state_name is StateName.COMPLETED
    assert len(spans(tmp_path)) == 3
    assert most_at_once(spans(tmp_path)) == 1
    with open_store() as store:
        assert store.leases() == ()
    assert [(state.name, state.size, state.holders) for state in limits()] == [("db", 1, ())]


def test_a_limit_holds_across_runs_and_says_who_is_in_the_way(
    run_cells: Runs, tmp_path: Path
) -> None:
    set_limits({"db": 1})
    told: list[str] = []

    def listen(event: Event) -> None:
        if isinstance(event, TaskChanged):
            told.append(f"{event.task.state_name} {event.task.state_message}")

    first = threading.Thread(target=run_cells, args=three("--uses db", "a"))
    first.start()
    wait_until(lambda: any(state.holders for state in limits()), 30, "the first run's task")
    (state,) = limits()
    result = run_cells(*three("--uses db", "b"), name="other", listen=listen)
    first.join()
    assert result.run.state_name is StateName.COMPLETED
    assert len(spans(tmp_path)) == 6
    assert most_at_once(spans(tmp_path)) == 1
    waiting = [text for text in told if text.startswith("Scheduled waits for limit db: 1 of 1")]
    assert waiting
    assert state.holders[0].rpartition(" ")[2] in {"a0", "a1", "a2"}


def test_places_of_a_process_that_is_gone_are_free(run_cells: Runs) -> None:
    with open_store() as store:
        store.write(lambda t: put_sizes(t, {"db": 1}))
        mine = store.write(lambda t: acquire_places(t, {"db": 1}, "dead"))
        dead = _holder_that_has_ended()
        store.write(lambda t: t.free_slot(mine[0]))
        assert store.write(lambda t: acquire_places(t, {"db": 1}, dead)) == (
            Lease("limit/db", 0, dead, 1, 0),
        )
    result = run_cells("%%task a --uses db\nx = 1")
    assert result.run.state_name is StateName.COMPLETED


def _holder_that_has_ended() -> str:
    import subprocess
    import sys

    code = "from orch_nb.store import new_holder; print(new_holder('old run'))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_resources_hold_within_a_run(run_cells: Runs, tmp_path: Path) -> None:
    run_cells(*three("--resources gpu=1"), resources=(("gpu", 2.0),))
    assert most_at_once(spans(tmp_path)) <= 2


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ("%%task a --uses db\n1", "there is no limit 'db'"),
        ("%%task a --uses api=3\n1", "it uses 3 places of limit 'api', which has 2"),
        ("%%task a --resources gpu=1\n1", "it needs gpu=1, and gpu is not given on this machine"),
        ("%%task a --resources memory=900TB\n1", "it needs memory=900TB, and memory has"),
    ],
)
def test_what_can_never_be_had_is_refused_before_anything_is_written(
    run_cells: Runs, cell: str, words: str
) -> None:
    with pytest.raises(OptionError, match=words) as caught:
        run_cells(cell, limit=(("api", 2),))
    assert caught.value.where == "sales.ipynb, cell 1 'a'"
    assert caught.value.hint
    with open_store() as store:
        assert store.list_runs() == ()


def test_limits_are_set_and_forgotten() -> None:
    set_limits({"db": 4, "api": 1})
    set_limits({"db": 2})
    assert [(state.name, state.size) for state in limits()] == [("api", 1), ("db", 2)]
    forget_limit("api")
    assert [state.name for state in limits()] == ["db"]
    with pytest.raises(NotFoundError):
        forget_limit("api")


def test_a_cancelled_run_gives_its_places_back(run_cells: Runs) -> None:
    slow = "%%task slow --uses db --timeout 1s\nimport time\ntime.sleep(60)"
    result = run_cells(slow, limit=(("db", 1),))
    assert result.run.state_name is StateName.FAILED
    with open_store() as store:
        assert store.leases() == ()


FLAKY = """%%task flaky --retries 3 {options}
import pathlib
path = pathlib.Path('tries')
tries = len(path.read_text()) if path.exists() else 0
path.write_text('x' * (tries + 1))
if tries < 2:
    raise {error}
"""


@pytest.mark.parametrize(
    ("options", "error", "tries"),
    [
        ("--retry-on ConnectionError", "ConnectionResetError('gone')", 3),
        ("--retry-on OSError,KeyError", "ConnectionResetError('gone')", 3),
        ("--retry-on KeyError", "ConnectionResetError('gone')", 1),
        ("--retry-on urllib.error.URLError", "__import__('urllib.error').error.URLError('x')", 3),
    ],
)
def test_only_the_named_errors_are_tried_again(
    run_cells: Runs, tmp_path: Path, options: str, error: str, tries: int
) -> None:
    result = run_cells(FLAKY.format(options=options, error=error))
    assert len((tmp_path / "tries").read_text()) == tries
    expected = StateName.COMPLETED if tries == 3 else StateName.FAILED
    assert result.run.state_name is expected


def test_waits_grow(run_cells: Runs) -> None:
    started = time.monotonic()
    options = "--retry-delay 200ms --retry-backoff 3 --retry-jitter 0.1"
    result = run_cells(FLAKY.format(options=options, error="ValueError"))
    assert result.run.state_name is StateName.COMPLETED
    assert time.monotonic() - started > 0.8


# A daemon as they are made: a new session, and its parent has ended.
DAEMON = """%%task hangs --timeout 3s
import subprocess, sys, time
code = '''
import os, signal, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        open('daemon.part', 'w').write(str(os.getpid()))
        os.rename('daemon.part', 'daemon')
        time.sleep(300)
    os._exit(0)
os.wait()
'''
subprocess.run([sys.executable, '-c', code], start_new_session=True)
while True:
    try:
        time.sleep(1)
    except BaseException:
        pass
"""


def lives(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_a_timeout_ends_what_a_task_has_hidden_from_it(run_cells: Runs, tmp_path: Path) -> None:
    gone: list[bool] = []

    def listen(event: Event) -> None:
        if isinstance(event, TaskChanged) and event.task.state_name is StateName.TIMED_OUT:
            daemon = int((tmp_path / "daemon").read_text())
            wait_until(lambda: not lives(daemon), 3, "the daemon to end")
            gone.append(True)

    waits = "%%task waits\nimport time\ntime.sleep(5)"
    result = run_cells(waits, DAEMON, listen=listen)
    states = {task.name: task.state_name for task in result.tasks}
    assert states == {"hangs": StateName.TIMED_OUT, "waits": StateName.COMPLETED}
    assert gone == [True]


AT_HOME = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"


@pytest.mark.parametrize("before", ["", AT_HOME])
def test_nothing_of_a_run_outlives_it(run_cells: Runs, tmp_path: Path, before: str) -> None:
    cell = f"%%task hangs\n{before}" + DAEMON.partition("\n")[2]
    result = run_cells(cell, timeout=3.0)
    assert result.run.state_name in (StateName.FAILED, StateName.TIMED_OUT)
    daemon = int((tmp_path / "daemon").read_text())
    wait_until(lambda: not lives(daemon), 5, "the daemon to end")


HANGS_WHEN_LOADED = """%%task hangs
import time
class Slow(list):
    def __reduce__(self):
        return time.sleep, (300,)
value = Slow()
"""


def test_a_timeout_ends_a_run_whose_values_can_never_be_loaded(run_cells: Runs) -> None:
    result = run_cells(HANGS_WHEN_LOADED, "%%task waits\nimport time\ntime.sleep(1)", timeout=3.0)
    assert result.run.state_name is StateName.TIMED_OUT
    assert result.seconds < 60
