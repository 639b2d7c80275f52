"""What an engine's thread is told, by the flow's body and by whoever runs the calls."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from orch_nb.dynamic.calls import Call, MappedCalls
from orch_nb.states import StateName


class FlowCancelled(KeyboardInterrupt):
    """The flow was cancelled while its body waited; it ends the body."""


@dataclass(frozen=True, slots=True)
class Submitted:
    """A call that is to be run."""

    call: Call


@dataclass(frozen=True, slots=True)
class Mapped:
    """Calls that are to be run as there is room for them."""

    calls: MappedCalls


@dataclass(frozen=True, slots=True)
class Ready:
    """One of those that the call waits for has ended."""

    call: Call


@dataclass(frozen=True, slots=True)
class Cancel:
    """Everything is to end; ``state`` is the run's then."""

    reason: str
    state: StateName


@dataclass(frozen=True, slots=True)
class Drain:
    """Somebody waits until every call has ended."""

    done: threading.Event


@dataclass(frozen=True, slots=True)
class Close:
    """The thread is to end."""
