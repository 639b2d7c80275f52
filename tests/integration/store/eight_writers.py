"""Processes that write to one store as fast as they can; used by a test and by the soak."""

from __future__ import annotations

import multiprocessing
import time
from dataclasses import dataclass, replace
from typing import Any

from orch_nb.states import StateName
from orch_nb.store import StoreWriter, TaskChange, open_store
from tests.sample_runs import a_run, tasks_of

TASKS = 10


@dataclass(frozen=True, slots=True)
class Written:
    """What one process recorded, and how long its slowest flow took in seconds."""

    runs: tuple[str, ...]
    slowest: float


def write_for(url: str, seconds: float, answers: Any) -> None:
    """Record whole flows, one after another, each step awaited; then answer."""
    runs, slowest = [], 0.0
    end = time.monotonic() + seconds
    with open_store(url) as store, StoreWriter(store) as writer:
        while time.monotonic() < end:
            started = time.monotonic()
            tasks = tasks_of(run := a_run(), TASKS)
            writer.submit(
                lambda t, run=run, tasks=tasks: t.create_flow_run(
                    run, tasks, holder="me", by="test"
                )
            ).result()
            old = StateName.PENDING
            for new in (StateName.RUNNING, StateName.COMPLETED):
                for task in tasks:
                    change = TaskChange(replace(task, state_name=new), old)
                    done = writer.submit(
                        lambda t, change=change: t.set_task_states([change], epoch=1, by="test")
                    )
                writer.submit(lambda t, run=run: t.beat(run.id, 1))
                done.result()
                old = new
            store.task_runs(run.id)
            writer.submit(lambda t, run=run: t.release(run.id, 1)).result()
            runs.append(run.id)
            slowest = max(slowest, time.monotonic() - started)
    answers.put(Written(tuple(runs), slowest))


def eight_write(url: str, seconds: float) -> list[Written]:
    """Have eight processes write; every one of them must end well."""
    context = multiprocessing.get_context("spawn")
    answers = context.Queue()
    processes = [context.Process(target=write_for, args=(url, seconds, answers)) for _ in range(8)]
    for process in processes:
        process.start()
    written = [answers.get(timeout=seconds + 120) for _ in processes]
    for process in processes:
        process.join(30)
    if any(process.exitcode for process in processes):
        raise RuntimeError("a writing process failed")
    return written
