"""Keeps the output notebook of a run, and saves it whole at any moment."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from orch_nb.model import FlowRun, TaskRun
from orch_nb.notebook import markers
from orch_nb.notebook.cells import RECORD_KEYS
from orch_nb.notebook.document import Notebook
from orch_nb.notebook.encoding import encode_cell, encode_notebook
from orch_nb.notebook.output_file import STDOUT, write_file
from orch_nb.notebook.outputs import clean_output
from orch_nb.notebook.remote import is_remote
from orch_nb.notebook.structure import plain_copy
from orch_nb.states import StateName, StateType

RUN_KEYS = frozenset({"run_id", "name", "state", "message", "attempt"})

_PENDING = "pending"
_STATUS = {
    StateType.RUNNING: "running",
    StateType.PAUSED: "running",
    StateType.CANCELLING: "running",
    StateType.COMPLETED: "completed",
    StateType.FAILED: "failed",
    StateType.CRASHED: "failed",
    StateType.CANCELLED: "failed",
}
_NEVER_RAN = frozenset({StateName.UPSTREAM_FAILED, StateName.SKIPPED})
_SURELY_RAN = frozenset({StateType.RUNNING, StateType.COMPLETED})
_WIDGETS = "application/vnd.jupyter.widget-state+json"


class OutputWriter:
    """The output notebook of one run.

    It begins as a copy of the input with outputs, counts and earlier error markers removed, and
    is changed cell by cell (cells by number, as in the Notebook). One thread uses it at a time.
    ``path`` is a file, a URL, ``-`` or None for nowhere; the input is never changed.
    """

    def __init__(
        self, notebook: Notebook, path: str | Path | None, *, report_mode: bool = False
    ) -> None:
        self.path = None if path is None else str(path)
        self._minor: int = notebook.raw["nbformat_minor"]
        self._metadata: dict[str, Any] = plain_copy(notebook.raw["metadata"])
        self._cells = [
            _cleared(cell, hide_source=report_mode)
            for cell in notebook.raw["cells"]
            if not markers.is_marker(cell)
        ]
        code = (index for index, cell in enumerate(self._cells) if cell["cell_type"] == "code")
        self._index = dict(enumerate(code, start=1))
        self._encoded: list[bytes | None] = [None] * len(self._cells)
        self._tasks: dict[int, TaskRun] = {}
        self._run: FlowRun | None = None
        self._begin(notebook)

    def set_outputs(
        self,
        number: int,
        outputs: Iterable[Mapping[str, Any]],
        *,
        execution_count: int | None = None,
    ) -> None:
        """Give a cell its outputs so far, in nbformat's shape, and its prompt number."""
        cell = self._cell(number)
        cleaned = (clean_output(output) for output in outputs)
        cell["outputs"] = [output for output in cleaned if output is not None]
        cell["execution_count"] = execution_count

    def set_task(self, task: TaskRun) -> None:
        """Note a task run's state in its cell, in papermill's words and in ours."""
        metadata = self._cell(task.cell_number)["metadata"]
        self._tasks[task.cell_number] = task
        ran = task.state_name not in _NEVER_RAN and (
            task.start_time is not None or task.state_type in _SURELY_RAN  # Cached has no start
        )
        status = _STATUS.get(task.state_type, _PENDING) if ran else _PENDING
        metadata["papermill"] = {
            "exception": None if status == _PENDING else status == "failed",
            "start_time": _iso(task.start_time),
            "end_time": _iso(task.end_time),
            "duration": _between(task.start_time, task.end_time),
            "status": status,
        }
        kept = _without(metadata.get("orch_nb", {}), RECORD_KEYS)
        record = {
            "task": task.name,
            "state": str(task.state_name),
            "attempts": task.attempt if ran else 0,
            "start": _iso(task.start_time),
            "seconds": task.seconds,
            "peak_memory": task.peak_memory,
            "where": task.where,
        }
        if task.state_message:
            record["message"] = task.state_message
        metadata["orch_nb"] = kept | record

    def set_run(self, run: FlowRun) -> None:
        """Note the run's state; once it has failed, saves carry the error markers."""
        self._run = run
        papermill = self._metadata["papermill"]
        papermill["start_time"] = _iso(run.start_time)
        papermill["end_time"] = _iso(run.end_time)
        papermill["duration"] = _between(run.start_time, run.end_time)
        papermill["exception"] = True if run.state_type in markers.BROKEN else None
        kept = _without(self._metadata["orch_nb"], RUN_KEYS)
        record = {
            "run_id": run.id,
            "name": run.name,
            "state": str(run.state_name),
            "attempt": run.attempt,
        }
        if run.state_message:
            record["message"] = run.state_message
        self._metadata["orch_nb"] = kept | record
        if run.state_type.is_terminal:
            self._end_texts()

    def set_widgets(self, state: Mapping[str, Any]) -> None:
        """Keep the widgets' state: model ids to ``{model_name, model_module, …, state}``."""
        if state:
            self._metadata["widgets"] = {
                _WIDGETS: {"state": dict(state), "version_major": 2, "version_minor": 0}
            }

    def set_language_info(self, info: Mapping[str, Any]) -> None:
        """Say which language, in which version, ran the cells (a kernel's `language_info`)."""
        self._metadata["language_info"] = plain_copy(dict(info))

    def document(self, *, with_markers: bool = True) -> dict[str, Any]:
        """The notebook as it stands, a copy in nbformat's shape."""
        cells = [plain_copy(cell) for cell in self._cells]
        if with_markers:
            for index, marker in reversed(self._markers()):
                cells.insert(index, self._fitted(marker))
        return {
            "cells": cells,
            "metadata": plain_copy(self._metadata),
            "nbformat": 4,
            "nbformat_minor": self._minor,
        }

    def content(self) -> bytes:
        """The file's content as it stands; only changed cells are encoded anew."""
        encoded: list[bytes] = []
        for index, cell in enumerate(self._cells):
            text = self._encoded[index]
            if text is None:
                text = self._encoded[index] = encode_cell(cell)
            encoded.append(text)
        for index, marker in reversed(self._markers()):
            encoded.insert(index, encode_cell(self._fitted(marker)))
        return encode_notebook(encoded, self._metadata, self._minor)

    def save(self, *, final: bool = False) -> None:
        """Write the file, whole or not at all. Raises OutputError.

        URLs and standard output are written only by the ``final`` save.
        """
        if self.path is None or (not final and (self.path == STDOUT or is_remote(self.path))):
            return
        write_file(self.path, self.content())

    def _begin(self, notebook: Notebook) -> None:
        defaults: dict[str, Any] = {
            "default_parameters": {},
            "parameters": {},
            "environment_variables": {},
        }
        papermill = defaults | self._metadata.get("papermill", {})
        papermill |= {
            "input_path": notebook.path,
            "output_path": self.path,
            "start_time": None,
            "end_time": None,
            "duration": None,
            "exception": None,
        }
        papermill.setdefault("version", _papermill_version())
        self._metadata["papermill"] = papermill
        self._metadata["orch_nb"] = _without(self._metadata.get("orch_nb", {}), RUN_KEYS)

    def _cell(self, number: int) -> dict[str, Any]:
        """The cell to be changed; KeyError for a number the notebook does not have."""
        index = self._index[number]
        self._encoded[index] = None
        return self._cells[index]

    def _markers(self) -> list[tuple[int, dict[str, Any]]]:
        """Error markers with the index of the cell they stand before, in order."""
        if self._run is None or self._run.state_type not in markers.BROKEN:
            return []
        error = markers.first_error(self._tasks.values())
        found = [(0, markers.headline(self._run, error))]
        if error is not None:
            found.append((self._index[error.cell_number], markers.anchor(error)))
        return found

    def _fitted(self, marker: dict[str, Any]) -> dict[str, Any]:
        """The marker with an id of its own where the format has ids."""
        if self._minor < 5:
            return {key: value for key, value in marker.items() if key != "id"}
        taken = {cell.get("id") for cell in self._cells}
        while marker["id"] in taken:
            marker["id"] += "-"
        return marker

    def _end_texts(self) -> None:
        """Text cells above the error are completed, as papermill marks them."""
        error = markers.first_error(self._tasks.values())
        end = len(self._cells) if error is None else self._index[error.cell_number]
        for index, cell in enumerate(self._cells[:end]):
            if cell["cell_type"] != "code":
                cell["metadata"]["papermill"] |= {"status": "completed", "exception": False}
                self._encoded[index] = None


