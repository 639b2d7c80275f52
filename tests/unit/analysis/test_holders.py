"""Sets of names whose versions share one record."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from orch_nb.analysis.holders import NOBODY, Holders

_STEPS = st.lists(st.tuples(st.sampled_from("abcdef"), st.booleans(), st.integers(0, 9)))


@given(_STEPS)
def test_every_version_is_the_set_that_it_was(steps: list[tuple[str, bool, int]]) -> None:
    versions: list[tuple[Holders, frozenset[str]]] = [(NOBODY, frozenset())]
    for name, comes, back in steps:
        holders, expected = versions[-1 - back % len(versions)]
        if comes:
            versions.append((holders.with_name(name), expected | {name}))
        else:
            versions.append((holders.without_name(name), expected - {name}))
    for holders, expected in versions:
        assert sorted(holders) == sorted(expected)
        assert len(holders) == len(expected)
        assert all((name in holders) == (name in expected) for name in "abcdefg")
    for (one, first), (other, second) in itertools.pairwise(versions):
        assert (one == other) == (first == second)


def test_versions_share_what_they_hold() -> None:
    versions = [NOBODY]
    for number in range(200):
        versions.append(versions[-1].with_name(f"name{number}"))
    assert len({id(version._changes) for version in versions[1:]}) == 1
    assert len(NOBODY) == 0
    for number in range(200):
        versions.append(versions[-1].without_name(f"name{number}"))
    assert len({id(version._changes) for version in versions[1:]}) < 8  # a record is cleared up
