"""Fingerprints: equal values have equal ones, in any process; any change shows."""

from __future__ import annotations

import copy
import math
import os
import subprocess
import sys
import threading
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from orch_nb.execution.anatomy_arrays import register_loaded
from orch_nb.execution.fingerprint import Fingerprinter

register_loaded()

atoms = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.binary(max_size=20)
    | st.complex_numbers(allow_nan=False)
    | st.decimals(allow_nan=False)
    | st.dates()
)
values = st.recursive(
    atoms,
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(max_size=5), inner, max_size=4)
        | st.sets(st.integers() | st.text(max_size=3), max_size=5)
        | st.frozensets(st.tuples(st.integers(), st.text(max_size=3)), max_size=4)
    ),
    max_leaves=20,
)
arrays = hnp.arrays(
    hnp.scalar_dtypes(), hnp.array_shapes(min_dims=0, max_dims=3, max_side=5), fill=st.nothing()
)


def digest(value: Any, namespace: dict[str, Any] | None = None) -> str:
    printer = Fingerprinter({} if namespace is None else namespace)
    found = printer.digest(value)
    assert not printer.partial, printer.unknown
    return found


def defined(source: str) -> dict[str, Any]:
    """A notebook's namespace after a cell."""
    namespace: dict[str, Any] = {"__name__": "__main__"}
    exec(source, namespace)
    return namespace


def function_digest(source: str, name: str = "f") -> str:
    namespace = defined(source)
    return digest(namespace[name], namespace)


@given(values)
def test_copies_have_the_same(value: Any) -> None:
    assert digest(value) == digest(copy.deepcopy(value))


@given(values, values)
def test_values_of_another_repr_have_another(one: Any, other: Any) -> None:
    if digest(one) == digest(other):
        assert type(one) is type(other)
        if not isinstance(one, set | frozenset):
            assert one == other or "nan" in repr(one)


@given(st.lists(values, min_size=1, max_size=4), st.data())
def test_a_changed_element_shows(items: list[Any], data: st.DataObject) -> None:
    before = digest(items)
    items[data.draw(st.integers(0, len(items) - 1))] = ("changed", object.__name__)
    assert digest(items) != before


@given(arrays)
def test_arrays_count_by_their_elements(array: np.ndarray[Any, Any]) -> None:
    assert digest(array) == digest(array.copy(order="F"))
    assert digest(array) == digest(np.array(array, order="C", copy=True))
    if array.size:
        flat = array.copy().reshape(-1)
        flat.view(np.uint8)[0] ^= 1
        if not array_equal(flat, array.reshape(-1)):
            assert digest(flat.reshape(array.shape)) != digest(array)


def array_equal(one: np.ndarray[Any, Any], other: np.ndarray[Any, Any]) -> bool:
    nan = one.dtype.kind in "fcmM"
    return bool(np.array_equal(one, other, equal_nan=nan))


@given(st.lists(st.integers(), max_size=20), st.randoms())
def test_the_order_of_a_set_has_no_part_in_it(items: list[int], random: Any) -> None:
    mixed = items[:]
    random.shuffle(mixed)
    assert digest(set(items)) == digest(set(mixed))


def test_the_order_of_a_dict_has() -> None:
    assert digest({"a": 1, "b": 2}) != digest({"b": 2, "a": 1})


@given(st.lists(st.text(max_size=4), min_size=60, max_size=70))
def test_long_lists_of_one_type_are_no_other_than_they_hold(items: list[str]) -> None:
    assert digest(items) == digest(list(items))
    items[3] += "x"
    changed = digest(items)
    items[3] = items[3][:-1]
    assert digest(items) != changed
    joined = [items[0] + items[1], "", *items[2:]]
    assert (digest(joined) == digest(items)) is (joined == items)


def test_every_nan_is_the_same() -> None:
    other = np.array([0x7FF8000000000123], dtype="u8").view("f8")
    assert digest(np.array([math.nan])) == digest(other)
    assert digest([float(other[0])] * 100) == digest([math.nan] * 100)
    assert digest(pd.Series(other)) == digest(pd.Series([math.nan]))


