"""The points of a sweep: a grid of parameters' values, a sample of it, or the rows of a table. Pure
but for reading the table."""

from __future__ import annotations

import csv
import math
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path

from orch_nb.errors import InputError

Point = Mapping[str, str]  # a parameter's value as text, as `-p` takes it

MOST = 100_000  # runs of one sweep
_RANGE = re.compile(r"(-?[\d.]+?)\.\.(-?[\d.]+?)(?:\.\.([\d.]+))?")


@dataclass(frozen=True, slots=True)
class Axis:
    """One parameter and its values, as texts."""

    name: str
    values: tuple[str, ...]


def parse_axis(name: str, text: str) -> Axis:
    """``0.1,0.2,0.5``, or ``0..9``, or ``0..1..0.25`` with a step; both ends count. A comma inside
    brackets or quotation marks does not part. Raises InputError."""
    values = tuple(value for part in _parts(text) for value in _expand(name, part.strip()))
    if not values:
        raise InputError(f"parameter '{name}' has no values", hint=f"as in  -p {name} 1,2,3")
    return Axis(name, values)


def grid(axes: Sequence[Axis], most: int | None = None, seed: int | None = None) -> list[Point]:
    """All combinations, the last axis fastest; with ``most`` the first of them, or, with a
    ``seed``, that many drawn at random, none twice, in the grid's order.

    Raises InputError for a parameter that is given twice, and for more runs than can be meant.
    """
    names = [axis.name for axis in axes]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise InputError(f"parameter '{twice}' is given twice", hint="give all its values at once")
    count = math.prod(len(axis.values) for axis in axes)
    wanted = count if most is None else min(most, count)
    if wanted > MOST:
        raise InputError(f"the sweep has {wanted:,} runs", hint="take a part of it with --max")
    if seed is None:
        chosen: Sequence[int] = range(wanted)
    else:
        chosen = sorted(random.Random(seed).sample(range(count), wanted))
    return [_at(axes, index) for index in chosen]


def table(path: str, most: int | None = None, seed: int | None = None) -> list[Point]:
    """The rows of a CSV file, whose first line names the parameters; an empty field leaves the
    parameter at its default. Raises InputError."""
    try:
        with Path(path).open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"the table can't be read: {error}", where=path) from None
    bad = next((n for n, row in enumerate(rows, 2) if None in row or None in row.values()), None)
    if bad is not None:
        raise InputError("a row has another number of fields than the first", where=f"{path}:{bad}")
    points = [{name: value for name, value in row.items() if value != ""} for row in rows]
    if not points:
        raise InputError("the table has no rows", where=path)
    wanted = len(points) if most is None else min(most, len(points))
    if seed is None:
        return list(points[:wanted])
    chosen = sorted(random.Random(seed).sample(range(len(points)), wanted))
    return [points[index] for index in chosen]


def _at(axes: Sequence[Axis], index: int) -> Point:
    found = {}
    for axis in reversed(axes):
        index, place = divmod(index, len(axis.values))
        found[axis.name] = axis.values[place]
    return {axis.name: found[axis.name] for axis in axes}


def _parts(text: str) -> list[str]:
    parts, depth, quote = [""], 0, ""
    for letter in text:
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "\"'":
            quote = letter
        elif letter in "[{(":
            depth += 1
        elif letter in "]})":
            depth -= 1
        if letter == "," and not quote and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return [part for part in parts if part.strip()]


def _expand(name: str, part: str) -> list[str]:
    found = _RANGE.fullmatch(part)
    if found is None:
        return [part]
    try:
        start, end = Decimal(found[1]), Decimal(found[2])
        step = Decimal(found[3]) if found[3] else Decimal(1)
        count = int((end - start) / step) + 1 if step > 0 and end >= start else 0
    except (InvalidOperation, ZeroDivisionError):
        count = 0
    if not 0 < count <= MOST:
        raise InputError(
            f"-p {name} {part} is no range of values", hint=f"as in  -p {name} 0..9  or  0..1..0.1"
        )
    return [f"{(start + step * number).normalize():f}" for number in range(count)]
