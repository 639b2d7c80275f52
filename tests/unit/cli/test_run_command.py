"""`orch-nb run`: from the command line to a request, and from a result to an exit code."""

from __future__ import annotations

import base64
import json
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from orch_nb.engine.events import RunEnded, RunStarted
from orch_nb.errors import NotebookError, OptionError, OrchError
from orch_nb.notebook.binding import GivenParameter, ParameterSource
from orch_nb.options import FlowOptions, option_specs
from orch_nb.states import StateName

Orch = Callable[..., Any]


def test_a_plain_run_asks_for_nothing_special(app: Any, orch: Orch) -> None:
    assert orch("run", "sales.ipynb").code == 0
    assert app.requests == [app.RunRequest("sales.ipynb")]


def test_a_parameter_may_be_one_word(app: Any, orch: Orch) -> None:
    words = ("-p", "query", "a=b", "-p", "region=EU", "-r", "code=007", "-p", "text=x=-p y")
    assert orch("run", *words, "sales.ipynb").code == 0
    assert app.requests == [
        app.RunRequest(
            "sales.ipynb",
            parameters=(
                GivenParameter("query", "a=b", ParameterSource.TEXT),
                GivenParameter("region", "EU", ParameterSource.TEXT),
                GivenParameter("text", "x=-p y", ParameterSource.TEXT),
                GivenParameter("code", "007", ParameterSource.RAW),
            ),
        )
    ]
    assert "'-p' requires 2 arguments" in orch("run", "sales.ipynb", "-p").err


def test_every_option_reaches_the_request(app: Any, orch: Orch, tmp_path: Path) -> None:
    file = tmp_path / "params.yaml"
    file.write_text("day: 2025-01-31\nnothing: null\n")
    printed = orch(
        *("run", "sales.ipynb", "-o", "out/{year}.ipynb", "-p", "years", "[2025]"),
        *("-r", "code", "007", "-f", str(file), "-y", "a: [1, 2]", "--param-json", '{"b": {}}'),
        *("-b", base64.b64encode(b"c: 1.5").decode(), "-p", "shift", "-5"),
        *("--runner", "inline", "--max-workers", "8", "--cells", "all", "--fail-fast"),
        *("--timeout", "1h30m", "-k", "other", "--cwd", "/work", "--report-mode"),
        *("--log-output", "--tag", "daily", "--tag", "eu", "--name", "calm-owl", "--quiet"),
    )
    assert (printed.code, printed.out, printed.err) == (0, "", "")
    assert app.requests == [
        app.RunRequest(
            notebook="sales.ipynb",
            output="out/{year}.ipynb",
            parameters=(
                GivenParameter("c", 1.5, ParameterSource.BASE64),
                GivenParameter("day", "2025-01-31", ParameterSource.FILE, str(file)),
                GivenParameter("nothing", None, ParameterSource.FILE, str(file)),
                GivenParameter("a", [1, 2], ParameterSource.YAML),
                GivenParameter("b", {}, ParameterSource.JSON),
                GivenParameter("years", "[2025]", ParameterSource.TEXT),
                GivenParameter("shift", "-5", ParameterSource.TEXT),
                GivenParameter("code", "007", ParameterSource.RAW),
            ),
            options={
                "runner": "inline",
                "max_workers": 8,
                "cells": "all",
                "fail_fast": True,
                "timeout": 5400.0,
            },
            kernel="other",
            cwd="/work",
            report_mode=True,
            log_output=True,
            tags=("daily", "eu"),
            name="calm-owl",
        )
    ]


def test_the_output_may_follow_the_notebook_as_papermill_has_it(app: Any, orch: Orch) -> None:
    assert orch("run", "in.ipynb", "out.ipynb", "-p", "a", "1").code == 0
    assert app.requests[0].output == "out.ipynb"


def test_two_outputs_are_refused(app: Any, orch: Orch) -> None:
    printed = orch("run", "in.ipynb", "out.ipynb", "-o", "other.ipynb")
    assert printed.code == 2
    assert printed.err == (
        "error: two output notebooks, out.ipynb and other.ipynb\n"
        "  hint: give one, after the notebook or after -o\n"
    )
    assert app.requests == []


def test_every_flow_option_is_offered_with_its_own_words(app: Any, orch: Orch) -> None:
    words = " ".join(orch("run", "--help").out.split())
    for spec in option_specs(FlowOptions):
        assert spec.flag in words
        assert spec.help in words


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--timeout", "5"), "hint: did you mean 5s ?"),
        (("--max-workers", "0"), "--max-workers 0 must be 1 or more"),
        (("--max-workers", "x"), "--max-workers x must be a whole number"),
        (("--runner", "locl"), "hint: did you mean --runner local ?"),
        (("--fail-fast", "--allow-errors"), "--fail-fast and --allow-errors contradict each other"),
        (("-y", "[1, 2]"), "no mapping from names to values"),
        (("-y", "a: [1"), "not valid YAML"),
        (("-y", "1: 2"), "no mapping from names to values"),
        (("-b", "%%%"), "not YAML in base64"),
        (("--param-json", "{"), "not valid JSON"),
        (("-f", "missing.yaml"), "-f missing.yaml"),
        (("-p", "only-a-name"), "'-p' requires 2 arguments"),
        (("--no-such-option",), "no such option"),
    ],
)
def test_bad_options_are_refused_in_words(
    app: Any, orch: Orch, arguments: tuple[str, ...], message: str
) -> None:
    printed = orch("run", "sales.ipynb", *arguments)
    assert printed.code == 2
    assert printed.out == ""
    assert printed.err.startswith("error: ")
    assert message.lower() in printed.err.lower()
    assert "Traceback" not in printed.err
    assert app.requests == []


