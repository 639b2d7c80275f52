"""What the terminal shows of a run, rendered to consoles of a fixed size."""

from __future__ import annotations

import io
import sys
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from orch_nb.cli.live import LiveScreen, PlainScreen, can_show_marks, open_screen
from orch_nb.cli.marks import MARKS, ON_DARK, ON_LIGHT, Role, choose_palette
from orch_nb.cli.paint import Painter
from orch_nb.cli.summary import summarize
from orch_nb.cli.terminal import RunView, advance, condense_progress
from orch_nb.engine.events import (
    Event,
    Logged,
    Notice,
    RunEnded,
    RunStarted,
    TaskChanged,
    TaskProgress,
)
from orch_nb.model import CellKind, LogRecord, TaskRun
from orch_nb.options import FlowOptions
from orch_nb.states import StateName
from tests.terminal_screen import final_screen

NAMES = {3: "load", 4: "by_region", 5: "by_month", 6: "report"}


class Time:
    """A clock that tests move."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def started(records: Any) -> RunStarted:
    return RunStarted(
        run=records.run(options=FlowOptions(runner="local")),
        tasks=(
            records.task(1, "cell-1", kind=CellKind.PARAMETERS),
            *(records.task(number, name) for number, name in NAMES.items()),
        ),
        cells_total=9,
        tasks_total=4,
        workers=4,
        waits={4: (("sales", 3),), 5: (("sales", 3),), 6: (("regions", 4), ("months", 5))},
        expected={1: 0.0, 3: 8.0, 4: 9.0, 5: 13.0, 6: 10.0},
    )


def play(view: RunView, *events: tuple[float, Event]) -> RunView:
    for now, event in events:
        view = advance(view, event, now)
    return view


def change(task: TaskRun, state: StateName, **changes: Any) -> TaskChanged:
    return TaskChanged(replace(task, state_name=state, **changes))


@pytest.fixture
def halfway(started: RunStarted) -> RunView:
    """The wireframe's moment: load is done, two tasks run, the report waits."""
    tasks = {task.cell_number: task for task in started.tasks}
    return play(
        RunView(),
        (100.0, started),
        (100.0, change(tasks[1], StateName.COMPLETED)),
        (100.0, change(tasks[3], StateName.RUNNING)),
        (
            108.1,
            change(tasks[3], StateName.COMPLETED, seconds=8.1, peak_memory=1_200_000_000),
        ),
        (108.1, change(tasks[4], StateName.RUNNING)),
        (108.1, change(tasks[5], StateName.RUNNING)),
        (109.0, TaskProgress(4, "\r 62%|######   | 5.2k/8.4k [00:03<00:02, 1.7krows/s]")),
        (109.0, TaskProgress(5, "grouping 2025-05 …\ngrouping 2025-06 …\n")),
    )


def lines_of(painter: Painter, view: RunView, now: float, width: int, height: int) -> list[str]:
    return [line.plain for line in painter.live(view, now, width, height)]


def test_the_live_area_is_the_wireframe(halfway: RunView) -> None:
    painter = Painter(ON_DARK)
    assert painter.headline(halfway, 80).plain == (
        "sales.ipynb · brave-otter · 4 tasks of 9 cells · local ×4 · years=[2025] (-p)"
    )
    assert lines_of(painter, halfway, 114.0, 80, 24) == [
        "◐ by_region   cell 4    5.9s   62 %  5.2k/8.4k rows",
        "◐ by_month    cell 5    5.9s   grouping 2025-06 …",
        "○ 1 waiting   1 done · 2 running · 0:14 of ~0:31 · Ctrl-C cancels",
    ]


def test_the_live_area_in_ascii(halfway: RunView) -> None:
    lines = lines_of(Painter(ON_DARK, ascii_only=True), halfway, 114.0, 80, 24)
    assert lines == [
        ">  by_region   cell 4    5.9s   62 %  5.2k/8.4k rows",
        ">  by_month    cell 5    5.9s   grouping 2025-06 ...",
        ".  1 waiting   1 done - 2 running - 0:14 of ~0:31 - Ctrl-C cancels",
    ]


