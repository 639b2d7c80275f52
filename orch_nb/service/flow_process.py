"""The process of one flow run: it waits for its assignment on standard input, and does it.

Started by a worker, as ``python -m orch_nb.service.flow_process``. All that a run needs is
imported before the assignment is read, so that a process that waits is a warm one.
"""

from __future__ import annotations

import json
import signal
import sys
from types import FrameType

from orch_nb.app.deployed import run_deployed, warm_up
from orch_nb.app.requests import Control
from orch_nb.errors import OrchError
from orch_nb.model import FlowRunId
from orch_nb.runners.template import spare
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
    spare.start()
    warm_up()
    line = sys.stdin.readline()
    if not line:
        spare.close()
        return 0
    signal.signal(signal.SIGTERM, cancel)
    assignment = json.loads(line)
    try:
        state = run_deployed(FlowRunId(assignment["run"]), assignment["epoch"], control)
    except OrchError as error:
        print(str(error).replace("\n", " "), file=sys.stderr)
        return 1
    finally:
        spare.close()
    return 0 if state is StateType.COMPLETED else 1


if __name__ == "__main__":
    sys.exit(main())
