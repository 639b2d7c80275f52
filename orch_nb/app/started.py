"""The process of one run that was started by a server, and that outlives it.

Started by ``orch_nb.app.starting`` as ``python -m orch_nb.app.started``, with what to run as JSON
on standard input. It prints one line of JSON, the run's id or why there is none, and no more.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from types import FrameType
from typing import Any

from orch_nb.app.destination import output_path
from orch_nb.app.preparing import check_cells, check_folder
from orch_nb.app.requests import Control, RunRequest, RunResult
from orch_nb.app.resuming import ResumeRequest, resume
from orch_nb.app.running import run_notebook_document
from orch_nb.engine.events import Event, Listener, RunStarted
from orch_nb.errors import OrchError
from orch_nb.notebook.binding import GivenParameter, ParameterSource, bind_parameters
from orch_nb.notebook.injection import inject_parameters
from orch_nb.notebook.reader import notebook_from_dict, read_notebook
from orch_nb.option_text import parse_mapping
from orch_nb.options import FlowOptions
from orch_nb.states import StateType


@dataclass(slots=True)
class _Reply:
    """Says once what became of the request."""

    said: bool = False

    def say(self, **words: Any) -> None:
        if self.said:
            return
        self.said = True
        print(json.dumps(words), flush=True)
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)  # whoever listened has gone
        os.close(nowhere)

    def listen(self, event: Event) -> None:
        if isinstance(event, RunStarted):
            self.say(run=event.run.id)


def main() -> int:
    """Do what standard input asks for."""
    asked = json.load(sys.stdin)
    control, reply = Control(), _Reply()
    times = 0

    def cancel(number: int, frame: FrameType | None) -> None:
        nonlocal times
        times += 1
        control.cancel(kill=times > 1)

    signal.signal(signal.SIGTERM, cancel)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    work = _run if asked["what"] == "run" else _resume
    try:
        result = work(asked, reply.listen, control)
    except OrchError as error:
        kind = type(error).__name__
        reply.say(error=kind, message=error.message, where=error.where, hint=error.hint)
        return error.exit_code
    reply.say(run=result.run.id)  # nothing was left to run
    return 0 if result.run.state_type is StateType.COMPLETED else 1


def _run(asked: Mapping[str, Any], listener: Listener, control: Control) -> RunResult:
    path, document = asked["notebook"], asked["document"]
    notebook = read_notebook(path) if document is None else notebook_from_dict(document, path=path)
    request = RunRequest(
        path,
        asked["output"],
        parameters=given_parameters(asked),
        options=given_options(asked["options"]),
        kernel=asked["kernel"],
        cwd=asked["cwd"],
        tags=tuple(asked["tags"]),
        name=asked["name"],
    )
    check_cells(notebook, request.options)
    bound = bind_parameters(notebook, request.parameters)
    return run_notebook_document(
        inject_parameters(notebook, bound),
        request,
        bound=bound,
        output=output_path(request.output, request.parameters, notebook),
        folder=check_folder(request.cwd, notebook),
        listener=listener,
        control=control,
    )


def _resume(asked: Mapping[str, Any], listener: Listener, control: Control) -> RunResult:
    return resume(resume_request(asked), listener, control)


def resume_request(asked: Mapping[str, Any]) -> ResumeRequest:
    """The request that plain JSON describes. Raises OptionError."""
    return ResumeRequest(
        asked["run"],
        tasks=tuple(asked["tasks"]),
        onward=asked["onward"],
        parameters=given_parameters(asked),
        options=given_options(asked["options"]),
        output=asked["output"],
    )


def given_options(mapping: Mapping[str, Any]) -> dict[str, Any]:
    """Flow options out of JSON: those that were given, checked. Raises OptionError."""
    _, options = parse_mapping(mapping, FlowOptions)
    given = {key.replace("-", "_") for key, value in mapping.items() if value is not None}
    return {name: getattr(options, name) for name in sorted(given - {"name"})}


def given_parameters(asked: Mapping[str, Any]) -> tuple[GivenParameter, ...]:
    """``parameters`` are values, ``texts`` values as they were typed."""
    as_source: tuple[tuple[str, ParameterSource], ...] = (
        ("parameters", ParameterSource.JSON),
        ("texts", ParameterSource.TEXT),
    )
    return tuple(
        GivenParameter(name, value, source)
        for key, source in as_source
        for name, value in asked[key].items()
    )


if __name__ == "__main__":
    sys.exit(main())
