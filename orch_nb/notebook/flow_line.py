"""What follows `%%flow`: the flow's name and options, and what only a kernel heeds."""

from __future__ import annotations

import dataclasses
import shlex
from dataclasses import dataclass
from datetime import UTC, datetime

from orch_nb.errors import OptionError
from orch_nb.option_text import parse_line
from orch_nb.options import FlowOptions, LiveOptions


@dataclass(frozen=True, slots=True)
class FlowLine:
    """``parameters`` are the ``-p NAME VALUE`` pairs, as text; ``schedule`` and ``zone`` are those
    that it is deployed with, if it names any."""

    name: str | None
    options: FlowOptions
    fresh: bool = False
    refresh: bool = False
    background: bool = False
    parameters: tuple[tuple[str, str], ...] = ()
    schedule: str | None = None
    zone: str | None = None


def parse_flow_line(text: str, *, where: str | None = None) -> FlowLine:
    """Read ``sales --max-workers 4 --fresh -p years '[2025]'``. Raises OptionError."""
    parameters, rest = take_parameters(text, where)
    name, live = parse_line(rest, LiveOptions, where=where)
    own = {field.name: getattr(live, field.name) for field in dataclasses.fields(FlowOptions)}
    if live.schedule is not None or live.tz is not None:
        check_schedule(live.schedule, live.tz, where)
    return FlowLine(
        name,
        FlowOptions(**own),
        live.fresh,
        live.refresh,
        live.background,
        tuple(parameters),
        live.schedule,
        live.tz,
    )


def check_schedule(schedule: str | None, zone: str | None, where: str | None) -> None:
    """Raise OptionError for what is no schedule, or no time zone."""
    from orch_nb.schedules import parse_schedule, parse_zone  # few flows name one

    try:
        if schedule is not None:
            parse_schedule(schedule, zone or "UTC", now=datetime.now(UTC))
        else:
            parse_zone(zone or "")
    except OptionError as error:
        raise OptionError(error.message, where=where, hint=error.hint) from None


def take_parameters(text: str, where: str | None) -> tuple[list[tuple[str, str]], str]:
    """The `-p` pairs, and the text without them. Raises OptionError."""
    if "-p" not in text:
        return [], text
    try:
        words = shlex.split(text)
    except ValueError:
        return [], text  # parse_line says what is wrong
    pairs, rest = [], []
    left = iter(words)
    for word in left:
        if word != "-p":
            rest.append(word)
            continue
        name, equals, value = next(left, "").partition("=")
        given: str | None = value if equals else next(left, None)
        if not name or given is None:
            raise OptionError(
                "-p needs a name and a value", where=where, hint="write -p years '[2025]'"
            )
        pairs.append((name, given))
    return pairs, shlex.join(rest)
