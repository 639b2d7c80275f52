"""What is reached from a name, and what a watch sees of it where no change is expected."""

from __future__ import annotations

import argparse
import collections
import functools
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from orch_nb.execution.walk import BUDGET, Index, Watch, names_reaching, walk

SHARED: list[Any] = [["shared"], {"more": [1]}]
values = st.recursive(
    st.sampled_from([1, "text", None, *SHARED]),
    lambda inner: st.one_of(
        st.lists(inner, max_size=20),
        st.dictionaries(st.integers(), inner, max_size=4),
        st.lists(inner, max_size=3).map(tuple),
        st.lists(inner, max_size=3).map(collections.deque),
        inner.map(lambda one: argparse.Namespace(one=one)),
        inner.map(lambda one: functools.partial(print, one)),
    ),
)


@given(st.dictionaries(st.sampled_from("abcd"), values))
def test_the_names_that_reach_an_object_are_those_whose_walk_comes_upon_it(
    namespace: dict[str, Any],
) -> None:
    walks = {name: walk(root, namespace, [BUDGET]) for name, root in namespace.items()}
    for found in walks.values():
        for key, (obj, _) in found.items():
            reaching = {name for name, other in walks.items() if key in other}
            assert names_reaching([obj], namespace, namespace) == reaching


def test_a_library_s_object_is_seen_to_change() -> None:
    inner = argparse.Namespace(start=None)
    namespace = {"result": argparse.Namespace(data=inner), "other": argparse.Namespace(n=1)}
    index = Index(namespace, namespace)
    watch = Watch((), index, namespace)
    assert watch.changed() == []
    inner.start = 3  # as a method does of which it is known that it changes nothing
    assert [obj for obj, _ in watch.changed()] == [inner]
    assert index.names_of(inner) == ["result"]