def _cleared(cell: Mapping[str, Any], *, hide_source: bool) -> dict[str, Any]:
    new: dict[str, Any] = plain_copy({k: v for k, v in cell.items() if k != "outputs"})
    metadata = new["metadata"]
    metadata.setdefault("tags", [])
    metadata["papermill"] = {
        "exception": None,
        "start_time": None,
        "end_time": None,
        "duration": None,
        "status": _PENDING,
    }
    if cell["cell_type"] == "code":
        new["outputs"] = []
        new["execution_count"] = None
        if "orch_nb" in metadata:
            metadata["orch_nb"] = _without(metadata["orch_nb"], RECORD_KEYS)
        if hide_source:
            metadata["jupyter"] = metadata.get("jupyter", {}) | {"source_hidden": True}
    return new


def _without(mapping: Mapping[str, Any], keys: frozenset[str]) -> dict[str, Any]:
    return {key: value for key, value in mapping.items() if key not in keys}


@functools.cache
def _papermill_version() -> str:
    from importlib import metadata as distributions  # slow to import, and needed once a run

    try:
        return distributions.version("papermill")
    except distributions.PackageNotFoundError:
        return ""


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def _between(start: datetime | None, end: datetime | None) -> float | None:
    return None if start is None or end is None else (end - start).total_seconds()