def test_sharing_shows_and_cycles_end() -> None:
    inner = [1]
    assert digest([inner, inner]) != digest([inner, [1]])
    cycle: list[Any] = [1]
    cycle.append(cycle)
    assert digest(cycle) == digest(copy.deepcopy(cycle))


FRAMES = {
    "pandas": lambda v: pd.DataFrame({"a": [1, 2, v], "b": ["x", None, "y"]}),
    "index": lambda v: pd.DataFrame({"a": [1, 2, 3]}, index=["x", "y", str(v)]),
    "categories": lambda v: pd.Series(pd.Categorical(["u", "v", str(v)])),
    "dates": lambda v: pd.Series(pd.date_range("2024-01-01", periods=v, tz="UTC")),
    "nullable": lambda v: pd.Series([1, None, v], dtype="Int64"),
    "attrs": lambda v: _with_attrs(v),
    "polars": lambda v: pl.DataFrame(
        {"a": [1, None, v], "b": ["x", None, "é"], "c": [[1], [], [2]]}
    ),
    "polars series": lambda v: pl.Series("s", [1.0, None, float(v)]),
    "arrow": lambda v: pa.table({"a": [1, None, v], "s": ["x", None, str(v)]}),
    "arrow array": lambda v: pa.array([{"k": v}, None]),
    "arrow times": lambda v: pa.array([v, None], pa.timestamp("us")),
    "arrow flags": lambda v: pa.array([True, None, v > 4]),
    "masked": lambda v: np.ma.array([1, 2, v], mask=[0, 1, 0]),
    "objects": lambda v: np.array([1, "x", v], dtype=object),
    "fields": lambda v: np.array([(1, 2.0), (v, 3.0)], dtype=[("a", "i1"), ("b", "f8")]),
    "generator": lambda v: np.random.default_rng(v),
}


def _with_attrs(value: int) -> pd.DataFrame:
    frame = pd.DataFrame({"a": [1]})
    frame.attrs["from"] = value
    return frame


@pytest.mark.parametrize("name", FRAMES)
def test_tables_and_arrays_by_what_they_hold(name: str) -> None:
    make = FRAMES[name]
    assert digest(make(4)) == digest(make(4))
    assert digest(make(4)) != digest(make(5))


def test_types_show() -> None:
    frame = pd.DataFrame({"a": [1, 2]})
    alike = [frame, frame.astype("float"), frame.astype("Int64"), frame.rename(columns={"a": "b"})]
    assert len({digest(item) for item in alike}) == len(alike)
    assert digest(True) != digest(1) != digest(1.0)


def test_arrow_s_chunks_and_what_lies_below_nulls_do_not_show() -> None:
    assert digest(pa.chunked_array([[1, 2], [3]])) == digest(pa.chunked_array([[1], [2, 3]]))
    garbage = pa.Array.from_buffers(
        pa.int64(),
        2,
        [pa.py_buffer(b"\x01"), pa.py_buffer(np.array([7, 99]).tobytes())],
    )
    assert garbage.to_pylist() == [7, None]
    assert digest(garbage) == digest(pa.array([7, None]))


def test_what_lies_between_fields_does_not_show() -> None:
    kind = np.dtype([("a", "i1"), ("b", "f8")], align=True)
    one, other = np.zeros(2, kind), np.frombuffer(b"\xff" * 32, kind).copy()
    other["a"], other["b"] = 0, 0.0
    assert digest(one) == digest(other)


def test_functions_count_by_their_code() -> None:
    plain = function_digest("def f(x):\n    return x + 1")
    assert plain == function_digest("# a comment\n\n\ndef f( x ):\n\n    return (x+1)  # more")
    assert plain != function_digest("def f(x):\n    return x + 2")
    assert plain != function_digest("def f(x=1):\n    return x + 1")
    assert plain != function_digest("def f(x):\n    'docs'\n    return x + 1")
    nested = "def f(x):\n    def g(): return {set}\n    return g"
    assert function_digest(nested.format(set="x in {'a', 'b'}")) != function_digest(
        nested.format(set="x in {'a', 'c'}")
    )


