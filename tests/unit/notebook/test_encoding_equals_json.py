"""The quick encoder writes what the standard library's writes."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from orch_nb.notebook import encoding

_SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
_KEYS = st.text() | st.text() | st.integers()
_VALUES = st.recursive(
    _SCALARS, lambda inner: st.lists(inner) | st.dictionaries(_KEYS, inner), max_leaves=20
)


@given(_VALUES, st.booleans())
def test_it_lays_out_as_the_standard_library_does(value: Any, ascii_only: bool) -> None:
    def standard() -> str:
        return json.dumps(
            value, indent=1, sort_keys=True, ensure_ascii=ascii_only, separators=(",", ": ")
        )

    try:
        expected = standard()
    except TypeError:  # keys that can't be sorted; the caller makes text of them
        return
    assert encoding._dumps(value, ascii=ascii_only) == expected


def test_bytes_and_tuples_are_written_too() -> None:
    assert json.loads(encoding._dumps({"a": (1, 2.5), "b": b"x"}, ascii=False)) == {
        "a": [1, 2.5],
        "b": "eA==",
    }
