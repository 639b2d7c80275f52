"""How a warm daemon is to be: its address, its bounds, and what it begins with."""

from __future__ import annotations

import os
from dataclasses import dataclass

from orch_nb.durations import parse_duration
from orch_nb.errors import OrchError

IDLE_VARIABLE = "ORCH_NB_WARM_IDLE"
_IDLE_SECONDS = 600.0
_MEMORY = 1_000_000_000


@dataclass(frozen=True, slots=True)
class DaemonOptions:
    """``address`` is the path of its socket without suffix, ``standing`` what it is born with,
    and ``lock`` the descriptor that makes it the only one of its address;
    ``imports`` are those of notebooks that were run; ``idle`` are seconds, ``memory`` the bytes
    that all sets of libraries may take together."""

    address: str
    standing: bytes
    lock: int
    imports: tuple[tuple[str, ...], ...] = ()
    idle: float = _IDLE_SECONDS
    memory: int = _MEMORY


def idle_seconds() -> float:
    """How long a daemon stays that nobody asks for anything."""
    said = os.environ.get(IDLE_VARIABLE)
    try:
        return parse_duration(said) if said else _IDLE_SECONDS
    except OrchError:
        return _IDLE_SECONDS
