"""Hooks: told of the run by their environment, ended in time, and never the run's undoing."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from orch_nb.app import RunRequest, RunResult, run
from orch_nb.app.hooks import hook_of, run_hook
from orch_nb.engine.events import Event, Notice, RunEnded
from orch_nb.errors import OptionError
from orch_nb.notebook.binding import GivenParameter, ParameterSource
from orch_nb.options import FlowOptions
from orch_nb.states import StateName
from orch_nb.store import open_store
from tests.command_line import code, make_document, wait_until
from tests.sample_runs import a_run

SHOW = 'printf "%s|" "$ORCH_NB_RUN_NAME" "$ORCH_NB_STATE" "$ORCH_NB_ERROR" > told'


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (StateName.COMPLETED, "good"),
        (StateName.FAILED, "bad"),
        (StateName.TIMED_OUT, "bad"),
        (StateName.CRASHED, "bad"),
        (StateName.CANCELLED, ""),
        (StateName.RUNNING, ""),
        (StateName.SUSPENDED, ""),
    ],
)
def test_the_hook_goes_by_how_the_run_ended(state: StateName, expected: str) -> None:
    ended = a_run(state_name=state, options=FlowOptions(on_success="good", on_failure="bad"))
    assert hook_of(ended) == expected
    assert hook_of(replace(ended, options=FlowOptions())) == ""


def test_nothing_of_a_run_becomes_a_command(tmp_path: Path) -> None:
    hostile = "$(touch owned); `touch owned`\n'\"; touch owned #\x00\ud800"
    ended = a_run(name=hostile, state_name=StateName.FAILED, state_message=hostile * 10_000)
    end = run_hook(SHOW, ended, str(tmp_path))
    assert end.trouble == ""
    assert [path.name for path in tmp_path.iterdir()] == ["told"]
    name, state, error, _ = (tmp_path / "told").read_text().split("|")
    assert name == hostile.replace("\x00", "\ufffd").replace("\ud800", "?")
    assert state == "Failed"
    assert error.startswith("$(touch owned)")
    assert len(error) == 8000


@pytest.mark.parametrize(
    ("command", "trouble"),
    [
        ("exit 3", "ended with exit code 3"),
        ("kill -9 $$", "was ended by signal 9"),
        ("no-such-command-anywhere", "ended with exit code 127"),
        ("if", "ended with exit code 2"),
    ],
)
def test_what_goes_wrong_is_said(tmp_path: Path, command: str, trouble: str) -> None:
    assert run_hook(command, a_run(), str(tmp_path)).trouble == trouble


def test_a_folder_that_is_gone_is_said(tmp_path: Path) -> None:
    end = run_hook("true", a_run(), str(tmp_path / "gone"))
    assert end.trouble.startswith("could not be started: ")


def test_a_hook_that_takes_too_long_is_ended_with_all_it_started(tmp_path: Path) -> None:
    started = time.monotonic()
    command = "trap '' TERM; sleep 300 & echo $! > child; echo begun; wait; sleep 300"
    end = run_hook(command, a_run(), str(tmp_path), longest=1.0)
    assert time.monotonic() - started < 10
    assert end.trouble == "took longer than 1s and was ended"
    assert end.printed == "begun\n"
    child = int((tmp_path / "child").read_text())
    wait_until(lambda: not psutil.pid_exists(child), 5, "the hook's child to end")


def test_only_the_end_of_what_it_prints_is_kept(tmp_path: Path) -> None:
    end = run_hook("yes | head -c 1000000; echo last", a_run(), str(tmp_path))
    assert len(end.printed) == 4000
    assert end.printed.endswith("last\n")


def run_cell(folder: Path, cell: str, told: list[Event], **options: object) -> RunResult:
    path = folder / "sales.ipynb"
    path.write_text(json.dumps(make_document(cell)))
    return run(RunRequest(str(path), options=options), told.append)


def test_a_failed_run_calls_its_hook_in_its_folder(tmp_path: Path) -> None:
    result = run_cell(tmp_path, "1 / 0", [], on_failure=SHOW, on_success="touch wrong")
    name, state, error, _ = (tmp_path / "told").read_text().split("|")
    assert (name, state) == (result.run.name, "Failed")
    assert "ZeroDivisionError: division by zero" in error
    assert not (tmp_path / "wrong").exists()


def test_a_hook_sees_the_run_as_it_ended(tmp_path: Path) -> None:
    import sys

    command = f"{sys.executable} -m orch_nb.cli show $ORCH_NB_RUN_ID --json > told"
    command = command.replace("orch_nb.cli ", "orch_nb.cli.__main__ ")
    run_cell(tmp_path, "x = 1", [], on_success=command)
    assert json.loads((tmp_path / "told").read_text())["state_name"] == "Completed"


def test_a_hook_that_fails_is_noted_and_changes_nothing(tmp_path: Path) -> None:
    told: list[Event] = []
    result = run_cell(tmp_path, "x = 1", told, on_success="echo some words; exit 7")
    assert result.run.state_name is StateName.COMPLETED
    words = "the hook 'echo some words; exit 7' ended with exit code 7"
    notices = [event.text for event in told if isinstance(event, Notice)]
    assert f"{words}; the run stays Completed" in notices
    assert isinstance(told[-1], RunEnded)
    with open_store() as store:
        logged = [(record.level, record.message) for record in store.logs(result.run.id)]
        assert logged == [(20, "some words"), (30, words)]
        assert store.get_run(result.run.id).state_name is StateName.COMPLETED


TELL = """%%task tell
import os
print(shout(os.environ["ORCH_NB_STATE"]), region, json.dumps(os.environ["ORCH_NB_ERROR"]))
"""
WITH_HOOK = (
    "import json",
    code("region = 'EU'", "parameters"),
    code("def shout(text):\n    return text.upper()", "setup"),
    TELL,
    "%%task work\n1 / 0",
)


def test_a_cell_is_told_when_the_run_fails_and_takes_no_part_in_it(tmp_path: Path) -> None:
    path = tmp_path / "hooked.ipynb"
    path.write_text(json.dumps(make_document(*WITH_HOOK)))
    options = {"on_failure": "cell:tell"}
    region = GivenParameter("region", "US", ParameterSource.CALL)
    done = run(RunRequest(str(path), options=options, parameters=(region,)))
    assert done.run.state_name is StateName.FAILED
    states = {task.name: (task.state_name, task.state_message) for task in done.tasks}
    assert states["tell"] == (StateName.SKIPPED, "it runs when the run has failed")
    with open_store() as store:
        texts = [record.message for record in store.logs(done.run.id)]
    assert texts == ["FAILED US \"cell 6 'work': ZeroDivisionError: division by zero\""]


def test_a_hook_cell_that_is_not_there_is_refused_before_anything_runs(tmp_path: Path) -> None:
    path = tmp_path / "hooked.ipynb"
    path.write_text(json.dumps(make_document("%%task work\nopen('ran', 'w').close()")))
    with pytest.raises(OptionError) as caught:
        run(RunRequest(str(path), options={"on_success": "cell:tell"}))
    assert str(caught.value.message) == "--on-success names the cell 'tell', and there is none"
    assert caught.value.hint == "its named cells: work"
    assert not (tmp_path / "ran").exists()


def test_a_hook_cell_that_raises_leaves_the_run_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "hooked.ipynb"
    path.write_text(json.dumps(make_document("%%task work\n1", "%%task tell\n1 / 0")))
    said: list[Event] = []
    done = run(RunRequest(str(path), options={"on_success": "cell:tell"}), said.append)
    assert done.run.state_name is StateName.COMPLETED
    notices = [event.text for event in said if isinstance(event, Notice)]
    expected = "the hook 'cell:tell' ended with exit code 1; the run stays Completed"
    assert expected in notices
