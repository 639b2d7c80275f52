"""A look at a large array holds until anything runs, and keeps nothing alive."""

from __future__ import annotations

import gc
import weakref

import numpy as np

from orch_nb.execution.anatomy_arrays import register_loaded
from orch_nb.execution.last_look import LastLook
from orch_nb.execution.walk import Index, Watch


def watched(space: dict[str, object], last: LastLook) -> Watch:
    return Watch(space, Index(space, space), space, last=last)


def test_a_change_that_nobody_forgot_about_goes_unseen_and_one_after_forgetting_does_not() -> None:
    register_loaded()
    space: dict[str, object] = {"a": (a := np.zeros(10_000))}
    last = LastLook()
    assert watched(space, last).changed() == []
    a[0] = 1  # between two cells nothing does so, which is why the look may stand
    (found,) = watched(space, last).changed()
    assert found[0] is a
    last.forget()
    a[0] = 2
    assert watched(space, last).changed() == []


def test_what_was_looked_at_is_not_kept_alive_nor_taken_for_another() -> None:
    register_loaded()
    last = LastLook()
    space: dict[str, object] = {"a": np.zeros(10_000)}
    watched(space, last).changed()
    gone = weakref.ref(space.pop("a"))
    gc.collect()
    assert gone() is None
    for _ in range(100):  # likely to have its address
        assert last.recall(np.ones(10_000)) is None


def test_small_arrays_and_lists_are_looked_at_each_time() -> None:
    register_loaded()
    last = LastLook()
    space: dict[str, object] = {"a": np.zeros(10), "b": [1] * 10_000}
    watched(space, last).changed()
    assert last.recall(space["a"]) is None
    assert last.recall(space["b"]) is None
