"""Goes on with a recorded run in a process of its own, which outlives the kernel."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import threading
import time

from orch_nb import app
from orch_nb.errors import InputError
from orch_nb.states import StateType

_PATIENCE = 60.0  # seconds for the run to begin
_LOOK = 0.2
_LONGEST = 500  # letters of what the process complained of


def start_process(verb: str, run: str, *tasks: str) -> int:
    """`orch-nb resume RUN` or `orch-nb retry RUN TASK`: returns the process's id once the run
    goes on. Raises InputError with the process's own words when it does not."""
    command = [sys.executable, "-m", "orch_nb.cli.__main__", verb, "-q", "--", run, *tasks]
    before = app.show(run).run
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=said,
            start_new_session=True,
        )
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            code = process.poll()
            now = app.show(run).run
            if now.state_type is StateType.RUNNING or now.end_time != before.end_time:
                # somebody has to take in its end, or it stays behind as a zombie
                threading.Thread(target=process.wait, name="orch_nb resumed", daemon=True).start()
                return process.pid
            if code is not None:
                said.seek(0)
                words = said.read(_LONGEST).decode(errors="replace").strip()
                raise InputError(words or f"orch-nb {verb} ended with code {code}")
            time.sleep(_LOOK)
    raise InputError(f"orch-nb {verb} has not begun within {_PATIENCE:.0f} s")
