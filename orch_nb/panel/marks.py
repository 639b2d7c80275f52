"""The states' marks, words and colours as the still picture shows them."""

from __future__ import annotations

from dataclasses import dataclass

from orch_nb.states import StateName


@dataclass(frozen=True, slots=True)
class Look:
    """A state's sign, its word, its role (a colour's name in the style) and its phase."""

    sign: str
    word: str
    role: str
    phase: str


_FAILED = "failed"
_LEFT_OUT = "left-out"

LOOKS: dict[str, Look] = {
    StateName.SCHEDULED: Look("○", "Scheduled", "wait", "waiting"),
    StateName.LATE: Look("◷", "Late", "warn", "waiting"),
    StateName.AWAITING_RETRY: Look("◷", "Awaiting retry", "warn", "running"),
    StateName.RESUMING: Look("○", "Resuming", "wait", "waiting"),
    StateName.PENDING: Look("○", "Waiting", "wait", "waiting"),
    StateName.RUNNING: Look("◐", "Running", "run", "running"),
    StateName.RETRYING: Look("↻", "Retrying", "run", "running"),
    StateName.PAUSED: Look("‖", "Paused", "warn", "waiting"),
    StateName.SUSPENDED: Look("‖", "Suspended", "warn", "waiting"),
    StateName.CANCELLING: Look("□", "Cancelling", "wait", "running"),
    StateName.COMPLETED: Look("✓", "Completed", "ok", "done"),
    StateName.CACHED: Look("✓", "Cached", "ok", "done"),
    StateName.SKIPPED: Look("–", "Skipped", "wait", _LEFT_OUT),
    StateName.FAILED: Look("✕", "Failed", "fail", _FAILED),
    StateName.TIMED_OUT: Look("✕◷", "Timed out", "fail", _FAILED),
    StateName.UPSTREAM_FAILED: Look("⤫", "Not run", "wait", _LEFT_OUT),
    StateName.CRASHED: Look("◆!", "Crashed", "crash", _FAILED),
    StateName.CANCELLED: Look("□", "Cancelled", "wait", _LEFT_OUT),
}

COLOURS = {
    "ok": "#00795e",
    "run": "#1f6fd6",
    "fail": "#a81808",
    "warn": "#b87900",
    "wait": "#6f747c",
    "crash": "#3f0d4a",
}
DARK_COLOURS = {
    "ok": "#35c79a",
    "run": "#4393ff",
    "fail": "#ff6554",
    "warn": "#ffd75e",
    "wait": "#9a9fa6",
    "crash": "#ecd2ff",
}


def look_of(state: str) -> Look:
    """How a state looks; one that is not known looks like a waiting one."""
    return LOOKS.get(state, LOOKS[StateName.PENDING])
