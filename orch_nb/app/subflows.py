"""A notebook that runs within a flow: linked to its parent's run, cancelled and resumed with it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orch_nb.app.abandoned import settle_run
from orch_nb.app.destination import lasting_path
from orch_nb.app.function_scopes import current_scope
from orch_nb.app.requests import Control
from orch_nb.errors import FlowError
from orch_nb.execution import context
from orch_nb.model import FlowRun, FlowRunId
from orch_nb.notebook.binding import ParameterSource
from orch_nb.states import StateName, StateType
from orch_nb.store import open_store

DEEPEST = 20  # notebooks that run each other
_taken: set[FlowRunId] = set()  # child runs that this process has gone on with


def check_depth(path: str) -> None:
    """Raise FlowError where notebooks run each other without an end."""
    depth = context.current.depth
    if depth >= DEEPEST:
        raise FlowError(
            f"{path} is {depth + 1} notebooks deep, and {DEEPEST} is the limit",
            hint="does a notebook run itself without an end?",
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Cancelling:
    control: Control

    def cancel(self, reason: str, state: StateName) -> None:
        self.control.cancel()


@contextlib.contextmanager
def cancelled_with_parent(control: Control) -> Iterator[FlowRunId | None]:
    """While inside, what cancels the flow around cancels ``control``; gives the flow's run."""
    scope = current_scope()
    if scope is None:
        yield FlowRunId(context.current.id) if context.current else None
        return
    scope.engine.check()
    child = _Cancelling(control)
    scope.children.append(child)
    try:
        yield scope.run.id
    finally:
        scope.children.remove(child)
    scope.engine.check()


def left_run(parent: FlowRunId | None, path: str | Path, params: Mapping[str, Any]) -> str | None:
    """The id of the run of that notebook, with these parameters, that an earlier attempt of the
    parent began: each of them once, and those that have not ended well first."""
    scope = current_scope()
    attempt = context.current.attempt if scope is None else scope.run.attempt
    if parent is None or attempt < 2:
        return None
    notebook = lasting_path(str(path))
    with open_store() as store:
        found = [
            settle_run(store, run)
            for run in store.child_runs(parent)
            if run.notebook == notebook and run.id not in _taken and _given(run) == dict(params)
        ]
    ended = [run for run in found if run.state_type.is_terminal]
    ended.sort(key=lambda run: run.state_type is StateType.COMPLETED)
    if not ended:
        return None
    _taken.add(ended[0].id)
    return ended[0].id


def _given(run: FlowRun) -> dict[str, Any]:
    sources = run.parameter_sources
    return {n: v for n, v in run.parameters.items() if sources.get(n) == ParameterSource.CALL}
