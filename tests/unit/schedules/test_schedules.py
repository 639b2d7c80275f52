"""Intervals and rules, what is written and what is said about it."""

from __future__ import annotations

import zoneinfo
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orch_nb.errors import OptionError
from orch_nb.schedules import (
    IntervalSchedule,
    Schedule,
    describe,
    from_json,
    next_ticks,
    parse_cron,
    parse_interval,
    parse_rrule,
    parse_zone,
    ticks_between,
    to_json,
)
from orch_nb.schedules.zones import wall_time, zone_named

NOW = datetime(2026, 10, 22, 10, 0, tzinfo=UTC)
ZONES = sorted(zoneinfo.available_timezones())


def shown(schedule: Schedule, count: int) -> list[str]:
    zone = zone_named(schedule.zone)
    return [f"{wall_time(t, zone):%m-%d %H:%M}" for t in next_ticks(schedule, NOW, count)]


def test_whole_days_keep_the_time_of_day_across_a_clock_change() -> None:
    daily = parse_interval("1d", "Europe/Madrid", anchor="2026-01-01T09:00", now=NOW)
    assert shown(daily, 4) == ["10-23 09:00", "10-24 09:00", "10-25 09:00", "10-26 09:00"]


def test_hours_are_elapsed_time() -> None:
    twelve = parse_interval("12h", "Europe/Madrid", anchor="2026-10-24T09:00", now=NOW)
    assert shown(twelve, 7)[-3:] == ["10-24 21:00", "10-25 08:00", "10-25 20:00"]


@given(
    every=st.floats(1, 10_000_000, allow_nan=False),
    anchor=st.datetimes(datetime(1980, 1, 1), datetime(2080, 1, 1), timezones=st.just(UTC)),
    zone=st.sampled_from(ZONES),
    start=st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC)),
)
def test_intervals_neither_lose_nor_double_a_tick(
    every: float, anchor: datetime, zone: str, start: datetime
) -> None:
    schedule = IntervalSchedule(every, anchor, zone)
    ticks = next_ticks(schedule, start, 20)
    assert ticks[0] > start
    assert list(ticks) == sorted(set(ticks))
    assert ticks == tuple(ticks_between(schedule, start, ticks[-1]))
    middle = ticks[9]
    assert next_ticks(schedule, middle, 10) == ticks[10:]


def test_an_rrule_counts_in_the_zone() -> None:
    rule = parse_rrule(
        "FREQ=MONTHLY;BYDAY=1MO;BYHOUR=6;BYMINUTE=0;BYSECOND=0", "Europe/Madrid", now=NOW
    )
    assert shown(rule, 3) == ["11-02 06:00", "12-07 06:00", "01-04 06:00"]


def test_an_rrule_in_a_gap_is_read_with_the_offset_before() -> None:
    rule = parse_rrule("DTSTART:20260101T023000\nRRULE:FREQ=DAILY", "Europe/Madrid", now=NOW)
    (tick,) = next_ticks(rule, datetime(2026, 3, 28, 12, tzinfo=UTC), 1)
    assert tick == datetime(2026, 3, 29, 1, 30, tzinfo=UTC)  # 03:30 on the wall


def test_an_rrule_ends() -> None:
    rule = parse_rrule("FREQ=DAILY;COUNT=3", "UTC", now=NOW)
    assert len(next_ticks(rule, NOW - timedelta(days=1), 10)) == 3


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("0 6 * * 1-5", "At 06:00, Monday to Friday"),
        ("30 6,18 * * mon,wed", "At 06:30 and 18:30, Monday and Wednesday"),
        ("0 0 * * *", "At 00:00, every day"),
        ("*/15 * * * *", "Every 15 minutes"),
        ("* * * * *", "Every minute"),
        ("@hourly", "Every hour, on the hour"),
        ("5 * * * 6", "Every hour, at 5 past, Saturday"),
        ("0 0 L * *", "At 00:00 on the last day of every month"),
    ],
)
def test_a_sentence(expression: str, words: str) -> None:
    assert describe(parse_cron(expression)) == words


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("0 25 * * *", "the hour of a cron schedule can't be '25'"),
        ("60 * * * *", "the minute of a cron schedule can't be '60'"),
        ("0 0 * * FUNDAY", "the day of the week of a cron schedule can't be 'FUNDAY'"),
        ("0 6 * *", "a cron schedule has 5 fields, and '0 6 * *' has 4"),
        ("@reboot", "'@reboot' is no cron nickname"),
        ("0 0 31 2 *", "the cron schedule '0 0 31 2 *' never comes"),
        ("0 0 * 5-1 *", "the month of a cron schedule can't be '5-1'"),
        ("*/0 * * * *", "the minute of a cron schedule can't be '*/0'"),
    ],
)
def test_a_cron_error_names_the_field(expression: str, said: str) -> None:
    with pytest.raises(OptionError) as caught:
        parse_cron(expression)
    assert caught.value.message == said


@given(st.text(max_size=60))
def test_any_text_is_a_schedule_or_an_error_in_words(text: str) -> None:
    for parse in (
        lambda: parse_cron(text),
        lambda: parse_interval(text, now=NOW),
        lambda: parse_rrule(text, now=NOW),
        lambda: parse_interval("1d", anchor=text, now=NOW),
        lambda: parse_cron("0 6 * * *", text),
    ):
        try:
            schedule = parse()
        except OptionError:
            continue
        assert describe(schedule)
        assert from_json(to_json(schedule)) == schedule


def test_a_zone_is_suggested() -> None:
    with pytest.raises(OptionError, match=r"did you mean Europe/Madrid \?"):
        parse_zone("madrid")
    with pytest.raises(OptionError, match="IANA name"):
        parse_zone("../../etc/passwd")
