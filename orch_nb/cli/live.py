"""Screens that follow a run: redrawn in place on a terminal, a line per change elsewhere."""

from __future__ import annotations

import locale
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import TracebackType
from typing import Self, TextIO

from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.text import Text

from orch_nb.cli.marks import choose_palette
from orch_nb.cli.paint import Painter
from orch_nb.cli.printed import LONGEST_LINE, PrintedLines
from orch_nb.cli.summary import summarize
from orch_nb.cli.terminal import RunView, advance, is_notable, make_row
from orch_nb.cli.text import escape_text, format_clock
from orch_nb.engine.events import (
    Event,
    Logged,
    Notice,
    Printed,
    RunEnded,
    RunStarted,
    TaskChanged,
)
from orch_nb.model import LogRecord, TaskRun
from orch_nb.states import StateType

REDRAWS_PER_SECOND = 8
PIPED_WIDTH = 500  # a log keeps what a terminal would crop, but no line without an end

Clock = Callable[[], float]


class Screen:
    """Shows a run's events; used as a context manager around the run."""

    def __init__(
        self, console: Console, painter: Painter, clock: Clock, *, log_output: bool = False
    ) -> None:
        self._console = console
        self._painter = painter
        self._clock = clock
        self._least_level = logging.NOTSET if log_output else logging.WARNING
        self._printed = PrintedLines() if log_output else None
        self.view = RunView()
        self.interrupts = 0  # how often the user pressed Ctrl-C

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def show(self, event: Event) -> None:
        """Take in one event, from any thread."""
        now = self._clock()
        self.view = advance(self.view, event, now)
        match event:
            case RunStarted():
                self._print(self._painter.headline(self.view, self._width))
            case TaskChanged(task=task):
                if self._printed is not None and task.state_type is not StateType.RUNNING:
                    self._show_printed(task.cell_number, self._printed.end(task.cell_number))
                self._show_task(task, now)
            case Printed(cell_number=cell) if self._printed is not None:
                self._show_printed(cell, self._printed.take(event))
            case Notice(text=text):
                self._print(Text(self._painter.words(f"note: {escape_text(text)}")))
            case Logged(record=record) if record.level >= self._least_level:
                self._print(Text(self._painter.words(describe_record(record))))

    def stop(self) -> None:
        """Leave the terminal as it should be after the run."""

    def close_run(self, ended: RunEnded, output: str | None) -> None:
        """Print the run's summary."""
        self.stop()
        for line in self._painter.summary(summarize(ended, output, self.view.counted)):
            self._print(line)

    @property
    def _width(self) -> int:
        return self._console.width

    def _show_task(self, task: TaskRun, now: float) -> None:
        raise NotImplementedError

    def _show_printed(self, cell: int, lines: list[str]) -> None:
        name = escape_text(self.view.tasks[cell].name, 40)
        for line in lines:
            words = escape_text(line.expandtabs(), LONGEST_LINE)
            self._print(Text(self._painter.words(f"{name}: {words}")))

    def _print(self, line: Text) -> None:
        """Print a line as it is; the terminal wraps it if it must."""
        self._console.print(line, soft_wrap=True)
        self._console.file.flush()


class PlainScreen(Screen):
    """One line for each change of state."""

    @property
    def _width(self) -> int:
        return PIPED_WIDTH

    def _print(self, line: Text) -> None:
        if self._console.color_system is None:  # as the console would, in a tenth of the time
            self._console.file.write(line.plain + "\n")
            self._console.file.flush()
        else:
            super()._print(line)

    def _show_task(self, task: TaskRun, now: float) -> None:
        if task.state_type is StateType.PENDING:
            return
        row = make_row(self.view, task, now)
        elapsed = format_clock(now - self.view.began)
        self._print(self._painter.change(row, elapsed, PIPED_WIDTH, self.view.columns))


class QuietScreen(Screen):
    """Nothing but the summary of a run that did not end well."""

    def show(self, event: Event) -> None:
        self.view = advance(self.view, event, self._clock())

    def close_run(self, ended: RunEnded, output: str | None) -> None:
        if ended.run.state_type is not StateType.COMPLETED:
            super().close_run(ended, output)


class LiveScreen(Screen):
    """Ended tasks scroll by; what runs or failed, and the counter, are redrawn below them."""

    def __init__(
        self, console: Console, painter: Painter, clock: Clock, *, log_output: bool = False
    ) -> None:
        super().__init__(console, painter, clock, log_output=log_output)
        self._live = Live(
            self,
            console=console,
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        # One at a time on the terminal: rich's own refreshing thread may come between another
        # thread's erasing and printing, and then lines are lost.
        self._drawing = threading.RLock()
        self._stopped = threading.Event()
        self._ticker = threading.Thread(target=self._tick, name="orch_nb screen", daemon=True)

    def __enter__(self) -> Self:
        self._live.start()
        self._ticker.start()
        return self

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        view = replace(self.view, interrupts=self.interrupts)
        if view.run is not None and view.ended is None:
            width, height = console.size
            yield from self._painter.live(view, self._clock(), width, height)

    def stop(self) -> None:
        self._stopped.set()
        if self._ticker.is_alive():
            self._ticker.join()
        with self._drawing:
            self._live.stop()

    def _tick(self) -> None:
        while not self._stopped.wait(1 / REDRAWS_PER_SECOND):
            with self._drawing:
                self._live.refresh()

    def _print(self, line: Text) -> None:
        with self._drawing:
            super()._print(line)

    def _show_task(self, task: TaskRun, now: float) -> None:
        if is_notable(self.view, task):
            row = make_row(self.view, task, now)
            self._print(self._painter.row(row, self._width, self.view.columns))


def describe_record(record: LogRecord) -> str:
    """``warning: load: 3 rows dropped``."""
    level = logging.getLevelName(record.level).lower()
    task = f"{escape_text(record.task, 40)}: " if record.task else ""
    return f"{level}: {task}{escape_text(record.message)}"


def can_show_marks(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """Whether the marks can be printed: a UTF-8 stream, and a locale that is not plain ASCII."""
    encoding = (getattr(stream, "encoding", None) or locale.getpreferredencoding(False)).lower()
    if encoding.replace("-", "").replace("_", "") != "utf8":
        return False
    chosen = environ.get("LC_ALL") or environ.get("LC_CTYPE") or environ.get("LANG") or ""
    return not chosen or "utf" in chosen.lower()


def open_screen(
    stream: TextIO | None = None,
    *,
    ascii_only: bool = False,
    quiet: bool = False,
    log_output: bool = False,
    environ: Mapping[str, str] = os.environ,
    clock: Clock = time.monotonic,
) -> Screen:
    """The screen that fits where ``stream`` (default: stdout) leads."""
    stream = stream or sys.stdout
    painter = Painter(choose_palette(environ), ascii_only or not can_show_marks(stream, environ))
    console = Console(file=stream, highlight=False, markup=False, emoji=False)
    kind = LiveScreen if console.is_terminal and not console.is_dumb_terminal else PlainScreen
    return (QuietScreen if quiet else kind)(console, painter, clock, log_output=log_output)
