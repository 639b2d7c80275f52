"""Ctrl-C once cancels cleanly, twice kills; nothing is left behind, whatever ends the command."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest

from tests.command_line import Bench, wait_until

Write = Callable[..., Path]

LOAD = "%%task load\nprint('loaded')"
SLEEPS = "%%task wait --needs load\nopen('started', 'w').close()\nimport time\ntime.sleep(120)"
# takes no hint: neither KeyboardInterrupt nor SIGTERM ends it
STUBBORN = """%%task wait
import signal, subprocess, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen(["sleep", "120"])
open('started', 'w').close()
while True:
    try:
        time.sleep(1)
    except BaseException:
        pass
"""


def start_run(bench: Bench, *arguments: str) -> subprocess.Popen[str]:
    """A run whose second task is at work."""
    process = bench.start("run", "sales.ipynb", *arguments)
    started = bench.folder / "started"
    wait_until(lambda: started.exists() or process.poll() is not None, 60, "the task")
    assert process.poll() is None, process.communicate()
    return process


def press_ctrl_c(process: subprocess.Popen[str]) -> None:
    """What a terminal does: SIGINT to the whole foreground process group."""
    os.killpg(process.pid, signal.SIGINT)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_one_signal_cancels_cleanly(
    bench: Bench, write_notebook: Write, number: signal.Signals
) -> None:
    write_notebook(LOAD, SLEEPS, "%%task after --needs wait\nprint('no')")
    process = start_run(bench)
    os.killpg(process.pid, number)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert "□ Cancelled after " in out
    assert "1 completed, 1 cancelled, 1 not run" in out
    notebook = nbformat.read(bench.folder / "sales.run.ipynb", as_version=4)
    nbformat.validate(notebook)
    assert notebook.cells[0].outputs[0].text == "loaded\n"
    states = [cell.metadata.orch_nb.state for cell in notebook.cells]
    assert states[:2] == ["Completed", "Cancelled"]
    (run,) = bench.orch_json("runs")
    assert run["state_name"] == "Cancelled"
    tasks = {task["name"]: task for task in bench.orch_json("show", run["name"])["tasks"]}
    assert tasks["load"]["state_name"] == "Completed"
    assert tasks["wait"]["state_name"] == "Cancelled"
    assert bench.left_behind() == []


def test_a_second_ctrl_c_kills(bench: Bench, write_notebook: Write) -> None:
    write_notebook(STUBBORN)
    process = start_run(bench)
    press_ctrl_c(process)
    press_ctrl_c(process)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    (run,) = bench.orch_json("runs")
    assert run["state_name"] == "Cancelled"
    wait_until(lambda: not bench.processes(), 5, "its processes to end")
    assert bench.left_behind() == []


def test_a_stubborn_task_is_cancelled_too(bench: Bench, write_notebook: Write) -> None:
    write_notebook(STUBBORN)
    process = start_run(bench)
    press_ctrl_c(process)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    wait_until(lambda: not bench.processes(), 5, "its processes to end")
    assert bench.left_behind() == []


def test_cancelling_from_another_terminal(bench: Bench, write_notebook: Write) -> None:
    write_notebook(LOAD, SLEEPS)
    process = start_run(bench, "--name", "brave-otter")
    cancelled = bench.orch("cancel", "brave-otter")
    assert cancelled.code == 0, cancelled.err
    process.communicate(timeout=30)
    assert process.returncode == 130
    (run,) = bench.orch_json("runs")
    assert run["state_name"] == "Cancelled"
    assert bench.left_behind() == []


def test_a_killed_command_leaves_no_process(bench: Bench, write_notebook: Write) -> None:
    write_notebook(LOAD, SLEEPS)
    process = start_run(bench)
    process.kill()
    process.communicate(timeout=30)
    wait_until(lambda: not bench.processes(), 2, "the workers to notice")
    assert bench.left_behind() == []
    (run,) = bench.orch_json("runs")
    assert run["state_name"] == "Crashed"
    details = bench.orch_json("show", run["name"])
    tasks = {task["name"]: task["state_name"] for task in details["tasks"]}
    assert tasks == {"load": "Completed", "wait": "Crashed"}
    assert bench.orch("cancel", run["name"]).code == 0
    assert bench.orch("logs", run["name"], "--follow").code == 0
