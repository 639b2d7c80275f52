"""The entry point of `orch-nb`: finds the command, and turns what goes wrong into a message."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False  # as type checkers take it: a warm command waits for no import of typing
if TYPE_CHECKING:
    from collections.abc import Sequence

    import click

HELP = """Run notebooks as flows: parallel, recorded, with the result of Restart & Run All.

Exit codes: 0 done, 1 the run failed, 2 bad input, 130 cancelled.
"""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit with its code."""
    from orch_nb.warm.client import ask

    given = list(sys.argv[1:] if arguments is None else arguments)
    ask(given)
    sys.exit(run_cold(given))


def run_cold(arguments: Sequence[str]) -> int:
    """Run the command line in this process, and have the next one be a warm one; the exit code."""
    from orch_nb.warm.early import begin_session, end_session, prepare_next

    begin_session(arguments)
    try:
        code = run_command(arguments)
    finally:
        end_session()
    prepare_next(arguments)
    return code


def run_command(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the exit code."""
    # here, because a command that a warm process runs needs none of it
    from orch_nb.cli.failure import report

    for stream in (sys.stdout, sys.stderr):
        # what the stream can't encode is shown as an escape, never an error
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        code = build_group().main(
            args=given or ["--help"], prog_name="orch-nb", standalone_mode=False
        )
        sys.stdout.flush()
    except BrokenPipeError:
        # the reader (`| head`) has gone: nothing more to say, and nothing at exit either
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (Exception, KeyboardInterrupt) as error:
        return report(error)
    return code if isinstance(code, int) else 0


def build_group() -> click.Group:
    """The `orch-nb` command with its subcommands still unloaded."""
    import click

    from orch_nb import __version__
    from orch_nb.cli.commands import COMMANDS, LazyGroup

    group = LazyGroup(
        COMMANDS,
        name="orch-nb",
        help=HELP,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    return click.version_option(__version__, prog_name="orch-nb", message="%(prog)s %(version)s")(
        group
    )


if __name__ == "__main__":
    main()
