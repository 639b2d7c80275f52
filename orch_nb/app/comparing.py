"""What differs between two runs: cells, parameters, values, packages and timings."""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from orch_nb.app.past import CellResult, PastRun, load_names, read_past
from orch_nb.durations import show_duration
from orch_nb.execution.by_hand import fingerprints
from orch_nb.model import FlowRun
from orch_nb.states import StateName
from orch_nb.store import open_store

_SLOWER = 1.2  # a duration counts as another from this ratio on
_NOTICED = 0.1  # seconds below which no difference of durations is told
_LONGEST = 60


class Aspect(enum.StrEnum):
    """What a difference is about."""

    CELL = "cell"
    PARAMETER = "parameter"
    STATE = "state"
    VALUE = "value"
    PACKAGE = "package"
    TIME = "time"


@dataclass(frozen=True, slots=True)
class RunDifference:
    """One thing that is not the same, or that can't be compared, in words."""

    aspect: Aspect
    name: str
    one: str
    other: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two runs, and what differs between them."""

    one: FlowRun
    other: FlowRun
    differences: tuple[RunDifference, ...]


def compare_runs(one: str, other: str) -> Comparison:
    """Compare two runs, by name or id. Raises NotFoundError."""
    with open_store() as store:
        first, second = read_past(store, one), read_past(store, other)
    differences = (
        *_mapping(Aspect.PARAMETER, first.run.parameters, second.run.parameters),
        *_cells(first, second),
        *_mapping(Aspect.PACKAGE, _packages(first.run), _packages(second.run)),
    )
    return Comparison(first.run, second.run, differences)


def _packages(run: FlowRun) -> Mapping[str, object]:
    found = run.request.get("packages")
    return found if isinstance(found, dict) else {}


def _mapping(
    aspect: Aspect, one: Mapping[str, object], other: Mapping[str, object]
) -> Iterator[RunDifference]:
    for name in sorted({*one, *other}):
        if name not in one or name not in other or one[name] != other[name]:
            yield RunDifference(aspect, name, _shown(one, name), _shown(other, name))


def _shown(values: Mapping[str, object], name: str) -> str:
    if name not in values:
        return "-"
    value = values[name]
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _cells(one: PastRun, other: PastRun) -> Iterator[RunDifference]:
    first = {cell.task.name: cell for cell in one.cells}
    second = {cell.task.name: cell for cell in other.cells}
    for name in [*first, *(name for name in second if name not in first)]:
        if name not in first or name not in second:
            there = ("there", "-") if name in first else ("-", "there")
            yield RunDifference(Aspect.CELL, name, *there)
        else:
            yield from _cell(name, one, first[name], other, second[name])


def _cell(
    name: str, one: PastRun, first: CellResult, other: PastRun, second: CellResult
) -> Iterator[RunDifference]:
    if first.source.strip() != second.source.strip():
        line = _first_difference(first.source, second.source)
        yield RunDifference(
            Aspect.CELL, name, _line(first.source, line), _line(second.source, line)
        )
    states = first.task.state_name, second.task.state_name
    if first.task.state_type is not second.task.state_type:
        yield RunDifference(Aspect.STATE, name, *map(str, states))
    if first.makes or second.makes:
        yield from _values(name, one, first, other, second)
    before, after = first.task.seconds, second.task.seconds
    if before and after:  # one that was up to date took no time
        low, high = sorted((before, after))
        if high - low > _NOTICED and high > low * _SLOWER:
            yield RunDifference(Aspect.TIME, name, show_duration(before), show_duration(after))


def _values(
    task: str, one: PastRun, first: CellResult, other: PastRun, second: CellResult
) -> Iterator[RunDifference]:
    """Values are compared by their meaning; of equal bytes nothing is loaded."""
    if first.kept and second.kept and first.kept.digest == second.kept.digest:
        return
    if first.kept is None or second.kept is None:
        lacking = first if first.kept is None else second
        cached = StateName.CACHED in (first.task.state_name, second.task.state_name)
        if first.task.state_type is second.task.state_type and not cached:
            words = ("not kept" if c.kept is None else "kept" for c in (first, second))
            yield RunDifference(
                Aspect.VALUE, f"{task}: {lacking.why_not}, can't be compared", *words
            )
        return
    prints = [_prints(one, first), _prints(other, second)]
    for name in sorted({*prints[0], *prints[1]}):
        if prints[0].get(name) != prints[1].get(name):
            yield RunDifference(
                Aspect.VALUE, f"{task}: {name}", *(_digest(p, name) for p in prints)
            )


def _prints(past: PastRun, cell: CellResult) -> dict[str, str]:
    space: dict[str, object] = {}
    loaded = load_names(past, cell.makes, cell.task.cell_number + 1, space)
    return fingerprints(loaded.values, loaded.values)


def _digest(prints: Mapping[str, str], name: str) -> str:
    return prints[name][:12] if name in prints else "-"


def _first_difference(one: str, other: str) -> int:
    lines = one.splitlines(), other.splitlines()
    for number, (a, b) in enumerate(zip(*lines, strict=False), 1):
        if a != b:
            return number
    return min(map(len, lines)) + 1


def _line(source: str, number: int) -> str:
    lines = source.splitlines()
    text = lines[number - 1].strip() if number <= len(lines) else ""
    text = text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
    return f"line {number}: {text}"
