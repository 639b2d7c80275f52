"""A flow where there are no processes: what a browser's kernel does, here in an ordinary one."""

from __future__ import annotations

import asyncio
import os
import re
import threading
from collections.abc import Iterator
from typing import Any

import IPython
import pytest
from IPython.core.interactiveshell import InteractiveShell

import orch_nb.browser
import orch_nb.magics.flows
import orch_nb.panel.pump
from orch_nb.errors import FlowError, InputError
from orch_nb.magics import load, unload

pytestmark = pytest.mark.skipif(IPython.version_info < (8,), reason="no browser has IPython 7")


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch) -> Iterator[InteractiveShell]:
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    for module in (orch_nb.browser, orch_nb.magics.flows, orch_nb.panel.pump):
        monkeypatch.setattr(module, "is_in_browser", lambda: True)
    for what in ("fork", "posix_spawn"):
        monkeypatch.delattr(os, what)
    monkeypatch.setattr(threading.Thread, "start", _no_thread)
    InteractiveShell.clear_instance()
    shell = InteractiveShell.instance()
    shell.history_manager.enabled = False
    load(shell)
    yield shell
    unload(shell)
    InteractiveShell.clear_instance()


def _no_thread(self: threading.Thread) -> None:
    raise RuntimeError("can't start new thread")


def run(shell: InteractiveShell, *sources: str) -> Any:
    """Run cells as a kernel does; the last one's error, if there is one."""

    async def all_of_them() -> Any:
        for number, source in enumerate(sources):
            result = await shell.run_cell_async(
                source,
                store_history=True,
                transformed_cell=shell.transform_cell(source),
                cell_id=f"id-{number}-{hash(source)}",
            )
            shell.events.trigger("post_execute")
            shell.events.trigger("post_run_cell", result)
        return result.error_before_exec or result.error_in_exec

    return asyncio.run(all_of_them())


DEFER = "%config OrchNb.tasks = 'defer'"
TOTAL = "%%task total --retries 2\ntotal = sum(rows)\nruns.append('total')"
MOST = "%%task most\nmost = max(rows)\nruns.append('most')"


def test_deferred_tasks_run_in_the_kernel_and_once(
    shell: InteractiveShell, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(shell, DEFER, "rows = [1, 2, 3]\nruns = []", TOTAL, MOST, "%%flow numbers") is None
    assert shell.user_ns["total"] == 6
    assert shell.user_ns["most"] == 3
    told = capsys.readouterr().out
    assert "one after the other; nothing is recorded" in told
    assert "no effect in a browser: --retries" in told
    assert run(shell, "%%flow numbers") is None
    assert shell.user_ns["runs"] == ["total", "most"]
    assert "up to date, 0 run" in capsys.readouterr().out


def test_a_failure_leaves_what_needs_it_and_runs_the_rest(
    shell: InteractiveShell, capsys: pytest.CaptureFixture[str]
) -> None:
    bad, after = "%%task bad\nworth = 1 / 0", "%%task after\nmore = worth"
    error = run(shell, DEFER, "rows = [1]\nruns = []", bad, after, TOTAL, "%%flow")
    assert isinstance(error, FlowError)
    assert "bad failed: ZeroDivisionError" in str(error)
    told = re.sub(r" +", " ", capsys.readouterr().out)
    assert "after" in told
    assert "needs cell 2 'bad'" in told
    assert shell.user_ns["total"] == 1
    assert "more" not in shell.user_ns


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ("%%flow --fresh", "%%flow --fresh can't be had in a browser: it has no processes"),
        ("%%flow --background", "%%flow --background can't be had in a browser"),
        ("%%flow --runner dask", "--runner dask can't be had in a browser"),
        ("%%flow\ntotal(rows=[1])", "a flow that calls its cells"),
        ("%flow runs", "the record of runs can't be had in a browser: nothing is recorded there"),
        ("import orch_nb\norch_nb.run_notebook('x.ipynb')", "running a notebook in processes"),
    ],
)
def test_what_cannot_be_had_is_said_in_words(
    shell: InteractiveShell, cell: str, words: str
) -> None:
    error = run(shell, DEFER, "rows = [1]\nruns = []", TOTAL, cell)
    assert isinstance(error, InputError)
    assert words in str(error)
