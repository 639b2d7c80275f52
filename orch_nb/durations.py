"""Durations as people write them (`250ms 2s 1h30m`) and as they read them (`8.1s`, `2:10`)."""

from __future__ import annotations

import re

from orch_nb.errors import OptionError

_MILLISECONDS = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1_000, "ms": 1}
_PART = r"\d{1,9}(?:\.\d{1,9})?"
_PATTERN = re.compile(
    rf"(?:({_PART})d)?(?:({_PART})h)?(?:({_PART})m(?!s))?(?:({_PART})s)?(?:({_PART})ms)?", re.ASCII
)

FORM = "write it like 250ms, 2s, 5m, 1h30m or 1d"


def parse_duration(text: str) -> float:
    """Seconds of a duration such as ``1h30m``; units stand from large to small, each once.

    Raises OptionError when the text is no duration (a bare number has no unit and is none).
    """
    stripped = text.strip()
    match = _PATTERN.fullmatch(stripped)
    if match is None or not stripped:
        shown = stripped if len(stripped) <= 40 else stripped[:39] + "…"
        hint = f"did you mean {shown}s ? (units: ms s m h d)" if _is_number(stripped) else FORM
        raise OptionError(f"{shown!r} is not a duration", hint=hint)
    parts = zip(match.groups(), _MILLISECONDS.values(), strict=True)
    return sum(float(amount) * unit for amount, unit in parts if amount) / 1000


def format_duration(seconds: float) -> str:
    """The duration as an option's value, exact to the millisecond; parses to the same seconds."""
    left = max(0, round(seconds * 1000))
    text = ""
    for unit, size in _MILLISECONDS.items():
        amount, left = divmod(left, size)
        if amount:
            text += f"{amount}{unit}"
    return text or "0s"


def show_duration(seconds: float, *, expected: bool = False) -> str:
    """The duration for people: ``8.1s`` under a minute, else ``2:10`` or ``1:02:10``.

    An expected one is marked ``~``; tenths say nothing there, so it reads ``~9s``.
    """
    seconds = max(0.0, seconds)
    mark = "~" if expected else ""
    if expected and seconds < 59.5:
        return f"{mark}{round(seconds)}s"
    if not expected and seconds < 59.95:
        return f"{mark}{seconds:.1f}s"
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    clock = f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"
    return mark + clock


def _is_number(text: str) -> bool:
    return re.fullmatch(_PART, text, re.ASCII) is not None
