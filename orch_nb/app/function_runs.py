"""The records of flows of functions: a new run, one that is gone on with, one that was left."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from orch_nb.app.abandoned import outwait, settle_run
from orch_nb.app.destination import lasting_path
from orch_nb.app.function_scopes import Scope
from orch_nb.errors import InputError
from orch_nb.execution import context
from orch_nb.model import FlowRun, FlowRunId, Json
from orch_nb.options import FlowOptions
from orch_nb.states import StateName, StateType
from orch_nb.store import Store, Transaction, new_flow_run_id, new_holder
from orch_nb.store.limits import put_sizes

FUNCTION = "function"  # what a run's request tells of a flow that is no notebook
_BY = "driver"


@dataclass(frozen=True, slots=True)
class FlowWork:
    """A flow of functions: what it does and where it is found."""

    name: str
    function: Callable[..., Any]
    options: FlowOptions
    tags: tuple[str, ...]
    module: str
    qualname: str
    file: str


def create_run(
    store: Store, work: FlowWork, parameters: Mapping[str, Any], parent: Scope | None
) -> FlowRun:
    """Record a new run of the flow, claimed by this process."""
    above = parent.run.id if parent is not None else context.current.id
    run = FlowRun(
        id=new_flow_run_id(),
        name="",
        flow=work.name,
        notebook=lasting_path(work.file) if work.file else work.module,
        state_name=StateName.PENDING,
        parameters={name: _shown(value) for name, value in parameters.items()},
        parameter_sources=dict.fromkeys(parameters, "call"),
        tags=work.tags,
        options=work.options,
        request={
            "kind": FUNCTION,
            "module": work.module,
            "name": work.qualname,
            "arguments": _as_json(parameters),
            "cwd": str(Path.cwd()),
        },
        scheduled_time=datetime.now(UTC),
        parent_run=FlowRunId(above) if above else None,
    )

    def create(transaction: Transaction) -> FlowRun:
        put_sizes(transaction, dict(work.options.limit))
        return transaction.create_flow_run(run, [], holder=new_holder(), by=_BY)

    return store.write(create)


def reopen_run(store: Store, called: str, work: FlowWork, parameters: Mapping[str, Any]) -> FlowRun:
    """Go on with a run, claimed by this process. Raises InputError where that can't be."""
    run = outwait(store, store.get_run(called))
    if run.request.get("kind") != FUNCTION or run.flow != work.name:
        raise InputError(f"run {run.name} is one of flow '{run.flow}', not of '{work.name}'")
    check_ended(run)

    def reopen(transaction: Transaction) -> FlowRun:
        epoch = transaction.claim(run.id, new_holder())
        record = replace(
            run,
            state_name=StateName.RESUMING,
            state_message="",
            attempt=run.attempt + 1,
            parameters={name: _shown(value) for name, value in parameters.items()},
            options=work.options,
            start_time=None,
            end_time=None,
            epoch=epoch,
        )
        transaction.set_flow_state(record, expected=run.state_name, by="resume")
        return record

    return store.write(reopen)


def find_left_child(
    store: Store, parent: Scope, work: FlowWork, parameters: Mapping[str, Any]
) -> str | None:
    """The run of the same subflow in an earlier attempt of its parent."""
    shown = {name: _shown(value) for name, value in parameters.items()}
    for run in store.child_runs(parent.run.id):
        fits = run.flow == work.name and dict(run.parameters) == shown
        if fits and run.id not in parent.taken:
            parent.taken.add(run.id)
            if settle_run(store, run).state_type.is_terminal:
                return run.name
    return None


def check_ended(run: FlowRun) -> None:
    """Raise InputError for a run that can't be gone on with."""
    if not run.state_type.is_terminal:
        hint = f"orch-nb cancel {run.name}  ends it"
        raise InputError(f"run {run.name} is {run.state_name}: it has not ended", hint=hint)
    if run.state_type is StateType.COMPLETED and run.parent_run is None:
        raise InputError(f"run {run.name} is {run.state_name}: nothing is left to run")


def _as_json(parameters: Mapping[str, Any]) -> Json:
    """The arguments as plain values; None when they are not."""
    try:
        plain = json.loads(json.dumps(dict(parameters), allow_nan=False))
    except (TypeError, ValueError, RecursionError):
        return None
    same = plain == dict(parameters) and repr(plain) == repr(dict(parameters))
    return plain if same else None


def _shown(value: Any) -> Json:
    """A value as a run's record shows it."""
    try:
        plain: Json = json.loads(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError, RecursionError):
        text = repr(value)
        return text if len(text) <= 200 else f"{text[:199]}…"
    return plain
