"""No tick lost and none doubled, in any zone, against a reference that watches the clock.

``ORCH_NB_SOAK=1`` does it for every IANA zone and sixteen years; otherwise a sample.
"""

from __future__ import annotations

import os
import zoneinfo
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from orch_nb.schedules import CronSchedule, next_ticks, parse_cron, ticks_between
from orch_nb.schedules.zones import wall_time, zone_named
from tests.unit.schedules.clock_reference import clock_changes, watch_clock

SOAK = os.environ.get("ORCH_NB_SOAK") == "1"
SAMPLE = (
    "Europe/Madrid",
    "America/New_York",
    "Australia/Lord_Howe",  # half an hour
    "Antarctica/Troll",  # two hours
    "Antarctica/Casey",  # three hours, back and forth
    "Africa/Casablanca",  # summer time that ends for Ramadan
    "Africa/Cairo",  # changes at midnight
    "Asia/Gaza",
    "Pacific/Apia",
    "Asia/Kathmandu",  # 5:45, never changes
)
YEARS = (2020, 2035) if SOAK else (2023, 2024)
EXPRESSIONS = (
    "30 2 * * *",
    "0,30 2 * * *",
    "15 1,3 * * *",
    "0 0 * * *",
    "0 0 1 * *",
    "5 * * * *",
    "*/20 5 * * *",
    "*/7 * * * *",
    "10 */2 * * *",
    "0 3 * * 0",
    "45 23 * * 6",
)
AROUND = timedelta(hours=36)


def all_zones() -> list[str]:
    """Every IANA zone, but one only of those that show the same time in all these years."""
    alike: dict[object, str] = {}
    for name in sorted(zoneinfo.available_timezones()):
        zone = zone_named(name)
        instants = [datetime(YEARS[0], 1, 1, tzinfo=UTC), *clock_changes(zone, *YEARS)]
        alike.setdefault(tuple((at, at.astimezone(zone).utcoffset()) for at in instants), name)
    return list(alike.values())


@pytest.mark.parametrize("name", all_zones() if SOAK else SAMPLE)
def test_ticks_near_every_clock_change_are_the_reference_s(name: str) -> None:
    zone = zone_named(name)
    changes = list(clock_changes(zone, *YEARS)) or [datetime(2024, 3, 31, 1, tzinfo=UTC)]
    for change in changes:
        start, end = change - AROUND, change + AROUND
        expected = watch_clock(EXPRESSIONS, zone, start, end)
        found = {
            expression: list(ticks_between(CronSchedule(expression, name), start, end))
            for expression in EXPRESSIONS
        }
        assert found == dict(expected), f"{name} near {change}"


@pytest.mark.parametrize("name", SAMPLE)
def test_a_daily_job_runs_once_on_each_date_of_sixteen_years(name: str) -> None:
    zone = zone_named(name)
    start = datetime(2020, 1, 1, tzinfo=zone).astimezone(UTC)
    end = datetime(2036, 1, 1, tzinfo=zone).astimezone(UTC) - timedelta(seconds=1)
    ticks = list(ticks_between(CronSchedule("30 2 * * *", name), start, end))
    dates = [wall_time(tick, zone).date() for tick in ticks]
    assert len(dates) == len(set(dates)) == (datetime(2036, 1, 1) - datetime(2020, 1, 1)).days


@pytest.mark.parametrize("name", SAMPLE)
def test_asking_tick_by_tick_gives_the_same_as_asking_once(name: str) -> None:
    schedule = parse_cron("*/20 1-3 * * *", name)
    now = start = datetime(2024, 3, 1, tzinfo=UTC)
    at_once = list(ticks_between(schedule, start, start + timedelta(days=45)))
    one_by_one = []
    while now < at_once[-1]:
        (now,) = next_ticks(schedule, now, 1)
        one_by_one.append(now)
    assert one_by_one == at_once
    assert all(earlier < later for earlier, later in pairwise(at_once))
