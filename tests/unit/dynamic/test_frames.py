"""Messages with bytes beside them, however they are cut on the way."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from orch_nb.execution.frames import FrameReader, pack

MESSAGES = st.lists(
    st.tuples(
        st.dictionaries(st.sampled_from("abc"), st.integers(0, 9)),
        st.lists(st.binary(max_size=50), max_size=3),
    ),
    max_size=5,
)


@given(MESSAGES, st.integers(1, 40))
def test_messages_arrive_whole_in_whatever_pieces(
    messages: list[tuple[dict[str, int], list[bytes]]], size: int
) -> None:
    sent = b"".join(pack(header, frames) for header, frames in messages)
    reader = FrameReader()
    found = []
    for start in range(0, len(sent), size):
        found += reader.feed(sent[start : start + size])
    plain = [({k: v for k, v in header.items() if k != "frames"}, f) for header, f in found]
    assert plain == messages
