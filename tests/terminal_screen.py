"""A terminal's final screen, from the characters that were sent to it."""

from __future__ import annotations

import re


def final_screen(printed: str) -> list[str]:
    """What stays on a terminal, after the line ends, moves up and erasures that rich sends."""
    rows = [""]
    at = 0
    for part in re.split(r"(\x1b\[[0-9;?]*[A-Za-z]|\r|\n)", printed):
        if part == "\n":
            at += 1
            rows += [""] * (at + 1 - len(rows))
        elif part == "\x1b[2K":
            rows[at] = ""
        elif part == "\x1b[1A":
            at -= 1
        elif part and part != "\r" and not part.startswith("\x1b"):
            rows[at] += part
    return [row for row in rows if row]
