"""How far a running task says it is: the last line it printed, read as tqdm writes it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from orch_nb.app.plain import fit_bytes, plain_line

_MOST_BYTES = 80

# " 62%|██████▏   | 5200/8400 [00:03<00:02, 1.7krows/s]", with or without a bar
_BAR = re.compile(r"(\d{1,3})%\|[^|]*\|\s*(\S+?)/(\S+)\s*\[([^\]]*)\]")
_PERCENT = re.compile(r"(?<![\d.])(\d{1,3}(?:\.\d+)?)\s?%")
_UNIT = re.compile(r"[\d.?][kMGTP]?([A-Za-z]+)/s|[\d.?]s/([A-Za-z]+)")  # a rate, or its inverse


@dataclass(frozen=True, slots=True)
class Progress:
    """``percent`` from 0 to 100, None where nothing says it; ``text`` in words."""

    percent: float | None
    text: str


def read_progress(line: str) -> Progress:
    """The progress that a printed line tells; its text alone when it tells none."""
    line = re.split(r"[\r\n]", line.strip("\r\n")[-2000:])[-1]
    bar = _BAR.search(line)
    if bar is None:
        found = _PERCENT.search(line)
        percent = float(found.group(1)) if found else None
        return Progress(_bounded(percent), _short(line))
    percent_text, done, total, rest = bar.groups()
    rate = _UNIT.search(rest)
    unit = (rate.group(1) or rate.group(2)) if rate else ""
    words = f"{done}/{total} {'' if unit == 'it' else unit}".rstrip()
    return Progress(_bounded(float(percent_text)), _short(words))


def _short(text: str) -> str:
    return fit_bytes(plain_line(text, _MOST_BYTES), _MOST_BYTES)


def _bounded(percent: float | None) -> float | None:
    return None if percent is None or percent > 100 else percent
