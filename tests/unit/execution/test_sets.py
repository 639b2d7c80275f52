"""A set that is made again lies in its table as the one that it was made of."""

from __future__ import annotations

import pickle
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orch_nb.execution import sets
from orch_nb.execution.sets import arrange, refill


def made_again(obj: Any) -> Any:
    arranged = arrange(obj)
    elements = list(obj)
    if arranged is None:
        return type(obj)(elements)
    again = pickle.loads(pickle.dumps(arranged))
    refilled = {"something else"}
    refill(refilled, pickle.loads(pickle.dumps((arranged.size, arranged.entries))))
    assert list(refilled) == elements
    assert type(again) is type(obj)
    return again


def goes_on_alike(one: set[Any], other: set[Any], items: list[Any]) -> bool:
    """Whether what is added later finds its place alike."""
    for item in items:
        one.add(item)
        other.add(item)
        if list(one) != list(other):
            return False
    return True


numbers = st.integers(-20, 300) | st.sampled_from([2**k for k in range(3, 70)])
items = st.one_of(numbers, st.text(max_size=2), st.tuples(numbers, numbers))
groups = st.lists(items, max_size=60)
steps = st.lists(
    st.tuples(st.sampled_from(["update", "union", "keys", "less", "copy", "pop", "again"]), groups),
    min_size=1,
    max_size=6,
)


def build(done: list[tuple[str, list[Any]]]) -> set[Any]:
    made: set[Any] = set()
    for what, group in done:
        if what == "update":
            made.update(group)
        elif what == "union":
            made |= set(group)
        elif what == "keys":
            made.update(dict.fromkeys(group))
        elif what == "less":
            made -= set(group)
        elif what == "copy":
            made = set(made)
        elif what == "pop" and made:
            made.pop()
        else:
            for item in [item for item in made if hash(item) % 3 == 0]:
                made.discard(item)
    return made


@settings(max_examples=400, deadline=None)
@given(steps, st.booleans(), groups)
def test_any_set_has_its_order_again(
    done: list[tuple[str, list[Any]]], frozen: bool, more: list[Any]
) -> None:
    obj: Any = build(done)
    if frozen:
        obj = frozenset(obj)
    try:
        again = made_again(obj)
    except LookupError:
        return  # seldom, as the next test says
    assert again == obj
    assert list(again) == list(obj)
    if not frozen and obj:
        assert goes_on_alike(obj, again, more)
        assert [obj.pop() for _ in list(obj)] == [again.pop() for _ in list(again)]


def test_nearly_all_can_be_arranged() -> None:
    chance = random.Random(1)
    lost = 0
    for _ in range(2000):
        obj = {chance.randrange(100) for _ in range(chance.randrange(60))}
        for item in [item for item in obj if chance.random() < 0.3]:
            obj.discard(item)
        obj.update(chance.randrange(200) for _ in range(chance.randrange(20)))
        try:
            again = made_again(obj)
        except LookupError:
            lost += 1
        else:
            assert list(again) == list(obj)
    assert lost <= 20


def test_the_order_in_which_elements_came_is_kept() -> None:
    first = 45
    obj = {first, 8, 5}
    assert list(obj) == [8, 5, 45]
    assert list(set(list(obj))) == [8, 45, 5]  # noqa: C414 - made of a list it is another
    assert list(made_again(obj)) == [8, 5, 45]
    assert list(made_again(frozenset([45, 8, 5]))) == [8, 5, 45]


def test_plain_sets_are_not_looked_into() -> None:
    assert arrange(set()) is None
    assert arrange(set(range(1000))) is None
    assert arrange(frozenset({1, 2})) is None


class Odd:
    def __init__(self, broken: bool) -> None:
        self.broken = broken

    def __hash__(self) -> int:
        if self.broken:
            raise ValueError("no")
        return 3


def test_an_element_whose_own_code_fails_is_left_to_pickle() -> None:
    odd = Odd(broken=False)
    obj = {odd, 11}
    odd.broken = True
    assert arrange(obj) is None


def test_a_table_that_reads_otherwise_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    class Elsewhere(sets._Table):
        def __init__(self, obj: Any) -> None:
            super().__init__(obj)
            self.is_read = False

    first = 45
    obj = {first, 8, 5}
    assert arrange(obj) is not None
    monkeypatch.setattr(sets, "_Table", Elsewhere)
    assert arrange(obj) is None
