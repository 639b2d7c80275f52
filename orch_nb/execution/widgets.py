"""Widget models without a front-end: their state as a notebook keeps it, and Output capture."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from typing import Any

from orch_nb.execution.outputs import Json, Output


class OutputMirror:
    """Plays the front-end's part for one Output widget: takes outputs shown while it is active."""

    def __init__(self, state: dict[str, Json]) -> None:
        self._state = state
        self._clear_next = False
        self.changed = False

    @property
    def outputs(self) -> list[Output]:
        """The outputs held by the widget."""
        return list(self._state.get("outputs") or ())

    def add(self, output: Output) -> None:
        """Append ``output``; text of one stream in a row becomes one output."""
        outputs = [] if self._clear_next else self.outputs
        self._clear_next = False
        last = outputs[-1] if outputs else None
        if last and output["output_type"] == last["output_type"] == "stream":
            if last["name"] == output["name"]:
                outputs[-1] = {**last, "text": last["text"] + output["text"]}
            else:
                outputs.append(output)
        else:
            outputs.append(output)
        self._set(outputs)

    def clear(self, *, wait: bool) -> None:
        """Drop the outputs, or with ``wait`` when the next one comes."""
        if wait:
            self._clear_next = True
        else:
            self._set([])

    def _set(self, outputs: list[Output]) -> None:
        self._state["outputs"] = outputs
        self.changed = True


class WidgetModels:
    """The state of every widget model, followed through the comm messages of the kernel side."""

    def __init__(self) -> None:
        self._states: dict[str, dict[str, Json]] = {}
        self._buffers: dict[str, dict[tuple[Any, ...], Json]] = {}
        self._mirrors: dict[str, OutputMirror] = {}
        self._active: list[OutputMirror] = []
        self._touched: set[str] = set()

    def begin(self) -> None:
        """Start a cell: no Output widget is active, no model touched."""
        self._active.clear()
        self._touched.clear()

    @property
    def active(self) -> OutputMirror | None:
        """The innermost Output widget that captures outputs now."""
        return self._active[-1] if self._active else None

    def follow(self, kind: str, content: dict[str, Json], buffers: Sequence[Any]) -> None:
        """Take in a comm message of ``kind`` comm_open, comm_msg or comm_close."""
        data = content.get("data") or {}
        state = data.get("state")
        if not isinstance(state, dict):
            return
        model = content["comm_id"]
        self._touched.add(model)
        self._states.setdefault(model, {}).update(state)
        for path, buffer in zip(data.get("buffer_paths") or (), buffers, strict=False):
            self._buffers.setdefault(model, {})[tuple(path)] = {
                "data": base64.b64encode(buffer).decode("ascii"),
                "encoding": "base64",
                "path": path,
            }
        if kind == "comm_open" and content.get("target_name") == "jupyter.widget":
            if (state.get("_model_module"), state.get("_model_name")) == _OUTPUT_MODEL:
                self._mirrors[model] = OutputMirror(self._states[model])
        elif model in self._mirrors and "msg_id" in state:
            self._activate(self._mirrors[model], active=bool(state["msg_id"]))

    def touched(self) -> dict[str, Json]:
        """Return the models opened or changed since `begin`, in a notebook's form."""
        changed = {model for model, mirror in self._mirrors.items() if mirror.changed}
        return self._serialise(m for m in self._states if m in self._touched | changed)

    def take_synced(self) -> dict[str, list[Output]]:
        """Return, once, the Output widgets whose outputs the kernel side has yet to learn."""
        synced = {}
        for model, mirror in self._mirrors.items():
            if mirror.changed:
                mirror.changed = False
                synced[model] = mirror.outputs
        return synced

    def _activate(self, mirror: OutputMirror, *, active: bool) -> None:
        if active:
            self._active.append(mirror)
        elif mirror in self._active:
            self._active.remove(mirror)

    def _serialise(self, models: Iterable[str]) -> dict[str, Json]:
        form = {}
        for model in models:
            state = self._states[model]
            if "_model_name" not in state:
                continue
            form[model] = {
                "model_name": state.get("_model_name"),
                "model_module": state.get("_model_module"),
                "model_module_version": state.get("_model_module_version"),
                "state": dict(state),
            }
            if buffers := self._buffers.get(model):
                form[model]["buffers"] = list(buffers.values())
        return form


_OUTPUT_MODEL = ("@jupyter-widgets/output", "OutputModel")
