"""Schedules and what becomes of their ticks; pure: no clock, no store, no files.

::

    schedule = parse_cron("0 6 * * 1-5", "Europe/Madrid")
    describe(schedule)                  # "At 06:00, Monday to Friday"
    next_ticks(schedule, after=now, count=3)
"""

from orch_nb.schedules.model import (
    CronSchedule,
    IntervalSchedule,
    RRuleSchedule,
    Schedule,
    from_json,
    to_json,
)
from orch_nb.schedules.parsing import (
    parse_cron,
    parse_interval,
    parse_rrule,
    parse_schedule,
    parse_zone,
)
from orch_nb.schedules.policy import CatchUp, Decision, Overlap, Policy, decide
from orch_nb.schedules.ticks import next_ticks, ticks_after, ticks_between
from orch_nb.schedules.words import describe

__all__ = [
    "CatchUp",
    "CronSchedule",
    "Decision",
    "IntervalSchedule",
    "Overlap",
    "Policy",
    "RRuleSchedule",
    "Schedule",
    "decide",
    "describe",
    "from_json",
    "next_ticks",
    "parse_cron",
    "parse_interval",
    "parse_rrule",
    "parse_schedule",
    "parse_zone",
    "ticks_after",
    "ticks_between",
    "to_json",
]
