"""The session's process of a command that is going to run a notebook, begun before all else.

Its boot and the imports of the command take about as long, and so they go on side by side.
"""

from __future__ import annotations

from collections.abc import Sequence

_SUFFIXES = (".ipynb", ".py", ".md")


def begin_session(arguments: Sequence[str]) -> None:
    """Start the process if the command line is that of a run, without waiting for it."""
    if runs_a_notebook(arguments):
        from orch_nb.runners.template import spare

        spare.start()


def end_session() -> None:
    """End the process if no run has taken it."""
    import sys

    if "orch_nb.runners.template" in sys.modules:
        from orch_nb.runners.template import spare

        spare.close()


def runs_a_notebook(arguments: Sequence[str]) -> bool:
    """Whether the arguments look like ``run NOTEBOOK …``; a wrong guess costs only time."""
    if not arguments or arguments[0] != "run" or not {"-h", "--help"}.isdisjoint(arguments):
        return False
    return any(word.endswith(_SUFFIXES) for word in arguments[1:])
