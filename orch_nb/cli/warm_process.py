"""The process of the warm daemon: all that commands need is imported, and they are run in forks.

Started by ``orch_nb.warm.starting``, which tells it its options on standard input.
"""

from __future__ import annotations

import importlib
import json
import marshal
import os
import sys
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path

from orch_nb.cli.__main__ import run_command
from orch_nb.cli.commands import COMMANDS
from orch_nb.cli.failure import DONE
from orch_nb.warm import identity
from orch_nb.warm.client import WARM_COMMANDS
from orch_nb.warm.daemon import Daemon
from orch_nb.warm.options import DaemonOptions

_CELLS = ("x = 1", "print(x)", "y = x + 1\ny")


def main() -> None:
    """Serve, unless this process was not born as those who will ask."""
    told = marshal.loads(sys.stdin.buffer.read())
    if identity.standing() != told["standing"]:
        return
    os.set_inheritable(told["lock"], False)
    options = DaemonOptions(
        address=told["address"],
        standing=told["standing"],
        lock=told["lock"],
        imports=tuple(tuple(one) for one in told["imports"]),
        idle=told["idle"],
    )
    Daemon(options, run_command, get_ready, rehearse).serve()


def get_ready() -> None:
    """Import the commands, and run notebooks: a fork finds all of it there that is made late.
    Raises RuntimeError where that fails, or leaves threads, with which no fork is safe."""
    for name in sorted(WARM_COMMANDS):
        importlib.import_module(COMMANDS[name].target.partition(":")[0])
    rehearse("x = 1")
    rehearse()
    if threading.active_count() > 1:
        raise RuntimeError(f"threads are left: {threading.enumerate()}")


def rehearse(*cells: str) -> None:
    """Run a notebook as a command would, with nothing left of it but what is made late. Raises
    RuntimeError where that fails."""
    own = dict(os.environ)
    with tempfile.TemporaryDirectory(prefix="orch_nb-", ignore_cleanup_errors=True) as folder:
        for name in [name for name in own if name.startswith("ORCH_NB_")]:
            del os.environ[name]
        os.environ["ORCH_NB_HOME"] = folder
        try:
            notebook = Path(folder, "rehearsal.ipynb")
            notebook.write_text(json.dumps(_document(cells or _CELLS)))
            if run_command(["run", str(notebook)]) != DONE:
                raise RuntimeError("a notebook can't be run: nothing is kept warm")
        finally:
            os.environ.clear()
            os.environ.update(own)


def _document(cells: Sequence[str]) -> dict[str, object]:
    """A notebook of such cells."""
    fixed: dict[str, object] = {
        "cell_type": "code",
        "execution_count": None,
        "metadata": {},
        "outputs": [],
    }
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return {
        "cells": [{**fixed, "id": f"cell-{i}", "source": text} for i, text in enumerate(cells)],
        "metadata": {"kernelspec": kernel},
        "nbformat": 4,
        "nbformat_minor": 5,
    }


if __name__ == "__main__":
    main()
