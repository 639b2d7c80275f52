"""A driver that was taken for dead wakes when its run has gone on elsewhere: it changes nothing."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

from orch_nb.app.abandoned import crash_run
from orch_nb.states import StateName
from orch_nb.store import LeaseObserver, open_store
from tests.command_line import Bench, wait_until

Write = Callable[..., Path]

RUN = "brave-otter"
FIRST = "%%task first\nx = 1\nprint('first')"
WAITS = """%%task waits --needs first
import os, time
open("waits", "w").close()
while not os.path.exists("go"):
    time.sleep(0.02)
y = x + 1
print("waited as", os.environ["WHO"])"""
LAST = "%%task last\nprint(y)"


def test_a_zombie_changes_nothing(bench: Bench, write_notebook: Write) -> None:
    folder = write_notebook(FIRST, WAITS, LAST).parent
    bench.environ["WHO"] = "zombie"
    zombie = bench.start("run", "sales.ipynb", "--name", RUN)
    wait_until((folder / "waits").exists, 60, "the task")
    os.kill(zombie.pid, signal.SIGSTOP)
    with open_store(str(bench.home / "store.db")) as store:
        observer = LeaseObserver(30.0)
        leases = store.leases("run/")
        assert observer.expired(leases, now=0.0) == ()
        (lease,) = observer.expired(store.leases("run/"), now=30.0)
        assert crash_run(store, lease).state_name is StateName.CRASHED
    (folder / "go").touch()
    bench.environ["WHO"] = "heir"
    assert bench.orch("resume", RUN).code == 0
    before = bench.orch_json("show", RUN)
    output = (folder / "sales.run.ipynb").read_bytes()
    assert b"waited as heir" in output
    os.kill(zombie.pid, signal.SIGCONT)
    said, complaint = zombie.communicate(timeout=60)
    assert zombie.returncode == 1
    assert "was taken over" in said + complaint
    assert "Traceback" not in complaint
    assert bench.orch_json("show", RUN) == before
    assert (folder / "sales.run.ipynb").read_bytes() == output
    assert bench.left_behind() == []
