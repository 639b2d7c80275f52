"""Which flow the tasks that are called here belong to."""

from __future__ import annotations

import contextlib
import contextvars
import os
from dataclasses import dataclass, field
from typing import Protocol

from orch_nb.dynamic.calls import TaskWork
from orch_nb.dynamic.engine import Engine
from orch_nb.errors import FlowError
from orch_nb.model import FlowRun, FlowRunId
from orch_nb.states import StateName

DEEPEST = 50  # flows within flows


class Part(Protocol):
    """What a flow started, and ends with it."""

    def cancel(self, reason: str, state: StateName) -> None:
        """End it."""


@dataclass(slots=True, eq=False)
class Scope:
    """A flow that runs: what tasks that are called in its body belong to."""

    run: FlowRun
    engine: Engine
    depth: int
    parent: Scope | None
    names: frozenset[str] = frozenset()  # that a notebook's cells above have bound
    works: dict[int, TaskWork] = field(default_factory=dict)
    children: list[Part] = field(default_factory=list)
    taken: set[FlowRunId] = field(default_factory=set)  # child runs that were gone on with

    def __post_init__(self) -> None:
        self.engine.on_cancel = self._cancel_children

    def cancel(self, reason: str, state: StateName) -> None:
        """End the flow, and those that it started."""
        self.engine.cancel(reason, state)

    def _cancel_children(self, reason: str) -> None:
        for child in list(self.children):
            child.cancel(reason, StateName.CANCELLED)


_current: contextvars.ContextVar[Scope | None] = contextvars.ContextVar("scope", default=None)


def current_scope() -> Scope | None:
    """The flow whose body this is called from."""
    scope = _current.get()
    return scope if scope is not None and scope.engine.owner == os.getpid() else None


def depth_within(parent: Scope | None, flow: str) -> int:
    """How deep a flow that is called there is. Raises FlowError where that has no end."""
    depth = 1 if parent is None else parent.depth + 1
    if depth > DEEPEST:
        raise FlowError(
            f"flow '{flow}' is {depth} flows deep, and {DEEPEST} is the limit",
            hint="does it call itself without an end?",
        )
    return depth


def enter_scope(scope: Scope | None) -> None:
    """Let tasks that are called in this context, from now on, belong to a flow; or to none."""
    _current.set(scope)


def begin_scope(scope: Scope) -> contextvars.Token[Scope | None]:
    """Enter a flow that ``end_scope`` leaves."""
    if scope.parent is not None:
        scope.parent.children.append(scope)
    return _current.set(scope)


def end_scope(scope: Scope, token: contextvars.Token[Scope | None]) -> None:
    """Leave a flow."""
    with contextlib.suppress(ValueError):  # another context's, for a generator
        _current.reset(token)
    if scope.parent is not None:
        scope.parent.children.remove(scope)
