"""Values of which pickle makes something else: each goes from one process to another and back."""

# ruff: noqa: E501 - the sources of cells are as long as they are
from __future__ import annotations

import pytest

from orch_nb.engine import core
from tests.guarantee.harness import Bench, differences

# Name → cells; every one but the first runs in a fork of home, if it can be shipped.
NOTEBOOKS: dict[str, tuple[str, ...]] = {
    "a file that is read on": (
        "open('f.txt', 'w').write('a\\nb\\nc\\n')",
        "f = open('f.txt')",
        "a = f.readline()",
        "print(a, f.read(), type(f).__name__); f.close()",
    ),
    "views of a dict": (
        "d = {'a': 1}",
        "keys, values, items = d.keys(), d.values(), d.items()",
        "d['b'] = 2",
        "print(list(keys), list(values), list(items))",
    ),
    "a proxy of a dict": (
        "import types; d = {'a': 1}",
        "p = types.MappingProxyType(d)",
        "d['b'] = 2",
        "print(dict(p))",
    ),
    "a class's own dict": (
        "class C: x = 1",
        "space = vars(C)",
        "C.y = 2",
        "print('y' in space); del space",
    ),
    "a view of bytes": (
        "b = bytearray(b'0123')",
        "m = memoryview(b)[1:3]",
        "m[0] = 65",
        "print(b, bytes(m), type(m).__name__)",
    ),
    "a namespace of attributes": (
        "import types; s = types.SimpleNamespace(n=1)",
        "s.n += 1; s.m = []",
        "t = s; del t.n",
        "print(s, t is s)",
    ),
    "a class that a function makes": (
        "def make(size):\n    class Local:\n        scale = size\n        def total(self): return 2 * self.scale\n    return Local",
        "made = make(3); Other = type('Other', (made,), {'b': 1, 'a': 2})",
        "Other.later = 3",
        "print(made, list(vars(made)), made().total(), Other, list(vars(Other)))",
    ),
    "text whose Arrow array has a bitmap, or two chunks": (
        "import pandas as pd; f = pd.DataFrame({'k': list('abab'), 'v': range(4)})",
        "taken = f.take([0, 3, 1, 2, 0]); both = pd.concat([f, f])",
        "one = taken.copy(); two = both.rename(columns={'v': 'w'})",
        "taken.info(); one.info(); both.info(); two.info()",
    ),
    "an object that sets its state anew": (
        "class Model:\n    def __init__(self):\n        self.on = False; self.last = 1; self.begin()\n"
        "    def begin(self):\n        self.on = True; self.go = self.run\n    def run(self): return self.on\n"
        "    def __getstate__(self):\n        return {k: v for k, v in vars(self).items() if k != 'go'}\n"
        "    def __setstate__(self, state):\n        vars(self).update(state); self.begin()",
        "model = Model(); model.on = False; model.later = 2",
        "model.last += 1",
        "print(vars(model).keys(), model.on, model.last, model.go())",
    ),
    "an iterator of a deque that is changed": (
        "import itertools; from collections import deque; ring = deque([1, 2])",
        "ring.clear(); pairs = zip(itertools.count(), ring)",
        "more = 1",
        "print(list(pairs), more)",
    ),
    "an error that is kept": (
        "import traceback; xs = [1]",
        "try:\n    raise KeyError('k', xs)\nexcept KeyError as error:\n    kept = error; kept.tag = 'n'",
        "xs.append(2); kept.tag = 'm'",
        "print(kept.args, kept.tag, kept.args[1] is xs, len(traceback.extract_tb(kept.__traceback__)))",
    ),
    "an error that was never raised": (
        "xs = [1]",
        "e = ValueError(xs); e.tag = xs",
        "xs.append(2); e.__cause__ = TypeError('t')",
        "print(e.args[0] is xs, e.tag, repr(e.__cause__), e.__suppress_context__)",
    ),
    "classes that an abstract one counts as its own": (
        "import abc\nclass A(abc.ABC):\n    @abc.abstractmethod\n    def f(self): ...",
        "@A.register\nclass D: pass",
        "class E: pass\nA.register(E)",
        "print(issubclass(D, A), isinstance(E(), A), issubclass(int, A))",
    ),
    "a function by type": (
        "import functools",
        "@functools.singledispatch\ndef f(x): return 'o'",
        "f.register(int, lambda x: 'i')",
        "print(f(1), f('a'))",
    ),
    "handlers of logging": (
        "import logging, sys",
        "log = logging.getLogger('x'); log.setLevel(10); log.propagate = False\nlog.addHandler(logging.StreamHandler(sys.stdout))",
        "log.info('a')",
        "log.setLevel(50)",
        "log.info('b'); print(log.level, log.propagate)",
    ),
    "the root's handlers": (
        "import logging, sys",
        "logging.basicConfig(stream=sys.stdout, level=20)",
        "logging.info('a')",
        "logging.info('b')",
    ),
    "the source of a function": (
        "import inspect",
        "def f(x):\n    # a comment\n    return x",
        "print(inspect.getsource(f))",
    ),
    "where an error came from": (
        "def f(x):\n    return 1 / x",
        "g = lambda: f(0)  # the caller",
        "g()",
    ),
    "enumerations and named tuples": (
        "import enum, collections",
        "class C(enum.Enum):\n    R = 1\n    B = 2\nP = collections.namedtuple('P', 'x y')",
        "m = C.R; p = P(1, 2)",
        "print(m is C['R'], C(1) is m, {m: 1}[C.R], p._replace(x=3), type(p) is P)",
    ),
    "a class of classes": (
        "class M(type):\n    made = []\n    def __new__(m, n, b, s):\n        m.made.append(n); return super().__new__(m, n, b, s)",
        "class A(metaclass=M): pass",
        "class B(A): pass",
        "print(M.made)",
    ),
    "branches of one iterator": (
        "import itertools",
        "a, b = itertools.tee(iter(range(9)))",
        "x = next(a)",
        "y = next(b), next(b)",
        "print(x, y, next(a))",
    ),
    "numbers seeded anew as before": (
        "import random, numpy as np",
        "random.seed(0); np.random.seed(0)",
        "a = random.random(), np.random.rand()",
        "np.random.seed(0); random.seed(0)",
        "print(a, random.random(), np.random.rand())",
    ),
    "a model that is fitted twice": (
        "import numpy as np, statsmodels.api as sm",
        "x = sm.add_constant(np.arange(9.0)); y = x[:, 1] * 2 + np.array([0, 1, 0] * 3)\nmodel = sm.RLM(y, x)",
        "first = model.fit()",
        "second = model.fit(cov='H2')",
        "print(first.weights is model.weights, second.weights is model.weights)",
    ),
    "one source of numbers under two names": (
        "import numpy as np",
        "g = np.random.default_rng(1); h = np.random.Generator(g.bit_generator)",
        "a = g.random()",
        "print(a, h.random())",
    ),
}


@pytest.fixture(autouse=True)
def always_forked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fork for every cell that may be forked, also where nothing runs beside it."""
    choose = core.why_at_home

    def choose_as_if_in_company(plan, buffer, slot, *, others):
        return choose(plan, buffer, slot, others=True)

    monkeypatch.setattr(core, "why_at_home", choose_as_if_in_company)


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_value_stays_what_it_is(bench: Bench, name: str) -> None:
    serial = bench.run(NOTEBOOKS[name], serial=True)
    assert (serial.failed is None) is (name != "where an error came from"), serial.message
    found = differences(serial, bench.run(NOTEBOOKS[name]))
    assert not found, "\n".join(found)


def test_a_database_in_memory_is_no_file_that_cells_share(bench: Bench) -> None:
    draw = "sqlite3.connect(':memory:').execute('select 1').fetchall()"
    cells = ("import sqlite3", f"a = {draw}", f"b = {draw}")
    seen = bench.run(cells)
    assert seen.state == "Completed", seen.message
    assert not seen.learned
