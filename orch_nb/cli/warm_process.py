"""The process of the warm daemon: all that commands need is imported, and they are run in forks.

Started by ``orch_nb.warm.starting``, which tells it its options on standard input.
"""

from __future__ import annotations

import importlib
import marshal
import sys

from orch_nb.cli.__main__ import run_command
from orch_nb.cli.commands import COMMANDS
from orch_nb.warm import identity
from orch_nb.warm.client import WARM_COMMANDS
from orch_nb.warm.daemon import Daemon
from orch_nb.warm.options import DaemonOptions


def main() -> None:
    """Serve, unless this process was not born as those who will ask."""
    told = marshal.loads(sys.stdin.buffer.read())
    if identity.standing() != told["standing"]:
        return
    options = DaemonOptions(
        address=told["address"],
        standing=told["standing"],
        imports=tuple(tuple(one) for one in told["imports"]),
        idle=told["idle"],
    )
    Daemon(options, run_command, import_commands).serve()


def import_commands() -> None:
    """Import what commands import late: a fork should find all of it there."""
    for name in sorted(WARM_COMMANDS):
        importlib.import_module(COMMANDS[name].target.partition(":")[0])
    for module in _LATE:
        importlib.import_module(module)


_LATE = ("orch_nb.cli.live", "orch_nb.app", "sqlalchemy.dialects.sqlite")


if __name__ == "__main__":
    main()
