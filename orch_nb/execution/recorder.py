"""Turns what a running cell writes and publishes into nbformat outputs, as nbclient would."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from typing import Any

from orch_nb.execution.live import LiveEvents
from orch_nb.execution.outputs import DisplayUpdate, Json, Output, Sink
from orch_nb.execution.streams import STREAMS, DescriptorCapture
from orch_nb.execution.undisturbed import UndisturbedLock
from orch_nb.execution.widgets import WidgetModels

# A kernel gathers each stream's text for this long, so that text written to stdout and stderr by
# turns makes two outputs and not hundreds; recorded outputs are grouped by the same rule.
GATHER_SECONDS = 0.2

_SURROGATES = re.compile("[\ud800-\udfff]")

# The request that the running code belongs to. A task of an earlier cell still carries its own
# cell's id, a thread carries none and belongs to the cell that runs.
current_request: ContextVar[str] = ContextVar("orch_nb_request")


class OutputRecorder:
    """Gathers one cell's outputs at a time; any thread may write."""

    def __init__(
        self,
        capture: DescriptorCapture,
        sink: Sink | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.capture = capture
        self.widgets = WidgetModels()
        self._clock = clock
        self._live = LiveEvents(sink, clock)
        self._lock = UndisturbedLock()
        self._request: str | None = None
        self._outputs: list[Output] = []
        self._shown: dict[str, list[Output]] = {}
        self._updates: dict[str, DisplayUpdate] = {}
        self._pending: dict[str, list[str]] = {}
        self._due: dict[str, float] = {}
        self._clear_next = False

    def after_fork(self, sink: Sink | None) -> None:
        """Make this process's copy independent of the parent's."""
        self._lock = UndisturbedLock()
        self.watch(sink)

    def watch(self, sink: Sink | None) -> None:
        """Tell ``sink`` from now on."""
        self._live = LiveEvents(sink, self._clock)

    def begin(self, request: str) -> None:
        """Start recording the cell whose messages carry ``request`` as their parent's id."""
        with self._lock:
            # what was written to the descriptors between cells belongs to no cell
            for _ in self.capture.drain(final=True):
                pass
            self.capture.shrink()
            self.widgets.begin()
            self._request = request
            self._outputs, self._shown, self._updates = [], {}, {}
            self._pending, self._due = {}, {}
            self._clear_next = False

    def end(self) -> tuple[list[Output], dict[str, tuple[int, ...]], tuple[DisplayUpdate, ...]]:
        """Stop recording; return the outputs, positions by display id, and display updates."""
        with self._lock:
            self._drain(final=True)
            self._emit_all()
            self._live.flush()
            self._request = None
            positions = {id(output): n for n, output in enumerate(self._outputs)}
            shown = {
                key: tuple(positions[id(o)] for o in outputs)
                for key, outputs in self._shown.items()
                if outputs
            }
            for output in self._outputs:
                if output["output_type"] == "stream":
                    output["text"] = "".join(output["text"])
            return self._outputs, shown, tuple(self._updates.values())

    def write(self, name: str, text: str) -> None:
        """Record ``text`` written to the stream ``name``."""
        if not text:
            return
        with self._lock:
            if not self._is_current(current_request.get(None)):
                return
            self._drain()
            self._gather(name, text if text.isascii() else _SURROGATES.sub("\ufffd", text))

    def flush(self, name: str) -> None:
        """End the gathered piece of the stream ``name``."""
        with self._lock:
            if self._request is None:
                return
            self._drain()
            self._emit(name)
            self._live.flush()

    def message(
        self, kind: str, content: dict[str, Json], parent: str | None, buffers: Sequence[Any] = ()
    ) -> None:
        """Take in a message that a kernel would publish; one of an earlier cell is dropped."""
        with self._lock:
            if not self._is_current(parent):
                return
            if kind.startswith("comm_"):
                self.widgets.follow(kind, content, buffers)
            elif kind == "clear_output":
                self._clear(wait=bool(content.get("wait")))
            elif kind == "stream":
                self._gather(content["name"], content["text"])
                self._emit(content["name"])
            else:
                self._publish(kind, content)

    def _is_current(self, request: str | None) -> bool:
        return self._request is not None and request in (None, self._request)

    def _drain(self, *, final: bool = False) -> None:
        for name, text in self.capture.drain(final=final):
            self._gather(name, text)

    def _gather(self, name: str, text: str) -> None:
        now = self._clock()
        if self._due and min(self._due.values()) <= now:
            for due, late in sorted((due, n) for n, due in self._due.items()):
                if due <= now:
                    self._emit(late)
        if name in self._pending:
            self._pending[name].append(text)
        else:
            self._pending[name] = [text]
            self._due[name] = now + GATHER_SECONDS
        if self.widgets.active is None:
            self._live.stream(name, text)

    def _emit_all(self) -> None:
        for name in STREAMS:
            self._emit(name)

    def _emit(self, name: str) -> None:
        self._due.pop(name, None)
        parts = self._pending.pop(name, None)
        if not parts:
            return
        if self.widgets.active is not None:
            text = "".join(parts)
            self.widgets.active.add({"output_type": "stream", "name": name, "text": text})
            return
        self._clear_if_awaited()
        last = self._outputs[-1] if self._outputs else None
        if last and last["output_type"] == "stream" and last["name"] == name:
            last["text"].extend(parts)
        else:
            self._outputs.append({"output_type": "stream", "name": name, "text": parts})

    def _publish(self, kind: str, content: dict[str, Json]) -> None:
        display_id = (content.get("transient") or {}).get("display_id")
        if display_id and kind in _SHOWING:
            self._update(display_id, content["data"], content.get("metadata") or {})
        output = _output(kind, content)
        if output is None:
            return
        if self.widgets.active is not None:
            self.widgets.active.add(output)
            return
        self._clear_if_awaited()
        self._outputs.append(output)
        if display_id:
            self._shown.setdefault(display_id, []).append(output)
        self._live.output(output, display_id)

    def _update(self, display_id: str, data: Json, metadata: Json) -> None:
        for output in self._shown.get(display_id, ()):
            output["data"], output["metadata"] = data, metadata
        self._updates[display_id] = {
            "display_id": display_id,
            "data": data,
            "metadata": metadata,
        }
        self._live.update(display_id, data, metadata)

    def _clear(self, *, wait: bool) -> None:
        if self.widgets.active is not None:
            self.widgets.active.clear(wait=wait)
        elif wait:
            self._clear_next = True
        else:
            self._drop_outputs()

    def _clear_if_awaited(self) -> None:
        if self._clear_next:
            self._clear_next = False
            self._drop_outputs()

    def _drop_outputs(self) -> None:
        self._outputs.clear()
        self._shown.clear()
        self._live.clear()


_SHOWING = ("display_data", "execute_result", "update_display_data")


def _output(kind: str, content: dict[str, Json]) -> Output | None:
    if kind == "display_data":
        keys: tuple[str, ...] = ("data", "metadata")
    elif kind == "execute_result":
        keys = ("data", "metadata", "execution_count")
    elif kind == "error":
        keys = ("ename", "evalue", "traceback")
    else:
        return None
    output = {"output_type": kind, **{key: content.get(key) for key in keys}}
    if "metadata" in keys and output["metadata"] is None:
        output["metadata"] = {}
    return output
