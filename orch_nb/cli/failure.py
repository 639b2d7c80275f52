"""How a command ends when something is wrong: one message on stderr, an exit code, no traceback."""

from __future__ import annotations

import difflib
import os
import sys
import traceback
from collections.abc import Sequence

import click

from orch_nb.errors import OrchError

DONE = 0
RUN_FAILED = 1
BAD_INPUT = 2
CANCELLED = 130

WHERE_COLUMN = 41  # arrows stand below each other where messages are short
WIDTH = 80
LONGEST_LINE = 600


def format_failure(message: str, where: str | None, hint: str | None) -> str:
    """``error: …   --> where`` and, below it, ``  hint: …``."""
    text = f"error: {message}"
    if where:
        short = len(text) < WHERE_COLUMN - 1 and len(where) + WHERE_COLUMN + 4 <= WIDTH
        text = f"{text:<{WHERE_COLUMN}}--> {where}" if short else _join(text, where)
    for line in (hint or "").splitlines():
        text += f"\n  hint: {line}"
    return text


def _join(text: str, where: str) -> str:
    one_line = f"{text}   --> {where}"
    if "\n" not in one_line and len(one_line) <= WIDTH:
        return one_line
    return f"{text}\n  --> {where}"


def report(error: BaseException) -> int:
    """Print what is wrong and return the exit code; the traceback only with ORCH_NB_DEBUG=1."""
    if isinstance(error, (KeyboardInterrupt, click.Abort)):
        _print("error: cancelled")
        return CANCELLED
    if os.environ.get("ORCH_NB_DEBUG") == "1" and not isinstance(error, click.ClickException):
        traceback.print_exception(error)
    if isinstance(error, OrchError):
        _print(format_failure(error.message, error.where, error.hint))
        return error.exit_code
    if isinstance(error, click.ClickException):
        if isinstance(error, click.exceptions.NoArgsIsHelpError):
            _print(error.format_message())
        else:
            _print(format_failure(*_usage(error)))
        return BAD_INPUT
    _print(
        format_failure(
            f"orch_nb itself went wrong: {type(error).__name__}: {error}",
            None,
            "ORCH_NB_DEBUG=1 shows where; please report it",
        )
    )
    return RUN_FAILED


def _usage(error: click.ClickException) -> tuple[str, None, str]:
    """What is wrong with the command line, and what to write instead."""
    message, _, hint = error.format_message().partition("\n")
    context = getattr(error, "ctx", None)
    command = context.command_path if context else "orch-nb"
    if isinstance(error, click.NoSuchOption):
        message = f"no such option {error.option_name}"
        hint = _nearest_option(error.option_name, error.possibilities or ())
    elif isinstance(error, click.BadOptionUsage) and "requires 2 arguments" in message:
        hint = f"{error.option_name} NAME VALUE"
    message = message[:1].lower() + message[1:].rstrip(".")
    return message, None, hint or f"{command} --help"


def _nearest_option(name: str, known: Sequence[str]) -> str:
    from orch_nb.options import TaskOptions, option_specs

    flags = [spec.flag for spec in option_specs(TaskOptions)]
    near = difflib.get_close_matches(name, [*known, *flags], n=1, cutoff=0.7)
    if near and near[0] in flags and near[0] not in known:
        return f"{near[0]} is a task's: write it in the cell, after  #| task NAME"
    return f"did you mean {near[0]} ?" if near else ""


def _print(text: str) -> None:
    safe = "\n".join(_visible(line) for line in text.split("\n"))
    if sys.stderr.isatty() and not os.environ.get("NO_COLOR"):
        safe = safe.replace("error", "\x1b[1;31merror\x1b[0m", 1)
    print(safe, file=sys.stderr)


def _visible(line: str) -> str:
    """Messages quote names from notebooks: controls are shown, not sent to the terminal."""
    cut = line if len(line) <= LONGEST_LINE else line[:LONGEST_LINE] + "…"
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in cut)
