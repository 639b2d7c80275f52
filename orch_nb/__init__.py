"""orch_nb: run the notebook you already have as a flow.

``orch_nb.run_notebook(path, **params)`` runs a notebook and gives its state, outputs and values;
``orch_nb.run`` tells a cell about the run it is in. ``task`` and ``flow`` decorate plain functions.
In a notebook, ``%load_ext orch_nb`` brings the magics.
"""

from __future__ import annotations

TYPE_CHECKING = False  # as type checkers take it: a warm command waits for no import of typing
if TYPE_CHECKING:
    from typing import Any

    from orch_nb.app.calling import run_notebook
    from orch_nb.decorators import flow, task, unmapped
    from orch_nb.execution.reporting import report

__version__ = "0.1.0"
__all__ = ["flow", "panel", "report", "run", "run_notebook", "task", "unmapped"]


def load_ipython_extension(shell: Any) -> None:
    """`%load_ext orch_nb`: the magics %%task, %%setup, %%flow and %flow.

    Inside a flow run, where the flow itself reads the cells, %flow alone is there, and says that
    it is left out.
    """
    from orch_nb.execution import context

    if context.current:
        shell.register_magic_function(_leave_out, magic_name="flow")
    else:
        from orch_nb.magics import load

        load(shell)


def _leave_out(line: str) -> None:
    print(f"%flow {line}: left out, as it asks a kernel, and this is a run of its own")


def unload_ipython_extension(shell: Any) -> None:
    """`%unload_ext orch_nb`."""
    from orch_nb.magics import unload

    unload(shell)


def __getattr__(name: str) -> Any:
    # Loaded when asked for: importing the package must cost nothing.
    if name == "run":
        from orch_nb.execution import context

        return context.current
    if name == "report":
        from orch_nb.execution.reporting import report

        return report
    if name == "run_notebook":
        from orch_nb.app.calling import run_notebook

        return run_notebook
    if name in ("flow", "task", "unmapped"):
        from orch_nb import decorators

        return getattr(decorators, name)
    if name == "panel":
        import importlib

        return importlib.import_module("orch_nb.panel")
    raise AttributeError(f"module 'orch_nb' has no attribute {name!r}")
