"""What parallel cells print comes out in whole lines."""

from __future__ import annotations

import pytest

from orch_nb.cli.printed import LONGEST_LINE, PrintedLines
from orch_nb.engine.events import Printed


@pytest.mark.parametrize(
    ("parts", "lines"),
    [
        (["one\n"], ["one"]),
        (["o", "ne", "\ntwo"], ["one", "two"]),
        (["a\n\nb\r\n"], ["a", "", "b"]),
        (["\r 10%", "\r 60%", "\r100%\n"], ["100%"]),
        (["10%\r", "60%\r", "100%\r"], ["100%"]),
        (["never ended"], ["never ended"]),
        ([""], []),
        (["x" * LONGEST_LINE, "yz"], ["x" * LONGEST_LINE + "yz"]),
    ],
)
def test_lines(parts: list[str], lines: list[str]) -> None:
    printed = PrintedLines()
    found = [line for part in parts for line in printed.take(Printed(1, "stdout", part))]
    assert found + printed.end(1) == lines
    assert printed.end(1) == []


def test_cells_and_streams_are_kept_apart() -> None:
    printed = PrintedLines()
    assert printed.take(Printed(1, "stdout", "one ")) == []
    assert printed.take(Printed(2, "stdout", "two\n")) == ["two"]
    assert printed.take(Printed(1, "stderr", "three\n")) == ["three"]
    assert printed.take(Printed(1, "result", "a\nb")) == ["a", "b"]
    assert printed.end(2) == []
    assert printed.end(1) == ["one "]
