"""The flow options of `orch-nb run`, derived from the fields of `FlowOptions`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import click

from orch_nb.option_text import merge_pairs, parse_mapping, parse_value
from orch_nb.options import FlowOptions, OptionSpec, option_specs

Command = TypeVar("Command", bound=Callable[..., object])


def add_flow_options(command: Command) -> Command:
    """Decorate a command with one option for each field of FlowOptions, all unset by default."""
    for spec in reversed(option_specs(FlowOptions)):
        command = _decorate(spec)(command)
    return command


def take_flow_options(values: Mapping[str, object]) -> dict[str, object]:
    """The flow options given on the command line. Raises OptionError where two contradict."""
    names = [spec.field for spec in option_specs(FlowOptions)]
    given = {name: values[name] for name in names if values.get(name) is not None}
    parse_mapping(given, FlowOptions, where="orch-nb run")
    return given


def _decorate(spec: OptionSpec) -> Callable[[Command], Command]:
    if spec.kind == "flag":
        return click.option(spec.flag, spec.field, is_flag=True, default=None, help=spec.help)

    if spec.kind in ("counts", "amounts"):

        def gather(context: click.Context, param: click.Parameter, texts: tuple[str, ...]) -> Any:
            """All that were given, as one value."""
            given = [parse_value(spec, text, where="orch-nb run") for text in texts]
            return merge_pairs(spec, given, where="orch-nb run") if given else None

        return click.option(
            spec.flag,
            spec.field,
            callback=gather,
            multiple=True,
            metavar=spec.placeholder,
            help=spec.help,
        )

    def read(context: click.Context, param: click.Parameter, text: str | None) -> Any:
        """The value as a magic line would give it: the same checks, the same words."""
        return None if text is None else parse_value(spec, text, where="orch-nb run")

    return click.option(
        spec.flag, spec.field, callback=read, metavar=spec.placeholder, help=spec.help
    )
