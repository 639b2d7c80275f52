"""A run as a still picture: escaped HTML without scripts, for notebooks that are only read.

It has to live through sanitizers that drop `<style>` and `<svg>`: what matters is text, bars have
their place and colour inline, and the graph is an image with a description.
"""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from orch_nb.amounts import format_size
from orch_nb.app.view_calls import shown_counts, shown_name
from orch_nb.app.view_schema import Row, RunHeader
from orch_nb.app.viewing import RunView
from orch_nb.durations import show_duration
from orch_nb.panel.graph_image import graph_image
from orch_nb.panel.marks import COLOURS, DARK_COLOURS, look_of

MOST_ROWS = 200
_MOST_NOTICES = 6
_ORDER = ("failed", "running", "done", "waiting", "left-out")
_WORDS = {
    "failed": "failed",
    "running": "running",
    "done": "completed",
    "waiting": "waiting",
    "left-out": "not run",
}
_LEAST_BAR = 0.6  # percent of the width
_TH, _TD = (f'<{name} style="text-align:left">' for name in ("th", "td"))  # pages align right


def static_html(view: RunView) -> str:
    """The whole picture as one element."""
    run = view.run
    rows = shown_rows(view)
    total = _scale(view)
    parts = [
        f'<div class="onb-still onb-id-{escape(run["id"])}">',
        f"<style>{_STYLE}</style>",
        _headline(run),
        _facts(view),
        '<table class="onb-still-list"><thead><tr>',
        *(f"{_TH}{words}</th>" for words in ("State", "Task", "Cell", "Time")),
        f"{_TH}0 – {escape(show_duration(total))}</th>{_TH}Note</th></tr></thead><tbody>",
        *(_row(row, total, view) for row in rows[:MOST_ROWS]),
        "</tbody></table>",
    ]
    if len(rows) > MOST_ROWS:
        parts.append(f"<p>… and {len(rows) - MOST_ROWS} more</p>")
    parts += [_line(text) for text in _closing(run)]
    image = graph_image(view)
    if image:
        parts.append(f"<details><summary>Graph</summary>{image}</details>")
    parts.append("</div>")
    return "\n".join(part for part in parts if part)


def static_text(view: RunView) -> str:
    """The picture as a few plain lines, for consoles."""
    run = view.run
    lines = [f"{run['flow']} / {run['name']}: {look_of(run['state']).word}{_took(run)}"]
    for row in shown_rows(view)[:20]:
        look = look_of(row["state"])
        parts = [look.sign, look.word, shown_name(row), f"cell {row['cell']}", _note(row, view)]
        lines.append("  " + "  ".join(part for part in parts if part))
    lines += run["notices"][-_MOST_NOTICES:]
    return "\n".join(lines)


def shown_rows(view: RunView) -> list[Row]:
    """The tasks, and what failed though it is none; failures first."""
    rows = [
        row for row in view.rows if row.get("task", True) or look_of(row["state"]).phase == "failed"
    ]
    return sorted(rows, key=lambda row: look_of(row["state"]).phase != "failed")


def _headline(run: RunHeader) -> str:
    look = look_of(run["state"])
    return (
        f'<p class="onb-still-head"><strong><bdi>{escape(run["flow"])}</bdi></strong> · '
        f"<bdi>{escape(run['name'])}</bdi> — {_sign(look.sign, look.role)} "
        f"<strong>{escape(look.word)}</strong>{escape(_took(run))}</p>"
    )


def _facts(view: RunView) -> str:
    run = view.run
    counts = dict.fromkeys(_ORDER, 0)
    for row in shown_rows(view):
        if "item" not in row:  # a cell's calls are counted by its own row
            counts[look_of(row["state"]).phase] += 1
    words = [f"{count} {_WORDS[phase]}" for phase, count in counts.items() if count]
    words += [f"{p['name']}={p['value']} from {p['source']}" for p in run["parameters"]]
    words.append(f"{run['runner']} ×{run['workers']}" if run["workers"] else run["runner"])
    return f"<p>{' · '.join(f'<bdi>{escape(word)}</bdi>' for word in words)}</p>"


