"""Cells in real kernels: bash, and an IPython kernel as another environment would have it."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from orch_nb.errors import SessionError
from orch_nb.execution.job import Job, Outcome, SessionSpec
from orch_nb.execution.outputs import ErrorInfo
from orch_nb.runners.base import Applied, Collect, Done, Gone, Report, Showed
from orch_nb.runners.kernel import KernelRunner
from orch_nb.runners.kernelspecs import KernelMode, find_kernel

BASH = {
    "argv": [sys.executable, "-m", "bash_kernel", "-f", "{connection_file}"],
    "display_name": "Bash",
    "language": "bash",
}
PYTHON = {  # an option of its own makes it foreign
    "argv": [sys.executable, "-P", "-m", "ipykernel_launcher", "-f", "{connection_file}"],
    "display_name": "Elsewhere",
    "language": "python",
}
BROKEN = {
    "argv": [sys.executable, "-c", "raise SystemExit('no kernel in here')"],
    "display_name": "Broken",
    "language": "klingon",
}
MUTE = {
    "argv": [sys.executable, "-c", "import time; time.sleep(600)"],
    "display_name": "Mute",
    "language": "klingon",
}
KERNELS = {"bash": BASH, "elsewhere": PYTHON, "broken": BROKEN, "mute": MUTE}


@pytest.fixture(autouse=True)
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The kernels above are installed; connection files go into the folder returned."""
    for name, spec in KERNELS.items():
        folder = tmp_path / "jupyter" / "kernels" / name
        folder.mkdir(parents=True)
        (folder / "kernel.json").write_text(json.dumps(spec))
    runtime = tmp_path / "runtime"
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(runtime))
    return runtime


class Bench:
    """A runner, and what it reported so far."""

    def __init__(self, runner: KernelRunner) -> None:
        self.runner = runner
        self.reports: list[Report] = []
        self._news = asyncio.Event()

    def hear(self, report: Report) -> None:
        self.reports.append(report)
        self._news.set()

    async def until(self, wanted: Callable[[Report], bool], seconds: float = 30) -> Any:
        """The first report that is wanted, heard already or not."""

        async def look() -> Report:
            while True:
                for report in self.reports:
                    if wanted(report):
                        return report
                self._news.clear()
                await self._news.wait()

        return await asyncio.wait_for(look(), seconds)

    async def run(self, cell: int, source: str, attempt: int = 1) -> Outcome:
        self.runner.run_at_home(Job(cell, attempt, source, count=cell))
        return await self.outcome(cell, attempt)

    async def outcome(self, cell: int, attempt: int = 1) -> Outcome:
        key = (cell, attempt)
        told = await self.until(
            lambda r: isinstance(r, Done) and (r.outcome.cell, r.outcome.attempt) == key
        )
        return told.outcome

    async def gone(self) -> str:
        told = await self.until(lambda r: isinstance(r, Gone))
        return told.reason

    async def shows(self, text: str) -> None:
        """Wait until the running cell has shown that text."""
        await self.until(
            lambda r: (
                isinstance(r, Showed)
                and r.event["type"] == "stream"
                and text in r.event["text"].splitlines()
            )
        )


def drive(
    kernel: str, folder: Path, script: Callable[[Bench], Awaitable[None]], **environment: str
) -> Bench:
    """Run ``script`` with a session in that kernel, and check that nothing outlives it."""

    async def session() -> Bench:
        choice = find_kernel(kernel, "")
        assert choice.mode is KernelMode.FOREIGN
        bench = Bench(KernelRunner(choice))
        spec = SessionSpec(str(folder), str(folder), environment=environment)
        try:
            await bench.runner.open(spec, bench.hear)
            await script(bench)
        finally:
            await bench.runner.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        assert await asyncio.wait(others, timeout=2) if others else True
        return bench

    threads = set(threading.enumerate())
    children = set(psutil.Process().children(recursive=True))
    bench = asyncio.run(session())
    left = set(psutil.Process().children(recursive=True)) - children
    assert not left
    runtime = Path(os.environ["JUPYTER_RUNTIME_DIR"])
    assert list(runtime.glob("*.json")) == []
    assert {t for t in set(threading.enumerate()) - threads if not t.daemon} == set()
    return bench


def stream(text: str, name: str = "stdout") -> dict[str, str]:
    return {"output_type": "stream", "name": name, "text": text}


def test_cells_run_one_after_the_other_and_share_the_shell(tmp_path: Path) -> None:
    outcomes: list[Outcome] = []

    async def script(bench: Bench) -> None:
        bench.runner.run_at_home(Job(1, 1, "x=sun; cd /; sleep 0.3", count=1))
        bench.runner.fork(Job(2, 1, 'echo "$x from $PWD with $GIVEN"', count=2))
        outcomes.extend([await bench.outcome(1), await bench.outcome(2)])

    bench = drive("bash", tmp_path, script, GIVEN="care")
    first, second = outcomes
    assert (first.outputs, first.error) == ((), None)
    assert second.outputs == (stream("sun from / with care\n"),)
    assert first.seconds >= 0.3
    assert second.peak_memory > 1_000_000
    assert (second.observed, second.unshippable, second.blob) == (False, "", None)
    event = {"type": "stream", "name": "stdout", "text": "sun from / with care\n"}
    shown = [report for report in bench.reports if isinstance(report, Showed)]
    assert shown == [Showed(2, 1, event)]