@pytest.mark.parametrize(
    ("state", "code"),
    [
        (StateName.COMPLETED, 0),
        (StateName.FAILED, 1),
        (StateName.TIMED_OUT, 1),
        (StateName.CRASHED, 1),
        (StateName.CANCELLED, 130),
    ],
)
def test_the_exit_code_follows_the_state(
    app: Any, orch: Orch, records: Any, state: StateName, code: int
) -> None:
    app.result = replace(app.result, run=records.run(state))
    assert orch("run", "sales.ipynb").code == code


def test_piped_a_run_prints_its_headline_and_summary(app: Any, orch: Orch, records: Any) -> None:
    task = records.task(3, "load")
    app.events = (RunStarted(records.run(), (task,), 9, 1, 4),)
    printed = orch("run", "sales.ipynb", "--ascii")
    assert printed.out.splitlines() == [
        "sales.ipynb - brave-otter - 1 task of 9 cells - local x4 - years=[2025] (-p)",
        "ok Completed in 0:31: 1 task",
        "  files   figures/a.png",
        "  output  reports/sales.run.ipynb",
    ]


def test_json_is_one_object_with_the_contracts_names_and_nothing_else(
    app: Any, orch: Orch, records: Any
) -> None:
    app.events = (
        RunStarted(records.run(), (), 9, 0, 4),
        RunEnded(records.run(StateName.COMPLETED), (), 1.0),
    )
    printed = orch("run", "sales.ipynb", "--json")
    record = json.loads(printed.out)
    assert {key: record[key] for key in list(record)[:10]} == {
        "id": "01J0",
        "name": "brave-otter",
        "flow": "sales",
        "state_type": "COMPLETED",
        "state_name": "Completed",
        "scheduled_time": None,
        "start_time": "2026-11-23T10:00:00+00:00",
        "end_time": "2026-11-23T10:00:31+00:00",
        "parameters": {"years": [2025], "region": "EU"},
        "tags": [],
    }
    assert record["output"] == "reports/sales.run.ipynb"
    assert record["files"] == ["figures/a.png"]
    assert [task["name"] for task in record["tasks"]] == ["load"]
    assert printed.err == ""


def test_a_notebook_on_stdout_stands_there_alone(app: Any, orch: Orch) -> None:
    printed = orch("run", "sales.ipynb", "-o", "-")
    assert printed.out == ""
    assert "Completed in" in printed.err
    assert orch("run", "sales.ipynb", "-o", "-", "--json").code == 2


def test_an_error_is_a_headline_where_and_a_hint(app: Any, orch: Orch) -> None:
    app.error = OptionError(
        "unknown option --retry",
        where="sales.ipynb, cell 3 'load'",
        hint="did you mean --retries ?",
    )
    printed = orch("run", "sales.ipynb")
    assert (printed.code, printed.out) == (2, "")
    assert printed.err == (
        "error: unknown option --retry            --> sales.ipynb, cell 3 'load'\n"
        "  hint: did you mean --retries ?\n"
    )


def test_a_long_error_puts_where_on_its_own_line(app: Any, orch: Orch) -> None:
    app.error = NotebookError("x" * 70, where="a/long/path/of/sales.ipynb, cell 6 'report'")
    assert orch("run", "sales.ipynb").err == (
        f"error: {'x' * 70}\n  --> a/long/path/of/sales.ipynb, cell 6 'report'\n"
    )


def test_a_hostile_error_stays_harmless(app: Any, orch: Orch) -> None:
    app.error = NotebookError("\x1b[2Jname\u202e" + "y" * 10_000, where="\x1b]0;t\x07.ipynb")
    err = orch("run", "sales.ipynb").err
    assert "\x1b" not in err
    assert "\u202e" not in err
    assert max(map(len, err.splitlines())) < 1000


def test_a_failing_store_has_its_own_exit_code(app: Any, orch: Orch) -> None:
    app.error = OrchError("the store can't be written")
    assert orch("run", "sales.ipynb").code == 1


def test_a_bug_is_told_without_a_traceback_unless_asked(
    app: Any, orch: Orch, monkeypatch: pytest.MonkeyPatch
) -> None:
    app.error = ZeroDivisionError("division by zero")
    printed = orch("run", "sales.ipynb")
    assert printed.code == 1
    assert printed.err == (
        "error: orch_nb itself went wrong: ZeroDivisionError: division by zero\n"
        "  hint: ORCH_NB_DEBUG=1 shows where; please report it\n"
    )
    monkeypatch.setenv("ORCH_NB_DEBUG", "1")
    assert "Traceback" in orch("run", "sales.ipynb").err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_first_signal_cancels_and_the_next_kills(
    app: Any, orch: Orch, records: Any, number: signal.Signals
) -> None:
    def press_twice() -> None:
        os.kill(os.getpid(), number)
        os.kill(os.getpid(), number)

    before = signal.getsignal(number)
    app.while_running = press_twice
    app.result = replace(app.result, run=records.run(StateName.CANCELLED))
    assert orch("run", "sales.ipynb").code == 130
    assert app.controls[0].cancels == [False, True]
    assert signal.getsignal(number) is before
