"""The table of ratios, as text, as a page of the documentation, and as JSON."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.benchmarks.peers.measuring import Measurement
from tests.benchmarks.peers.workloads import OURS, Target, Workload


@dataclass(slots=True)
class Row:
    """What was measured of one workload, by contender; per task where the workload says so."""

    workload: Workload
    found: dict[str, list[Measurement]] = field(default_factory=dict)
    growth: list[tuple[int, Measurement]] = field(default_factory=list)

    def seconds(self, name: str) -> list[float]:
        """The times that a contender took, for one task where that is what counts."""
        by_name = {one.name: one for one in self.workload.contenders}
        size = by_name[name].size or self.workload.size
        share = size if self.workload.per_task else 1
        return [one.seconds / share for one in self.found.get(name, []) if not one.failed]

    def median(self, name: str) -> float | None:
        """The middle one; None where all have failed."""
        times = self.seconds(name)
        return statistics.median(times) if times else None

    def ratio(self, target: Target) -> float | None:
        """Ours to what the target compares with."""
        ours = self.median(OURS)
        theirs = target.seconds or (self.median(target.against) if target.against else None)
        if ours is None or theirs is None or theirs <= 0:  # less than what was taken off
            return None
        return ours / theirs


def as_json(rows: Sequence[Row], about: Mapping[str, Any]) -> dict[str, Any]:
    """Everything, in numbers."""
    return {
        "about": dict(about),
        "workloads": [
            {
                "name": row.workload.name,
                "note": row.workload.note,
                "unit": "seconds a task" if row.workload.per_task else "seconds",
                "contenders": {name: _numbers(row, name) for name in row.found},
                "targets": [
                    {
                        "against": target.against or f"{target.seconds:g} s",
                        "most": target.most,
                        "ratio": row.ratio(target),
                    }
                    for target in row.workload.targets
                ],
                "growth": [
                    {"size": size, "seconds": one.seconds, "memory": one.memory}
                    | ({"failed": one.failed} if one.failed else {})
                    for size, one in row.growth
                ],
            }
            for row in rows
        ],
    }


def _numbers(row: Row, name: str) -> dict[str, Any]:
    times = row.seconds(name)
    failed = [one.failed for one in row.found[name] if one.failed]
    if not times:
        return {"failed": failed[0]}
    memory = max(one.memory for one in row.found[name])
    return {"median": statistics.median(times), "times": times, "memory": memory}


def from_json(told: Mapping[str, Any], workload: Workload) -> Row | None:
    """The row of a workload in what ``as_json`` gave; None where it is not there."""
    found = next((one for one in told["workloads"] if one["name"] == workload.name), None)
    if found is None:
        return None
    row = Row(workload)
    for contender in workload.contenders:
        numbers = found["contenders"].get(contender.name, {"failed": "not measured"})
        share = (contender.size or workload.size) if workload.per_task else 1
        row.found[contender.name] = [
            Measurement(seconds * share, numbers["memory"]) for seconds in numbers.get("times", ())
        ] or [Measurement(failed=numbers["failed"])]
    row.growth = [
        (one["size"], Measurement(one["seconds"], one["memory"], one.get("failed", "")))
        for one in found["growth"]
    ]
    return row


def as_markdown(rows: Sequence[Row], about: Mapping[str, Any]) -> str:
    """The page."""
    lines = [
        "# Speed, beside other tools",
        "",
        "Made by `make bench`, which installs the other tools and runs the same work on each, in"
        " turns, on one machine. Times are medians, with the fastest and the slowest; take the"
        " ratios, since another machine has other times. The numbers are in"
        " [peers.json](peers.json).",
        "",
        "; ".join(f"{name} {text}" for name, text in about.items()) + ".",
        "",
    ]
    for row in rows:
        lines += [f"## {row.workload.name[0].upper()}{row.workload.name[1:]}", ""]
        if row.workload.note:
            lines += [f"{row.workload.note[0].upper()}{row.workload.note[1:]}.", ""]
        lines += ["| | median | from – to | ratio to ours | memory |", "|---|---|---|---|---|"]
        lines += [_line(row, name) for name in row.found]
        lines += ["", *(_said(row, target) for target in row.workload.targets)]
        if row.growth:
            lines += ["", "How it grows:", "", "| size | seconds | each | memory |"]
            lines += ["|---|---|---|---|", *(_grown(size, one) for size, one in row.growth)]
        lines.append("")
    return "\n".join(lines)


def as_table(rows: Sequence[Row]) -> str:
    """One line for each target."""
    lines = [f"{'':<34}{'ours':>10}  {'against':<18}{'theirs':>10}{'ratio':>8}{'wanted':>8}"]
    for row in rows:
        ours = _time(row.median(OURS))
        for target in row.workload.targets or (Target(0.0),):
            ratio = row.ratio(target)
            theirs = target.seconds or (row.median(target.against) if target.against else None)
            lines.append(
                f"{row.workload.name:<34}{ours:>10}  {target.against or 'seconds':<18}"
                f"{_time(theirs):>10}{_number(ratio):>8}{_number(target.most or None):>8}"
                f"{'' if ratio is None else '  yes' if ratio <= target.most else '  NO'}"
            )
    return "\n".join(lines)


def _line(row: Row, name: str) -> str:
    times = row.seconds(name)
    if not times:
        return f"| {name} | failed: {row.found[name][0].failed.replace('|', '/')} | | | |"
    ours = row.median(OURS)
    ratio = statistics.median(times) / ours if ours and ours > 0 else None
    memory = max(one.memory for one in row.found[name])
    shown = f"{memory / 1e6:.0f} MB" if memory else ""
    spread = f"{_time(min(times))} – {_time(max(times))}"
    return f"| {name} | {_time(statistics.median(times))} | {spread} | {_number(ratio)} | {shown} |"


def _said(row: Row, target: Target) -> str:
    ratio = row.ratio(target)
    against = f"that of {target.against}" if target.against else f"{target.seconds:g} s"
    reached = "not measured" if ratio is None else "reached" if ratio <= target.most else "missed"
    return f"Wanted: at most {target.most:.3g} × {against}; found: {_number(ratio)}, {reached}.\n"


def _grown(size: int, one: Measurement) -> str:
    if one.failed:
        return f"| {size:,} | failed: {one.failed.replace('|', '/')} | | |"
    each = _time(one.seconds / size)
    return f"| {size:,} | {one.seconds:.2f} | {each} | {one.memory / 1e6:.0f} MB |"


def _time(seconds: float | None) -> str:
    if seconds is None:
        return "–"
    for unit, factor in (("s", 1.0), ("ms", 1e3)):
        if abs(seconds) * factor >= 1:
            return f"{seconds * factor:.3g} {unit}"
    return f"{seconds * 1e6:.0f} µs"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3g}"
