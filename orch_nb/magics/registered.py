"""The magics as IPython knows them: for completion, for `?`, and where no transformer can reach.

In a cell of their own they are taken by the transformer before IPython looks for them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from orch_nb.first_line import SUBCOMMANDS
from orch_nb.magics import completion, help_text
from orch_nb.magics.transformer import AWAITED

if TYPE_CHECKING:
    from orch_nb.magics.session import KernelSession

_CELL = ("task", "setup", "flow")


def register_magics(session: KernelSession) -> None:
    """Register %%task, %%setup, %%flow and %flow, with their help and their completions."""
    shell = session.shell

    def run_body(line: str, cell: str) -> None:
        shell.run_cell(cell)

    def task(line: str, cell: str) -> None:
        run_body(line, cell)

    def setup(line: str, cell: str) -> None:
        run_body(line, cell)

    def flow(line: str, cell: str = "") -> None:
        from orch_nb.magics import entry

        first = line.split(maxsplit=1)[:1]
        if cell.strip():
            entry.refuse_body(line)
        elif first and first[0] in AWAITED:
            entry.flow_blocking(line, first[0])
        elif first and first[0] in SUBCOMMANDS:
            entry.ask(line)
        else:
            entry.flow_blocking(line, "")

    def flow_line(line: str) -> None:
        flow(line)

    task.__doc__ = help_text.task_help()
    setup.__doc__ = help_text.SETUP
    flow.__doc__ = help_text.flow_help()
    flow_line.__doc__ = help_text.flow_line_help()
    for name, function in (("task", task), ("setup", setup), ("flow", flow)):
        shell.register_magic_function(function, "cell", name)
    shell.register_magic_function(flow_line, "line", "flow")
    completion.add_completers(session)


def unregister_magics(session: KernelSession) -> None:
    """Take the magics away."""
    known = session.shell.magics_manager.magics
    for name in _CELL:
        known["cell"].pop(name, None)
    known["line"].pop("flow", None)
    completers = session.shell.Completer.custom_completers
    for key in ("%%task", "%%flow", "%flow"):
        completers.strs.pop(key, None)
