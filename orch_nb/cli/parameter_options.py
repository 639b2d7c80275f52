"""The options by which parameters are given, as `orch-nb run` has them, for other commands."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from orch_nb.notebook.binding import GivenParameter

Command = TypeVar("Command", bound=Callable[..., object])

_PAIR = re.compile(r"([^\W\d]\w*)=(.*)", re.S)


class ParameterCommand(click.Command):
    """A command whose options of two words, ``-p NAME VALUE``, accept ``-p NAME=VALUE`` too."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        pairs = {
            flag
            for option in self.params
            if isinstance(option, click.Option) and option.nargs == 2
            for flag in option.opts
        }
        return super().parse_args(ctx, list(_split_pairs(args, pairs)))


def _split_pairs(args: Sequence[str], flags: set[str]) -> Iterator[str]:
    """The arguments with ``NAME=VALUE`` in two, where it follows one of the flags."""
    at = 0
    while at < len(args):
        if args[at] == "--":
            yield from args[at:]
            return
        taken = args[at + 1 : at + 3] if args[at] in flags else []
        pair = _PAIR.fullmatch(taken[0]) if taken else None
        yield args[at]
        yield from taken if pair is None else pair.groups()
        at += 1 + (len(taken) if pair is None else 1)


def add_parameter_options(command: Command) -> Command:
    """Decorate a command with `-p`, `-r`, `-f`, `-y` and `--param-json`."""
    for decorate in reversed(
        (
            click.option(
                "-p",
                "--param",
                "pairs",
                type=str,
                nargs=2,
                multiple=True,
                metavar="NAME VALUE",
                help="a parameter; secret:NAME for one that is secret",
            ),
            click.option(
                "-r",
                "--parameters_raw",
                "raw_pairs",
                type=str,
                nargs=2,
                multiple=True,
                metavar="NAME TEXT",
                help="one kept as text",
            ),
            click.option(
                "-f",
                "--parameters_file",
                "files",
                multiple=True,
                metavar="PATH",
                help="parameters in a YAML file",
            ),
            click.option(
                "-y",
                "--parameters_yaml",
                "yaml_texts",
                multiple=True,
                metavar="YAML",
                help="parameters as YAML",
            ),
            click.option(
                "--param-json",
                "json_texts",
                multiple=True,
                metavar="JSON",
                help="parameters as JSON",
            ),
        )
    ):
        command = decorate(command)
    return command


def take_parameters(values: Mapping[str, Any]) -> tuple[GivenParameter, ...]:
    """The parameters given on the command line. Raises ParameterError."""
    from orch_nb.notebook.binding import collect_parameters

    return collect_parameters(
        files=values["files"],
        yaml=values["yaml_texts"],
        json=values["json_texts"],
        texts=values["pairs"],
        raw=values["raw_pairs"],
    )
