"""How a command ends when something is wrong: one message on stderr, an exit code, no traceback."""

from __future__ import annotations

import os
import sys
import traceback

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
        message, _, hint = error.format_message().partition("\n")
        context = getattr(error, "ctx", None)
        command = context.command_path if context else "orch-nb"
        message = message[:1].lower() + message[1:].rstrip(".")
        _print(format_failure(message, None, hint or f"{command} --help"))
        return BAD_INPUT
    _print(
        format_failure(
            f"orch_nb itself went wrong: {type(error).__name__}: {error}",
            None,
            "ORCH_NB_DEBUG=1 shows where; please report it",
        )
    )
    return RUN_FAILED


def _print(text: str) -> None:
    safe = "\n".join(_visible(line) for line in text.split("\n"))
    if sys.stderr.isatty() and not os.environ.get("NO_COLOR"):
        safe = safe.replace("error", "\x1b[1;31merror\x1b[0m", 1)
    print(safe, file=sys.stderr)


def _visible(line: str) -> str:
    """Messages quote names from notebooks: controls are shown, not sent to the terminal."""
    cut = line if len(line) <= LONGEST_LINE else line[:LONGEST_LINE] + "…"
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in cut)
