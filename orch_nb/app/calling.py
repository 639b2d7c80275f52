"""Run a notebook from Python and get its values: `orch_nb.run_notebook`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orch_nb.app.requests import Control, RunRequest, RunResult
from orch_nb.app.resuming import ResumeRequest, resume
from orch_nb.app.running import run
from orch_nb.app.subflows import cancelled_with_parent, check_depth, left_run
from orch_nb.errors import NotFoundError
from orch_nb.execution import observe
from orch_nb.execution.outputs import Output
from orch_nb.model import FlowRun, TaskRun
from orch_nb.notebook.binding import GivenParameter, ParameterSource
from orch_nb.runners.base import Collect
from orch_nb.states import StateName


class Values(Mapping[str, Any]):
    """The notebook's final variables; each is unpickled when first asked for.

    A name that could not leave its process raises NotFoundError with the reason.
    """

    def __init__(self, pickles: Mapping[str, bytes], reasons: Mapping[str, str]) -> None:
        self._pickles = {name: p for name, p in pickles.items() if not name.startswith("__")}
        self._reasons = reasons
        self._loaded: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._loaded:
            if name in self._reasons:
                raise NotFoundError(f"'{name}' could not be kept: {self._reasons[name]}")
            import pickle

            self._loaded[name] = pickle.loads(self._pickles[name])
        return self._loaded[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._pickles)

    def __len__(self) -> int:
        return len(self._pickles)

    def __repr__(self) -> str:
        return f"Values({', '.join(self._pickles)})"


@dataclass(frozen=True, slots=True)
class NotebookRun:
    """A finished run. ``outputs`` maps a task's name to its cell's outputs, nbformat dicts."""

    run: FlowRun
    tasks: tuple[TaskRun, ...]
    outputs: Mapping[str, list[Output]]
    values: Values
    output_path: str | None

    @property
    def state(self) -> StateName:
        """How the run ended."""
        return self.run.state_name

    def __repr__(self) -> str:
        why = f": {self.run.state_message}" if self.run.state_message else ""
        return (
            f"<run {self.run.name} of {self.run.flow} is {self.state}{why}; "
            f"{len(self.tasks)} cells; output {self.output_path}>"
        )


def run_notebook(
    path: str | Path,
    /,
    *,
    output: str | Path | None = None,
    options: Mapping[str, Any] | None = None,
    **params: Any,
) -> NotebookRun:
    """Run a notebook with ``params`` as a flow run, and wait for its end.

    Works in scripts and inside a running kernel. ``options`` are FlowOptions fields (``runner``,
    ``max_workers``, ``cells`` …). A failed run is returned, not raised: look at ``state``.
    Raises InputError when the notebook or a parameter can't be used. An interrupt cancels the
    run, a second one kills it; then KeyboardInterrupt is raised.

    In a flow it is a subflow: its run is told with its parent's, cancelled with it, and gone on
    with when its parent is resumed.
    """
    given = tuple(
        GivenParameter(name, value, ParameterSource.CALL) for name, value in params.items()
    )
    control = Control()
    check_depth(str(path))
    observe.act("runs a notebook")
    with cancelled_with_parent(control) as parent:
        left = left_run(parent, path, params)
        if left is None:
            request = RunRequest(
                str(path),
                None if output is None else str(output),
                parameters=given,
                options=options or {},
                collect=Collect.VALUES,
                parent_run=parent,
            )
            result = run(request, control=control)
        else:
            again = ResumeRequest(
                left,
                options=options or {},
                output=None if output is None else str(output),
                collect=Collect.VALUES,
                completed_too=True,
            )
            result = resume(again, control=control)
    if control.interrupted:
        raise KeyboardInterrupt
    return NotebookRun(
        result.run,
        result.tasks,
        _outputs_by_name(result),
        Values(result.values, result.not_kept),
        result.output,
    )


def _outputs_by_name(result: RunResult) -> dict[str, list[Output]]:
    code = [cell for cell in result.document["cells"] if cell["cell_type"] == "code"]
    return {task.name: code[task.cell_number - 1]["outputs"] for task in result.tasks}
