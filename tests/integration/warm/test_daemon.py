"""When a daemon comes up, and when it leaves."""

from __future__ import annotations

import stat
from typing import Any

from tests.command_line import wait_until

_LONG = 60.0  # seconds, on a busy machine


def test_a_run_brings_one_up_for_the_next(make_bench: Any) -> None:
    bench = make_bench()
    bench.write("print(1)")
    assert bench.status() == []
    assert bench.orch("run", "sales.ipynb", "-q").code == 0
    wait_until(lambda: len(bench.status()) == 1, _LONG, "the daemon")
    assert bench.run_warm("run", "sales.ipynb", "-q").code == 0


def test_nobody_else_can_reach_it(make_bench: Any) -> None:
    bench = make_bench()
    bench.start_daemon()
    (folder,) = bench.runtime.iterdir()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    (sock,) = folder.glob("*.sock")
    assert stat.S_IMODE(sock.stat().st_mode) == 0o600
    folder.chmod(0o755)  # a folder that others can enter is not used
    bench.write("print(1)")
    assert bench.orch("run", "sales.ipynb", "-q").code == 0
    assert bench.status() == []
    folder.chmod(0o700)
    assert bench.served() == 0


def test_it_leaves_when_nobody_asks(make_bench: Any) -> None:
    bench = make_bench()
    bench.environ["ORCH_NB_WARM_IDLE"] = "2s"
    bench.start_daemon()
    wait_until(lambda: not bench.processes(), _LONG, "the daemon to leave")
    (folder,) = bench.runtime.iterdir()
    assert [path.suffix for path in folder.iterdir()] == [".log"]


def test_it_is_not_used_where_it_is_switched_off(make_bench: Any) -> None:
    bench = make_bench()
    bench.start_daemon()
    bench.write("print(1)")
    assert bench.orch("run", "sales.ipynb", "-q", "--no-warm").code == 0
    bench.environ["ORCH_NB_WARM"] = "off"
    assert bench.orch("run", "sales.ipynb", "-q").code == 0
    assert bench.served() == 0
    assert bench.orch("warm", "start", "--json").code == 1


def test_what_it_is_born_with_is_its_own(make_bench: Any) -> None:
    bench = make_bench()
    bench.start_daemon()
    bench.write("import sys\nassert not sys.flags.hash_randomization")
    bench.environ["PYTHONHASHSEED"] = "0"
    assert bench.orch("run", "sales.ipynb", "-q").code == 0
    assert sum(daemon["served"] for daemon in bench.status()) == 0


def test_two_that_come_up_at_once_are_one(make_bench: Any) -> None:
    bench = make_bench()
    started = [bench.start("warm", "start") for _ in range(3)]
    for process in started:
        process.communicate(timeout=_LONG)
    assert [process.returncode for process in started] == [0, 0, 0]
    assert len(bench.status()) == 1
