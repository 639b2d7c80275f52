"""A run as a live table in a cell's output, through display updates; every text is escaped."""

from __future__ import annotations

import html
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from orch_nb.app.view_calls import shown_counts, shown_name
from orch_nb.app.view_schema import Row
from orch_nb.app.viewing import RunView, advance, first_view
from orch_nb.durations import show_duration
from orch_nb.engine.events import Event, RunStarted
from orch_nb.states import TYPE_OF, StateName, StateType

REFRESH = 0.25  # seconds between two updates at least

_MARKS = {
    StateName.SCHEDULED: ("○", "wait"),
    StateName.PENDING: ("○", "wait"),
    StateName.RUNNING: ("◐", "run"),
    StateName.RETRYING: ("↻", "run"),
    StateName.LATE: ("◷", "warn"),
    StateName.AWAITING_RETRY: ("◷", "warn"),
    StateName.PAUSED: ("‖", "warn"),
    StateName.SUSPENDED: ("‖", "warn"),
    StateName.COMPLETED: ("✓", "ok"),
    StateName.CACHED: ("✓", "ok"),
    StateName.SKIPPED: ("–", "wait"),
    StateName.CANCELLED: ("□", "wait"),
    StateName.CANCELLING: ("□", "wait"),
    StateName.FAILED: ("✕", "fail"),
    StateName.TIMED_OUT: ("✕◷", "fail"),
    StateName.UPSTREAM_FAILED: ("⤫", "wait"),
    StateName.CRASHED: ("◆!", "crash"),
    StateName.RESUMING: ("○", "wait"),
}
_STYLE = """
.onb{--onb-ok:#00795e;--onb-run:#1f6fd6;--onb-fail:#a81808;--onb-warn:#b87900;--onb-wait:#6f747c;
--onb-crash:#3f0d4a;border:1px solid var(--jp-border-color2,#8886);padding:4px 8px;font-size:13px;
color:var(--jp-ui-font-color1,CanvasText);max-width:720px}
[data-jp-theme-light="false"] .onb,.vscode-dark .onb{--onb-ok:#35c79a;--onb-run:#4393ff;
--onb-fail:#ff6554;--onb-warn:#ffd75e;--onb-wait:#9a9fa6;--onb-crash:#ecd2ff}
.onb table{border-collapse:collapse;margin:4px 0}.onb td{text-align:left;padding:1px 12px 1px 0;
font-variant-numeric:tabular-nums;vertical-align:top}.onb .onb-name{font-family:var(
--jp-code-font-family,monospace)}.onb .onb-dim{color:var(--jp-ui-font-color2,GrayText)}
.onb pre{margin:0 0 4px;white-space:pre-wrap}.onb img{max-width:100%}
""".replace("\n", "")


@dataclass(slots=True)
class Ending:
    """What is said below the table once the run is over."""

    lines: tuple[str, ...] = ()
    outputs: tuple[tuple[str, tuple[Mapping[str, Any], ...]], ...] = ()  # (cell, its outputs)


@dataclass(eq=False)
class LiveTable:
    """Takes the events of one run, in any thread, and shows them; ``show`` is IPython's display
    of one bundle, and ``update`` replaces what it has shown."""

    show: Callable[[dict[str, str]], Callable[[dict[str, str]], None]]
    clock: Callable[[], float] = time.time
    _view: RunView | None = None
    _early: list[Event] = field(default_factory=list)  # what was said before the run began
    _update: Callable[[dict[str, str]], None] | None = None
    _shown: RunView | None = None
    _shown_at: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def has_begun(self) -> bool:
        """Whether there is something to show."""
        return self._view is not None

    def hear(self, event: Event) -> None:
        """Take in an event; nothing is shown yet."""
        with self._lock:
            if self._view is not None:
                self._view = advance(self._view, event)
            elif isinstance(event, RunStarted):
                self._view = first_view(event)
                for early in self._early:
                    self._view = advance(self._view, early)
            else:
                self._early.append(event)

    def refresh(self, ending: Ending | None = None, *, at_once: bool = False) -> None:
        """Show what is new, not too often unless ``at_once``; with an ``ending`` for the last
        time."""
        view, now = self._view, self.clock()
        if view is None:
            return
        running = TYPE_OF[StateName(view.run["state"])] is StateType.RUNNING
        if ending is None and view is self._shown and not running:
            return
        if ending is None and not at_once and now - self._shown_at < REFRESH:
            return
        bundle = {"text/plain": as_text(view, now, ending), "text/html": as_html(view, now, ending)}
        self._shown, self._shown_at = view, now
        if self._update is None:
            self._update = self.show(bundle)
        else:
            self._update(bundle)


def mark_of(state: StateName) -> str:
    """The sign that stands for a state."""
    return _MARKS[state][0]


