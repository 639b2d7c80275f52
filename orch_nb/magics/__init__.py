"""orch_nb in a kernel: `%load_ext orch_nb`, then `%%task`, `%%setup`, `%%flow` and `%flow`."""

from __future__ import annotations

from typing import Any

from orch_nb.magics.recording import CellWatcher
from orch_nb.magics.registered import register_magics, unregister_magics
from orch_nb.magics.session import KernelSession, session_of
from orch_nb.magics.transformer import CellTransformer

__all__ = ["load", "unload"]


def load(shell: Any) -> None:
    """Make the magics known to an IPython shell; a second time nothing happens."""
    if session_of(shell) is not None:
        return
    session = KernelSession(shell)
    session.transformer = CellTransformer(session)
    session.watcher = CellWatcher(session)
    shell.meta["orch_nb"] = session
    shell.configurables.append(session.settings)
    shell.input_transformers_cleanup.append(session.transformer)
    session.watcher.begin()
    register_magics(session)


def unload(shell: Any) -> None:
    """Take everything away again; flows that run in the background are cancelled."""
    session = session_of(shell)
    if session is None:
        return
    session.close()
    unregister_magics(session)
    if session.watcher is not None:
        session.watcher.end()
    if session.transformer in shell.input_transformers_cleanup:
        shell.input_transformers_cleanup.remove(session.transformer)
    shell.configurables.remove(session.settings)
    del shell.meta["orch_nb"]
