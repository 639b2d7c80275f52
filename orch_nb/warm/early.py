"""The session's process of a command that is going to run a notebook, begun before all else.

Its boot and the imports of the command take about as long, and so they go on side by side.
"""

from __future__ import annotations

from collections.abc import Sequence

from orch_nb.warm.client import COLD
from orch_nb.warm.identity import switch_off

_SUFFIXES = (".ipynb", ".py", ".md")


def begin_session(arguments: Sequence[str]) -> None:
    """Start the process if the command line is that of a run, without waiting for it."""
    if COLD in arguments:
        switch_off()
    if runs_a_notebook(arguments):
        from orch_nb.runners.template import spare

        spare.start()


def end_session() -> None:
    """End the process if no run has taken it."""
    import sys

    if "orch_nb.runners.template" in sys.modules:
        from orch_nb.runners.template import spare

        spare.close()


def prepare_next(arguments: Sequence[str]) -> None:
    """A notebook was run from cold: have the warm daemon come up for the next one."""
    if runs_a_notebook(arguments) and COLD not in arguments:
        from orch_nb.warm.borrowing import seen
        from orch_nb.warm.starting import start_daemon

        start_daemon(seen)


def runs_a_notebook(arguments: Sequence[str]) -> bool:
    """Whether the arguments look like ``run NOTEBOOK …``; a wrong guess costs only time."""
    if not arguments or arguments[0] != "run" or not {"-h", "--help"}.isdisjoint(arguments):
        return False
    return any(word.endswith(_SUFFIXES) for word in arguments[1:])
