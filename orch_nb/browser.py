"""Whether this Python runs in a browser, and what is said of all that can't be done there."""

from __future__ import annotations

import sys

from orch_nb.errors import InputError


def is_in_browser() -> bool:
    """Whether this is Pyodide, as in JupyterLite: one thread, no processes, no disk that lasts."""
    return sys.platform == "emscripten"


def refuse_in_browser(what: str, why: str) -> None:
    """Raise InputError, where this is a browser, for ``what`` can't be done there, and ``why``."""
    if is_in_browser():
        raise InputError(
            f"{what} can't be had in a browser: {why}",
            hint="install orch_nb on a machine: pip install orch_nb",
        )
