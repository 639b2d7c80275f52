"""The recorder groups, clears and updates as nbclient does, and tells its sink the same story."""

from __future__ import annotations

import pytest

from orch_nb.execution.live import LiveEvents
from orch_nb.execution.recorder import GATHER_SECONDS, OutputRecorder
from orch_nb.execution.streams import NoDescriptorCapture


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Bench:
    """A recorder in the middle of cell ``c``, with a clock that stands still."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.events: list[dict] = []
        self.recorder = OutputRecorder(NoDescriptorCapture(), self.events.append, self.clock)
        self.recorder.begin("c")

    def show(self, text: str, display_id: str | None = None, kind: str = "display_data") -> None:
        transient = {"display_id": display_id} if display_id else {}
        content = {"data": {"text/plain": text}, "metadata": {}, "transient": transient}
        self.recorder.message(kind, content, "c")

    def outputs(self) -> list[str]:
        """Outputs in short: ``out:text``, ``err:text`` or ``show:text``."""
        outputs, _, _ = self.recorder.end()
        return [in_short(output) for output in outputs]


def in_short(output: dict) -> str:
    if output["output_type"] == "stream":
        return f"{output['name'][3:]}:{output['text']}"
    return f"show:{output['data']['text/plain']}"


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_text_written_by_turns_makes_one_output_for_each_stream(bench) -> None:
    for n in range(3):
        bench.recorder.write("stderr", f"e{n} ")
        bench.recorder.write("stdout", f"o{n} ")
    assert bench.outputs() == ["out:o0 o1 o2 ", "err:e0 e1 e2 "]


def test_text_written_later_comes_later(bench) -> None:
    bench.recorder.write("stderr", "e")
    bench.clock.now += GATHER_SECONDS
    bench.recorder.write("stdout", "o")
    bench.clock.now += GATHER_SECONDS
    bench.recorder.write("stderr", "f")
    assert bench.outputs() == ["err:e", "out:o", "err:f"]


def test_flush_puts_a_stream_before_one_that_waits(bench) -> None:
    bench.recorder.write("stdout", "o")
    bench.recorder.write("stderr", "e")
    bench.recorder.flush("stderr")
    assert bench.outputs() == ["err:e", "out:o"]


def test_pieces_of_a_stream_in_a_row_are_one_output(bench) -> None:
    for piece in "abc":
        bench.recorder.write("stdout", piece)
        bench.recorder.flush("stdout")
    assert bench.outputs() == ["out:abc"]


def test_clear_drops_what_was_shown_and_its_display_ids(bench) -> None:
    bench.show("old", "id")
    bench.recorder.message("clear_output", {"wait": False}, "c")
    bench.show("new")
    outputs, display_ids, _ = bench.recorder.end()
    assert ([in_short(o) for o in outputs], display_ids) == (["show:new"], {})


def test_clear_that_waits_for_nothing_keeps_all(bench) -> None:
    bench.show("old")
    bench.recorder.message("clear_output", {"wait": True}, "c")
    assert bench.outputs() == ["show:old"]


def test_clear_that_waits_acts_on_the_next_output(bench) -> None:
    bench.show("old")
    bench.recorder.message("clear_output", {"wait": True}, "c")
    bench.recorder.write("stdout", "new")
    assert bench.outputs() == ["out:new"]


def test_update_changes_outputs_of_the_cell_and_is_reported_for_earlier_ones(bench) -> None:
    bench.show("a", "id")
    bench.recorder.write("stdout", "text")
    bench.recorder.flush("stdout")
    bench.show("b", "id")
    bench.show("c", "id", kind="update_display_data")
    outputs, display_ids, updates = bench.recorder.end()
    assert [in_short(o) for o in outputs] == ["show:c", "out:text", "show:c"]
    assert display_ids == {"id": (0, 2)}
    assert updates == ({"display_id": "id", "data": {"text/plain": "c"}, "metadata": {}},)


def test_message_of_an_earlier_cell_is_dropped(bench) -> None:
    content = {"data": {"text/plain": "late"}, "metadata": {}}
    bench.recorder.message("display_data", content, "an earlier cell")
    bench.recorder.message("display_data", content, None)
    assert bench.outputs() == ["show:late"]


def test_nothing_is_recorded_between_cells(bench) -> None:
    bench.recorder.end()
    bench.recorder.write("stdout", "nobody's")
    bench.show("nobody's")
    bench.recorder.begin("c")
    assert bench.outputs() == []


def test_lone_surrogates_can_be_saved(bench) -> None:
    bench.recorder.write("stdout", "a\ud800b\udcff")
    assert bench.outputs() == ["out:a\ufffdb\ufffd"]


def test_sink_hears_everything_in_order(bench) -> None:
    bench.recorder.write("stdout", "one\n")
    bench.recorder.write("stderr", "no end")
    bench.show("picture", "id")
    bench.recorder.message("clear_output", {"wait": False}, "c")
    bench.show("other", "id", kind="update_display_data")
    bench.recorder.write("stdout", "last")
    bench.recorder.end()
    told = [
        event.get("text") or event.get("data") or event.get("output") or event["type"]
        for event in bench.events
    ]
    assert told == [
        "one\n",
        "no end",
        # what the display id showed before, in whichever cell
        {"text/plain": "picture"},
        {
            "output_type": "display_data",
            "data": {"text/plain": "picture"},
            "metadata": {},
        },
        "clear",
        {"text/plain": "other"},
        "last",
    ]


def test_flood_of_lines_reaches_the_sink_in_few_events_and_whole() -> None:
    clock, events = Clock(), []
    live = LiveEvents(events.append, clock)
    for n in range(10_000):
        live.stream("stdout", f"{n}\n")
    live.flush()
    assert len(events) < 150
    assert "".join(event["text"] for event in events) == "".join(f"{n}\n" for n in range(10_000))


def test_line_is_told_at_once_again_after_a_flood() -> None:
    clock, events = Clock(), []
    live = LiveEvents(events.append, clock)
    for _ in range(1_000):
        live.stream("stdout", "x\n")
    clock.now += 1
    live.stream("stdout", "now\n")
    assert events[-1]["text"].endswith("now\n")
