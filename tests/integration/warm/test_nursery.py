"""Templates that hold libraries: as many as memory allows, those that are used the most."""

from __future__ import annotations

import os
import selectors
import sys
import time
from collections.abc import Iterator

import pytest

from orch_nb.warm.nursery import Bed, Nursery

_LONG = 60.0  # seconds, on a busy machine
_MUCH = 1 << 40  # bytes

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="nothing is kept warm there")


class Ward:
    """A nursery, and what the daemon does for it."""

    def __init__(self, memory: int) -> None:
        self._selector = selectors.DefaultSelector()
        self.nursery = Nursery(os.environ, self._watch, self._unwatch, lambda files: None, memory)
        self.hear_until(lambda: self.nursery.ready)

    def _watch(self, nursery: Nursery, bed: Bed) -> None:
        self._selector.register(bed.sock, selectors.EVENT_READ, bed)

    def _unwatch(self, bed: Bed) -> None:
        self._selector.unregister(bed.sock)

    def hear_until(self, done: object) -> None:
        end = time.monotonic() + _LONG
        while not done():  # type: ignore[operator]
            assert time.monotonic() < end
            for key, _ in self._selector.select(1.0):
                self.nursery.hear(key.data)

    def make(self, *imports: str) -> int:
        """Have a set made; the memory that it told, or 0 where it was not kept."""
        self.nursery.ask(imports)
        while self.nursery.has_work():
            self.nursery.work()
            (bed,) = [bed for bed in self.nursery.sets.values() if not bed.ready]
            self.hear_until(lambda: bed.ready or bed.wanted not in self.nursery.sets)  # noqa: B023
        return self.nursery.sets[imports].memory if imports in self.nursery.sets else 0

    def held(self) -> list[tuple[str, ...]]:
        """The sets there are."""
        return sorted(self.nursery.sets)

    def close(self) -> None:
        self.nursery.close()
        self._selector.close()


@pytest.fixture
def wards() -> Iterator[list[Ward]]:
    """Those that a test opens are closed."""
    opened: list[Ward] = []
    yield opened
    for ward in opened:
        ward.close()


def test_the_sets_that_were_not_used_for_longest_go_when_memory_is_short(
    wards: list[Ward],
) -> None:
    free = Ward(_MUCH)
    wards.append(free)
    sizes = [free.make("numpy"), free.make("xml.dom.minidom"), free.make("numpy", "pandas")]
    assert free.held() == [("numpy",), ("numpy", "pandas")]  # a standard module is no library
    assert sizes[0] > 1_000_000

    tight = Ward(sizes[2] + sizes[0] // 2)  # the larger one fits, both do not
    wards.append(tight)
    tight.make("numpy")
    tight.make("numpy", "pandas")
    assert tight.held() == [("numpy", "pandas")]
    tight.make("numpy")  # it is used again
    assert tight.held() == [("numpy",)]


def test_a_set_that_alone_is_too_much_is_not_made_again(wards: list[Ward]) -> None:
    ward = Ward(1000)
    wards.append(ward)
    assert ward.make("numpy") == 0
    ward.nursery.ask(("numpy",))
    assert not ward.nursery.has_work()
    assert ward.held() == []
