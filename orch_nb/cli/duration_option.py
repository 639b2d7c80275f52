"""Durations on the command line, read as everywhere else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from orch_nb.durations import parse_duration

if TYPE_CHECKING:
    _Type = click.ParamType[float]
else:
    _Type = click.ParamType  # which before click 8.3 takes no parameter


class _Duration(_Type):
    name = "TIME"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Seconds; OptionError in the usual words for anything else."""
        return value if isinstance(value, float) else parse_duration(str(value))


DURATION = _Duration()
