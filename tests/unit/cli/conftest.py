"""A stand-in for `orch_nb.app`, so that the command line is tested without running a notebook."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

import orch_nb
from orch_nb.cli.__main__ import run_command
from orch_nb.engine.events import Event
from orch_nb.model import (
    CellKind,
    FlowRun,
    FlowRunId,
    LogRecord,
    StateChange,
    TaskRun,
    TaskRunId,
)
from orch_nb.states import StateName

START = datetime(2026, 11, 23, 10, 0, 0, tzinfo=UTC)


def make_run(state: StateName = StateName.RUNNING, **changes: Any) -> FlowRun:
    fields: dict[str, Any] = {
        "id": FlowRunId("01J0"),
        "name": "brave-otter",
        "flow": "sales",
        "notebook": "reports/sales.ipynb",
        "state_name": state,
        "parameters": {"years": [2025], "region": "EU"},
        "parameter_sources": {"years": "-p", "region": "cell"},
        "start_time": START,
    }
    return FlowRun(**{**fields, **changes})


def make_task(
    number: int, name: str, state: StateName = StateName.PENDING, **changes: Any
) -> TaskRun:
    fields: dict[str, Any] = {
        "id": TaskRunId(f"t{number}"),
        "flow_run_id": FlowRunId("01J0"),
        "name": name,
        "cell_number": number,
        "cell_id": f"c{number}",
        "kind": CellKind.TASK,
        "state_name": state,
    }
    return TaskRun(**{**fields, **changes})


@dataclass(frozen=True)
class RunRequest:
    notebook: str
    output: str | None = None
    parameters: tuple[tuple[str, object, str], ...] = ()
    options: Mapping[str, object] = field(default_factory=dict)
    kernel: str | None = None
    cwd: str | None = None
    report_mode: bool = False
    log_output: bool = False
    tags: tuple[str, ...] = ()
    name: str | None = None


@dataclass(frozen=True)
class RunResult:
    run: FlowRun
    tasks: tuple[TaskRun, ...]
    seconds: float
    files: tuple[str, ...]
    output: str | None
    values: Mapping[str, object]


@dataclass(frozen=True)
class RunDetails:
    run: FlowRun
    tasks: tuple[TaskRun, ...]
    history: tuple[StateChange, ...]
    files: tuple[str, ...]
    parent: FlowRun | None = None
    children: tuple[FlowRun, ...] = ()


@dataclass(frozen=True)
class Check:
    name: str
    ok: bool
    detail: str
    hint: str = ""
    optional: bool = False


class Control:
    def __init__(self) -> None:
        self.cancels: list[bool] = []

    def cancel(self, kill: bool = False) -> None:
        self.cancels.append(kill)


class FakeApp(types.ModuleType):
    """Answers with what a test has put in it, and keeps what it was asked."""

    RunRequest = RunRequest
    Control = Control

    def __init__(self) -> None:
        super().__init__("orch_nb.app")
        self.requests: list[RunRequest] = []
        self.controls: list[Control] = []
        self.asked: list[tuple[Any, ...]] = []
        self.events: tuple[Event, ...] = ()
        self.error: BaseException | None = None
        self.while_running: Callable[[], None] = lambda: None
        self.recorded: list[FlowRun] = []
        self.details: list[RunDetails] = []
        self.records: list[list[LogRecord]] = []
        self.checks: list[Check] = []
        self.result = RunResult(
            run=make_run(StateName.COMPLETED, end_time=START + timedelta(seconds=31)),
            tasks=(make_task(3, "load", StateName.COMPLETED, seconds=8.1),),
            seconds=31.0,
            files=("figures/a.png",),
            output="reports/sales.run.ipynb",
            values={},
        )

    def run(self, request: RunRequest, listener: Any = None, control: Any = None) -> RunResult:
        self.requests.append(request)
        self.controls.append(control)
        if self.error is not None:
            raise self.error
        for event in self.events:
            listener(event)
        self.while_running()
        return self.result

    def runs(self, **filters: Any) -> list[FlowRun]:
        self.asked.append(("runs", filters))
        return self.recorded

    def show(self, ref: str) -> RunDetails:
        self.asked.append(("show", ref))
        if self.error is not None:
            raise self.error
        return self.details.pop(0) if len(self.details) > 1 else self.details[0]

    def logs(self, ref: str, **filters: Any) -> list[LogRecord]:
        self.asked.append(("logs", ref, filters))
        return self.records.pop(0) if self.records else []

    def cancel(self, ref: str) -> FlowRun:
        self.asked.append(("cancel", ref))
        return make_run(StateName.CANCELLED)

    def where(self) -> dict[str, str]:
        return {"home": "/data/orch_nb", "store": "sqlite:////data/orch_nb/store.db"}

    def doctor(self) -> list[Check]:
        return self.checks


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> FakeApp:
    fake = FakeApp()
    monkeypatch.setitem(sys.modules, "orch_nb.app", fake)
    monkeypatch.setattr(orch_nb, "app", fake, raising=False)
    return fake


@dataclass(frozen=True)
class Printed:
    code: int
    out: str
    err: str


@pytest.fixture
def orch(capsys: pytest.CaptureFixture[str]) -> Callable[..., Printed]:
    """Runs the command line in this process: exit code, stdout, stderr."""

    def call(*arguments: str) -> Printed:
        code = run_command(arguments)
        out, err = capsys.readouterr()
        return Printed(code, out, err)

    return call


@pytest.fixture
def records() -> types.SimpleNamespace:
    """Builders of the records that tests feed in."""
    return types.SimpleNamespace(
        run=make_run, task=make_task, details=RunDetails, check=Check, start=START
    )