def _row(row: Row, total: float, view: RunView) -> str:
    look = look_of(row["state"])
    start, end = row.get("start"), row.get("end")
    took = "" if start is None or end is None else show_duration(end - start)
    return (
        f'<tr class="onb-still-{look.phase}">{_TD}{_sign(look.sign, look.role)}&nbsp;'
        f"{escape(look.word)}</td>{_TD}<code><bdi>{escape(shown_name(row))}</bdi></code></td>"
        f"{_TD}{row['cell']}</td>{_TD}{escape(took)}</td>"
        f'<td class="onb-still-track" style="width:35%">{_bar(row, total)}</td>'
        f"{_TD}<bdi>{escape(_note(row, view))}</bdi></td></tr>"
    )


def _bar(row: Row, total: float) -> str:
    start, end = row.get("start"), row.get("end")
    if start is None or end is None:
        return ""
    left = min(100.0 - _LEAST_BAR, 100 * start / total)
    width = max(_LEAST_BAR, min(100.0 - left, 100 * (end - start) / total))
    role = look_of(row["state"]).role
    return (
        f'<div class="onb-still-{role}" style="margin-left:{left:.1f}%;width:{width:.1f}%;'
        f'height:10px;background-color:{COLOURS[role]}"></div>'
    )


def _sign(sign: str, role: str) -> str:
    return f'<span class="onb-still-sign onb-still-{role}">{escape(sign)}</span>'


def _note(row: Row, view: RunView) -> str:
    parts: list[str] = []
    if row.get("attempt", 1) > 1:
        parts.append(f"attempt {row['attempt']} of {max(row['attempt'], row.get('of', 1))}")
    error = row.get("error")
    phase = look_of(row["state"]).phase
    parts.append(shown_counts(row))
    if error is not None:
        line = "" if error["line"] is None else f"line {error['line']}: "
        value = f": {error['value']}" if error["value"] else ""
        parts.append(f"{line}{error['name']}{value}")
    elif phase == "waiting":
        parts.append(_waits(row, view))
    elif row.get("message") and phase != "done":
        parts.append(row["message"])
    parts.append(row.get("pace", ""))
    if row.get("memory"):
        parts.append(format_size(row["memory"]))
    return " · ".join(part for part in parts if part)


def _waits(row: Row, view: RunView) -> str:
    ended = {"done"}
    open_ones = [
        f"{name} ({cell})"
        for name, cell in row.get("waits", [])
        if (source := view.row_of(cell)) and look_of(source["state"]).phase not in ended
    ]
    return f"waits for {', '.join(open_ones[:4])}" if open_ones else ""


def _closing(run: RunHeader) -> Iterable[str]:
    if run["message"] and look_of(run["state"]).phase != "done":
        yield run["message"]
    if run["files"]:
        yield "files: " + ", ".join(run["files"][:8])
    yield from run["notices"][-_MOST_NOTICES:]
    if run["output"]:
        yield f"output: {run['output']}"


def _line(text: str) -> str:
    return f"<p><bdi>{escape(text)}</bdi></p>"


def _took(run: RunHeader) -> str:
    if run["seconds"] is None:
        return ""
    joint = "in" if look_of(run["state"]).phase == "done" else "after"
    return f" {joint} {show_duration(run['seconds'])}"


def _scale(view: RunView) -> float:
    ends = [row.get("end") or row.get("start") or 0.0 for row in view.rows]
    return max([view.run["seconds"] or 0.0, *ends, 0.1])


_STYLE = (
    ".onb-still{font-size:13px}"
    ".onb-still p{margin:4px 0}"
    ".onb-still-list{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}"
    ".onb-still-list :is(th,td){padding:2px 8px;text-align:left;white-space:nowrap;"
    "max-width:44ch;overflow:hidden;text-overflow:ellipsis}"
    ".onb-still-list .onb-still-track{min-width:120px;max-width:none}"
    ".onb-still-sign{font-weight:bold}"
    + "".join(f"span.onb-still-{role}{{color:{c}}}" for role, c in COLOURS.items())
    + "".join(
        f"[data-jp-theme-light=false] span.onb-still-{role},.vscode-dark span.onb-still-{role}"
        f"{{color:{c}}}[data-jp-theme-light=false] div.onb-still-{role},"
        f".vscode-dark div.onb-still-{role}{{background-color:{c}!important}}"
        for role, c in DARK_COLOURS.items()
    )
)
