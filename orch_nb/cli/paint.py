"""Turns the view of a run into coloured lines, each cropped to the terminal's width."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from rich.cells import cell_len
from rich.style import Style
from rich.text import Text

from orch_nb.cli.marks import MARKS, Role
from orch_nb.cli.summary import Summary
from orch_nb.cli.terminal import Row, RunView, counter, headline, live_rows
from orch_nb.cli.text import escape_text, one_line, pad_text
from orch_nb.states import StateName

ROWS_KEPT_FREE = 2  # the live area never takes more than the terminal's height less two

_ASCII = str.maketrans({"·": "-", "×": "x", "…": "..."})


@dataclass(frozen=True, slots=True)
class Painter:
    """Paints for one kind of terminal."""

    palette: Mapping[Role, str]
    ascii_only: bool = False

    @property
    def _mark_width(self) -> int:
        return 3 if self.ascii_only else 2

    def words(self, text: str) -> str:
        """``text`` as this terminal can show it."""
        if not self.ascii_only:
            return text
        return text.translate(_ASCII).encode("ascii", "backslashreplace").decode("ascii")

    def mark(self, state: StateName) -> Text:
        """A state's mark with the space after it; signs of usual width end in one column."""
        return self._marked("", state, "")

    def _marked(self, before: str, state: StateName, after: str) -> Text:
        """A line with a state's mark in it, made at once: there is one for each change."""
        mark = MARKS[state]
        style = Style(color=self.palette[mark.role], bold=mark.role in (Role.FAIL, Role.CRASH))
        sign = mark.text(self.ascii_only)
        space = " " * max(self._mark_width - len(sign), 1)
        line = Text(f"{before}{sign}{space}{after}", no_wrap=True)
        line.stylize(style, len(before), len(before) + len(sign))
        return line

    def fit(self, line: Text, width: int) -> Text:
        """The line cut to ``width`` columns, with an ellipsis where something is missing."""
        if cell_len(line.plain) > width:
            ellipsis = self.words("…")
            line.truncate(max(width - len(ellipsis), 0))
            line.append(ellipsis[:width])
        return line

    def headline(self, view: RunView, width: int) -> Text:
        """The run's first line."""
        return self.fit(Text(self.words(headline(view)), style="bold", no_wrap=True), width)

    def row(self, row: Row, width: int, columns: tuple[int, int], before: str = "") -> Text:
        """One task's line; ``columns`` are the widths of the name and of the place."""
        sign = MARKS[row.state].text(self.ascii_only)
        gap = " " * (3 - max(len(sign) + 1 - self._mark_width, 0))  # some marks are two signs
        name = self.words(one_line(row.name, columns[0]))
        after = pad_text(name, columns[0], self.words("…")) + gap
        after += row.place if "line" in row.place else f"{row.place:<{columns[1]}}{row.time:>8}"
        if row.text:
            after += "   " + self.words(escape_text(row.text))
        return self.fit(self._marked(before, row.state, after.rstrip()), width)

    def live(self, view: RunView, now: float, width: int, height: int) -> list[Text]:
        """The live area: failed rows, running rows, the counter."""
        rows = live_rows(view, now)
        room = max(height - ROWS_KEPT_FREE - 1, 0)
        shown = rows if len(rows) <= room else rows[: max(room - 1, 0)]
        lines = [self.row(row, width, view.columns) for row in shown]
        if len(shown) < len(rows) and room > 0:
            more = f"  … {len(rows) - len(shown)} more"
            lines.append(self.fit(Text(self.words(more), no_wrap=True), width))
        last = self.mark(StateName.PENDING).append(self.words(counter(view, now)))
        return [*lines, self.fit(last, width)]

    def change(self, row: Row, elapsed: str, width: int, columns: tuple[int, int]) -> Text:
        """One plain line for one change of state."""
        word = f"{row.state}   {row.text}" if row.text else str(row.state)
        return self.row(replace(row, text=word), width, columns, f"{elapsed:>7}  ")

    def summary(self, summary: Summary) -> list[Text]:
        """The closing lines, never cropped: paths and commands are there to be copied."""
        first = self.mark(summary.state).append(self.words(summary.headline), style="bold")
        return [first, *(Text("  " + self.words(line)) for line in summary.lines)]
