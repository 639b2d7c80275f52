"""The panel: a run's view on its way to the page, and the page's questions on their way back."""

from __future__ import annotations

import inspect
import logging
import threading
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from orch_nb.app.view_detail import add_graph, empty_detail, read_detail
from orch_nb.app.view_schema import Answer, Detail, Row, Snapshot
from orch_nb.app.view_stream import Clock, ViewStream
from orch_nb.app.viewing import RunView, advance, call_at
from orch_nb.engine.events import Event, Printed, RunStarted, TaskChanged
from orch_nb.errors import OrchError
from orch_nb.execution.describing import describe_value
from orch_nb.graph.model import FlowGraph
from orch_nb.panel.bundle import views_source
from orch_nb.panel.printed import PrintedOutputs
from orch_nb.panel.pump import Pump
from orch_nb.panel.static import static_html, static_text

if TYPE_CHECKING:
    from orch_nb.panel.widget import RunWidget

_log = logging.getLogger(__name__)

RUN_MIME = "application/vnd.orch-nb.run+json"
WIDGET_MIME = "application/vnd.jupyter.widget-view+json"
STILL_INTERVAL = 1.0  # seconds between stills, where there are no widgets


@dataclass(frozen=True, slots=True)
class Link:
    """A sentence, and a file that the page may open: its path from this notebook's folder."""

    words: str
    path: str


Reply = str | Link | None
# What a view asks for: the action, and the row it is about. A sentence comes back, or nothing;
# an OrchError's message is shown as the answer. May be a coroutine.
OnAsk = Callable[[str, Row | None], Awaitable[Reply] | Reply]


