"""Durations on the command line, read as everywhere else."""

from __future__ import annotations

import click

from orch_nb.durations import parse_duration


class _Duration(click.ParamType[float]):
    name = "TIME"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Seconds; OptionError in the usual words for anything else."""
        return value if isinstance(value, float) else parse_duration(str(value))


DURATION = _Duration()
