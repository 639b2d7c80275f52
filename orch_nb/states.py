"""State types, state names, and the one table of legal transitions."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from orch_nb.errors import TransitionError


class StateType(enum.StrEnum):
    """What the engine decides by; several names share a type."""

    SCHEDULED = "SCHEDULED"
    PENDING = "PENDING"
    RUNNING = "RUNNING"
    PAUSED = "PAUSED"
    CANCELLING = "CANCELLING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CRASHED = "CRASHED"
    CANCELLED = "CANCELLED"

    @property
    def is_terminal(self) -> bool:
        """Whether a run in this state has ended."""
        return self in _TERMINAL


_TERMINAL = frozenset(
    {StateType.COMPLETED, StateType.FAILED, StateType.CRASHED, StateType.CANCELLED}
)


class StateName(enum.StrEnum):
    """What people read."""

    SCHEDULED = "Scheduled"
    LATE = "Late"
    AWAITING_RETRY = "AwaitingRetry"
    RESUMING = "Resuming"
    PENDING = "Pending"
    RUNNING = "Running"
    RETRYING = "Retrying"
    PAUSED = "Paused"
    SUSPENDED = "Suspended"
    CANCELLING = "Cancelling"
    COMPLETED = "Completed"
    CACHED = "Cached"
    SKIPPED = "Skipped"
    FAILED = "Failed"
    TIMED_OUT = "TimedOut"
    UPSTREAM_FAILED = "UpstreamFailed"
    CRASHED = "Crashed"
    CANCELLED = "Cancelled"


TYPE_OF: dict[StateName, StateType] = {
    StateName.SCHEDULED: StateType.SCHEDULED,
    StateName.LATE: StateType.SCHEDULED,
    StateName.AWAITING_RETRY: StateType.SCHEDULED,
    StateName.RESUMING: StateType.SCHEDULED,
    StateName.PENDING: StateType.PENDING,
    StateName.RUNNING: StateType.RUNNING,
    StateName.RETRYING: StateType.RUNNING,
    StateName.PAUSED: StateType.PAUSED,
    StateName.SUSPENDED: StateType.PAUSED,
    StateName.CANCELLING: StateType.CANCELLING,
    StateName.COMPLETED: StateType.COMPLETED,
    StateName.CACHED: StateType.COMPLETED,
    StateName.SKIPPED: StateType.COMPLETED,
    StateName.FAILED: StateType.FAILED,
    StateName.TIMED_OUT: StateType.FAILED,
    StateName.UPSTREAM_FAILED: StateType.FAILED,
    StateName.CRASHED: StateType.CRASHED,
    StateName.CANCELLED: StateType.CANCELLED,
}

# Tasks in these never ran as far as a serial run is concerned: what they showed is dropped.
NOT_REACHED = frozenset(
    {StateName.UPSTREAM_FAILED, StateName.SKIPPED, StateName.PENDING, StateName.SCHEDULED}
)

# From a state type to the types that may follow. A terminal state is left only by a resume
# (SCHEDULED{Resuming}); COMPLETED is left only by a task run whose inputs a resume made stale.
TRANSITIONS: dict[StateType, frozenset[StateType]] = {
    StateType.SCHEDULED: frozenset(
        {
            StateType.SCHEDULED,
            StateType.PENDING,
            StateType.RUNNING,
            StateType.PAUSED,
            StateType.CANCELLING,
            StateType.CANCELLED,
            StateType.COMPLETED,
            StateType.FAILED,
            StateType.CRASHED,
        }
    ),
    StateType.PENDING: frozenset(
        {
            StateType.SCHEDULED,
            StateType.RUNNING,
            StateType.PAUSED,
            StateType.CANCELLING,
            StateType.CANCELLED,
            StateType.COMPLETED,
            StateType.FAILED,
            StateType.CRASHED,
        }
    ),
    StateType.RUNNING: frozenset(
        {
            StateType.SCHEDULED,
            StateType.PENDING,
            StateType.RUNNING,
            StateType.PAUSED,
            StateType.CANCELLING,
            StateType.CANCELLED,
            StateType.COMPLETED,
            StateType.FAILED,
            StateType.CRASHED,
        }
    ),
    StateType.PAUSED: frozenset(
        {
            StateType.SCHEDULED,
            StateType.RUNNING,
            StateType.CANCELLING,
            StateType.CANCELLED,
            StateType.FAILED,
            StateType.CRASHED,
        }
    ),
    StateType.CANCELLING: frozenset({StateType.CANCELLED, StateType.CRASHED}),
    StateType.COMPLETED: frozenset({StateType.SCHEDULED}),
    StateType.FAILED: frozenset({StateType.SCHEDULED}),
    StateType.CRASHED: frozenset({StateType.SCHEDULED}),
    StateType.CANCELLED: frozenset({StateType.SCHEDULED}),
}


@dataclass(frozen=True, slots=True)
class State:
    """A state as recorded: its name, and why it was entered, in words."""

    name: StateName
    message: str = ""

    @property
    def type(self) -> StateType:
        """The type that the name belongs to."""
        return TYPE_OF[self.name]


def check_transition(subject: str, old: StateName, new: StateName) -> None:
    """Raise TransitionError unless a run may go from ``old`` to ``new``.

    ``subject`` names the run or task in the error's text.
    """
    allowed = TRANSITIONS[TYPE_OF[old]]
    if TYPE_OF[new] not in allowed or (TYPE_OF[old].is_terminal and new is not StateName.RESUMING):
        raise TransitionError(
            f"{subject} is {old} and can't become {new}",
            hint="resume the run first" if TYPE_OF[old].is_terminal else None,
        )
