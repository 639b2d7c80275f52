"""The three kinds of schedule, as plain frozen records and as JSON."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from orch_nb.model import Json


@dataclass(frozen=True, slots=True)
class CronSchedule:
    """Five cron fields, read in an IANA time zone.

    Clock changes are handled as Debian's cron does: a job at fixed times runs once when its time
    is skipped (right after the change) or comes twice (the first time); a job with `*` in its
    minutes or hours goes by what the clock shows.
    """

    expression: str
    zone: str = "UTC"


@dataclass(frozen=True, slots=True)
class IntervalSchedule:
    """Every so many seconds, counted from ``anchor`` (aware) in both directions.

    Whole days keep the anchor's time of day in the zone; anything else is elapsed time.
    """

    every: float
    anchor: datetime
    zone: str = "UTC"


@dataclass(frozen=True, slots=True)
class RRuleSchedule:
    """An RFC 5545 recurrence rule; ``start`` is its DTSTART, naive, in the zone.

    A time that a clock change skips is read with the offset before the change, one that comes
    twice is its first, as the RFC says.
    """

    rule: str
    start: datetime
    zone: str = "UTC"


Schedule = CronSchedule | IntervalSchedule | RRuleSchedule


def to_json(schedule: Schedule) -> Json:
    """The schedule as a JSON object."""
    match schedule:
        case CronSchedule(expression, zone):
            return {"cron": expression, "zone": zone}
        case IntervalSchedule(every, anchor, zone):
            return {"every": every, "anchor": anchor.astimezone(UTC).isoformat(), "zone": zone}
        case RRuleSchedule(rule, start, zone):
            return {"rrule": rule, "start": start.isoformat(), "zone": zone}


def from_json(value: Json) -> Schedule:
    """The inverse of ``to_json``; KeyError or ValueError for anything else."""
    zone = value["zone"]
    if "cron" in value:
        return CronSchedule(value["cron"], zone)
    if "every" in value:
        return IntervalSchedule(value["every"], datetime.fromisoformat(value["anchor"]), zone)
    return RRuleSchedule(value["rrule"], datetime.fromisoformat(value["start"]), zone)
