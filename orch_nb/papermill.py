"""The bridge for `papermill IN OUT --engine orch_nb`: papermill's conventions, our engine."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

from papermill.engines import Engine

from orch_nb.app.preparing import check_cells
from orch_nb.app.requests import Control, RunRequest
from orch_nb.app.running import run_notebook_document
from orch_nb.engine.events import Event, Logged, Printed, TaskChanged
from orch_nb.errors import SessionError
from orch_nb.notebook.binding import bind_parameters
from orch_nb.notebook.reader import notebook_from_dict
from orch_nb.states import StateType


class FlowEngine(Engine):  # type: ignore[misc]
    """papermill's engine `orch_nb`.

    It overrides ``execute_notebook`` as a whole: papermill's own manager saves after every cell,
    which costs more than most cells. Errors are left in the cells' outputs, where papermill
    finds them, marks them and raises.
    """

    @classmethod
    def execute_notebook(
        cls,
        nb: Any,
        kernel_name: str | None,
        output_path: str | None = None,
        progress_bar: bool = True,
        log_output: bool = False,
        autosave_cell_every: int = 30,
        **kwargs: Any,
    ) -> Any:
        """Run ``nb``, a NotebookNode whose parameters are in place; returns the run notebook.

        Options of the flow (``runner``, ``max_workers``, ``cells`` …) may be given as engine
        keywords. Raises SessionError when the run was cancelled or its process was lost.
        """
        import nbformat

        input_path = str(kwargs.get("input_path") or "notebook.ipynb")
        notebook = notebook_from_dict(nbformat.from_dict(nb), path=input_path)
        options = {
            name: value
            for name, value in kwargs.items()
            if name in RunRequest.option_names() and value is not None
        }
        check_cells(notebook, options)
        request = RunRequest(
            input_path, output_path, options=options, kernel=kernel_name, log_output=log_output
        )
        listener = _Progress(
            cells=len(notebook.cells) if progress_bar else 0,
            log_output=log_output,
            files={"stdout": kwargs.get("stdout_file"), "stderr": kwargs.get("stderr_file")},
        )
        control = Control()
        try:
            result = run_notebook_document(
                notebook,
                request,
                bound=bind_parameters(notebook, ()),
                output=output_path,
                folder=str(Path.cwd()),  # papermill's own rule
                listener=listener,
                control=control,
                mark_errors=False,
            )
        finally:
            listener.close()
        if control.interrupted:
            raise KeyboardInterrupt
        state = result.run.state_type
        if state in (StateType.CANCELLED, StateType.CRASHED):
            raise SessionError(f"the run is {result.run.state_name}: {result.run.state_message}")
        return nbformat.from_dict(result.document)


class _Progress:
    """papermill's progress bar, log lines and stream files, from our events."""

    def __init__(self, *, cells: int, log_output: bool, files: Mapping[str, TextIO | None]) -> None:
        from papermill.log import logger
        from tqdm.auto import tqdm

        self._log_output = log_output
        self._files = files

        self._logger = logger
        self._bar = tqdm(total=cells, unit="cell", desc="Executing") if cells else None
        self._done: set[int] = set()

    def __call__(self, event: Event) -> None:
        if isinstance(event, Logged):
            self._logger.debug(event.record.message)
        if isinstance(event, Printed):
            self._print(event)
        if not isinstance(event, TaskChanged) or not event.task.state_type.is_terminal:
            return
        if self._bar is not None and event.task.cell_number not in self._done:
            self._done.add(event.task.cell_number)
            self._bar.update(1)

    def _print(self, event: Printed) -> None:
        if self._log_output:
            log = self._logger.warning if event.name == "stderr" else self._logger.info
            log(event.text)
        file = self._files.get(event.name)
        if file is not None:
            file.write(event.text)
            file.flush()

    def close(self) -> None:
        """End the bar's line."""
        if self._bar is not None:
            self._bar.close()
