"""orch_nb: run the notebook you already have as a flow.

``orch_nb.run_notebook(path, **params)`` runs a notebook and gives its state, outputs and values;
``orch_nb.run`` tells a cell about the run it is in.
"""

from typing import Any

__version__ = "0.1.0"
__all__ = ["run", "run_notebook"]


def __getattr__(name: str) -> Any:
    # Loaded when asked for: importing the package must cost nothing.
    if name == "run":
        from orch_nb.execution import context

        return context.current
    if name == "run_notebook":
        from orch_nb.app.calling import run_notebook

        return run_notebook
    raise AttributeError(f"module 'orch_nb' has no attribute {name!r}")
