"""kill -9 while a process writes: all that it was told is recorded is there, whole."""

from __future__ import annotations

import random
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

from orch_nb.states import StateName
from orch_nb.store import LeaseObserver, is_gone, open_store

WRITE = """
import sys
from dataclasses import replace
from orch_nb.states import StateName
from orch_nb.store import StoreWriter, TaskChange, new_holder, open_store
from tests.sample_runs import a_run, tasks_of

with open_store(sys.argv[1]) as store, StoreWriter(store) as writer:
    while True:
        tasks = tasks_of(run := a_run(), 5)
        writer.submit(
            lambda t: t.create_flow_run(run, tasks, holder=new_holder(), by="test")
        ).result()
        for task in tasks:
            change = TaskChange(replace(task, state_name=StateName.RUNNING), task.state_name)
            writer.submit(lambda t: t.set_task_states([change], epoch=1, by="test")).result()
            print(run.id, task.id, flush=True)
"""


def test_what_was_acknowledged_survives_a_kill(tmp_path: Path) -> None:
    url = str(tmp_path / "store.db")
    told: list[tuple[str, str]] = []
    for seed in range(4):
        stop = random.Random(seed).randrange(1, 60)
        with subprocess.Popen(
            [sys.executable, "-c", WRITE, url], stdout=subprocess.PIPE, text=True
        ) as writer:
            assert writer.stdout is not None
            for _ in range(stop):
                run_id, task_id = writer.stdout.readline().split()
                told.append((run_id, task_id))
            writer.kill()
    with closing(sqlite3.connect(url)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    with open_store(url) as store:
        for run in store.list_runs():
            tasks = store.task_runs(run.id)
            running = {task.id for task in tasks if task.state_name is StateName.RUNNING}
            assert len(tasks) == 5
            assert running >= {task for of, task in told if of == run.id}
            assert len(store.history(run.id)) == 1 + 5 + len(running)
        # Whoever comes next sees at once that the writers are gone, and takes over.
        leases = store.leases("run/")
        assert all(is_gone(lease.holder) for lease in leases)
        assert LeaseObserver(10).expired(leases, now=0) == ()
        for lease in leases:
            assert store.write(lambda t, lease=lease: t.take_over(lease, "next")) == 2