def test_failed_rows_come_first_with_line_attempts_and_error(halfway: RunView) -> None:
    failed = change(
        halfway.tasks[5],
        StateName.FAILED,
        attempt=4,
        max_attempts=4,
        seconds=1.0,
        error_name="KeyError",
        error_value="'month'",
        error_line=2,
    )
    upstream = change(halfway.tasks[6], StateName.UPSTREAM_FAILED)
    view = play(halfway, (115.0, failed), (115.0, upstream))
    assert lines_of(Painter(ON_DARK), view, 115.0, 80, 24) == [
        "✕ by_month    cell 5, line 2   attempt 4 of 4  KeyError: 'month'",
        "◐ by_region   cell 4    6.9s   62 %  5.2k/8.4k rows",
        "○ 0 waiting   3 done · 1 running · 0:15 of ~0:31 · Ctrl-C cancels",
    ]


def test_a_retry_forgets_the_last_attempts_progress(halfway: RunView) -> None:
    retried = change(halfway.tasks[4], StateName.RETRYING, attempt=2, max_attempts=4)
    view = play(halfway, (112.0, retried))
    assert lines_of(Painter(ON_DARK), view, 114.0, 80, 24)[0] == (
        "↻ by_region   cell 4    2.0s   attempt 2 of 4"
    )


@pytest.mark.parametrize("height", [3, 4, 6, 10, 24])
def test_the_live_area_is_never_taller_than_the_terminal_less_two(
    started: RunStarted, records: Any, height: int
) -> None:
    tasks = tuple(records.task(number, f"t{number}") for number in range(1, 41))
    view = play(RunView(), (0.0, replace(started, tasks=tasks, tasks_total=40)))
    for task in tasks:
        view = play(view, (0.0, change(task, StateName.RUNNING)))
    lines = lines_of(Painter(ON_DARK), view, 1.0, 80, height)
    assert len(lines) == max(height - 2, 1)
    assert lines[-1].startswith("○ 0 waiting   0 done · 40 running")
    if height > 3:
        assert lines[-2] == f"  … {40 - (height - 4)} more"


hostile = st.one_of(
    st.text(max_size=60),
    st.sampled_from(
        ["\x1b[2J\x1b]0;x\x07", "a\nb\r", "\u202eevil", "x" * 10_000, "日本" * 400, "שלום עולם"]
    ),
)


@settings(max_examples=60, deadline=None)
@given(name=hostile, text=hostile, width=st.integers(20, 120), ascii_only=st.booleans())
def test_hostile_names_and_output_stay_in_their_line(
    name: str, text: str, width: int, ascii_only: bool
) -> None:
    from orch_nb.model import FlowRun, FlowRunId, TaskRunId

    run = FlowRun(
        id=FlowRunId("1"),
        name=name,
        flow=name,
        notebook=f"{name}.ipynb",
        state_name=StateName.RUNNING,
        parameters={name: text},
        parameter_sources={name: "-p"},
    )
    task = TaskRun(
        id=TaskRunId("t"),
        flow_run_id=run.id,
        name=name,
        cell_number=1,
        cell_id="c",
        kind=CellKind.TASK,
        state_name=StateName.RUNNING,
    )
    failed = replace(
        task,
        cell_number=2,
        state_name=StateName.FAILED,
        error_name="E",
        error_value=text,
        error_line=3,
    )
    view = play(
        RunView(),
        (0.0, RunStarted(run, (task, failed), 2, 2, 1)),
        (0.0, TaskChanged(task)),
        (0.0, TaskChanged(failed)),
        (0.0, TaskProgress(1, text)),
    )
    painter = Painter(ON_DARK, ascii_only)
    lines = [painter.headline(view, width), *painter.live(view, 1.0, width, 24)]
    out = io.StringIO()
    console = Console(file=out, width=width, height=24, force_terminal=True, color_system=None)
    for line in lines:
        console.print(line, soft_wrap=True)
    printed = out.getvalue()
    assert printed.count("\n") == len(lines) == 4
    for line in printed.splitlines():
        assert cell_len(line) <= width
        assert line.isprintable()
        assert line.isascii() or not ascii_only


def test_every_state_has_a_mark_of_one_or_two_signs() -> None:
    assert set(MARKS) == set(StateName)
    for mark in MARKS.values():
        assert 1 <= cell_len(mark.symbol) <= 2
        assert mark.ascii.isascii()
        assert 1 <= len(mark.ascii) <= 2


