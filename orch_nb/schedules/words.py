"""A schedule as a sentence: "At 06:00, Monday to Friday"."""

from __future__ import annotations

import re
from datetime import datetime

from orch_nb.durations import format_duration
from orch_nb.schedules.model import CronSchedule, IntervalSchedule, Schedule
from orch_nb.schedules.ticks import DAY
from orch_nb.schedules.zones import wall_time, zone_named

_DAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_SHORT_DAYS = {name[:3].upper(): name for name in _DAYS}
_STEP = re.compile(r"\*/(\d+)")


def describe(schedule: Schedule) -> str:
    """What the schedule says, in words, without its zone."""
    match schedule:
        case CronSchedule():
            return _cron(schedule.expression)
        case IntervalSchedule(every, anchor, zone):
            at = wall_time(anchor, zone_named(zone))
            if every % DAY == 0:
                days = int(every // DAY)
                return f"At {at:%H:%M}, every {'day' if days == 1 else f'{days} days'}"
            return f"Every {format_duration(every)}, counted from {at:%Y-%m-%d %H:%M}"
        case _:
            return f"By the rule {schedule.rule.splitlines()[-1].removeprefix('RRULE:')}"


def _cron(expression: str) -> str:
    minute, hour, day, month, weekday = expression.split()
    when = _times(minute, hour)
    days = _weekdays(weekday) if (day, month) == ("*", "*") else None
    if when is None or days is None:
        return _library_words(expression)
    if when.startswith("Every") and weekday == "*":
        return when
    return f"{when}{days}"


def _times(minute: str, hour: str) -> str | None:
    if minute.isdigit() and all(part.isdigit() for part in hour.split(",")):
        times = [f"{int(part):02}:{int(minute):02}" for part in hour.split(",")]
        return f"At {_list(times)}"
    if hour != "*":
        return None
    if minute == "*":
        return "Every minute"
    if minute.isdigit():
        return (
            "Every hour, on the hour" if int(minute) == 0 else f"Every hour, at {int(minute)} past"
        )
    step = _STEP.fullmatch(minute)
    if step and 60 % int(step.group(1)) == 0:
        return f"Every {step.group(1)} minutes" if int(step.group(1)) > 1 else "Every minute"
    return None


def _weekdays(field: str) -> str | None:
    """The end of the sentence; "" for a field that says nothing, None for one beyond words."""
    if field == "*":
        return ", every day"
    parts = []
    for part in field.split(","):
        ends = [_day(end) for end in part.split("-")]
        if None in ends or len(ends) > 2:
            return None
        parts.append(" to ".join(str(end) for end in ends))
    return f", {_list(parts)}"


def _day(text: str) -> str | None:
    if text.isdigit() and int(text) < len(_DAYS):
        return _DAYS[int(text)]
    return _SHORT_DAYS.get(text)


def _list(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _library_words(expression: str) -> str:
    from cronsim import CronSim

    words: str = CronSim(expression, datetime(2024, 1, 1)).explain()
    return words
