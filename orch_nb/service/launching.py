"""Processes for flow runs: one each, in a session of its own, one kept warm for the next run."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from typing import IO, Any

from orch_nb.store.queueing import TakenRun

_LAST_WORDS = 400  # characters


class FlowProcess:
    """A process that waits for one run, does it, and ends."""

    def __init__(self) -> None:
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  # lives as long as it
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "orch_nb.service.flow_process"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=self._errors,
            start_new_session=True,  # a Ctrl-C in the terminal is the worker's to handle
        )

    def assign(self, assignment: dict[str, Any]) -> None:
        """Give it the run. Raises OSError when it has ended before."""
        stream = self._process.stdin
        if stream is None:
            raise OSError("the process has no standard input")
        stream.write(json.dumps(assignment).encode() + b"\n")
        stream.close()

    def poll(self) -> int | None:
        return self._process.poll()

    def stop(self, *, kill: bool) -> None:
        if self._process.poll() is None:
            if kill:
                os.killpg(self._process.pid, signal.SIGKILL)
            else:
                self._process.send_signal(signal.SIGTERM)

    def last_words(self) -> str:
        self._errors.seek(0)
        said = self._errors.read()[-_LAST_WORDS:].decode(errors="replace").strip()
        self._errors.close()
        return said.rpartition("\n")[2]

    def give_up(self) -> None:
        """End a process that was given no run."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait()
        self._errors.close()


class ProcessLauncher:
    """See orch_nb.service.worker.Launcher."""

    def __init__(self, *, warm: bool = True) -> None:
        self._warm = warm
        self._spare: FlowProcess | None = None

    def launch(self, taken: TakenRun) -> FlowProcess:
        process, self._spare = self._spare, None
        if process is None or process.poll() is not None:
            process = FlowProcess()
        epoch = None if taken.resumes else taken.run.epoch
        process.assign({"run": taken.run.id, "epoch": epoch})
        return process

    def prepare(self) -> None:
        if self._warm and (self._spare is None or self._spare.poll() is not None):
            self._spare = FlowProcess()

    def close(self) -> None:
        spare, self._spare = self._spare, None
        if spare is not None:
            spare.give_up()
