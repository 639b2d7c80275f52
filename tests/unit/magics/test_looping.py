"""A cell with `--each`, run by hand."""

from __future__ import annotations

import linecache
from types import SimpleNamespace
from typing import Any

import pytest
from IPython.core.compilerop import CachingCompiler

from orch_nb.magics.looping import run_for_each


def after(namespace: dict[str, Any], loop: str, body: str) -> dict[str, Any]:
    shell = SimpleNamespace(
        user_ns=namespace,
        transform_cell=lambda source: source,
        compile=CachingCompiler(),
        execution_count=4,
    )
    run_for_each(shell, loop, body)
    namespace.pop("__builtins__", None)
    return namespace


def test_each_name_gathers_into_a_list_and_the_loops_own_stays_unbound() -> None:
    found = after({"models": [1, 2]}, "model in models", "x = model * 10\ny = str(x)")
    assert found == {"models": [1, 2], "x": [10, 20], "y": ["10", "20"]}


def test_every_item_starts_from_the_same_values() -> None:
    found = after({"x": 100, "n": 7}, "n in [1, 2]", "x = x + n")
    assert found == {"x": [101, 102], "n": 7}


def test_a_name_that_some_item_does_not_bind_is_not_gathered() -> None:
    found = after({}, "n in [1, 2]", "if n == 1:\n    odd = n\nboth = n")
    assert found == {"both": [1, 2]}


def test_when_an_item_fails_the_names_are_as_before() -> None:
    namespace = {"x": 1}
    with pytest.raises(ZeroDivisionError):
        after(namespace, "n in [1, 0]", "x = 1 / n")
    namespace.pop("__builtins__", None)
    assert namespace == {"x": 1}


def test_what_fails_is_told_by_its_line_in_the_cell() -> None:
    with pytest.raises(ZeroDivisionError) as caught:
        after({}, "n in [0]", "x = n\n1 / x")
    frame = caught.traceback[-1]
    assert frame.lineno + 1 == 3  # below the line that says for each what
    assert "1 / x" in linecache.getline(str(frame.path), 3)
