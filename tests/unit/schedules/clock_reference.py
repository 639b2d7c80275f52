"""A slow, obvious cron: it looks at the clock on the wall once a minute, as Debian's does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


def matches(expression: str, wall: datetime) -> bool:
    """Whether a naive time is one that five plain fields (numbers, `*`, `*/n`) name."""
    values = (wall.minute, wall.hour, wall.day, wall.month, wall.isoweekday() % 7)
    return all(
        _field(field, value) for field, value in zip(expression.split(), values, strict=True)
    )


def _field(field: str, value: int) -> bool:
    if field == "*":
        return True
    if field.startswith("*/"):
        return value % int(field[2:]) == 0
    return str(value) in field.split(",")


def is_fixed(expression: str) -> bool:
    minute, hour = expression.split()[:2]
    return "*" not in minute and "*" not in hour


def watch_clock(
    expressions: Sequence[str], zone: ZoneInfo, start: datetime, end: datetime
) -> Mapping[str, list[datetime]]:
    """The minutes in (start, end] at which each job starts; jobs of one minute start once."""
    found: dict[str, list[datetime]] = {expression: [] for expression in expressions}
    # What the clock showed at most so far. Two days of looking back are enough to know it.
    now = start - timedelta(days=2)
    shown = _wall(now, zone)
    while now < end:
        now += MINUTE
        wall = _wall(now, zone)
        passed = list(_minutes(shown, wall))  # one, none (set back), or many (set forward)
        shown = max(shown, wall)
        if now <= start:
            continue
        for expression, starts in found.items():
            moments = passed if is_fixed(expression) else [wall]
            if any(matches(expression, moment) for moment in moments):
                starts.append(now)
    return found


def _wall(now: datetime, zone: ZoneInfo) -> datetime:
    return now.astimezone(zone).replace(tzinfo=None, fold=0)


def _minutes(after: datetime, until: datetime) -> Iterator[datetime]:
    while after < until:
        after += MINUTE
        yield after


def clock_changes(zone: ZoneInfo, first_year: int, last_year: int) -> Iterator[datetime]:
    """The hours before which the zone's offset changed, over whole years."""
    now = datetime(first_year, 1, 1, tzinfo=UTC)
    offset = now.astimezone(zone).utcoffset()
    while now.year <= last_year:
        later = now + 6 * HOUR
        if later.astimezone(zone).utcoffset() != offset:
            yield later.replace(minute=0)
            offset = later.astimezone(zone).utcoffset()
        now = later