def test_columns_stand_below_each_other_whatever_the_mark(records: Any) -> None:
    for ascii_only in (False, True):
        painter = Painter(ON_DARK, ascii_only)
        tasks = [records.task(number, "load", state) for number, state in enumerate(StateName, 1)]
        view = RunView(tasks={task.cell_number: task for task in tasks})
        from orch_nb.cli.terminal import make_row, measure_columns

        rows = [painter.row(make_row(view, task, 0), 80, measure_columns(tasks)) for task in tasks]
        assert len({row.plain.index("cell") for row in rows}) == 1


def test_an_upstream_failure_is_never_red_and_a_crash_has_its_own_colour() -> None:
    assert MARKS[StateName.UPSTREAM_FAILED].role is Role.WAIT
    assert MARKS[StateName.CRASHED].role is Role.CRASH


@pytest.mark.parametrize(
    ("background", "palette"),
    [(None, ON_DARK), ("15;0", ON_DARK), ("0;15", ON_LIGHT), ("0;default;7", ON_LIGHT)],
)
def test_the_palette_follows_the_background(
    background: str | None, palette: dict[Role, str]
) -> None:
    assert choose_palette({} if background is None else {"COLORFGBG": background}) is palette


@pytest.mark.parametrize(
    ("encoding", "environ", "marks"),
    [
        ("utf-8", {}, True),
        ("utf-8", {"LANG": "C.UTF-8"}, True),
        ("utf-8", {"LANG": "en_GB.utf8", "LC_ALL": "C"}, False),
        ("utf-8", {"LANG": "C"}, False),
        ("latin-1", {"LANG": "C.UTF-8"}, False),
        ("ascii", {}, False),
    ],
)
def test_marks_need_utf_8(encoding: str, environ: dict[str, str], marks: bool) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    assert can_show_marks(stream, environ) is marks


@pytest.mark.parametrize(
    ("printed", "shown"),
    [
        ("", ""),
        ("one\ntwo\n", "two"),
        ("100%|██████████| 10/10 [00:01<00:00,  9.9it/s]", "100 %  10/10"),
        ("rows:  62%|██▏ | 5200/8400 [00:03<00:02, 1700.00rows/s]", "62 %  5200/8400 rows"),
        ("7%|▋   | 7/100 [00:14<03:06,  2.00s/file]", "7 %  7/100 file"),
        ("\x1b[32mgreen\x1b[0m", "green"),
        ("half\rwhole", "whole"),
    ],
)
def test_progress_is_the_latest_line_and_bars_are_condensed(printed: str, shown: str) -> None:
    assert condense_progress(printed) == shown


def test_an_untagged_notebook_counts_every_cell(started: RunStarted) -> None:
    tasks = tuple(replace(task, kind=CellKind.PLAIN) for task in started.tasks)
    view = play(RunView(), (0.0, replace(started, tasks=tasks, tasks_total=5, expected={})))
    assert lines_of(Painter(ON_DARK), view, 61.0, 80, 24) == [
        "○ 5 waiting   0 done · 0 running · 1:01 · Ctrl-C cancels"
    ]


def end(records: Any, state: StateName, seconds: float, *tasks: TaskRun, **more: Any) -> RunEnded:
    files = more.pop("files", ())
    return RunEnded(records.run(state, **more), tasks, seconds, files)


def test_the_summary_of_a_failed_run(records: Any) -> None:
    ended = end(
        records,
        StateName.FAILED,
        41.4,
        records.task(1, "cell-1", StateName.COMPLETED, kind=CellKind.PLAIN),
        records.task(3, "load", StateName.COMPLETED),
        records.task(4, "by_region", StateName.COMPLETED),
        records.task(
            5,
            "by_month",
            StateName.FAILED,
            attempt=4,
            error_name="KeyError",
            error_value="'month'",
            error_line=2,
        ),
        records.task(6, "report", StateName.UPSTREAM_FAILED),
    )
    summary = summarize(ended, "sales.run.ipynb", frozenset(NAMES))
    assert [line.plain for line in Painter(ON_DARK).summary(summary)] == [
        "✕ Failed in 0:41: 2 completed, 1 failed, 1 not run",
        "  by_month (cell 5, line 2)  KeyError: 'month'  (4 attempts)",
        "  output  sales.run.ipynb    log  orch-nb logs brave-otter by_month",
        "  next    orch-nb resume brave-otter --plan",
    ]


