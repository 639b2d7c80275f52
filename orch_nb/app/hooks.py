"""Commands and cells that run when a run has ended: `--on-success` and `--on-failure`.

They get the run in environment variables, never in the command's text, so that nothing in a
notebook's names or errors becomes a command. A hook does not run when its driver was killed.
"""

from __future__ import annotations

import contextlib
import logging
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from orch_nb.app.hook_cells import arguments, cell_named, write_hook
from orch_nb.durations import format_duration
from orch_nb.engine.events import Logged
from orch_nb.engine.recording import Recording
from orch_nb.errors import StoreError
from orch_nb.execution.processes import kill_tree
from orch_nb.model import FlowRun, LogRecord
from orch_nb.notebook.document import Notebook
from orch_nb.runners.kernelspecs import KernelChoice, KernelMode
from orch_nb.states import StateType

LONGEST = 60.0  # seconds that a hook may take
_LOGGER = "orch_nb.hooks"
_MOST_SHOWN = 4000  # bytes of its output that are kept: the last ones
_LONGEST_VALUE = 8000  # characters of one variable; a system allows some 128 kB


@dataclass(frozen=True, slots=True)
class HookEnd:
    """How a hook ended: what went wrong, in words, and the end of what it printed."""

    trouble: str
    printed: str


def hook_of(run: FlowRun) -> str:
    """The command for how the run has ended; empty when there is none."""
    match run.state_type:
        case StateType.COMPLETED:
            command = run.options.on_success
        case StateType.FAILED | StateType.CRASHED:
            command = run.options.on_failure
        case _:
            command = None
    return (command or "").strip()


def after_end(recording: Recording, folder: str, notebook: Notebook, kernel: KernelChoice) -> None:
    """Run the hook of a run that has ended, and log what it printed and what went wrong with it.

    The run's state stays what it is, whatever the hook does.
    """
    run = recording.run
    command = hook_of(run)
    if not command:
        return
    name = cell_named(command)
    if name is None:
        end = run_hook(command, run, folder)
    else:
        end = run_hook_cell(name, run, folder, notebook, kernel)
    said = [(logging.INFO, line) for line in end.printed.splitlines() if line.strip()]
    if end.trouble:
        recording.notice(f"the hook {command!r} {end.trouble}; the run stays {run.state_name}")
        said.append((logging.WARNING, f"the hook {command!r} {end.trouble}"))
    now = datetime.now(UTC)
    records = [
        LogRecord(run.id, None, now, level, _LOGGER, text, run.attempt) for level, text in said
    ]
    for record in records:
        recording.tell(Logged(record))
    with contextlib.suppress(StoreError):  # a store that fails is told of by the run itself
        recording.writer.submit(lambda t: t.append_logs(records)).result()


def run_hook_cell(
    name: str, run: FlowRun, folder: str, notebook: Notebook, kernel: KernelChoice
) -> HookEnd:
    """Run a cell as a hook, in a new process of the notebook's Python, and wait for its end."""
    if kernel.mode is KernelMode.FOREIGN:
        return HookEnd("is a cell of a kernel that is no Python: only a command can be a hook", "")
    with tempfile.TemporaryDirectory() as place:
        path = write_hook(notebook, name, Path(place))
        own = {**kernel.env, "IPYTHONDIR": str(Path(place, "ipython"))}
        words = arguments(kernel.python or sys.executable, path)
        return run_hook(words, run, folder, environment=own)


def run_hook(
    command: str | Sequence[str],
    run: FlowRun,
    folder: str,
    longest: float = LONGEST,
    environment: Mapping[str, str] = {},
) -> HookEnd:
    """Run a command, in a shell if it is a text, in a session of its own, and wait for its end.

    After ``longest`` seconds it is ended with all that it started.
    """
    words = ["/bin/sh", "-c", command] if isinstance(command, str) else list(command)
    with tempfile.TemporaryFile() as printed:
        try:
            process = subprocess.Popen(
                words,
                cwd=folder,
                env={**os.environ, **environment, **_environment(run)},
                stdin=subprocess.DEVNULL,
                stdout=printed,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            return HookEnd(f"could not be started: {error}", "")
        try:
            code = process.wait(longest)
            trouble = "" if code == 0 else _how_it_ended(code)
        except subprocess.TimeoutExpired:
            trouble = f"took longer than {format_duration(longest)} and was ended"
        finally:
            if process.returncode is None:
                kill_tree(process.pid)
                process.wait()
        return HookEnd(trouble, _end_of(printed))


def _how_it_ended(code: int) -> str:
    return f"ended with exit code {code}" if code > 0 else f"was ended by signal {-code}"


def _end_of(printed: IO[bytes]) -> str:
    size = printed.seek(0, os.SEEK_END)
    printed.seek(max(0, size - _MOST_SHOWN))
    return printed.read().decode("utf-8", "replace")


def _environment(run: FlowRun) -> dict[str, str]:
    failed = run.state_type is not StateType.COMPLETED
    plain = {
        "RUN_ID": run.id,
        "RUN_NAME": run.name,
        "FLOW": run.flow,
        "NOTEBOOK": run.notebook,
        "OUTPUT": run.output or "",
        "STATE": run.state_name.value,
        "STATE_TYPE": run.state_type.value,
        "ERROR": run.state_message if failed else "",
        "ATTEMPT": str(run.attempt),
    }
    return {f"ORCH_NB_{name}": _safe(value) for name, value in plain.items()}


def _safe(value: str) -> str:
    """As an environment can hold it: no NUL characters, no lone surrogates, not too long."""
    cut = value[:_LONGEST_VALUE].replace("\x00", "\ufffd")
    return cut.encode("utf-8", "replace").decode("utf-8")
