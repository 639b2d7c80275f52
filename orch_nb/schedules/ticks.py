"""When a schedule ticks: aware datetimes in UTC, ascending, none lost and none doubled."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import islice, takewhile
from typing import Any

from orch_nb.schedules.model import CronSchedule, IntervalSchedule, RRuleSchedule, Schedule
from orch_nb.schedules.zones import (
    instants_after,
    place_after_gap,
    place_as_shown,
    place_with_old_offset,
    wall_time,
    zone_named,
)

DAY = 86_400.0
_LAST_YEAR = 9990  # datetime ends soon after


def ticks_after(schedule: Schedule, after: datetime) -> Iterator[datetime]:
    """The schedule's ticks later than ``after`` (aware), without end unless the schedule ends."""
    after = after.astimezone(UTC)
    match schedule:
        case CronSchedule():
            return _cron_ticks(schedule, after)
        case IntervalSchedule():
            return _interval_ticks(schedule, after)
        case RRuleSchedule():
            zone = zone_named(schedule.zone)
            rule = rule_of(schedule)
            walls = partial(_rule_walls, rule)
            return instants_after(walls, place_with_old_offset, zone, after)


def ticks_between(schedule: Schedule, after: datetime, until: datetime) -> Iterator[datetime]:
    """The ticks later than ``after``, up to and including ``until``."""
    return takewhile(lambda tick: tick <= until, ticks_after(schedule, after))


def next_ticks(schedule: Schedule, after: datetime, count: int) -> tuple[datetime, ...]:
    """The first ``count`` ticks later than ``after``; fewer when the schedule ends."""
    return tuple(islice(ticks_after(schedule, after), count))


def rule_of(schedule: RRuleSchedule) -> Any:
    """The parsed rule, naive; ValueError when it can't be parsed."""
    from dateutil.rrule import rrulestr

    return rrulestr(schedule.rule, dtstart=schedule.start)


def _rule_walls(rule: Any, after: datetime) -> Iterator[datetime]:
    return iter(rule.xafter(after))


def _cron_ticks(schedule: CronSchedule, after: datetime) -> Iterator[datetime]:
    minute, hour, *_ = schedule.expression.split()
    fixed = not minute.startswith("*") and not hour.startswith("*")
    place = place_after_gap if fixed else place_as_shown
    walls = partial(_cron_walls, schedule.expression)
    return instants_after(walls, place, zone_named(schedule.zone), after)


def _cron_walls(expression: str, after: datetime) -> Iterator[datetime]:
    from cronsim import CronSim  # on naive times: where clocks change is not its business

    # It goes on after the minute of its start, whose seconds it drops.
    return iter(CronSim(expression, after.replace(second=0, microsecond=0)))


def _interval_ticks(schedule: IntervalSchedule, after: datetime) -> Iterator[datetime]:
    days, rest = divmod(schedule.every, DAY)
    if days and not rest:
        zone = zone_named(schedule.zone)
        walls = partial(_day_walls, wall_time(schedule.anchor, zone), int(days))
        return instants_after(walls, place_after_gap, zone, after)
    return _elapsed(schedule, after)


def _day_walls(anchor: datetime, days: int, after: datetime) -> Iterator[datetime]:
    count = math.floor((after - anchor) / timedelta(days=days)) + 1
    step = timedelta(days=days)
    wall = anchor + count * step
    while wall.year < _LAST_YEAR:
        yield wall
        wall += step


def _elapsed(schedule: IntervalSchedule, after: datetime) -> Iterator[datetime]:
    anchor = schedule.anchor.astimezone(UTC)
    step = round(schedule.every * 1_000_000)  # whole microseconds: no drift
    since = (after - anchor) // timedelta(microseconds=1)
    count = since // step + 1
    while True:
        tick = anchor + timedelta(microseconds=count * step)
        if tick.year >= _LAST_YEAR:
            return
        yield tick
        count += 1