def test_the_summary_of_a_completed_run(records: Any) -> None:
    tasks = [records.task(number, name, StateName.COMPLETED) for number, name in NAMES.items()]
    files = ("a.png", "b.png", "c.png", "d.png", "e.png", "f.png")
    ended = end(records, StateName.COMPLETED, 3.42, *tasks, files=files)
    summary = summarize(ended, "sales.run.ipynb", frozenset(NAMES))
    assert [line.plain for line in Painter(ON_DARK).summary(summary)] == [
        "✓ Completed in 3.4s: 4 tasks",
        "  files   a.png, b.png, c.png, d.png +2",
        "  output  sales.run.ipynb",
    ]


def test_the_summary_of_a_cancelled_run(records: Any) -> None:
    ended = end(
        records,
        StateName.CANCELLED,
        14.0,
        records.task(3, "load", StateName.COMPLETED),
        records.task(4, "by_region", StateName.CANCELLED, start_time=records.start),
        records.task(5, "by_month", StateName.CANCELLED),
        records.task(6, "report", StateName.PENDING),
    )
    summary = summarize(ended, "sales.run.ipynb", frozenset(NAMES))
    assert [line.plain for line in Painter(ON_DARK, ascii_only=True).summary(summary)] == [
        "-  Cancelled after 0:14: 1 completed, 1 cancelled, 2 not run",
        "  output  sales.run.ipynb    log  orch-nb logs brave-otter",
        "  next    orch-nb resume brave-otter --plan",
    ]


def test_the_summary_lists_a_few_failures_and_counts_the_rest(records: Any) -> None:
    tasks = [
        records.task(number, f"t {number}", StateName.TIMED_OUT, state_message="over 5s")
        for number in range(1, 9)
    ]
    summary = summarize(end(records, StateName.FAILED, 5.0, *tasks), None, frozenset(range(1, 9)))
    assert summary.lines == (
        *(f"t {number} (cell {number})  TimedOut: over 5s" for number in range(1, 6)),
        "… and 3 more",
        "log  orch-nb logs brave-otter 't 1'",
        "next    orch-nb resume brave-otter --plan",
    )


def test_piped_each_change_is_a_plain_line(started: RunStarted, records: Any) -> None:
    out = io.StringIO()
    time = Time()
    screen = open_screen(out, environ={"LANG": "C.UTF-8"}, clock=time)
    assert type(screen) is PlainScreen
    screen._painter = Painter(ON_DARK)  # a StringIO has no encoding of its own
    tasks = {task.cell_number: task for task in started.tasks}
    with screen:
        screen.show(started)
        screen.show(Notice("upgraded from nbformat 3"))
        screen.show(change(tasks[3], StateName.RUNNING))
        screen.show(TaskProgress(3, "not a change of state"))
        time.now = 108.1
        screen.show(change(tasks[3], StateName.COMPLETED, seconds=8.1, peak_memory=62_000_000))
        record = LogRecord(records.run().id, "load", records.start, 30, "root", "3 rows\ndropped")
        screen.show(Logged(record))
        screen.show(Logged(replace(record, level=20, message="quiet")))
    screen.close_run(
        end(records, StateName.COMPLETED, 8.1, replace(tasks[3], state_name=StateName.COMPLETED)),
        "sales.run.ipynb",
    )
    assert out.getvalue().splitlines() == [
        "sales.ipynb · brave-otter · 4 tasks of 9 cells · local ×4 · years=[2025] (-p)",
        "note: upgraded from nbformat 3",
        "   0:00  ◐ load        cell 3    0.0s   Running",
        "   0:08  ✓ load        cell 3    8.1s   Completed   62 MB",
        "warning: load: 3 rows\\ndropped",
        "✓ Completed in 8.1s: 1 task",
        "  output  sales.run.ipynb",
    ]
    assert "\x1b" not in out.getvalue()


def terminal(out: io.StringIO, **options: Any) -> Console:
    return Console(file=out, width=80, height=24, force_terminal=True, **options)


