"""Wall clock times and instants of a time zone, across its clock changes."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

Walls = Callable[[datetime], Iterator[datetime]]  # naive times after a naive time, ascending
Place = Callable[[datetime, ZoneInfo], tuple[datetime, ...]]  # a wall time's instants, in UTC

# No clock change moves the clock by more: Samoa once left out a day.
_MARGIN = timedelta(hours=27)
_SECOND = timedelta(seconds=1)


@lru_cache(maxsize=1024)
def zone_named(name: str) -> ZoneInfo:
    """The zone of that IANA name; raises zoneinfo.ZoneInfoNotFoundError or ValueError."""
    return ZoneInfo(name)


def wall_time(instant: datetime, zone: ZoneInfo) -> datetime:
    """What a clock in the zone shows at an instant, naive."""
    return instant.astimezone(zone).replace(tzinfo=None, fold=0)


def place_after_gap(wall: datetime, zone: ZoneInfo) -> tuple[datetime, ...]:
    """The first instant that shows ``wall``; for a time left out, the first after the gap."""
    first = _instant(wall, zone, 0)
    if wall_time(first, zone) == wall:
        return (first,)
    return (_end_of_gap(_instant(wall, zone, 1), first, zone),)


def place_with_old_offset(wall: datetime, zone: ZoneInfo) -> tuple[datetime, ...]:
    """The first instant that shows ``wall``; a time left out is read with the offset before."""
    return (_instant(wall, zone, 0),)


def place_as_shown(wall: datetime, zone: ZoneInfo) -> tuple[datetime, ...]:
    """Every instant that shows ``wall``: none, one or two."""
    found = {_instant(wall, zone, fold) for fold in (0, 1)}
    return tuple(sorted(instant for instant in found if wall_time(instant, zone) == wall))


def instants_after(
    walls: Walls, place: Place, zone: ZoneInfo, after: datetime
) -> Iterator[datetime]:
    """The instants of all wall times, later than ``after``, ascending, none twice.

    Away from clock changes the order of wall times is that of instants; near one a day's worth
    is placed and sorted.
    """
    while True:
        if _is_quiet(after, zone):
            for wall in walls(wall_time(after, zone)):
                (instant, *others) = place(wall, zone) or (None,)
                if instant is None or others or not _is_quiet(instant, zone):
                    near = _instant(wall, zone, 0) - _MARGIN
                    after = max(after, near)
                    break
                yield instant
                after = instant
            else:
                return
        # Near a change: place everything around the next day, then sort.
        until = after + timedelta(days=1)
        found: list[datetime] = []
        more = False
        for wall in walls(wall_time(after, zone) - _MARGIN):
            if wall > wall_time(until, zone) + _MARGIN:
                more = True
                break
            for instant in place(wall, zone):
                if after < instant <= until:
                    heapq.heappush(found, instant)
                elif instant > until:
                    more = True
        last = after
        while found:
            instant = heapq.heappop(found)
            if instant > last:
                yield instant
                last = instant
        if not more:
            return
        after = until


def _instant(wall: datetime, zone: ZoneInfo, fold: int) -> datetime:
    return wall.replace(tzinfo=zone, fold=fold).astimezone(UTC)


def _is_quiet(instant: datetime, zone: ZoneInfo) -> bool:
    """Whether the clocks do not change around an instant."""
    offset = instant.astimezone(zone).utcoffset()
    return all(
        (instant + margin).astimezone(zone).utcoffset() == offset for margin in (-_MARGIN, _MARGIN)
    )


def _end_of_gap(before: datetime, after: datetime, zone: ZoneInfo) -> datetime:
    """The first instant of the new offset, between one of the old and one of the new."""
    new = after.astimezone(zone).utcoffset()
    while after - before > _SECOND:
        middle = before + (after - before) // 2
        middle = middle.replace(microsecond=0)
        if middle.astimezone(zone).utcoffset() == new:
            after = middle
        else:
            before = middle
    return after
