"""Starts runs in processes of their own, which go on when this one ends."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from orch_nb import errors
from orch_nb.app.records import show
from orch_nb.errors import InputError, OrchError, SessionError
from orch_nb.model import FlowRun
from orch_nb.places import find_places

_LAST_WORDS = 400  # characters


@dataclass(frozen=True, slots=True)
class StartRequest:
    """What to run. ``document`` is the notebook's content where it is not what the file holds;
    ``parameters`` are values, ``texts`` values as typed; ``options`` are flow options in JSON."""

    notebook: str
    document: Mapping[str, Any] | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    output: str | None = None
    cwd: str | None = None
    kernel: str | None = None
    tags: Sequence[str] = ()
    name: str | None = None


@dataclass(frozen=True, slots=True)
class ContinueRequest:
    """Which run to go on with; the fields are those of ResumeRequest."""

    run: str
    tasks: Sequence[str] = ()
    onward: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    output: str | None = None


def start_run(request: StartRequest) -> FlowRun:
    """Start a run and return it as soon as it is on record. Raises what ``run`` raises."""
    return _start({"what": "run", **asdict(request)})


def continue_run(request: ContinueRequest) -> FlowRun:
    """Go on with a run that has ended. Raises what ``resume`` raises."""
    return _start({"what": "resume", **asdict(request)})


def _start(asked: Mapping[str, Any]) -> FlowRun:
    log = find_places().logs / "started.log"
    log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with log.open("ab+") as said:
        before = said.seek(0, os.SEEK_END)
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "orch_nb.app.started"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=said,
            cwd=Path.home() if Path.home().is_dir() else "/",
            start_new_session=True,
        )
        threading.Thread(target=process.wait, name="orch_nb run", daemon=True).start()
        try:
            line = _talk(process, json.dumps(asked).encode())
        finally:
            for stream in (process.stdin, process.stdout):
                if stream is not None:
                    stream.close()
        if not line:
            said.seek(before)
            last = said.read()[-_LAST_WORDS:].decode(errors="replace").strip()
            raise SessionError(
                "the run's process ended before the run began",
                where=str(log),
                hint=last.rpartition("\n")[2],
            )
    answer = json.loads(line)
    if "run" not in answer:
        raise error_of(answer)
    return show(answer["run"]).run


def _talk(process: subprocess.Popen[bytes], question: bytes) -> bytes:
    if process.stdin is None or process.stdout is None:
        raise SessionError("the run's process can't be spoken to")
    try:
        process.stdin.write(question)
        process.stdin.close()
    except BrokenPipeError:
        pass
    return process.stdout.readline()


def error_of(answer: Mapping[str, Any]) -> OrchError:
    """The error that a process told of, in its own class."""
    kind = getattr(errors, str(answer["error"]), None)
    if not (isinstance(kind, type) and issubclass(kind, OrchError)):
        kind = InputError
    return kind(answer["message"], where=answer["where"], hint=answer["hint"])
