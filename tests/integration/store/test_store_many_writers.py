"""Eight processes that write to one SQLite store: nothing is lost, and nobody sees a lock."""

from __future__ import annotations

from pathlib import Path

from orch_nb.states import StateType
from orch_nb.store import open_store
from tests.integration.store.eight_writers import TASKS, eight_write


def test_eight_processes_write_to_one_file(tmp_path: Path) -> None:
    url = str(tmp_path / "store.db")
    written = eight_write(url, seconds=2)
    with open_store(url) as store:
        for run in (run for process in written for run in process.runs):
            tasks = store.task_runs(store.get_run(run).id)
            assert [task.state_type for task in tasks] == [StateType.COMPLETED] * TASKS
            assert len(store.history(tasks[0].flow_run_id)) == 1 + 3 * TASKS
        assert store.leases() == ()
    assert all(process.runs for process in written)
