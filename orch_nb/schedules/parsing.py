"""Schedules from what people write, with errors that name the wrong part and the right form."""

from __future__ import annotations

import difflib
import re
import zoneinfo
from datetime import UTC, datetime

from orch_nb.durations import format_duration, parse_duration
from orch_nb.errors import OptionError
from orch_nb.schedules.model import CronSchedule, IntervalSchedule, RRuleSchedule, Schedule
from orch_nb.schedules.ticks import next_ticks
from orch_nb.schedules.zones import wall_time, zone_named

SHORTEST = 1.0  # second between ticks
_FIELDS = (
    ("minute", "0-59"),
    ("hour", "0-23"),
    ("day of the month", "1-31 or L"),
    ("month", "1-12 or JAN-DEC"),
    ("day of the week", "0-7 (0 and 7 are Sunday) or SUN-SAT"),
)
_NICKNAMES = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_EXAMPLE = "such as '0 6 * * 1-5': at 06:00, Monday to Friday"
_RULE = re.compile(r"(RRULE:|DTSTART|FREQ=)", re.I)
_FREQUENT = re.compile(r"FREQ=(SECONDLY|MINUTELY)", re.I)


def parse_zone(name: str) -> str:
    """The IANA time zone of that name. Raises OptionError, which suggests the nearest."""
    try:
        zone_named(name)
        return name
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        known = sorted(zoneinfo.available_timezones())
    by_city = {zone.rpartition("/")[2].lower(): zone for zone in known}
    folded = {zone.lower(): zone for zone in known}
    wanted = name.strip().lower().replace(" ", "_")
    near = folded.get(wanted) or by_city.get(wanted.rpartition("/")[2])
    if near is None:
        close = difflib.get_close_matches(wanted[:60], folded, n=1)
        near = folded[close[0]] if close else None
    hint = f"did you mean {near} ?" if near else "give an IANA name, such as Europe/Madrid"
    raise OptionError(f"there is no time zone {_short(name)}", hint=hint)


def parse_schedule(text: str, zone: str = "UTC", *, now: datetime) -> Schedule:
    """The schedule of one text, by its form: `FREQ=…` is an RRULE, `15m` an interval that counts
    from ``now``, all else cron. Raises OptionError."""
    if _RULE.match(text.strip()):
        return parse_rrule(text, zone, now=now)
    if len(text.split()) == 1 and text.strip()[:1].isdigit():
        return parse_interval(text.strip(), zone, now=now)
    return parse_cron(text, zone)


def parse_cron(expression: str, zone: str = "UTC") -> CronSchedule:
    """A cron schedule. Raises OptionError naming the field that is wrong."""
    zone = parse_zone(zone)
    text = " ".join(expression.split()).upper()
    text = _NICKNAMES.get(text.lower(), text)
    fields = text.split()
    if text.startswith("@"):
        names = ", ".join(sorted(_NICKNAMES))
        raise OptionError(f"{_short(expression)} is no cron nickname", hint=f"there are {names}")
    if len(fields) != 5:
        raise OptionError(
            f"a cron schedule has 5 fields, and {_short(expression)} has {len(fields)}",
            hint=f"minute hour day month weekday, {_EXAMPLE}",
        )
    for position, (field, (name, accepted)) in enumerate(zip(fields, _FIELDS, strict=True)):
        alone = ["0", "0", "*", "*", "*"]
        alone[position] = field
        if not _accepts(" ".join(alone)):
            raise OptionError(
                f"the {name} of a cron schedule can't be {_short(field)}",
                hint=f"it is {accepted}, with lists 1,2, ranges 1-5 and steps */2",
            )
    schedule = CronSchedule(text, zone)
    if not _accepts(text) or not next_ticks(schedule, datetime.now(UTC), 1):
        raise OptionError(f"the cron schedule {_short(expression)} never comes", hint=_EXAMPLE)
    return schedule


def _accepts(expression: str) -> bool:
    from cronsim import CronSim, CronSimError

    try:
        CronSim(expression, datetime(2024, 1, 1))
    except (CronSimError, ValueError, AssertionError, IndexError):
        return False
    return True


def parse_interval(
    every: str, zone: str = "UTC", *, anchor: str | None = None, now: datetime
) -> IntervalSchedule:
    """An interval schedule, counted from ``anchor`` (ISO 8601, in the zone) or from ``now``."""
    seconds = parse_duration(every)
    if seconds < SHORTEST:
        raise OptionError(
            f"a schedule can't tick every {format_duration(seconds)}",
            hint="at most once a second: 1s",
        )
    zone = parse_zone(zone)
    start = now if anchor is None else parse_moment(anchor, zone)
    return IntervalSchedule(seconds, start.astimezone(UTC).replace(microsecond=0), zone)


def parse_moment(text: str, zone: str) -> datetime:
    """An ISO 8601 date or time, in the zone unless it says otherwise; in UTC."""
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise OptionError(
            f"{_short(text)} is no date or time",
            hint="write it like 2026-01-31 or 2026-01-31T06:00",
        ) from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone_named(zone))
    return moment.astimezone(UTC)


def parse_rrule(text: str, zone: str = "UTC", *, now: datetime) -> RRuleSchedule:
    """An RFC 5545 rule; without a DTSTART of its own it starts ``now``."""
    zone = parse_zone(zone)
    lines = [line.strip() for line in re.split(r"[\n;]?\s*(?=DTSTART|RRULE:|EXDATE)|\n", text)]
    rule = "\n".join(line.strip(";") for line in lines if line)
    if _FREQUENT.search(rule):
        raise OptionError(
            "a recurrence rule can't repeat within the hour: by RFC 5545 it would lose the hour "
            "that comes twice when clocks go back",
            hint="--every 5m counts elapsed time; --cron '*/5 9-17 * * 1-5' keeps to hours",
        )
    start = wall_time(now, zone_named(zone)).replace(microsecond=0)
    if re.search(r"DTSTART[^\n]*(Z\b|TZID)", rule):
        raise OptionError(
            "DTSTART is read in the schedule's own zone",
            hint="write it without Z and TZID, and give the zone with --tz",
        )
    schedule = RRuleSchedule(rule, start, zone)
    try:
        first = next_ticks(schedule, now, 1)
    except (ValueError, TypeError, KeyError, AttributeError, IndexError, OverflowError) as error:
        raise OptionError(
            f"the recurrence rule can't be read: {error}",
            hint="such as FREQ=MONTHLY;BYDAY=1MO;BYHOUR=6;BYMINUTE=0;BYSECOND=0",
        ) from None
    if not first:
        raise OptionError("the recurrence rule has no time left that is still to come")
    return schedule


def _short(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:39] + "…")
