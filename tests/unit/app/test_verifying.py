"""What counts as a difference where serial does not agree with itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import SimpleNamespace
from typing import Any

import pytest

from orch_nb.app import verifying
from orch_nb.app.verifying import Difference, verify

# By run: the value of each variable.
Runs = list[Mapping[str, int]]


@pytest.mark.parametrize(
    ("runs", "different", "unstable", "asked"),
    [
        ([{"x": 1}, {"x": 1}], [], [], 2),
        ([{"x": 1}, {"x": 2}, {"x": 1}], ["x"], [], 3),
        ([{"x": 1}, {"x": 2}, {"x": 3}], [], ["x"], 3),
        # y is a coin that fell alike twice; what it is drawn with tells that something is drawn
        (
            [{"x": 1, "y": 0}, {"x": 2, "y": 1}, {"x": 3, "y": 0}, {"x": 4, "y": 1}],
            [],
            ["x", "y"],
            4,
        ),
        ([{"x": 1, "y": 0}, {"x": 2, "y": 1}, *[{"x": 3, "y": 0}] * 4], ["y"], ["x"], 6),
    ],
)
def test_serial_is_asked_again_while_it_is_not_sure(
    monkeypatch: pytest.MonkeyPatch,
    runs: Runs,
    different: list[str],
    unstable: list[str],
    asked: int,
) -> None:
    given: Iterator[Mapping[str, int]] = iter(runs)
    made = []

    def run_copy(*_: Any) -> Any:
        made.append(next(given))
        result = SimpleNamespace(fingerprints={}, tasks=(), values=made[-1])
        return SimpleNamespace(result=result, files={})

    def compare(one: Any, other: Any) -> list[Difference]:
        first, second = one.result.values, other.result.values
        return [Difference(name, "", "") for name in first if first[name] != second[name]]

    monkeypatch.setattr(verifying, "_run_copy", run_copy)
    monkeypatch.setattr(verifying, "_compare", compare)
    verdict = verify(SimpleNamespace(options={}))  # type: ignore[arg-type]
    assert [item.what for item in verdict.differences] == different
    assert [item.what for item in verdict.unstable] == unstable
    assert len(made) == asked
