"""The mark, role and colour of each state, as the terminal shows them."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass

from orch_nb.states import StateName


class Role(enum.StrEnum):
    """What a mark's colour says."""

    OK = "ok"
    RUN = "run"
    FAIL = "fail"
    WARN = "warn"
    WAIT = "wait"
    CRASH = "crash"


@dataclass(frozen=True, slots=True)
class Mark:
    """A state's sign, its stand-in where only ASCII can be shown, and its role."""

    symbol: str
    ascii: str
    role: Role

    def text(self, ascii_only: bool) -> str:
        """The sign to print."""
        return self.ascii if ascii_only else self.symbol


_WAITING = Mark("○", ".", Role.WAIT)
_DUE = Mark("◷", "!", Role.WARN)
_PAUSED = Mark("‖", "!", Role.WARN)
_DONE = Mark("✓", "ok", Role.OK)
_LEFT_OUT = Mark("–", "-", Role.WAIT)

MARKS: dict[StateName, Mark] = {
    StateName.SCHEDULED: _WAITING,
    StateName.LATE: _DUE,
    StateName.AWAITING_RETRY: _DUE,
    StateName.RESUMING: _WAITING,
    StateName.PENDING: _WAITING,
    StateName.RUNNING: Mark("◐", ">", Role.RUN),
    StateName.RETRYING: Mark("↻", ">", Role.RUN),
    StateName.PAUSED: _PAUSED,
    StateName.SUSPENDED: _PAUSED,
    StateName.CANCELLING: Mark("□", "-", Role.WAIT),
    StateName.COMPLETED: _DONE,
    StateName.CACHED: _DONE,
    StateName.SKIPPED: _LEFT_OUT,
    StateName.FAILED: Mark("✕", "X", Role.FAIL),
    StateName.TIMED_OUT: Mark("✕◷", "X", Role.FAIL),
    StateName.UPSTREAM_FAILED: Mark("⤫", "x", Role.WAIT),
    StateName.CRASHED: Mark("◆!", "#", Role.CRASH),
    StateName.CANCELLED: Mark("□", "-", Role.WAIT),
}

# The visual language's two sets: at least 3.6:1 on white, 5.3:1 on #212121.
ON_LIGHT: dict[Role, str] = {
    Role.OK: "#00795e",
    Role.RUN: "#1f6fd6",
    Role.FAIL: "#a81808",
    Role.WARN: "#b87900",
    Role.WAIT: "#6f747c",
    Role.CRASH: "#3f0d4a",
}
ON_DARK: dict[Role, str] = {
    Role.OK: "#35c79a",
    Role.RUN: "#4393ff",
    Role.FAIL: "#ff6554",
    Role.WARN: "#ffd75e",
    Role.WAIT: "#9a9fa6",
    Role.CRASH: "#ecd2ff",
}

_LIGHT_BACKGROUNDS = frozenset({"7", "15"})


def choose_palette(environ: Mapping[str, str]) -> dict[Role, str]:
    """The colours for the terminal's background, as far as it tells (`COLORFGBG`)."""
    background = environ.get("COLORFGBG", "").rpartition(";")[2]
    return ON_LIGHT if background in _LIGHT_BACKGROUNDS else ON_DARK
