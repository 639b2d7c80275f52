"""Changes packed in one namespace and applied to an equal one: same values, same identities."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from orch_nb.execution.anatomy import Anatomy, Pinned, State, register
from orch_nb.execution.anatomy_arrays import register_loaded
from orch_nb.execution.packing import Changes, pack
from orch_nb.execution.values import ApplyError, unpack
from orch_nb.execution.walk import BUDGET, Index, Watch, names_reaching

# name: (what both processes hold, what the cell does, expressions that must then agree)
CASES = {
    "a column that was looked at, and is copied when it is written to": (
        "import pandas as pd; df = pd.DataFrame({'a': [1, 2], 'b': [3, 5]}); s = df.pop('b')\n"
        "k = s.values.tolist(), df.dtypes.tolist()",
        "s[0] = -1; df['a'] = ['x', 'y']",
        ["s.tolist()", "s.values.tolist()", "df.dtypes.tolist()", "df"],
    ),
    "a list grows": ("a = [1, 2]", "a.append(3)", ["a"]),
    "an alias sees the change": ("a = [1]; b = a", "a.append(2)", ["b", "a is b"]),
    "a new name for the inside": ("a = [[1], [2]]", "b = a[1]", ["b", "b is a[1]"]),
    "the inside changes": ("a = {'k': [1]}", "a['k'].append(2)", ["a"]),
    "a part is replaced by another": ("a = [[1], [2]]", "a[0] = a[1]", ["a[0] is a[1]"]),
    "a cycle": ("a = []", "a.append(a)", ["a[0] is a", "len(a)"]),
    "a dict loses and gains": ("d = {1: 2, 3: 4}", "del d[1]; d[5] = 6", ["d", "list(d)"]),
    "an ordered dict moves": (
        "from collections import OrderedDict; d = OrderedDict(a=1, b=2)",
        "d.move_to_end('a')",
        ["list(d)", "type(d).__name__"],
    ),
    "a counter": ("from collections import Counter; c = Counter('ab')", "c.update('bc')", ["c"]),
    "a default dict": (
        "from collections import defaultdict; d = defaultdict(list)",
        "d['x'].append(1)",
        ["d", "d.default_factory is list"],
    ),
    "a set": ("s = {1, 2}", "s.add(3); s.discard(1)", ["s"]),
    "an object that pickles itself otherwise": (
        "class C:\n"
        "    made = 0\n"
        "    def __new__(cls): C.made += 1; return super().__new__(cls)\n"
        "    def __getstate__(self): return {'x': 0}\n"
        "    def __setstate__(self, state): self.x = -1\n"
        "    def __reduce__(self): raise ValueError('no')",
        "c = C(); c.x = [c]",
        ["c.x[0] is c", "C.made"],
    ),
    "an object with slots that makes itself": (
        "class C:\n"
        "    __slots__ = ('x', 'y')\n"
        "    def __new__(cls, x): self = super().__new__(cls); self.x = x; return self",
        "c = C(3)",
        ["c.x", "hasattr(c, 'y')", "type(c) is C"],
    ),
    "a set's order": ("n = 45", "s = {n, 8, 5}; f = frozenset([n, 8, 5])", ["list(s)", "list(f)"]),
    "a changed set's order": ("n = 45; s = {5}", "s.clear(); s |= {n, 8, 5}", ["list(s)"]),
    "one set under two names": ("n = 45", "s = {n, 8, 5}; t = [s, s]", ["s is t[0]", "t"]),
    "a set that an element of it holds": (
        "n = 45\nclass C:\n    pass",
        "c = C(); c.s = {n, 8, 5, n + 1, n + 2, c}; c.s.discard(n + 1)",
        ["len(c.s)", "c in c.s"],
    ),
    "a deque": (
        "from collections import deque; q = deque([1], 2)",
        "q.append(2); q.append(3)",
        ["q", "q.maxlen"],
    ),
    "a bytearray": ("b = bytearray(b'ab')", "b += b'c'", ["b"]),
    "an attribute": (
        "class C:\n    pass\nc = C(); c.x = [1]; k = c",
        "c.y = c.x; c.x.append(2)",
        ["c.y", "c.x is c.y", "k is c", "isinstance(c, C)"],
    ),
    "slots": (
        "class P:\n    __slots__ = ('x', 'y')\np = P(); p.x = 1",
        "p.y = 2; del p.x",
        ["p.y", "hasattr(p, 'x')"],
    ),
    "an instance made of a class held by both": (
        "class A:\n    n = 0\nclass B(A):\n    pass",
        "b = B(); B.n += 1",
        ["isinstance(b, A)", "type(b) is B", "B.n", "A.n"],
    ),
    "a class defined by the cell": (
        "base = 2",
        "class C:\n    def __init__(self): self.v = base\nc = C()",
        ["c.v", "isinstance(c, C)", "C().v"],
    ),
    "a class with super()": (
        "class A:\n    def f(self): return 1",
        "class B(A):\n    def f(self): return super().f() + 1",
        ["B().f()"],
    ),
    "a function reads the receiver's globals": (
        "n = 1",
        "def f(): return n\nn = 5",
        ["f()", "f.__globals__ is globals()"],
    ),
    "a closure's counter": (
        "def make():\n"
        "    n = 0\n"
        "    def f():\n"
        "        nonlocal n\n"
        "        n += 1\n"
        "        return n\n"
        "    return f\n"
        "f = make(); f()",
        "f()",
        ["f()"],
    ),
    "two new functions share a cell": (
        "",
        "def make():\n    n = [0]\n    return (lambda: n), (lambda: n.append(1))\n"
        "get, add = make()",
        ["add() or get()"],
    ),
    "a recursive function": ("", "def f(n): return n and n * f(n - 1) or 1", ["f(5)"]),
    "a mutable default": ("def f(x, seen=[]):\n    seen.append(x); return seen", "f(1)", ["f(2)"]),
    "a dataclass": (
        "from dataclasses import dataclass",
        "@dataclass\nclass P:\n    x: int = 1\np = P(3)",
        ["p", "P()", "P(3) == p"],
    ),
    "an enum": (
        "",
        "import enum\nclass E(enum.Enum):\n    A = 1\ne = E.A",
        ["e is E.A", "E(1) is e"],
    ),
    "a deleted name": ("a = 1; b = 2", "del a", ["'a' in globals()", "b"]),
    "a bound method": (
        "class C:\n    def f(self): return self.x\nc = C(); c.x = 1",
        "m = c.f",
        ["m()", "m.__self__ is c"],
    ),
    "random.Random": ("import random; r = random.Random(1)", "r.random()", ["r.random()"]),
    "an array changes in place": (
        "import numpy as np; a = np.arange(6); v = a[2:4]; t = a.reshape(2, 3).T",
        "v[0] = 9",
        ["a.tolist()", "t.tolist()", "np.shares_memory(a, v)"],
    ),
    "a new view of an old array": (
        "import numpy as np; a = np.arange(6)",
        "v = a[::-2]; v[0] = 7",
        ["a.tolist()", "v.tolist()", "np.shares_memory(a, v)"],
    ),
    "two new views of a new array": (
        "import numpy as np",
        "a = np.zeros(4); v = a[1:3]; w = a[::2]; v[1] = 5",
        ["w.tolist()", "np.shares_memory(v, w)", "v.base is a"],
    ),
    "Fortran order": (
        "import numpy as np",
        "a = np.asfortranarray(np.arange(6).reshape(2, 3))",
        ["a.tolist()", "a.flags.f_contiguous", "a.flags.owndata"],
    ),
    "a read-only array": (
        "import numpy as np; a = np.arange(3)",
        "a[0] = 5; a.flags.writeable = False",
        ["a.tolist()", "a.flags.writeable"],
    ),
    "a large array": (
        "import numpy as np",
        "a = np.arange(300_000.0); b = [a, a]",
        ["float(a.sum())", "b[0] is b[1]", "a.flags.writeable"],
    ),
    "an object array": (
        "import numpy as np; l = [1]; a = np.array([l, 'x', None], dtype=object)",
        "l.append(2)",
        ["a.tolist()", "a[0] is l"],
    ),
    "a generator of random numbers": (
        "import numpy as np; g = np.random.default_rng(1); h = g",
        "g.random(3)",
        ["h.random()", "g is h"],
    ),
    "a column is added": (
        "import pandas as pd; df = pd.DataFrame({'a': [1, 2]}); same = df",
        "df['b'] = df.a * 2",
        ["same.to_dict()", "same is df", "list(df)"],
    ),
    "a frame changes in place": (
        "import pandas as pd; df = pd.DataFrame({'a': [1, 2], 'b': ['x', 'y']}); copy = df[:]",
        "df.loc[0, 'a'] = 9; df.iloc[1, 1] = 'z'; df.attrs['k'] = 1",
        ["df.to_dict()", "copy.to_dict()", "df.attrs"],
    ),
    "dropped and renamed in place": (
        "import pandas as pd; df = pd.DataFrame({'a': [1, 2, 3], 'b': [4, 5, 6]})",
        "df.drop(columns='a', inplace=True); df.index.name = 'i'; df.drop(index=1, inplace=True)",
        ["df.to_dict()", "df.index.name", "df.shape"],
    ),
    "a frame that shares copies on write": (
        "import pandas as pd; df = pd.DataFrame({'a': [1, 2]})",
        "part = df[['a']]; part.iloc[0, 0] = 9",
        ["df.to_dict()", "part.to_dict()"],
    ),
    "a series": (
        "import pandas as pd; s = pd.Series([1, 2], name='n')",
        "s[0] = 7; s.name = 'm'",
        ["s.tolist()", "s.name"],
    ),
    "dates and categories": (
        "import pandas as pd",
        "d = pd.Series(pd.date_range('2026-01-01', periods=3)); c = pd.Categorical(['a', 'b'])",
        ["d.dt.day.tolist()", "list(c)", "d.dtype.kind"],
    ),
    "a sorted index": (
        "import pandas as pd; df = pd.DataFrame({'a': [3, 1, 2]})",
        "df.sort_values('a', inplace=True)",
        ["df.a.tolist()", "df.index.tolist()"],
    ),
}


def namespace(source: str) -> dict[str, Any]:
    space: dict[str, Any] = {"__name__": "__main__"}
    exec(source, space)
    return space


def names_of(space: dict[str, Any]) -> set[str]:
    return {name for name in space if not name.startswith("__")}


def changes_of(space: dict[str, Any], source: str) -> tuple[Changes, Index]:
    """What ``source`` does to ``space``, seen as a worker sees it."""
    register_loaded()
    before = {name: space[name] for name in names_of(space)}
    index = Index(sorted(before), space)
    watch = Watch(before, index, space)
    exec(source, space)
    register_loaded()
    after = {name: space[name] for name in names_of(space)}
    bound = {n: v for n, v in after.items() if n not in before or before[n] is not v}
    deleted = tuple(sorted(before.keys() - after.keys()))
    return Changes(bound, deleted, watch.changed()), index


@pytest.mark.filterwarnings("ignore:The inplace keyword")
@pytest.mark.parametrize("case", CASES)
def test_applied_changes_give_what_the_cell_gave(case: str) -> None:
    given, does, agree = CASES[case]
    ours, theirs = namespace(given), namespace(given)
    changes, index = changes_of(theirs, does)
    data, buffers = pack(changes, index, theirs)
    raw = [bytearray(pickle.PickleBuffer(buffer).raw()) for buffer in buffers]
    unpack(memoryview(data), raw, ours)
    for expression in agree:
        assert repr(eval(expression, ours)) == repr(eval(expression, theirs)), expression


def test_a_change_nobody_made_is_not_found() -> None:
    space = namespace("import pandas as pd; df = pd.DataFrame({'a': [1]}); l = [df, {1: [2]}]")
    changes, _ = changes_of(space, "x = df.a.sum() + len(l) + df.describe().size")
    assert changes.changed == []
    assert set(changes.bound) == {"x"}


@pytest.mark.parametrize(
    "source", ["g = (x for x in 'ab')", "f = open('/dev/null')", "i = iter([1])"]
)
def test_what_can_not_be_seen_is_named(source: str) -> None:
    space = namespace(source)
    name = next(iter(names_of(space)))
    index = Index([name], space)
    with pytest.raises(Pinned, match=f"^{name} holds a "):
        Watch([name], index, space)
    if name == "f":
        space["f"].close()


def test_a_reference_to_something_else_is_refused() -> None:
    theirs, ours = namespace("a = [[1]]"), namespace("a = [{}]")
    changes, index = changes_of(theirs, "b = a[0]")
    data, _ = pack(changes, index, theirs)
    with pytest.raises(ApplyError, match="'a' holds a dict, not a list"):
        unpack(memoryview(data), [], ours)
    assert "b" not in ours


def test_nothing_is_applied_when_a_name_is_gone() -> None:
    theirs, ours = namespace("a = [[1]]; c = [1]"), namespace("c = [1]")
    changes, index = changes_of(theirs, "c.append(2); b = a[0]")
    data, _ = pack(changes, index, theirs)
    with pytest.raises(ApplyError, match="'a' is not there any more"):
        unpack(memoryview(data), [], ours)
    assert ours["c"] == [1]


class Refusing:
    """Takes any state but one."""

    def __init__(self) -> None:
        self.state = 0


class _RefusingAnatomy(Anatomy):
    mutable = True

    def freeze(self, obj: Refusing) -> State:
        return (), obj.state

    def content(self, obj: Refusing) -> int:
        return obj.state

    def restore(self, obj: Refusing, content: int) -> None:
        if content == 2:
            raise ValueError("no such state")
        obj.state = content


def test_nothing_is_applied_when_an_object_refuses() -> None:
    register(Refusing, _RefusingAnatomy())
    given = (
        f"from {__name__} import Refusing; import numpy as np\n"
        "numbers = [1]; row = np.arange(3); odd, also = Refusing(), Refusing()"
    )
    theirs, ours = namespace(given), namespace(given)
    does = "numbers.append(2); row[0] = 9; also.state = 1; odd.state = 2; new = 3"
    changes, index = changes_of(theirs, does)
    data, _ = pack(changes, index, theirs)
    with pytest.raises(ApplyError, match="Refusing: no such state"):
        unpack(memoryview(data), [], ours)
    assert (ours["numbers"], ours["row"].tolist(), ours["also"].state) == ([1], [0, 1, 2], 0)
    assert "new" not in ours


def test_walks_stop_at_their_budget() -> None:
    space = namespace(f"a = [[i] for i in range({BUDGET + 1})]; b = list(range({BUDGET * 2}))")
    with pytest.raises(Pinned, match="more than"):
        Index(["a"], space)
    Index(["b"], space)  # atoms are not walked


def test_aliases_are_found_by_what_they_reach() -> None:
    space = namespace("a = [1]; b = {'k': a}; c = [2]; d = (b,)")
    assert names_reaching([space["a"]], ["a", "b", "c", "d"], space) == {"a", "b", "d"}


def test_an_exception_of_a_library_keeps_its_traceback_by_staying() -> None:
    space = namespace("import pandas as pd")
    failing = "try:\n    raise pd.errors.ParserError('x')\nexcept Exception as e:\n    kept = e"
    changes, index = changes_of(space, failing)
    with pytest.raises(Pinned, match="ParserError with its traceback"):
        pack(changes, index, space)
