"""The panel without a page: what it sends, answers and leaves behind."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from orch_nb.app.viewing import RunView, advance, first_view
from orch_nb.engine.events import Printed
from orch_nb.errors import NotFoundError
from orch_nb.panel import panel as panel_module
from orch_nb.panel.panel import RUN_MIME, Panel
from tests.unit.panel.samples import ended, run_ended, running, started


class Widget:
    """Takes the messages of a panel."""

    def __init__(self) -> None:
        self.sent: list[Any] = []
        self.first = threading.Event()

    def send(self, message: Any) -> None:
        self.sent.append(message)
        self.first.set()


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> list[tuple[dict[str, Any], bool]]:
    found: list[tuple[dict[str, Any], bool]] = []

    def publish(data: dict[str, Any], metadata: Any, *, transient: Any, update: bool) -> None:
        found.append((data, update))

    monkeypatch.setattr("IPython.display.publish_display_data", publish)
    return found


def panel_with(view: RunView, **options: Any) -> tuple[Panel, Widget]:
    panel = Panel(view, **options)
    widget = Widget()
    panel._widget = widget  # type: ignore[assignment]
    return panel, widget


def ask(panel: Panel, widget: Widget, action: str, **fields: Any) -> Any:
    panel._heard(widget, {"type": "ask", "number": 7, "action": action, **fields}, None)
    return widget.sent[-1]


def test_events_of_another_thread_are_sent_without_being_asked_for() -> None:
    event = started(2)
    panel, widget = panel_with(first_view(event))
    threading.Thread(target=lambda: panel.feed(running(event.tasks[0], 1))).start()
    assert widget.first.wait(5)
    panel.finish()
    assert widget.sent[0]["rows"] == [(0, {"state": "Running", "start": 1.0, "where": "fork"})]


def test_finish_sends_what_is_left_and_ends_the_thread() -> None:
    event = started(1)
    panel, widget = panel_with(first_view(event))
    before = threading.active_count()
    for attempt in range(1, 50):
        panel.feed(running(event.tasks[0], attempt, attempt))
    panel.feed(run_ended(event, (ended(event.tasks[0], 1, 2).task,), 2.0))
    panel.finish()
    panel.finish()
    assert widget.sent[-1]["run"]["state"] == "Completed"
    assert len(widget.sent) < 10
    assert threading.active_count() <= before


def test_without_built_views_the_still_picture_is_shown_and_replaced_at_the_end(
    published: list[tuple[dict[str, Any], bool]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(panel_module, "views_source", lambda: None)
    event = started(1)
    panel = Panel(first_view(event))
    panel.show()
    panel.feed(run_ended(event, (ended(event.tasks[0], 1, 2).task,), 2.0))
    panel.finish()
    (first, updates_first), (last, updates_last) = published[0], published[-1]
    assert (updates_first, updates_last) == (False, True)
    assert set(first) == set(last) == {"text/html", "text/plain", RUN_MIME}
    assert "<strong>Completed</strong> in 2.0s" in last["text/html"]
    assert last[RUN_MIME]["snapshot"]["run"]["state"] == "Completed"


def test_a_question_that_nobody_takes_is_refused_in_words() -> None:
    panel, widget = panel_with(first_view(started(1)), actions={"resume": "the run goes on"})
    assert ask(panel, widget, "cancel")["text"] == "nothing here can cancel"
    assert ask(panel, widget, "resume") == {
        "type": "answer",
        "number": 7,
        "ok": False,
        "text": "the run goes on",
    }


def test_a_question_reaches_its_callback_with_the_row() -> None:
    asked: list[tuple[str, int]] = []

    def on_ask(action: str, row: Any) -> str:
        asked.append((action, row["cell"]))
        return "done"

    panel, widget = panel_with(first_view(started(2)), on_ask=on_ask, actions={"retry": ""})
    answer = ask(panel, widget, "retry", row=1)
    assert (asked, answer["ok"], answer["text"]) == ([("retry", 2)], True, "done")


def test_a_callback_that_fails_answers_with_its_sentence() -> None:
    def on_ask(action: str, row: Any) -> str:
        raise NotFoundError("no such run", hint="look again")

    panel, widget = panel_with(first_view(started(1)), on_ask=on_ask, actions={"cancel": ""})
    answer = ask(panel, widget, "cancel")
    assert (answer["ok"], answer["text"]) == (False, "no such run (look again)")


@pytest.mark.parametrize(
    "content",
    [
        None,
        "ask",
        {"type": "ask"},
        {"type": "ask", "number": "1", "action": "cancel"},
        {"type": "ask", "number": 1, "action": ["cancel"]},
        {"type": "other", "number": 1, "action": "cancel"},
    ],
)
def test_nonsense_from_a_page_is_passed_over(content: Any) -> None:
    panel, widget = panel_with(first_view(started(1)))
    panel._heard(widget, content, None)
    assert widget.sent == []


@pytest.mark.parametrize("row", [-1, 99, "0", 0.5, None, True])
def test_a_row_that_is_none_has_no_detail(row: Any) -> None:
    panel, widget = panel_with(first_view(started(1)))
    answer = ask(panel, widget, "detail", row=row)
    assert answer["ok"] is False or row is True


def test_details_of_a_live_run_show_what_was_printed() -> None:
    event = started(1)
    panel, widget = panel_with(first_view(event))
    panel.feed(running(event.tasks[0], 0))
    panel.feed(Printed(1, "stdout", "one\n"))
    panel.feed(Printed(1, "stdout", "\x1b[1mtwo\x1b[0m\n"))
    panel.feed(Printed(1, "stderr", "three"))
    detail = ask(panel, widget, "detail", row=0)["detail"]
    assert detail["outputs"] == [
        {"kind": "stdout", "text": "one\ntwo\n"},
        {"kind": "stderr", "text": "three"},
    ]
    panel.finish()


def test_a_snapshot_is_what_was_sent_so_far() -> None:
    event = started(1)
    panel, widget = panel_with(first_view(event))
    panel.update(advance(panel.view, running(event.tasks[0], 1)))
    assert widget.first.wait(5)
    whole = ask(panel, widget, "snapshot")["snapshot"]
    assert (whole["seq"], whole["rows"][0]["state"]) == (1, "Running")
    panel.finish()
