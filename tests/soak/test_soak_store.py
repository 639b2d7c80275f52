"""The minute-long form of what the tests do briefly; run by `make soak`."""

from __future__ import annotations

from pathlib import Path

import pytest

from orch_nb.states import StateType
from orch_nb.store import open_store
from tests.integration.store.eight_writers import TASKS, eight_write


@pytest.mark.timeout(300)
def test_eight_processes_write_to_one_file_for_a_minute(tmp_path: Path) -> None:
    url = str(tmp_path / "store.db")
    written = eight_write(url, seconds=60)
    with open_store(url) as store:
        for run in (run for process in written for run in process.runs):
            tasks = store.task_runs(store.get_run(run).id)
            assert [task.state_type for task in tasks] == [StateType.COMPLETED] * TASKS
    flows = sum(len(process.runs) for process in written)
    slowest = max(process.slowest for process in written)
    print(f"{flows} flows of {TASKS} tasks; the slowest took {slowest:.2f} s")
    assert all(process.runs for process in written)
    assert slowest < 30
