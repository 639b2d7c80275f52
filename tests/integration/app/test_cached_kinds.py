"""What was made from a value of each kind is found by that value: equal ones serve, others don't.

Each run's values are made by new processes, with another hash seed, and by other code.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from orch_nb.app import RunRequest, run
from orch_nb.states import StateName
from tests.command_line import make_document

IMPORTS = """import enum
from dataclasses import dataclass, field
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa"""
CLASSES = """@dataclass
class Point:
    x: float
    tags: frozenset = frozenset({"a", "b", "c"})

class Colour(enum.Enum):
    RED = 1
    BLUE = 2

class Model:
    def __init__(self, k):
        self.k = k

    def run(self, value):
        return value * self.k"""
# Name: an expression, one of an equal value, and one of another.
MAKERS: dict[str, tuple[str, str, str]] = {
    "array": ("np.arange(6.0)", "np.array([0, 1, 2, 3, 4, 5.0])", "np.arange(6.0) + 1e-9"),
    "view": ("np.arange(12)[::2]", "np.array([0, 2, 4, 6, 8, 10])", "np.arange(12)[1::2]"),
    "frame": (
        "pd.DataFrame({'a': [1, 2], 'b': ['x', None]})",
        "pd.DataFrame([(1, 'x'), (2, None)], columns=['a', 'b'])",
        "pd.DataFrame({'a': [1, 3], 'b': ['x', None]})",
    ),
    "series": (
        "pd.Series(pd.Categorical(['u', 'v', 'u']))",
        "pd.Series(['u', 'v', 'u']).astype('category')",
        "pd.Series(pd.Categorical(['u', 'v', 'v']))",
    ),
    "polar": (
        "pl.DataFrame({'k': [1, 2], 's': ['q', None]})",
        "pl.DataFrame([{'k': 1, 's': 'q'}, {'k': 2, 's': None}])",
        "pl.DataFrame({'k': [1, 2], 's': ['q', 'r']})",
    ),
    "table": (
        "pa.table({'n': [1, None, 3], 'l': [[1], [], None]})",
        "pa.table([[1, None, 3], [[1], [], None]], names=['n', 'l'])",
        "pa.table({'n': [1, None, 4], 'l': [[1], [], None]})",
    ),
    "point": ("Point(1.5)", "Point(x=3 / 2)", "Point(1.5, frozenset('ab'))"),
    "colour": ("Colour.RED", "Colour(1)", "Colour.BLUE"),
    "model": ("Model(3)", "Model(k=1 + 2)", "Model(4)"),
    "words": ("{'z', 'y', 'x'}", "set('xyz')", "{'z', 'y', 'w'}"),
}
LISTS = {"frame": "to_dict()", "series": "tolist()", "polar": "rows()", "table": "to_pylist()"}
USES = [
    f"from_{name} = str({name}.{LISTS[name]})" if name in LISTS else f"from_{name} = type({name})"
    for name in MAKERS
]


def cells(which: Mapping[str, int]) -> list[str]:
    makers = [f"{name} = {made[which.get(name, 0)]}" for name, made in MAKERS.items()]
    return [IMPORTS, CLASSES, *makers, *USES]


@pytest.mark.usefixtures("orch_home")
def test_values_of_each_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def ran(name: str, which: Mapping[str, int], seed: str) -> set[str]:
        """The consumers that ran."""
        monkeypatch.setenv("PYTHONHASHSEED", seed)
        path = tmp_path / f"{name}.ipynb"
        path.write_text(json.dumps(make_document(*cells(which))))
        result = run(RunRequest(str(path), options={"cache": True}))
        assert result.run.state_name is StateName.COMPLETED, result.run.state_message
        uses = result.tasks[-len(MAKERS) :]
        states = {name: task.state_name for name, task in zip(MAKERS, uses, strict=True)}
        return {name for name, state in states.items() if state is not StateName.CACHED}

    assert ran("one", {}, "1") == set(MAKERS)
    assert ran("one", dict.fromkeys(MAKERS, 1), "2") == set()
    assert ran("another", {}, "3") == set(), "flows share what the key says is equal"
    assert ran("one", dict.fromkeys(MAKERS, 2), "4") == set(MAKERS)