def test_the_session_begins_in_its_folder(tmp_path: Path) -> None:
    async def script(bench: Bench) -> None:
        outcome = await bench.run(1, "pwd -P")
        assert outcome.outputs == (stream(f"{tmp_path.resolve()}\n"),)

    drive("bash", tmp_path, script)


def test_a_failed_cell_says_why_and_the_next_one_runs(tmp_path: Path) -> None:
    async def script(bench: Bench) -> None:
        failed = await bench.run(1, "echo before; (exit 3)")
        assert failed.error == ErrorInfo("Error", "3", ())
        assert failed.outputs == (
            stream("before\n"),
            {"output_type": "error", "ename": "", "evalue": "3", "traceback": []},
        )
        assert (await bench.run(1, "echo again", attempt=2)).ok
        assert (await bench.run(2, "echo after")).outputs == (stream("after\n"),)

    drive("bash", tmp_path, script)


def test_a_dropped_cell_is_interrupted_and_the_kernel_keeps_its_values(tmp_path: Path) -> None:
    async def script(bench: Bench) -> None:
        await bench.run(1, "x=kept")
        bench.runner.run_at_home(Job(2, 1, "bash -c 'echo begun; exec sleep 100'", count=2))
        await bench.shows("begun")
        assert set(bench.runner.memory()) == {2}
        began = time.monotonic()
        bench.runner.drop(2, 1)
        bench.runner.run_at_home(Job(3, 1, "echo $x", count=3))
        dropped = await bench.outcome(2)
        assert dropped.error is not None
        assert dropped.error.name == "KeyboardInterrupt"
        assert (await bench.outcome(3)).outputs == (stream("kept\n"),)
        assert time.monotonic() - began < 3
        assert bench.runner.memory() == {}

    drive("bash", tmp_path, script)


def test_a_cell_dropped_before_its_turn_never_runs(tmp_path: Path) -> None:
    async def script(bench: Bench) -> None:
        bench.runner.run_at_home(Job(1, 1, "sleep 0.5", count=1))
        bench.runner.run_at_home(Job(2, 1, "touch made", count=2))
        bench.runner.drop(2, 1)
        assert not (await bench.outcome(2)).ok
        assert not (tmp_path / "made").exists()

    drive("bash", tmp_path, script)


def test_a_cell_that_ignores_interrupts_costs_the_kernel(tmp_path: Path) -> None:
    reasons: list[str] = []

    async def script(bench: Bench) -> None:
        source = """
import signal, subprocess, time
signal.signal(signal.SIGINT, signal.SIG_IGN)
subprocess.Popen(["sleep", "100"], start_new_session=True)
print("deaf", flush=True)
time.sleep(100)
"""
        bench.runner.run_at_home(Job(4, 1, source, count=4, task="train"))
        await bench.shows("deaf")
        bench.runner.drop(4, 1)
        reasons.append(await bench.gone())

    drive("elsewhere", tmp_path, script)
    assert reasons == ["the kernel was killed: cell 4 'train' did not stop when interrupted"]


def test_a_kernel_that_dies_says_in_which_cell(tmp_path: Path) -> None:
    async def script(bench: Bench) -> None:
        source = "import os; print('last', flush=True); os.kill(os.getpid(), 9)"
        bench.runner.run_at_home(Job(1, 1, source, count=1))
        reason = "the kernel died while running cell 1 (ended by SIGKILL (out of memory?))"
        assert await bench.gone() == reason

    drive("elsewhere", tmp_path, script)


def test_a_kernel_that_dies_between_cells_is_noticed(tmp_path: Path) -> None:
    async def script(bench: Bench) -> None:
        await bench.run(1, "sleep 0")
        bench.runner.kill()
        assert (await bench.gone()).startswith("the kernel died between two cells (ended by")

    drive("bash", tmp_path, script)


@pytest.mark.parametrize("busy", [True, False])
def test_closing_ends_all_that_was_started(busy: bool, tmp_path: Path) -> None:
    nap = ["sleep", f"200.{os.getpid()}{int(busy)}"]  # no other process sleeps for that long

    def naps() -> list[psutil.Process]:
        return [p for p in psutil.process_iter(["cmdline"]) if p.info["cmdline"] == nap]

    async def script(bench: Bench) -> None:
        words = " ".join(nap)
        await bench.run(1, f"nohup {words} >/dev/null 2>&1 & {words} & echo $!")
        if busy:
            bench.runner.run_at_home(Job(2, 1, f"bash -c 'echo begun; exec {words}'", count=2))
            await bench.shows("begun")
        async with asyncio.timeout(10):
            while len(naps()) < 2 + busy:  # the last of them may be starting
                await asyncio.sleep(0.02)

    bench = drive("bash", tmp_path, script)
    assert naps() == []
    assert not [report for report in bench.reports if isinstance(report, Gone)]


