"""Makes text that came from a notebook safe and short enough for one line of a terminal."""

from __future__ import annotations

import contextlib
import re
import unicodedata
from pathlib import Path

from rich.cells import cell_len, set_cell_size

# A terminal's colour and cursor sequences, and titles: dropped whole, they carry no words.
_SEQUENCES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)")
_NAMED = {"\n": "\\n", "\r": "\\r", "\t": " "}
# Controls, surrogates, unassigned, private use, line separators; format characters (Cf) hold the
# bidirectional overrides that would turn the rest of the line around.
_UNSAFE = frozenset({"Cc", "Cs", "Cn", "Co", "Cf", "Zl", "Zp"})
_COMBINING = frozenset({"Mn", "Me"})
_MARKS_IN_A_ROW = 2  # accents of real scripts; more is a flood that paints over other lines


def escape_text(text: str, longest: int = 2000) -> str:
    """``text`` on one line, with everything that could move the cursor made visible.

    Colour sequences are dropped, other controls shown as ``\\x1b`` or ``\\u202e``. No more than
    ``longest`` characters are looked at.
    """
    cut = text[:longest]
    if cut.isascii() and cut.isprintable():
        return cut + ("…" if len(text) > longest else "")
    safe: list[str] = []
    marks = 0
    for char in _SEQUENCES.sub("", cut):
        category = unicodedata.category(char)
        if char in _NAMED:
            safe.append(_NAMED[char])
        elif category == "Zs":
            safe.append(" ")
        elif category in _UNSAFE:
            safe.append(char.encode("unicode_escape").decode("ascii"))
        elif category in _COMBINING:
            marks += 1
            if marks <= _MARKS_IN_A_ROW:
                safe.append(char)
            continue
        else:
            safe.append(char)
        marks = 0
    return "".join(safe) + ("…" if len(text) > longest else "")


def near_path(path: str) -> str:
    """A path as it is called from the current folder, when it lies in it; on one line."""
    place = Path(path)
    with contextlib.suppress(ValueError, OSError):  # elsewhere; or the current folder is gone
        path = str(place.relative_to(Path.cwd()))
    return escape_text(path, 4096)


def crop_text(text: str, width: int, ellipsis: str = "…") -> str:
    """``text`` cut to ``width`` terminal columns, with an ellipsis where something is missing."""
    if width <= 0:
        return ""
    if cell_len(text) <= width:
        return text
    room = width - cell_len(ellipsis)
    return set_cell_size(text, room).rstrip() + ellipsis if room > 0 else ellipsis[:width]


def pad_text(text: str, width: int, ellipsis: str = "…") -> str:
    """``text`` cropped or filled to exactly ``width`` terminal columns."""
    cropped = crop_text(text, width, ellipsis)
    return cropped + " " * (width - cell_len(cropped))


def one_line(text: str, width: int, ellipsis: str = "…") -> str:
    """Untrusted ``text`` as at most ``width`` columns of one line."""
    return crop_text(escape_text(text, longest=4 * max(width, 1)), width, ellipsis)


def format_clock(seconds: float) -> str:
    """A duration as a clock counts it: ``0:14``, ``2:10``, ``1:02:10``."""
    whole = int(max(seconds, 0.0))
    hours, rest = divmod(whole, 3600)
    minutes, second = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{second:02}" if hours else f"{minutes}:{second:02}"


def format_bytes(count: int) -> str:
    """An amount of memory: ``512 kB``, ``1.2 GB``."""
    size = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 999.5:
            return f"{size:.1f} {unit}" if unit == "GB" and size < 99.95 else f"{size:.0f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"
