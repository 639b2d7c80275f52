"""The other commands: what they ask of the app, and what people and scripts get to see."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from orch_nb.cli.commands import COMMANDS
from orch_nb.errors import NotFoundError
from orch_nb.model import LogRecord, StateChange
from orch_nb.states import StateName

Orch = Callable[..., Any]


def test_help_lists_every_command_with_its_line(orch: Orch) -> None:
    printed = orch("--help")
    assert printed.code == 0
    for name, entry in COMMANDS.items():
        assert f"  {name} " in printed.out
        assert entry.help in printed.out


def test_no_arguments_is_help(orch: Orch) -> None:
    assert orch().out == orch("--help").out


def test_the_version(orch: Orch) -> None:
    assert orch("--version").out == "orch-nb 0.1.0\n"


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("rnu", "did you mean run ?"),
        ("sales.ipynb", "did you mean  orch-nb run sales.ipynb ?"),
        ("xyzzy", "orch-nb --help"),
    ],
)
def test_an_unknown_command_gets_a_hint(orch: Orch, name: str, hint: str) -> None:
    printed = orch(name)
    assert printed.code == 2
    assert printed.err == f"error: no command '{name}'\n  hint: {hint}\n"


@pytest.mark.parametrize(
    "name",
    ["run", "graph", "check", "runs", "show", "explain", "logs", "cancel", "where", "doctor"],
)
def test_each_command_loads_and_its_own_help_begins_as_the_table_says(
    app: Any, orch: Orch, name: str
) -> None:
    printed = orch(name, "--help")
    assert printed.code == 0
    assert printed.out.startswith(f"Usage: orch-nb {name} ")


def test_runs_are_filtered_by_the_app_and_printed_one_a_line(
    app: Any, orch: Orch, records: Any
) -> None:
    app.recorded = [
        records.run(
            StateName.FAILED, end_time=records.start + timedelta(seconds=41), tags=("daily",)
        ),
        records.run(StateName.SCHEDULED, name="calm-owl", flow="a\x1b[31m\nb", start_time=None),
    ]
    printed = orch(
        *("runs", "--flow", "sales", "--state", "failed", "--tag", "daily", "-n", "5", "--ascii")
    )
    assert app.asked == [
        ("runs", {"flow": "sales", "state": StateName.FAILED, "tags": ("daily",), "limit": 5})
    ]
    first, second = printed.out.splitlines()
    assert first.startswith("X  brave-otter  sales  Failed ")
    assert first.endswith("41.0s  #daily")
    assert second.split() == [".", "calm-owl", "a\\nb", "Scheduled"]


def test_an_empty_store_says_how_to_begin(app: Any, orch: Orch) -> None:
    assert orch("runs").out == "no runs yet; start one with  orch-nb run NOTEBOOK\n"
    assert json.loads(orch("runs", "--json").out) == []


def test_an_unknown_state_is_refused_with_the_list(app: Any, orch: Orch) -> None:
    printed = orch("runs", "--state", "Broken")
    assert printed.code == 2
    assert "TimedOut" in printed.err


def test_runs_json_has_the_contracts_names(app: Any, orch: Orch, records: Any) -> None:
    app.recorded = [records.run(parameters={"when": records.start})]
    (record,) = json.loads(orch("runs", "--json").out)
    assert list(record)[:10] == [
        *("id", "name", "flow", "state_type", "state_name", "scheduled_time", "start_time"),
        *("end_time", "parameters", "tags"),
    ]
    assert record["parameters"] == {"when": "2026-11-23T10:00:00+00:00"}


@pytest.fixture
def failed(app: Any, records: Any) -> Any:
    run = records.run(
        StateName.FAILED,
        end_time=records.start + timedelta(seconds=41),
        output="reports/sales.run.ipynb",
        state_message="1 task failed",
    )
    tasks = (
        records.task(3, "load", StateName.COMPLETED, seconds=8.1),
        records.task(
            5, "by_month", StateName.FAILED, seconds=1, error_name="KeyError", error_value="'m'"
        ),
    )
    history = (
        StateChange("01J0", records.start, None, StateName.PENDING, "", "cli"),
        StateChange("t5", records.start, None, StateName.FAILED, "KeyError", "driver"),
        StateChange("01J0", records.start, StateName.PENDING, StateName.FAILED, "why", "driver"),
    )
    app.details = [records.details(run, tasks, history, ("a.png",))]
    return app


def test_show_prints_the_run_its_tasks_and_its_history(failed: Any, orch: Orch) -> None:
    printed = orch("show", "brave-otter", "--ascii")
    assert printed.code == 0
    assert failed.asked == [("show", "brave-otter")]
    lines = printed.out.splitlines()
    assert lines[0] == "X  sales - brave-otter - Failed - 41.0s"
    assert "  with      years=[2025] (-p)  region='EU' (cell)" in lines
    assert "ok load       cell 3    8.1s" in lines
    assert "X  by_month   cell 5    1.0s   KeyError: 'm'" in lines
    assert [line.split("  ")[-1] for line in lines if " by " in line] == [
        "Pending by cli",
        "Failed by driver: why",
    ]
    assert lines[-1] == "files   a.png"


def test_show_json_is_one_object(failed: Any, orch: Orch) -> None:
    record = json.loads(orch("show", "brave-otter", "--json").out)
    assert record["state_name"] == "Failed"
    assert [task["cell"] for task in record["tasks"]] == [3, 5]
    assert record["tasks"][1]["error_name"] == "KeyError"
    assert [change["new"] for change in record["history"]] == ["Pending", "Failed", "Failed"]
    assert record["files"] == ["a.png"]


def test_a_run_that_is_not_there(app: Any, orch: Orch) -> None:
    app.error = NotFoundError("no run 'brave-oter'", hint="did you mean brave-otter ?")
    printed = orch("show", "brave-oter")
    assert printed.code == 2
    assert printed.err == "error: no run 'brave-oter'\n  hint: did you mean brave-otter ?\n"


def make_log(records: Any, message: str, identity: int, **changes: Any) -> LogRecord:
    record = LogRecord(records.run().id, "load", records.start, 30, "root", message, id=identity)
    return replace(record, **changes)


def test_logs_print_level_task_and_message(app: Any, orch: Orch, records: Any) -> None:
    app.records = [
        [
            make_log(records, "3 rows dropped\nreally\x1b[2J", 1),
            make_log(records, "", 2, task=None, level=20),
        ]
    ]
    printed = orch("logs", "brave-otter", "load", "--level", "info")
    assert app.asked == [("logs", "brave-otter", {"task": "load", "level": 20, "follow": False})]
    lines = [line.partition(" ")[2] for line in printed.out.splitlines()]
    assert lines == ["WARNING load: 3 rows dropped", "        really", "INFO    "]


def test_logs_json(app: Any, orch: Orch, records: Any) -> None:
    app.records = [[make_log(records, "hello", 1)]]
    assert json.loads(orch("logs", "brave-otter", "--json").out) == [
        {
            "run_id": "01J0",
            "task": "load",
            "time": "2026-11-23T10:00:00+00:00",
            "level": 30,
            "logger": "root",
            "message": "hello",
        }
    ]


def test_following_prints_one_object_a_line(app: Any, orch: Orch, records: Any) -> None:
    app.records = [[make_log(records, "a\nb", 7), make_log(records, "c", 9)]]
    printed = orch("logs", "brave-otter", "--follow", "--json")
    assert [json.loads(line)["message"] for line in printed.out.splitlines()] == ["a\nb", "c"]
    assert app.asked == [("logs", "brave-otter", {"task": None, "level": 10, "follow": True})]


def test_cancel_says_the_new_state(app: Any, orch: Orch) -> None:
    assert orch("cancel", "brave-otter", "--ascii").out == "-  brave-otter is Cancelled\n"
    assert json.loads(orch("cancel", "brave-otter", "--json").out)["state_type"] == "CANCELLED"


def test_where_prints_every_place(app: Any, orch: Orch) -> None:
    assert orch("where").out == ("home   /data/orch_nb\nstore  sqlite:////data/orch_nb/store.db\n")
    assert json.loads(orch("where", "--json").out)["home"] == "/data/orch_nb"


def test_doctor_shows_what_is_off_and_why(app: Any, orch: Orch, records: Any) -> None:
    app.checks = [
        records.check("python", True, "3.11.7"),
        records.check("store", False, "can't be written", "set ORCH_NB_HOME"),
    ]
    printed = orch("doctor", "--ascii")
    assert printed.code == 1
    assert printed.out == (
        "ok python  3.11.7\nX  store   can't be written\n    hint: set ORCH_NB_HOME\n"
    )
    app.checks = app.checks[:1]
    assert orch("doctor").code == 0
    assert json.loads(orch("doctor", "--json").out) == [
        {"name": "python", "ok": True, "detail": "3.11.7", "hint": "", "optional": False}
    ]


def test_what_is_only_off_does_not_count(app: Any, orch: Orch, records: Any) -> None:
    app.checks = [records.check("node", False, "off: not found", "nothing to do", optional=True)]
    printed = orch("doctor", "--ascii")
    assert printed.code == 0
    assert printed.out == "-  node  off: not found\n    hint: nothing to do\n"
