"""The process of one flow run: it waits for its assignment on standard input, and does it.

Started by a worker, as ``python -m orch_nb.service.flow_process``. All that a run needs is
imported before the assignment is read, so that a process that waits is a warm one.
"""

from __future__ import annotations

import json
import signal
import sys
from types import FrameType

from orch_nb.app.deployed import run_deployed
from orch_nb.app.requests import Control
from orch_nb.errors import OrchError
from orch_nb.model import FlowRunId
from orch_nb.states import StateType


def main() -> int:
    """Do the run that is assigned; nothing when the worker closes the pipe instead."""
    control = Control()
    asked = 0

    def cancel(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        asked += 1
        control.cancel(kill=asked > 1)

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _import_early()
    line = sys.stdin.readline()
    if not line:
        return 0
    signal.signal(signal.SIGTERM, cancel)
    assignment = json.loads(line)
    try:
        state = run_deployed(FlowRunId(assignment["run"]), assignment["epoch"], control)
    except OrchError as error:
        print(str(error).replace("\n", " "), file=sys.stderr)
        return 1
    return 0 if state is StateType.COMPLETED else 1


def _import_early() -> None:
    """What the first run of a process would import late."""
    import nbformat  # noqa: F401  # said once more where it is used
    import sqlalchemy.dialects.sqlite  # noqa: F401

    from orch_nb.runners import local  # noqa: F401


if __name__ == "__main__":
    sys.exit(main())