def test_rich_outputs_have_the_form_of_those_at_home(tmp_path: Path) -> None:
    outcomes: list[Outcome] = []

    async def script(bench: Bench) -> None:
        outcomes.append(await bench.run(1, "1 / 0"))
        source = (
            "from IPython.display import display, HTML\nh = display('a', display_id='d')\n6 * 7"
        )
        outcomes.append(await bench.run(2, source))
        outcomes.append(await bench.run(3, "h.update('b')"))
        outcomes.append(await bench.run(4, "import ipywidgets; w = ipywidgets.IntSlider(7); w"))
        outcomes.append(await bench.run(5, "import sys; print('out'); sys.exit()"))

    bench = drive("elsewhere", tmp_path, script)
    error, shown, updated, widget, exiting = outcomes
    assert error.error is not None
    assert (error.error.name, error.error.value) == ("ZeroDivisionError", "division by zero")
    assert error.error.traceback == tuple(error.outputs[0]["traceback"])
    assert shown.outputs == (
        {"output_type": "display_data", "data": {"text/plain": "'a'"}, "metadata": {}},
        {
            "output_type": "execute_result",
            "data": {"text/plain": "42"},
            "metadata": {},
            "execution_count": 2,
        },
    )
    assert shown.display_ids == {"d": (0,)}
    update = {"display_id": "d", "data": {"text/plain": "'b'"}, "metadata": {}}
    assert updated.display_updates == (update,)
    assert Showed(3, 1, {"type": "update", **update}) in bench.reports
    model = widget.outputs[0]["data"]["application/vnd.jupyter.widget-view+json"]["model_id"]
    assert widget.widgets[model]["state"]["value"] == 7
    assert exiting.exits


def test_what_output_widgets_show_reaches_them_and_the_kernel(tmp_path: Path) -> None:
    async def script(bench: Bench) -> None:
        source = "import ipywidgets\nw = ipywidgets.Output()\nwith w:\n    print('inside')"
        first = await bench.run(1, source)
        assert first.outputs == ()
        second = await bench.run(2, "w.outputs")
        assert "inside" in second.outputs[0]["data"]["text/plain"]

    drive("elsewhere", tmp_path, script)


def test_a_flood_of_text_arrives_whole(tmp_path: Path) -> None:
    async def script(bench: Bench) -> None:
        outcome = await bench.run(1, "for n in range(1, 20001): print(n, flush=True)")
        text = "".join(f"{n}\n" for n in range(1, 20001))
        assert outcome.outputs == (stream(text),)
        events = [r for r in bench.reports if isinstance(r, Showed)]
        assert "".join(r.event["text"] for r in events) == text
        assert len(events) < 2000

    drive("elsewhere", tmp_path, script)


def test_asking_for_input_is_an_error_and_no_wait(tmp_path: Path) -> None:
    async def script(bench: Bench) -> None:
        outcome = await bench.run(1, "input('name? ')")
        assert outcome.error is not None
        assert outcome.error.name == "StdinNotImplementedError"

    drive("elsewhere", tmp_path, script)


def test_values_can_not_be_collected_and_nothing_is_left_to_apply(tmp_path: Path) -> None:
    async def script(bench: Bench) -> None:
        bench.runner.retire(1, 1, {})
        await bench.until(lambda r: r == Applied(1, ""))
        with pytest.raises(SessionError, match="values stay in its kernel 'bash'"):
            await bench.runner.collect(Collect.VALUES)

    drive("bash", tmp_path, script)


def test_a_kernel_that_ends_at_its_start_is_quoted(tmp_path: Path) -> None:
    async def script(bench: Bench) -> None:
        raise RuntimeError("the session must not open")

    with pytest.raises(SessionError) as told:
        drive("broken", tmp_path, script)
    assert told.value.message == "kernel 'broken' did not start: no kernel in here"


def test_a_kernel_that_never_answers_is_given_up_and_ended(tmp_path: Path, runtime: Path) -> None:
    before = set(psutil.Process().children())  # other tests' processes, such as a pool's tracker

    async def session() -> None:
        runner = KernelRunner(find_kernel("mute", ""), patience=1.5)
        with pytest.raises(SessionError, match=r"'mute' did not answer within 1\.5 s"):
            await runner.open(SessionSpec(str(tmp_path), str(tmp_path)), lambda report: None)
        assert set(psutil.Process().children()) == before
        await runner.close()

    asyncio.run(session())
    assert list(runtime.glob("*.json")) == []


def test_a_session_works_in_another_thread(tmp_path: Path) -> None:
    async def script(bench: Bench) -> None:
        assert (await bench.run(1, "echo here")).outputs == (stream("here\n"),)

    failures: list[BaseException] = []

    def body() -> None:
        try:
            drive("bash", tmp_path, script)
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=body)
    thread.start()
    thread.join(60)
    assert failures == []
