"""What a watch of the warnings tells of a cell."""

from __future__ import annotations

import copy
import re
import warnings
from collections.abc import Iterator

import pytest

from orch_nb.execution import warned
from orch_nb.execution.warned import WarnedWatch


@pytest.fixture(autouse=True)
def _filters() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.resetwarnings()
        warnings.simplefilter("ignore")
        yield


def asked(watch: WarnedWatch) -> bool:
    return warned.ASKED in watch.names(watch.changed())


def test_a_warning_that_nobody_sees_has_asked_the_filters() -> None:
    watch = WarnedWatch()
    warnings.warn("x", stacklevel=1)
    assert asked(watch)
    assert not asked(WarnedWatch())


def test_the_filters_are_as_they_would_be() -> None:
    before = list(warnings.filters)
    watch = WarnedWatch()
    assert warnings.filters == before
    assert repr(warnings.filters) == repr(before)
    assert repr(copy.deepcopy(warnings.filters)) == repr(before)
    warnings.filterwarnings("error", "no such")
    assert asked(watch) is False
    first = ("error", re.compile("no such", re.IGNORECASE), Warning, None, 0)
    assert list(warnings.filters) == [first, *before]
    assert all(
        type(one) is type(two) for one, two in zip(warnings.filters[1], before[0], strict=True)
    )


def test_who_hands_the_filters_on_finds_patterns() -> None:
    warnings.filterwarnings("ignore", "one", module="two")
    for found in ("one", ""):
        watch = WarnedWatch()
        (message,) = [message for _, message, *_ in warnings.filters[:1]]
        assert message.pattern == found
        watch.changed()
        warnings.filters.pop(0)
    assert warnings.filters == []


def test_no_filters_are_no_error() -> None:
    warnings.resetwarnings()
    watch = WarnedWatch()
    with pytest.warns(UserWarning, match="x"):
        warnings.warn("x", stacklevel=1)
    watch.changed()


@pytest.mark.parametrize("text", ["that one", "another"])
def test_a_filter_for_one_message_stays_one(text: str) -> None:
    warnings.filterwarnings("error", "that")
    watch = WarnedWatch()
    try:
        warnings.warn(text, stacklevel=1)
    except UserWarning:
        assert text == "that one"
    else:
        assert text == "another"
    assert asked(watch)


def test_what_a_cell_used_is_nothing_it_left() -> None:
    names = frozenset({warned.ASKED, warned.SILENT + "a", warned.SHOWN + "a", "os.cwd"})
    assert warned.left_by(names) == {warned.SHOWN + "a", "os.cwd"}