def test_on_a_terminal_ended_tasks_scroll_by_and_the_live_area_goes(
    halfway: RunView, started: RunStarted, records: Any
) -> None:
    out = io.StringIO()
    screen = LiveScreen(terminal(out, color_system=None), Painter(ON_DARK), Time())
    tasks = {task.cell_number: task for task in started.tasks}
    with screen:
        screen.show(started)
        screen.show(change(tasks[1], StateName.COMPLETED, seconds=0.01))
        screen.show(change(tasks[3], StateName.COMPLETED, seconds=8.1))
        assert final_screen(out.getvalue())[-2:] == [
            "✓ load        cell 3    8.1s",
            "○ 3 waiting   1 done · 0 running · 0:00 of ~0:31 · Ctrl-C cancels",
        ]
    done = replace(tasks[3], state_name=StateName.COMPLETED)
    screen.close_run(end(records, StateName.COMPLETED, 8.1, done), None)
    assert final_screen(out.getvalue()) == [
        "sales.ipynb · brave-otter · 4 tasks of 9 cells · local ×4 · years=[2025] (-p)",
        "✓ load        cell 3    8.1s",
        "✓ Completed in 8.1s: 1 task",
    ]


def test_no_line_is_lost_while_the_screen_is_redrawn(
    started: RunStarted, records: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orch_nb.cli.live.REDRAWS_PER_SECOND", 100_000)
    usual = sys.getswitchinterval()
    tasks = tuple(records.task(number, f"t{number}") for number in range(1, 301))
    out = io.StringIO()
    screen = LiveScreen(terminal(out, color_system=None), Painter(ON_DARK), Time())
    sys.setswitchinterval(1e-5)  # threads take turns between nearly all steps
    try:
        with screen:
            screen.show(replace(started, tasks=tasks, tasks_total=300))
            for task in tasks:
                screen.show(change(task, StateName.RUNNING))
                screen.show(change(task, StateName.COMPLETED, seconds=0.5))
    finally:
        sys.setswitchinterval(usual)
    rows = final_screen(out.getvalue())
    assert rows[0].startswith("sales.ipynb · brave-otter")
    assert [row.split()[1] for row in rows[1:]] == [task.name for task in tasks]


def test_ctrl_c_changes_the_last_line(halfway: RunView) -> None:
    out = io.StringIO()
    screen = LiveScreen(terminal(out, color_system=None), Painter(ON_DARK), lambda: 114.0)
    screen.view = halfway
    screen.interrupts = 1
    console = terminal(out, color_system=None)
    console.print(screen)
    assert "0:14 of ~0:31 · cancelling · Ctrl-C kills" in out.getvalue()
    screen.interrupts = 2
    console.print(screen)
    assert "0:14 of ~0:31 · killing" in out.getvalue()


def test_no_color_leaves_no_colour(halfway: RunView, monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.StringIO()
    terminal(out, color_system="truecolor").print(*Painter(ON_DARK).live(halfway, 114.0, 80, 24))
    assert "38;2;67;147;255" in out.getvalue()
    monkeypatch.setenv("NO_COLOR", "1")
    out = io.StringIO()
    terminal(out, color_system="truecolor").print(*Painter(ON_DARK).live(halfway, 114.0, 80, 24))
    assert "38;" not in out.getvalue()


def test_log_output_shows_every_record(records: Any) -> None:
    out = io.StringIO()
    screen = open_screen(out, log_output=True)
    screen.show(Logged(LogRecord(records.run().id, None, records.start, 10, "root", "detail")))
    assert out.getvalue() == "debug: detail\n"


def test_quiet_says_nothing_of_a_run_that_ends_well(started: RunStarted, records: Any) -> None:
    out = io.StringIO()
    screen = open_screen(out, quiet=True)
    screen.show(started)
    screen.close_run(end(records, StateName.COMPLETED, 1.0), "out.ipynb")
    assert out.getvalue() == ""
    screen.close_run(end(records, StateName.CRASHED, 1.0, state_message="lost"), None)
    assert "Crashed in 1.0s" in out.getvalue()
    assert "lost" in out.getvalue()


def test_times_are_told_from_the_run_not_the_wall(started: RunStarted, records: Any) -> None:
    late = replace(started.run, start_time=records.start - timedelta(days=400))
    view = play(RunView(), (50.0, replace(started, run=late)))
    assert "0:01 of ~0:31" in lines_of(Painter(ON_DARK), view, 51.0, 80, 24)[-1]
