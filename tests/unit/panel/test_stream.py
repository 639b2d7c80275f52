"""Batches: how many messages go, and that none is lost."""

from __future__ import annotations

from typing import Any

from orch_nb.app.view_stream import ViewStream
from orch_nb.app.viewing import advance, first_view
from tests.unit.panel.samples import ended, running, started


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_thousand_tasks_in_five_seconds_make_at_most_twenty_messages_a_second() -> None:
    event = started(1000)
    view = first_view(event)
    clock = Clock()
    sent: list[tuple[float, Any]] = []
    stream = ViewStream(view, lambda message: sent.append((clock.now, message)), clock)
    for number, task in enumerate(event.tasks):
        clock.now = 1000 + number / 200
        view = advance(view, running(task, number / 200))
        view = advance(view, ended(task, number / 200, number / 200 + 0.01))
        stream.flush(view)
    clock.now += 1
    assert stream.flush(view)
    for second in range(6):
        assert sum(1000 + second <= at < 1001 + second for at, _ in sent) <= 20
    assert [message["seq"] for _, message in sent] == list(range(1, len(sent) + 1))
    told = {position for _, message in sent for position, _ in message["rows"]}
    assert told == set(range(1000))


def test_what_is_held_back_goes_with_the_next_flush() -> None:
    event = started(2)
    clock = Clock()
    sent: list[Any] = []
    stream = ViewStream(first_view(event), sent.append, clock, interval=0.1)
    view = advance(first_view(event), running(event.tasks[0], 0))
    assert stream.flush(view)
    view = advance(view, running(event.tasks[1], 0))
    assert not stream.flush(view)
    assert len(sent) == 1
    assert 0 < stream.due() <= 0.1
    clock.now += 0.1
    assert stream.flush(view)
    assert [len(message["rows"]) for message in sent] == [1, 1] or len(sent) == 2


def test_a_clock_set_back_delays_no_message_for_long() -> None:
    event = started(1)
    clock = Clock()
    stream = ViewStream(first_view(event), lambda _: None, clock, interval=0.1)
    stream.flush(advance(first_view(event), running(event.tasks[0], 0)))
    clock.now -= 3600
    assert stream.due() <= 0.1


def test_one_that_comes_late_is_told_what_the_others_know() -> None:
    event = started(1)
    sent: list[Any] = []
    stream = ViewStream(first_view(event), sent.append, Clock())
    view = advance(first_view(event), running(event.tasks[0], 0))
    stream.flush(view)
    whole = stream.whole()
    assert (whole["seq"], whole["rows"][0]["state"]) == (1, "Running")
