"""What differs from process to process is no difference."""

from __future__ import annotations

import reprlib

import pytest

from orch_nb.app.verifying import mask


class Plain:
    """An object that shows its address."""


@pytest.mark.parametrize(
    "show", [repr, reprlib.repr, lambda one: f"&lt;{reprlib.repr(one)[1:-1]}&gt;"]
)
def test_an_address_is_masked_also_when_it_was_cut(show: object) -> None:
    one, other = Plain(), Plain()
    assert show(one) != show(other)  # type: ignore[operator]
    assert mask(show(one)) == mask(show(other))  # type: ignore[operator]


def test_what_a_traceback_marks_goes_by_the_process() -> None:
    assert mask("open(\x1b[30;43mhandle\x1b[39;49m)") == mask("open(handle)")


def test_other_text_stays() -> None:
    text = "wait...deadline 0x12 ...abcdef x"
    assert mask(text) == text
