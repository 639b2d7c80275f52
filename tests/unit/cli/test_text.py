"""Text from a notebook can't move the cursor, leave its line, or grow without end."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from orch_nb.cli.text import (
    crop_text,
    escape_text,
    format_bytes,
    format_clock,
    near_path,
    one_line,
    pad_text,
)


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("plain", "plain"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07text", "text"),
        ("\x1b[2J\x1b[1;1Hgone", "gone"),
        ("bell\x07", "bell\\x07"),
        ("one\ntwo\r\n", "one\\ntwo\\r\\n"),
        ("a\tb", "a b"),
        ("abc\u202edef", "abc\\u202edef"),
        ("\u2066isolated\u2069", "\\u2066isolated\\u2069"),
        ("lone \ud800", "lone \\ud800"),
        ("c1 \x9b31m", "c1 \\x9b31m"),
        ("שלום", "שלום"),
        ("é and e\u0301", "é and e\u0301"),
        ("\x1b", "\\x1b"),
    ],
)
def test_what_could_move_the_cursor_is_shown_or_dropped(raw: str, shown: str) -> None:
    assert escape_text(raw) == shown


def test_a_flood_of_accents_is_thinned() -> None:
    assert escape_text("e" + "\u0301" * 10_000, longest=100_000) == "e\u0301\u0301"


@given(st.text(), st.integers(0, 60))
def test_one_line_is_printable_and_never_wider_than_asked(text: str, width: int) -> None:
    line = one_line(text, width)
    assert cell_len(line) <= width
    assert not any(unicodedata.category(char) in {"Cc", "Cs", "Cf", "Zl", "Zp"} for char in line)


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cf", "Mn", "Me"])))
def test_padding_is_exact_for_wide_characters_too(text: str) -> None:
    assert cell_len(pad_text(text, 24)) == 24


def test_cropping_says_that_something_is_missing() -> None:
    assert crop_text("by_region", 6) == "by_re…"
    assert crop_text("日本語データ", 6) == "日本…"
    assert crop_text("by_region", 6, "...") == "by_..."
    assert crop_text("abc", 2, "...") == ".."
    assert crop_text("abc", 0) == ""


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(-1, "0:00"), (0, "0:00"), (14.9, "0:14"), (130, "2:10"), (3730, "1:02:10")],
)
def test_a_clock_counts_like_one(seconds: float, shown: str) -> None:
    assert format_clock(seconds) == shown


@pytest.mark.parametrize(
    ("count", "shown"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1_500, "2 kB"),
        (62_000_000, "62 MB"),
        (999_999_999, "1.0 GB"),
        (1_234_000_000, "1.2 GB"),
        (120_000_000_000, "120 GB"),
        (3_000_000_000_000, "3.0 TB"),
    ],
)
def test_memory_reads_well(count: int, shown: str) -> None:
    assert format_bytes(count) == shown


def test_a_path_is_called_from_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert near_path(str(tmp_path / "reports" / "out.ipynb")) == "reports/out.ipynb"
    assert near_path(str(tmp_path.parent / "out.ipynb")) == str(tmp_path.parent / "out.ipynb")
    assert near_path("s3://bucket/out.ipynb") == "s3://bucket/out.ipynb"
    assert near_path("data/a\nb.csv") == "data/a\\nb.csv"
