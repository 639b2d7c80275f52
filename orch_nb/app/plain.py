"""Texts out of notebooks made plain: no control characters, nothing that turns a line around."""

from __future__ import annotations

import re
import unicodedata

# A terminal's colour and cursor sequences, and titles: they carry no words.
_SEQUENCES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[@-_]")
# Marks, overrides and isolates; separators of lines and paragraphs; zero-width signs and the
# byte-order mark; what is no character at all.
_TURNING = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
_BAD_IN_TEXT = re.compile(
    f"[\x00-\x08\x0b-\x1f\x7f-\x9f{_TURNING}\u2028\u2029\ufeff\ufff9-\ufffb\ud800-\udfff]"
)
_SPACES = re.compile(r"\s+")
_COMBINING = frozenset({"Mn", "Me"})
_MOST_MARKS = 4  # accents in a row that real scripts use; more would paint over other lines


def plain_line(text: str, longest: int = 200) -> str:
    """``text`` on one line, at most ``longest`` characters."""
    cut = _plain(_SPACES.sub(" ", text[: 4 * longest])).strip()
    if len(cut) > longest or len(text) > 4 * longest:
        return cut[: longest - 1] + "…"
    return cut


def fit_bytes(text: str, most: int) -> str:
    """A plain line cut so that its JSON has at most ``most`` bytes within the quotes."""
    if len(text) * 4 <= most and '"' not in text and "\\" not in text:
        return text
    room = most - len("…".encode())
    taken = 0
    for place, char in enumerate(text):
        taken += len(char.encode()) + (char in '"\\')
        if taken > room and (taken > most or place + 1 < len(text)):
            return text[:place] + "…"
    return text


def plain_text(text: str, longest: int = 20_000) -> str:
    """``text`` with its lines kept; of a longer one the end, which is the newest."""
    text = text.replace("\r\n", "\n")
    if len(text) > longest:
        text = "…\n" + text[-longest:]
    return _plain("\n".join(line.rpartition("\r")[2] for line in text.split("\n")))


def _plain(text: str) -> str:
    return _calm(_BAD_IN_TEXT.sub("\ufffd", _SEQUENCES.sub("", text)))


def _calm(text: str) -> str:
    """Without floods of combining marks."""
    if text.isascii():
        return text
    kept: list[str] = []
    marks = 0
    for char in text:
        marks = marks + 1 if unicodedata.category(char) in _COMBINING else 0
        if marks <= _MOST_MARKS:
            kept.append(char)
    return "".join(kept)