def test_closures_count_by_what_they_hold() -> None:
    make = "def make(n):\n    def f(): return n\n    return f\nf = make({n})"
    assert function_digest(make.format(n=[1])) == function_digest(make.format(n=[1]))
    assert function_digest(make.format(n=[1])) != function_digest(make.format(n=[2]))


def test_functions_tell_which_globals_they_read_when_called() -> None:
    namespace = defined("def f(x):\n    return [scale * helper(y) for y in x]\nboxed = {'f': [f]}")
    printer = Fingerprinter(namespace)
    printer.digest(namespace["boxed"])
    assert {"scale", "helper"} <= printer.late


CLASSES = """
import dataclasses, enum
@dataclasses.dataclass
class P:
    x: int
    def m(self): return self.x + {n}
class Q(P):
    pass
q = Q(3)
"""


def test_classes_and_their_instances_count_by_their_source() -> None:
    one, other = CLASSES.format(n=1), CLASSES.format(n=2)
    for name in ("P", "Q", "q"):
        assert function_digest(one, name) == function_digest("# moved\n" + one, name)
        assert function_digest(one, name) != function_digest(other, name)


@pytest.mark.parametrize(
    "value",
    [threading.Lock(), (i for i in range(3)), [1, {"deep": threading.Lock()}]],
    ids=("lock", "generator", "nested lock"),
)
def test_what_has_none_is_told_with_its_type(value: Any) -> None:
    printer = Fingerprinter({})
    printer.digest(value)
    assert printer.partial
    assert printer.unknown in ("_thread.lock", "builtins.generator")


SCRIPT = """
import sys
from pathlib import Path
sys.path.insert(0, {root!r})
from tests.unit.execution.test_fingerprint import CLASSES, FRAMES, defined, digest
sample = [{{"a", "b", "c", "d"}}, frozenset({{("x", 1), ("y", 2)}}), {{"k": {{1.5, "s"}}}}]
print([digest(part) for part in sample])
print([digest(make(4)) for make in FRAMES.values()])
namespace = defined(CLASSES.format(n=1) + '''
def f(x, among=frozenset({{"a", "b", "c"}})):
    return x in {{"p", "q", "r", "s"}} or x in among
items = {{Q(1), Q(2), f}} if Q.__hash__ else {{f}}
''')
print([digest(namespace[name], namespace) for name in ("P", "Q", "q", "f", "items")])
"""


def test_processes_agree_whatever_their_hashes() -> None:
    root = str(Path(__file__).resolve().parents[3])
    printed = {
        subprocess.run(
            [sys.executable, "-c", SCRIPT.format(root=root)],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
            timeout=120,
        ).stdout
        for seed in ("1", "77")
    }
    assert len(printed) == 1


def test_the_order_of_an_ordered_dict_is_its_own() -> None:
    one, other = OrderedDict(a=1, b=2), OrderedDict(b=2, a=1)
    assert digest(one) != digest(other)
    one.move_to_end("a")
    assert digest(one) == digest(other)


def test_what_a_librarys_object_only_caches_does_not_count() -> None:
    one, other = Cached(), Cached()
    other._summary_cache = {"asked": 1}
    assert digest(one) == digest(other)
    mine = defined("class C: pass\none, other = C(), C(); other._summary_cache = {'asked': 1}")
    assert digest(mine["one"], mine) != digest(mine["other"], mine)


class Cached:
    """An object of this module, which is no notebook."""

    def __init__(self) -> None:
        self.value = 1


def test_an_exception_is_the_same_whether_its_attributes_were_looked_at() -> None:
    error, other = UserWarning("note"), UserWarning("note")
    assert vars(error) == {}
    assert digest(error) == digest(other)
    error.extra = 1  # type: ignore[attr-defined]
    assert digest(error) != digest(other)