class Panel:
    """Shows one run. ``feed`` and ``update`` may be called from any thread.

    ``actions`` names what ``on_ask`` can be asked for, each with the reason why not, or an empty
    text: ``{"cancel": "", "resume": "the run has not ended"}``. The view's own questions ("detail",
    "snapshot") never reach ``on_ask``, nor does "go", which the page does. ``values`` are the
    kernel's variables, if the run is about them.
    """

    def __init__(
        self,
        view: RunView,
        *,
        on_ask: OnAsk | None = None,
        actions: Mapping[str, str] | None = None,
        graph: FlowGraph | None = None,
        values: Mapping[str, Any] | None = None,
        clock: Clock = time.time,
    ) -> None:
        self._view = view
        self._on_ask = on_ask
        self._graph = graph
        self._values = values or {}
        self._lock = threading.RLock()
        self._stream = ViewStream(view, self._send, clock)
        self._printed = PrintedOutputs()
        self._pump = Pump(self._flush)
        self._display_id: str | None = None
        self._finished = False
        self._answers = False
        self._below = ""
        self._widget: RunWidget | None = None
        self._still_due = 0.0
        if actions is not None:
            self.set_actions(actions)

    @property
    def view(self) -> RunView:
        """What is shown, or is about to be."""
        return self._view

    @property
    def answers(self) -> bool:
        """Whether a page has asked something: then it has the widget."""
        return self._answers

    # -- what is shown

    def feed(self, event: Event) -> None:
        """Take in one event of the run."""
        with self._lock:
            match event:
                case RunStarted(graph=graph):
                    self._graph = graph
                case Printed():
                    self._printed.take(event)
                    return
                case TaskChanged(task=task):
                    self._printed.task_changed(task)
            self._change(advance(self._view, event))

    def update(self, view: RunView) -> None:
        """Show another view of the same run, one that was read from the store, say."""
        with self._lock:
            self._change(view)

    def set_actions(self, actions: Mapping[str, str]) -> None:
        """Say anew what can be asked for."""
        from dataclasses import replace

        with self._lock:
            header = self._view.run.copy()
            header["actions"] = dict(actions)
            self._change(replace(self._view, run=header))

    def finish(self, below: str = "") -> None:
        """The run has ended, or nobody follows it any more: send what is left, and replace the
        display in the notebook by the still picture beside the data. A second call does nothing.

        ``below`` is HTML that the notebook keeps under the picture; it is shown as it is.
        """
        with self._lock:
            if self._finished:
                return
            self._finished = True
            self._below = below
            self._stream.flush(self._view, force=True)
        self._pump.close()
        if self._display_id is not None:
            self._publish(self._final_bundle(), update=True)

    def reopen(self) -> None:
        """The run goes on after all: what is fed from now on is shown where the panel stands."""
        with self._lock:
            if self._finished:
                self._finished = False
                self._pump = Pump(self._flush)

    def show_still(self) -> None:
        """Show how the run stands to a front-end that has no widgets. One that has them would
        draw the panel anew."""
        if self._display_id is not None and not self._finished:
            self._publish(self._live_bundle(), update=True)

    def show(self) -> None:
        """Display the panel in the output of the cell that runs now."""
        if views_source() is not None and self._widget is None:
            from orch_nb.panel.widget import RunWidget

            widget = RunWidget(self._whole, self._heard)
            with self._lock:
                self._widget = widget
        # from now on its thread may publish updates of what is displayed
        self._display_id = self._display_id or uuid.uuid4().hex
        if self._widget is None or self._finished:
            # a page that has the widget's model makes the still picture live again
            self._publish(self._final_bundle())
            return
        self._publish(self._live_bundle())

    def _ipython_display_(self) -> None:
        self.show()

    def _repr_html_(self) -> str:
        return static_html(self._view)

    def __repr__(self) -> str:
        return static_text(self._view)

    # -- sending

    def _change(self, view: RunView) -> None:
        if view is not self._view:
            self._view = view
            if not self._finished:
                self._pump.poke()

    def _flush(self) -> float:
        with self._lock:
            if self._finished:
                return 0.0
            if self._widget is not None:
                done = self._stream.flush(self._view)
                return 0.0 if done else max(self._stream.due(), 0.001)
            left = self._still_due - time.monotonic()
            if left > 0:
                return left
            self._still_due = time.monotonic() + STILL_INTERVAL
            if self._display_id is None:
                return 0.0
        self._publish(self._final_bundle(), update=True)
        return 0.0

    def _send(self, message: Any) -> None:
        if self._widget is not None:
            try:
                self._widget.send(message)
            except Exception:  # a page must not stop the run
                _log.exception("a message to the panel was lost")

    def _whole(self) -> Snapshot:
        with self._lock:
            return self._stream.whole()

    def _live_bundle(self) -> dict[str, Any]:
        """With the widget; JupyterLab's extension takes the run's own data first."""
        if self._widget is None:
            return self._final_bundle()
        mime = {"version_major": 2, "version_minor": 0, "model_id": self._widget.model_id}
        return {WIDGET_MIME: mime, **self._final_bundle()}

    def _final_bundle(self) -> dict[str, Any]:
        html = static_html(self._view) + self._below
        run = {"id": self._view.run["id"], "snapshot": self._whole()}
        return {"text/html": html, "text/plain": static_text(self._view), RUN_MIME: run}

    def _publish(self, bundle: dict[str, Any], *, update: bool = False) -> None:
        from IPython.display import publish_display_data

        widget = self._widget if WIDGET_MIME in bundle else None
        metadata = {} if widget is None else widget.view_metadata()
        publish_display_data(
            bundle, metadata, transient={"display_id": self._display_id}, update=update
        )

    # -- being asked

    def _heard(self, widget: Any, content: Any, buffers: Any) -> None:
        if not isinstance(content, dict) or content.get("type") != "ask":
            return
        self._answers = True
        with self._lock:  # the first question may come before `show` has the widget
            self._widget = self._widget or widget
        number, action = content.get("number"), content.get("action")
        if not isinstance(number, int) or not isinstance(action, str):
            return
        position = content.get("row")
        row = None
        if isinstance(position, int) and 0 <= position < len(self._view.rows):
            row = self._view.rows[position]
        answer: Answer = {"type": "answer", "number": number, "ok": True, "text": ""}
        if action == "snapshot":
            self._send({**answer, "snapshot": self._whole()})
        elif action == "detail" and row is not None and isinstance(position, int):
            self._send({**answer, "detail": self._detail(position, row)})
        else:
            self._ask(action, row, answer)

    def _ask(self, action: str, row: Row | None, answer: Answer) -> None:
        if self._on_ask is None or self._view.run["actions"].get(action) != "":
            why = self._view.run["actions"].get(action) or f"nothing here can {action}"
            self._send({**answer, "ok": False, "text": why})
            return
        try:
            reply = self._on_ask(action, row)
        except Exception as error:
            self._refuse(answer, error)
            return
        if inspect.isawaitable(reply):
            import asyncio

            task = asyncio.ensure_future(reply)
            task.add_done_callback(lambda done: self._answer_later(answer, done))
        else:
            self._send({**answer, **_words(reply)})

    def _answer_later(self, answer: Answer, done: Any) -> None:
        error = None if done.cancelled() else done.exception()
        if error is not None:
            self._refuse(answer, error)
        else:
            self._send({**answer, **_words(None if done.cancelled() else done.result())})

    def _refuse(self, answer: Answer, error: BaseException) -> None:
        if isinstance(error, OrchError):
            words = error.message + (f" ({error.hint})" if error.hint else "")
        else:
            _log.error("a panel's question failed", exc_info=error)
            words = f"{type(error).__name__}: {error}"
        self._send({**answer, "ok": False, "text": words})

    def _detail(self, position: int, row: Row) -> Detail:
        try:
            call = call_at(self._view, position)
            detail = read_detail(self._view.run["id"], row["cell"], position, self._graph, call)
        except OrchError:  # not in the store (yet): what is known here has to do
            detail = empty_detail(position)
            if self._graph is not None:
                add_graph(detail, self._graph, row["cell"])
        if not detail["outputs"]:
            detail["outputs"] = self._printed.outputs(row["cell"])
        for value in (*detail["inputs"], *detail["values"]):
            if not value["note"] and value["name"] in self._values:
                value["note"] = f"{describe_value(self._values[value['name']])} now"
        return detail


def _words(reply: Reply) -> Any:
    """The fields of an answer."""
    if isinstance(reply, Link):
        return {"text": reply.words, "link": reply.path}
    return {"text": reply or ""}
