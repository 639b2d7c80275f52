"""Futures in arguments, the digests of arguments, and how both are shipped."""

from __future__ import annotations

import collections
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orch_nb.dynamic.arguments import (
    Arguments,
    digest_arguments,
    pickle_arguments,
    put_in,
    replace_futures,
    take_out,
)
from orch_nb.dynamic.futures import TaskFuture
from orch_nb.execution.calls import CallSpec, keep_value, load_arguments
from orch_nb.states import StateName

Pair = collections.namedtuple("Pair", "a b")


def ended(value: Any) -> TaskFuture:
    future = TaskFuture("made")
    kept = keep_value(value, None)  # type: ignore[arg-type]  # small: no folder is needed
    future.give(lambda: value, kept.digest, StateName.COMPLETED, kept)
    return future


VALUES = st.recursive(
    st.none() | st.integers() | st.text(max_size=5) | st.just("FUTURE"),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=12,
)


def with_futures(value: Any, future: TaskFuture) -> Any:
    if value == "FUTURE":
        return future
    if isinstance(value, list | tuple):
        return type(value)(with_futures(item, future) for item in value)
    if isinstance(value, dict):
        return {key: with_futures(item, future) for key, item in value.items()}
    return value


@given(VALUES)
def test_what_is_shipped_arrives_with_its_futures_values_in_place(value: Any) -> None:
    future = ended(["the", "value"])
    held = with_futures(value, future)
    expected = with_futures(value, ["the", "value"])  # type: ignore[arg-type]
    arguments = take_out((held,), {"named": held})
    assert put_in(arguments) == ((expected,), {"named": expected})
    inputs = [each.kept for each in arguments.futures]
    spec = CallSpec(b"", pickle_arguments(arguments), inputs)
    assert load_arguments(spec) == ((expected,), {"named": expected})


def test_one_future_in_many_places_is_waited_for_once() -> None:
    future = ended(1)
    arguments = take_out(([future, {"x": future}],), {"y": future.real})
    assert arguments.futures == (future,)
    assert put_in(arguments) == (([1, {"x": 1}],), {"y": 1})


def test_named_tuples_and_sets_keep_their_types() -> None:
    future = ended(7)
    assert replace_futures(Pair(future, 1), lambda f: 7) == Pair(7, 1)
    assert replace_futures({future}, lambda f: 7) == {7}


def test_what_holds_no_future_is_the_same_object() -> None:
    value = [1, {"a": (2, {3})}]
    assert replace_futures(value, lambda f: 0) is value


@pytest.mark.parametrize(
    ("one", "other"),
    [((1,), (1.0,)), ((1,), (True,)), (("1",), (1,)), ((1, 2), (2, 1)), (([1],), ((1,),))],
)
def test_arguments_that_differ_in_type_or_order_have_other_digests(one: Any, other: Any) -> None:
    assert digest_arguments(Arguments(one, {})) != digest_arguments(Arguments(other, {}))


def test_equal_arguments_have_one_digest_however_they_were_made() -> None:
    one = Arguments(({"a": [1, 2]},), {"b": 1, "c": 2})
    other = Arguments(({"a": list(range(1, 3))},), {"c": 2, "b": 1})
    assert digest_arguments(one) == digest_arguments(other)


def test_a_future_that_is_hidden_in_an_object_is_refused_in_words() -> None:
    class Holder:
        def __init__(self) -> None:
            self.inside = TaskFuture("later")

    with pytest.raises(TypeError, match="hidden in an object"):
        pickle_arguments(take_out((Holder(),), {}))