def as_html(view: RunView, now: float, ending: Ending | None = None) -> str:
    """The table. Nothing of a notebook's texts is markup in it."""
    run = view.run
    rows = "".join(_row(row, view, now) for row in view.rows if _is_shown(row))
    parameters = "  ".join(
        f"{p['name']}={p['value']} ({p['source']})" for p in run["parameters"][:8]
    )
    parts = [
        f"<style>{_STYLE}</style><div class=onb role=group aria-label='flow run'>",
        f"<div><b>{_e(run['flow'])}</b> · {_e(run['name'])} · {_mark(run['state'])} "
        f"{_e(run['state'])} {_e(_took(view, now))}</div>",
        f"<div class=onb-dim>{_e(parameters)}</div>" if parameters else "",
        f"<table>{rows}</table>",
        *(f"<div class=onb-dim>{_e(text)}</div>" for text in run["notices"][-6:]),
    ]
    if ending is not None:
        parts += [f"<div>{_e(line)}</div>" for line in ending.lines]
        parts.append(outputs_html(ending))
    return "".join([*parts, "</div>"])


def outputs_html(ending: Ending) -> str:
    """What the cells have shown, folded; empty where they have shown nothing."""
    if not ending.outputs:
        return ""
    inner = "".join(
        f"<div class='onb-name onb-dim'>{_e(name)}</div>{_outputs(outputs)}"
        for name, outputs in ending.outputs
    )
    count = len(ending.outputs)
    return f"<details><summary>Outputs ({count})</summary>{inner}</details>"


def as_text(view: RunView, now: float, ending: Ending | None = None) -> str:
    """The same in words, for front-ends without HTML and for saved notebooks' readers."""
    run = view.run
    lines = [f"{run['flow']} · {run['name']} · {run['state']} {_took(view, now)}".rstrip()]
    for row in view.rows:
        if _is_shown(row):
            mark, _ = _MARKS[StateName(row["state"])]
            words = _words(row, view, now)
            lines.append(f"{mark} {shown_name(row)}  cell {row['cell']}  {words}".rstrip())
    lines += run["notices"][-6:]
    return "\n".join([*lines, *(ending.lines if ending is not None else ())])


def _is_shown(row: Mapping[str, Any]) -> bool:
    """Cells that are no tasks are shown only where something is to be told of them."""
    quiet = (StateName.COMPLETED, StateName.CACHED, StateName.SKIPPED, StateName.PENDING)
    return row.get("task", True) or StateName(row["state"]) not in quiet


def _row(row: Row, view: RunView, now: float) -> str:
    return (
        f"<tr><td>{_mark(row['state'])} <span class=onb-name>{_e(shown_name(row))}</span></td>"
        f"<td class=onb-dim>cell {int(row['cell'])}</td>"
        f"<td>{_e(row['state'])}</td><td>{_e(_words(row, view, now))}</td></tr>"
    )


def _words(row: Row, view: RunView, now: float) -> str:
    began = view.run["began"]
    words = []
    start, end = row.get("start"), row.get("end")
    if start is not None and began is not None:
        until = end if end is not None else now - began
        words.append(show_duration(max(0.0, until - start)))
    if row.get("of", 1) > 1:
        words.append(f"attempt {row.get('attempt', 1)} of {row['of']}")
    if counts := shown_counts(row):
        words.append(counts)
    if "pace" in row:
        words.append(row["pace"])
    error = row.get("error")
    if error:
        line = f"line {error['line']}: " if error.get("line") else ""
        words.append(f"{line}{error['name']}: {error['value']}")
    elif row.get("message"):
        words.append(row["message"])
    if end is None and row.get("progress"):
        words.append(row["progress"])
    return "  ".join(words)


def _took(view: RunView, now: float) -> str:
    run = view.run
    if run["seconds"] is not None:
        return show_duration(run["seconds"])
    if run["began"] is None:
        return ""
    took = show_duration(max(0.0, now - run["began"]))
    expected = run["expected"]
    return f"{took} of {show_duration(expected, expected=True)}" if expected else took


def _mark(state: str) -> str:
    mark, role = _MARKS[StateName(state)]
    return f"<span style='color:var(--onb-{role})'>{mark}</span>"


def _outputs(outputs: tuple[Mapping[str, Any], ...]) -> str:
    return "".join(_output(output) for output in outputs)


def _output(output: Mapping[str, Any]) -> str:
    if output["output_type"] == "stream":
        return f"<pre>{_e(_joined(output['text'])[:20_000])}</pre>"
    if output["output_type"] == "error":
        return f"<pre>{_e(output['ename'])}: {_e(output['evalue'])}</pre>"
    data = output.get("data", {})
    for mime in ("image/png", "image/jpeg"):
        picture = _joined(data.get(mime, ""))
        if picture:
            return f"<img alt='' src='data:{mime};base64,{_e(picture.strip())}'>"
    return f"<pre>{_e(_joined(data.get('text/plain', ''))[:20_000])}</pre>"


def _joined(text: Any) -> str:
    return "".join(text) if isinstance(text, list) else str(text)


def _e(text: str) -> str:
    return html.escape(text, quote=True)
