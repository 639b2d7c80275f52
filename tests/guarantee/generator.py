"""Writes notebooks at random: plain Python, NumPy and pandas that share, change, hide and fail.

Everything is drawn from one ``random.Random``, so a seed gives a notebook, and hypothesis, whose
own Random shrinks, can give one as well. All values are deterministic: no clock, no addresses,
no sets of strings in an order that shows.
"""

# ruff: noqa: E501 - the sources of cells are as long as they are
from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

IMPORTS = """import collections, contextlib, copy, csv, dataclasses, decimal, functools, itertools, json
import math, os, pickle, random, time, warnings
from pathlib import Path
import numpy as np
import pandas as pd
from IPython.display import display"""

SEEDS = "random.seed(7)\nnp.random.seed(7)\nrng = np.random.default_rng(7)"


class Kind:
    """What the writer believes a variable to hold."""

    NUMBER, TEXT, LIST, NESTED, DICT, SET = "number", "text", "list", "nested", "dict", "set"
    ARRAY, FRAME, SERIES = "array", "frame", "series"
    OBJECT, SLOTTED, CLASS, FUNCTION, COUNTER = "object", "slotted", "class", "function", "counter"
    ITERATOR, DRAWER, TUPLE, DEQUE = "iterator", "drawer", "tuple", "deque"


_STEMS = {
    Kind.NUMBER: "n",
    Kind.TEXT: "s",
    Kind.LIST: "xs",
    Kind.NESTED: "box",
    Kind.DICT: "d",
    Kind.SET: "u",
    Kind.ARRAY: "a",
    Kind.FRAME: "df",
    Kind.SERIES: "col",
    Kind.OBJECT: "thing",
    Kind.SLOTTED: "slim",
    Kind.CLASS: "Thing",
    Kind.FUNCTION: "f",
    Kind.COUNTER: "count",
    Kind.ITERATOR: "it",
    Kind.DRAWER: "dice",
    Kind.TUPLE: "t",
    Kind.DEQUE: "q",
}


@dataclass
class Writer:
    """Writes one notebook. ``kinds`` is what each name is believed to hold."""

    chance: random.Random
    kinds: dict[str, str] = field(default_factory=dict)

    # -- choosing

    def pick(self, options: Sequence[str]) -> str:
        return options[self.chance.randrange(len(options))]

    def often(self, part: float) -> bool:
        return self.chance.random() < part

    def number(self, low: int = 0, high: int = 9) -> int:
        return self.chance.randint(low, high)

    def have(self, *kinds: str) -> str | None:
        """A variable of one of these kinds, if there is one."""
        names = [name for name, kind in self.kinds.items() if kind in kinds]
        return self.pick(names) if names else None

    def name(self, kind: str) -> str:
        """A name to bind: often a new one, at times one that is taken."""
        if self.kinds and self.often(0.08):
            found = self.pick([name for name in self.kinds if name != "rng"] or ["n1"])
        else:
            limit = {Kind.CLASS: 3, Kind.FUNCTION: 4}.get(kind, 5)
            found = f"{_STEMS[kind]}{self.number(1, limit)}"
        self.kinds[found] = kind
        return found

    def value(self) -> str:
        """An expression for a number."""
        name = self.have(Kind.NUMBER)
        options = [str(self.number())]
        if name:
            options += [name, f"{name} + {self.number()}", f"({name} * 3) % 17"]
        xs = self.have(Kind.LIST, Kind.DEQUE)
        if xs:
            options += [f"len({xs})", f"sum({xs})"]
        d = self.have(Kind.DICT)
        if d:
            options += [f"len({d})", f"{d}.get('k{self.number(0, 3)}', 0)"]
        a = self.have(Kind.ARRAY)
        if a:
            options += [f"int({a}.sum()) % 101"]
        f = self.have(Kind.FUNCTION)
        if f:
            options += [f"{f}({self.number()})"] * 2
        c = self.have(Kind.COUNTER)
        if c:
            options += [f"{c}()"] * 2
        o = self.have(Kind.OBJECT, Kind.SLOTTED)
        if o:
            options += [f"{o}.size", f"{o}.grow({self.number()})"]
        return self.pick(options)

    # -- notebooks

    def notebook(self, cells: int) -> list[str]:
        """The sources of a notebook of that many cells, imports included."""
        found = [IMPORTS, SEEDS]
        self.kinds["rng"] = Kind.DRAWER
        for _ in range(cells - 2):
            found.append(self.cell())
        return found

    def cell(self) -> str:
        """One cell: a few statements, and often something shown."""
        lines: list[str] = []
        for _ in range(self.chance.choice((1, 1, 1, 2, 2, 3))):
            lines += self.statement()
        if self.often(0.2):
            at = self.number(0, len(lines))
            decorated = at > 0 and lines[at - 1].startswith("@")
            if not decorated and all(not li.startswith((" ", "%")) for li in lines[at : at + 1]):
                lines.insert(at, f"time.sleep({self.pick(('0.002', '0.005', '0.01', '0.02'))})")
        if self.often(0.35):
            lines.append(self.shown())
        if self.often(0.004):
            lines.append(self.pick(("1 / 0", "missing_name", "raise ValueError('stop')", "[][3]")))
        return "\n".join(lines)

    def shown(self) -> str:
        """A last line that shows something."""
        name = self.have(
            Kind.NUMBER, Kind.TEXT, Kind.LIST, Kind.NESTED, Kind.DICT, Kind.ARRAY, Kind.FRAME,
            Kind.SERIES, Kind.TUPLE, Kind.DEQUE,
        )  # fmt: skip
        if name is None or self.often(0.15):
            return self.value()
        return self.pick((name, f"print({name})", f"print(f'{{{name}!r:>5}}')", f"display({name})"))

    def statement(self) -> list[str]:
        """A statement of some kind that has what it needs."""
        while True:
            weights, makers = zip(*_STATEMENTS, strict=True)
            (make,) = self.chance.choices(makers, weights)
            kinds = dict(self.kinds)
            lines = make(self)
            if lines:
                return lines
            self.kinds = kinds


Maker = Callable[[Writer], "list[str] | None"]
_STATEMENTS: list[tuple[int, Maker]] = []


def _weigh(weight: int) -> Callable[[Maker], Maker]:
    def register(make: Maker) -> Maker:
        _STATEMENTS.append((weight, make))
        return make

    return register


# -- plain values


@_weigh(8)
def _bind_number(w: Writer) -> list[str]:
    value = w.value()
    return [f"{w.name(Kind.NUMBER)} = {value}"]


@_weigh(4)
def _bind_text(w: Writer) -> list[str]:
    value = w.value()
    return [f'{w.name(Kind.TEXT)} = f"v{{{value}}}"']


@_weigh(8)
def _bind_container(w: Writer) -> list[str]:
    one, two = w.value(), w.value()
    kind = w.pick((Kind.LIST, Kind.DICT, Kind.SET, Kind.DEQUE, Kind.TUPLE))
    source = {
        Kind.LIST: w.pick((f"[{one}, {two}, 3]", f"[i * 2 for i in range({w.number(1, 6)})]")),
        Kind.DICT: w.pick((f"{{'k0': {one}, 'k1': {two}}}", f"dict(k1={one}, k2={two})")),
        Kind.SET: f"{{{one}, {two}, 5}}",
        Kind.DEQUE: f"collections.deque([{one}, {two}], maxlen={w.number(2, 5)})",
        Kind.TUPLE: f"({one}, {two})",
    }[kind]
    return [f"{w.name(kind)} = {source}"]


@_weigh(8)
def _alias(w: Writer) -> list[str] | None:
    old = w.have(
        Kind.LIST, Kind.DICT, Kind.SET, Kind.ARRAY, Kind.FRAME, Kind.OBJECT, Kind.NESTED,
        Kind.SLOTTED, Kind.DEQUE, Kind.SERIES, Kind.COUNTER, Kind.ITERATOR, Kind.FUNCTION,
    )  # fmt: skip
    if old is None:
        return None
    kind = w.kinds[old]
    return [f"{w.name(kind)} = {old}"]


@_weigh(7)
def _nest(w: Writer) -> list[str] | None:
    one = w.have(Kind.LIST, Kind.DICT, Kind.SET, Kind.ARRAY, Kind.FRAME, Kind.OBJECT, Kind.NESTED)
    two = w.have(Kind.LIST, Kind.DICT, Kind.ARRAY, Kind.SLOTTED, Kind.NESTED, Kind.NUMBER)
    if one is None or two is None:
        return None
    source = w.pick((f"[{one}, {one}, {two}]", f"[{one}, [{two}, ({one},)]]", f"[({one}, {two})]"))
    return [f"{w.name(Kind.NESTED)} = {source}"]


@_weigh(5)
def _change_nested(w: Writer) -> list[str] | None:
    box = w.have(Kind.NESTED)
    if box is None:
        return None
    inner = w.have(Kind.LIST, Kind.DICT, Kind.ARRAY, Kind.OBJECT)
    options = [
        f"{box}.append({w.value()})",
        f"for part in {box}:\n    if isinstance(part, list): part.append({w.number()})",
        f"for part in {box}:\n    if isinstance(part, dict): part['k9'] = {w.value()}",
        f"for part in {box}:\n    if isinstance(part, np.ndarray): part += 1",
        f"{box}.append({box})",
        f"{box}[0] = {box}[-1]",
        f"if len({box}) > 3: del {box}[1]",
        f"if isinstance({box}[0], list): {box}[0].extend([{w.number()}, {w.number()}])",
    ]
    if inner:
        options += [f"{box}.append({inner})", f"{box}[0] = {inner}"]
    return [w.pick(options)]


@_weigh(6)
def _pull_out(w: Writer) -> list[str] | None:
    """Take something out of a container: the name's kind is found when the cell runs."""
    box = w.have(Kind.NESTED)
    if box is None:
        return None
    name = w.name(Kind.LIST)
    return [f"{name} = next((p for p in {box} if type(p) is list and p is not {box}), [0])"
            if w.often(0.5) else f"{name} = [p for p in {box} if isinstance(p, int)]"]  # fmt: skip


@_weigh(12)
def _change_list(w: Writer) -> list[str] | None:
    xs = w.have(Kind.LIST)
    if xs is None:
        return None
    v = w.value()
    return [
        w.pick(
            (
                f"{xs}.append({v})",
                f"{xs} += [{v}]",
                f"{xs}[0:1] = [{v}, {v}]",
                f"if {xs}: {xs}.pop()",
                f"{xs}.extend(range({w.number(0, 3)}))",
                f"{xs}.reverse()",
                f"if len({xs}) > 2: del {xs}[0]",
                f"{xs}.insert(0, {v})",
                f"{xs}[:] = [i for i in {xs} if isinstance(i, int)]",
                f"for i in range(len({xs})):\n    if isinstance({xs}[i], int): {xs}[i] += 1",
                f"list.append({xs}, {v})",
                f"getattr({xs}, 'append')({v})",
            )
        )
    ]


@_weigh(10)
def _change_dict(w: Writer) -> list[str] | None:
    d = w.have(Kind.DICT)
    if d is None:
        return None
    v, key = w.value(), f"k{w.number(0, 3)}"
    inner = w.have(Kind.LIST, Kind.ARRAY, Kind.OBJECT)
    options = [
        f"{d}['{key}'] = {v}",
        f"{d}.update({key}={v})",
        f"{d}.pop('{key}', None)",
        f"{d}['{key}'] = {d}.get('{key}', 0)",
        f"if '{key}' in {d}: del {d}['{key}']",
        f"{d}.setdefault('log', []).append({v})",
        f"{d} |= {{'{key}': {v}}}",
        f"for key in list({d}):\n    if isinstance({d}[key], int): {d}[key] += 1",
    ]
    if inner:
        options += [f"{d}['inner'] = {inner}"] * 2
    if w.often(0.2):
        return [f"if 'inner' in {d} and isinstance({d}['inner'], list):",
                f"    {d}['inner'].append({v})"]  # fmt: skip
    return [w.pick(options)]


@_weigh(4)
def _change_other(w: Writer) -> list[str] | None:
    u, q = w.have(Kind.SET), w.have(Kind.DEQUE)
    if u and w.often(0.5):
        return [w.pick((f"{u}.add({w.value()})", f"{u}.discard({w.number()})", f"{u} |= {{11}}",
                        f"{u}.clear()", f"print(sorted({u}))"))]  # fmt: skip
    if q:
        return [w.pick((f"{q}.append({w.value()})", f"{q}.rotate(1)", f"{q}.appendleft(4)"))]
    return None


# -- arrays


@_weigh(7)
def _bind_array(w: Writer) -> list[str]:
    n = w.number(2, 6)
    source = w.pick(
        (
            f"np.arange({n * 2})",
            f"np.arange({n * 2}).reshape({n}, 2)",
            f"np.ones({n}) * {w.value()}",
            f"np.linspace(0, 1, {n})",
            f"rng.integers(0, 10, {n})",
            f"np.random.randint(0, 10, {n})",
            f"np.array([{w.value()}, 2, 3], dtype=float)",
            f"np.asfortranarray(np.arange({n * 2}).reshape(2, {n}))",
            "np.zeros((300, 600))",
            "np.array(['a', None, (1, 2)], dtype=object)",
        )
    )
    return [f"{w.name(Kind.ARRAY)} = {source}"]


@_weigh(7)
def _bind_view(w: Writer) -> list[str] | None:
    a = w.have(Kind.ARRAY)
    if a is None:
        return None
    source = w.pick(
        (
            f"{a}[1:]",
            f"{a}[::2]",
            f"{a}.T",
            f"{a}.reshape(-1)",
            f"{a}[::-1]",
            f"{a}[...]",
            f"{a}.ravel()",
            f"np.atleast_2d({a})",
            f"{a}.view()",
            f"{a}[1:][::2]",
            f"np.asarray({a})",
            f"np.squeeze({a})",
            f"{a}.copy()",
        )
    )
    return [f"{w.name(Kind.ARRAY)} = {source}"]


@_weigh(9)
def _change_array(w: Writer) -> list[str] | None:
    a = w.have(Kind.ARRAY)
    if a is None:
        return None
    v = w.number()
    return [
        f"if {a}.dtype != object and {a}.size: "
        + w.pick(
            (
                f"{a}[0] = {v}",
                f"{a}[...] = {v}",
                f"{a}[-1] *= 2",
                f"np.add({a}, 1, out={a})",
                f"{a}.sort()",
                f"{a}.fill({v})",
                f"{a}.flat[0] = {v}",
                f"{a}[{a} > 3] = 0",
                f"np.copyto({a}, {v})",
                f"np.put({a}, [0], [{v}])",
                f"{a}.ravel()[0] = {v}",
                f"rng.shuffle({a})",
                f"np.random.shuffle({a})",
                f"{a}.T[0] = {v}",
                f"np.random.default_rng(1).shuffle({a})",
                f"{a}.itemset if False else None",
            )
        )
    ]


@_weigh(3)
def _draw(w: Writer) -> list[str] | None:
    dice = w.have(Kind.DRAWER)
    source = [
        "random.random()", "random.randint(0, 99)", "random.choice([1, 2, 3])",
        "float(np.random.rand())", "int(np.random.randint(100))",
    ]  # fmt: skip
    if dice:
        source += [f"int({dice}.integers(100))", f"float({dice}.normal())"] * 2
    value = w.pick(source)
    return [f"{w.name(Kind.NUMBER)} = {value}"]


@_weigh(2)
def _bind_drawer(w: Writer) -> list[str]:
    if w.often(0.3):
        return [w.pick((f"random.seed({w.number()})", f"np.random.seed({w.number()})"))]
    value = w.number()
    return [f"{w.name(Kind.DRAWER)} = np.random.default_rng({value})"]


# -- frames


@_weigh(6)
def _bind_frame(w: Writer) -> list[str]:
    n = w.number(2, 5)
    a = w.have(Kind.FRAME)
    options = [
        f"pd.DataFrame({{'x': range({n}), 'y': np.arange({n}) / 2, 'g': list('ababa')[:{n}]}})",
        f"pd.DataFrame({{'x': [{w.value()}, 2], 'y': [0.5, 1.5], 'g': ['a', 'b']}})",
    ]
    if a:
        options += [f"{a}[{a}.x > 1]", f"{a}.copy()", f"{a}.assign(y={a}.x * 2)", f"{a}.head(2)",
                    f"{a}.iloc[1:]", f"{a}.sort_values('x')"]  # fmt: skip
    source = w.pick(options)
    return [f"{w.name(Kind.FRAME)} = {source}"]


@_weigh(9)
def _change_frame(w: Writer) -> list[str] | None:
    df = w.have(Kind.FRAME)
    if df is None:
        return None
    v = w.value()
    guard = f"if len({df}): "
    return [
        w.pick(
            (
                f"{df}['z'] = {v}",
                f"{df}['x'] = {df}['x'] + 1",
                f"{guard}{df}.loc[{df}.index[0], 'y'] = {v}",
                f"{guard}{df}.iloc[0, 0] = {v}",
                f"{df}.drop(columns='z', inplace=True, errors='ignore')",
                f"{df}.insert(0, 'w', {v}) if 'w' not in {df} else None",
                f"{df}.rename(columns={{'w': 'v'}}, inplace=True)",
                f"{df}.columns.name = 'cols'",
                f"{df}.attrs['note'] = {v}",
                f"{df}.reset_index(drop=True, inplace=True)",
                f"{df}.loc[len({df})] = {df}.iloc[0] if len({df}) else 0",
                f"{df}.x.iloc[:] = 5",
                f"{df}.index = range(10, 10 + len({df}))",
                f"del {df}['y']\n{df}['y'] = 1.5",
            )
        )
    ]


@_weigh(6)
def _series(w: Writer) -> list[str] | None:
    df, col = w.have(Kind.FRAME), w.have(Kind.SERIES)
    if col and w.often(0.5):
        return [
            w.pick(
                (
                    f"if len({col}): {col}.iloc[0] = {w.number()}",
                    f"{col} += 1",
                    f"{col}[:] = {w.number()}",
                    f"{col}.name = 'new{w.number()}'",
                    f"{col}.update(pd.Series([{w.number()}]))",
                    f"if len({col}): {col}.loc[{col}.index[0]] = {w.number()}",
                )
            )
        ]
    if df is None:
        return None
    source = w.pick((f"{df}['x']", f"{df}.x * 2", f"{df}.y", f"pd.Series({df}['x'].to_numpy())",
                     f"{df}.groupby('g').x.sum()", f"{df}.x.copy()"))  # fmt: skip
    return [f"{w.name(Kind.SERIES)} = {source}"]


@_weigh(3)
def _array_of_frame(w: Writer) -> list[str] | None:
    df, a = w.have(Kind.FRAME), w.have(Kind.ARRAY)
    if df and w.often(0.5):
        return [f"{w.name(Kind.ARRAY)} = {df}['x'].to_numpy()[:3].copy()"]
    if a:
        return [
            f"{w.name(Kind.FRAME)} = pd.DataFrame({{'x': {a}.ravel()[:3], 'y': 1.0, 'g': 'a'}})"
        ]
    return None


# -- functions, closures, classes


@_weigh(6)
def _define_function(w: Writer) -> list[str]:
    free = w.have(Kind.NUMBER, Kind.LIST, Kind.DICT, Kind.ARRAY)
    other = w.have(Kind.FUNCTION)
    n = w.have(Kind.NUMBER) or "n1"
    xs = w.have(Kind.LIST) or "xs1"
    body = [
        f"return k + {w.number()}",
        f"global {n}\n    {n} = k\n    return k",
        f"if '{xs}' in globals(): {xs}.append(k)\n    return k" if w.often(0.1) else "return -k",
        "memo = [] if bag is None else bag\n    memo.append(k)\n    return len(memo)",
        f"try:\n        return {n} + k\n    except (NameError, TypeError):\n        return k",
        "return k if k <= 0 else me(k - 1) + 1",
        "return len(bag) + k if bag else k",
        "a = yield_ = [k]\n    a.append(k)\n    return len(yield_)",
    ]
    if free:
        kind = w.kinds[free]
        if kind == Kind.LIST:
            body += [f"{free}.append(k)\n    return len({free})", f"return len({free}) + k"] * 2
        elif kind == Kind.DICT:
            body += [f"{free}['f'] = k\n    return len({free})"] * 3
        elif kind == Kind.ARRAY:
            body += [f"return int({free}.size) + k"] * 2
        else:
            body += [f"return {free} + k"] * 3
    if other:
        body += [f"return {other}(k) if k < 50 else k"]
    text = w.pick(body)
    name = w.name(Kind.FUNCTION)
    text = text.replace("me(", f"{name}(") if "me(k" in text else text
    bag = w.pick(("bag=None", "bag=[]"))
    if other == name:
        text = "return k"
    if w.often(0.1) and "\n" not in text and text.startswith("return "):
        return [f"{name} = lambda k, {bag}: {text[7:]}"]
    decorator = w.pick(("", "", "", "@functools.lru_cache\n")) if "bag" not in text else ""
    if "append" in text or "global" in text or "['f']" in text:
        decorator = ""
    return [f"{decorator}def {name}(k, {bag}):\n    {text}"]


@_weigh(5)
def _define_counter(w: Writer) -> list[str]:
    if w.often(0.3):
        source = w.pick(
            (
                "functools.partial(next, itertools.count(3))",
                "itertools.count().__next__",
                "iter([5] * 400).__next__",
            )
        )
        return [f"{w.name(Kind.COUNTER)} = {source}"]
    name, start = w.name(Kind.COUNTER), w.number()
    return [
        f"def make_{name}():",
        f"    n = {start}",
        f"    {w.pick(('seen = []', 'seen = {}', 'pass'))}",
        "    def step():",
        "        nonlocal n",
        "        n += 1",
        "        return n",
        "    return step",
        f"{name} = make_{name}()",
    ]


@_weigh(6)
def _define_class(w: Writer) -> list[str]:
    base = w.have(Kind.CLASS)
    free = w.have(Kind.NUMBER)
    name = w.name(Kind.CLASS)
    inherit = f"({base})" if base and base != name and w.often(0.5) else ""
    extra = w.pick(
        (
            "",
            f"    total = {w.number()}",
            "    made = []\n    def __init__(self, size=1):\n        self.size = size\n"
            "        type(self).made.append(size)",
            "    def __eq__(self, other):\n        return self.size == getattr(other, 'size', 0)\n"
            "    __hash__ = object.__hash__",
            "    @property\n    def double(self):\n        return self.size * 2",
            "    @classmethod\n    def make(cls, size):\n        return cls(size)",
            "    @staticmethod\n    def plus(k):\n        return k + 1",
            "    def grow(self, k=1):\n        found = getattr(super(), 'grow', lambda k: 0)(k)\n"
            "        self.size += 1\n        return found",
            "    def __getattr__(self, name):\n        return 0 if name == 'absent' else "
            "object.__getattribute__(self, name)",
        )
    )
    growth = f"{free} + k" if free and w.often(0.3) else "k"
    lines = [
        f"class {name}{inherit}:",
        "    def __init__(self, size=1):",
        "        self.size, self.parts = size, []",
        "    def grow(self, k=1):",
        f"        self.size += {growth}",
        "        self.parts.append(k)",
        "        return self.size",
    ]
    return lines + ([extra] if extra else [])


@_weigh(2)
def _define_special_class(w: Writer) -> list[str]:
    name = w.name(Kind.CLASS)
    if w.often(0.5):
        return ["@dataclasses.dataclass", f"class {name}:", "    size: int = 1",
                "    parts: list = dataclasses.field(default_factory=list)",
                "    def grow(self, k=1):", "        self.size += k", "        return self.size"]  # fmt: skip
    return [f"class {name}:", "    __slots__ = ('size', 'parts', 'other')",
            "    def __init__(self, size=1):", "        self.size, self.parts = size, []",
            "    def grow(self, k=1):", "        self.size += k", "        self.parts.append(k)",
            "        return self.size"]  # fmt: skip


@_weigh(7)
def _bind_object(w: Writer) -> list[str] | None:
    cls = w.have(Kind.CLASS)
    if cls is None:
        return None
    value = w.value()
    return [f"{w.name(Kind.OBJECT)} = {cls}({value})"]


@_weigh(8)
def _change_object(w: Writer) -> list[str] | None:
    o = w.have(Kind.OBJECT, Kind.SLOTTED)
    if o is None:
        return None
    inner = w.have(Kind.LIST, Kind.ARRAY, Kind.DICT, Kind.OBJECT)
    options = [
        f"{o}.size = {w.value()}", f"{o}.grow(2)", f"{o}.size += 1", f"{o}.parts.append(8)",
        f"setattr({o}, 'size', {w.number()})", f"{o}.parts = {o}.parts + [1]",
        f"print({o}.size, {o}.parts)", f"print(type({o}).__name__, isinstance({o}, object))",
    ]  # fmt: skip
    cls = w.have(Kind.CLASS)
    if cls:
        options += [f"print(isinstance({o}, {cls}))", f"{cls}.total = {w.value()}",
                    f"{cls}.grow = lambda self, k=1: self.size", f"print(vars({cls}).get('total'))",
                    f"print({cls}.__name__, getattr({cls}, 'made', None))"]  # fmt: skip
    if inner:
        options += [f"{o}.parts = [{inner}]", f"{o}.parts.append({inner})"]
    return [w.pick(options)]


@_weigh(5)
def _call(w: Writer) -> list[str] | None:
    f = w.have(Kind.FUNCTION, Kind.COUNTER)
    if f is None:
        return None
    if w.kinds[f] == Kind.COUNTER:
        return [w.pick((f"{f}()", f"print({f}())", f"[{f}() for _ in range(2)]"))]
    xs = w.have(Kind.LIST)
    options = [f"{f}({w.value()})", f"print({f}({w.number()}))", f"list(map({f}, range(3)))",
               f"{f}.calls = {w.number()}", f"print(getattr({f}, 'calls', None))"]  # fmt: skip
    if xs:
        options += [f"{f}(1, {xs})"] * 2
    return [w.pick(options)]


@_weigh(3)
def _define_wrapped(w: Writer) -> list[str]:
    """Decorators with a state of their own, and context managers."""
    name, k = w.name(Kind.FUNCTION), w.number()
    if w.often(0.5):
        return [
            f"def counted_{name}(function):",
            "    @functools.wraps(function)",
            "    def inner(*args, **kwargs):",
            "        inner.calls = getattr(inner, 'calls', 0) + 1",
            "        return function(*args, **kwargs)",
            "    return inner",
            f"@counted_{name}",
            f"def {name}(k, bag=None):",
            f"    return k + {k}",
        ]
    xs = w.have(Kind.LIST)
    if xs is None:
        return [f"{name} = functools.partial(lambda a, k, bag=None: a + k, {k})"]
    return [
        "@contextlib.contextmanager",
        f"def noted_{name}(k):",
        f"    {xs}.append(k)",
        "    yield k",
        f"    {xs}.append(-1)",
        f"def {name}(k, bag=None):",
        f"    with noted_{name}(k) as found:",
        "        return found",
    ]


@_weigh(2)
def _warn(w: Writer) -> list[str]:
    k = w.number(0, 2)
    category = w.pick(("UserWarning", "DeprecationWarning", "RuntimeWarning"))
    lines = f"warnings.warn('note {k}', {category})"
    return [
        w.pick(
            (
                lines,
                lines,
                f"with warnings.catch_warnings():\n    warnings.simplefilter('ignore')\n    {lines}",
                f"with warnings.catch_warnings(record=True) as caught:\n    {lines}\nprint(len(caught))",
                f"for _i in range(2):\n    {lines}",
                "print(np.array([1.0]) / 0)",
                f"warnings.simplefilter('{w.pick(('always', 'default', 'once'))}')",
            )
        )
    ]


# -- iterators


@_weigh(4)
def _bind_iterator(w: Writer) -> list[str]:
    xs = w.have(Kind.LIST) or "[1, 2, 3]"
    name = w.name(Kind.ITERATOR)
    if w.often(0.4):
        return [f"def gen_{name}(m={w.number(3, 9)}):", "    for i in range(m):",
                "        yield i * 2", f"{name} = gen_{name}()"]  # fmt: skip
    if w.often(0.3):
        return [f"def gen_{name}(m):", "    kept = 0", "    while kept < 30:",
                "        got = yield kept + m", "        kept += got or 1",
                "    yield from [m, m]", f"{name} = gen_{name}({w.number()})", f"next({name})"]  # fmt: skip
    source = w.pick((f"iter({xs})", f"enumerate({xs})", "zip([1, 2, 3], 'abc')", f"(i for i in {xs})",
                     "itertools.count(5)", "itertools.cycle([1, 2])", "map(str, [1, 2, 3])",
                     "csv.reader(['a,b', 'c,d'])", "iter('text')"))  # fmt: skip
    return [f"{name} = {source}"]


@_weigh(4)
def _advance(w: Writer) -> list[str] | None:
    it = w.have(Kind.ITERATOR)
    if it is None:
        return None
    return [w.pick((f"print(next({it}, None))", f"print(list(itertools.islice({it}, 2)))",
                    f"for part in {it}:\n    break", f"next({it}, 0)",
                    f"if hasattr({it}, 'send'): print({it}.send(2))"))]  # fmt: skip


# -- files


@_weigh(8)
def _file(w: Writer) -> list[str]:
    v = w.value()
    df, a, d = w.have(Kind.FRAME), w.have(Kind.ARRAY), w.have(Kind.DICT)
    options = [
        f"Path('out.txt').write_text(str({v}))",
        f"with open('log.txt', 'a') as file:\n    file.write(f\"{{{v}}}\\n\")",
        "print(Path('out.txt').read_text() if Path('out.txt').exists() else 'none')",
        "print(open('log.txt').read() if os.path.exists('log.txt') else 'no log')",
        "print(sorted(os.listdir('.')))",
        f"json.dump([{v}], open('data.json', 'w'))",
        "if os.path.exists('data.json'):\n    print(json.load(open('data.json')))",
        "if os.path.exists('out.txt'): os.remove('out.txt')",
        "if os.path.exists('arr.npy'): print(np.load('arr.npy', allow_pickle=True).shape)",
        "if os.path.exists('table.csv'): print(len(pd.read_csv('table.csv')))",
        f"with open('rows.csv', 'w', newline='') as file:\n    csv.writer(file).writerow([{v}, 2])",
        "os.makedirs('sub', exist_ok=True)",
        f"name = 'o' + 'ut.txt'\nPath(name).write_text('named {w.number()}')",
        "if os.path.exists('out.txt'): os.replace('out.txt', 'moved.txt')",
    ]
    if df:
        options += [f"{df}.to_csv('table.csv', index=False)"] * 2
    if a:
        options += [f"np.save('arr.npy', {a})"] * 2
    if d:
        options += [f"pickle.dump(sorted(map(str, {d})), open('state.pkl', 'wb'))"]
    return [w.pick(options)]


# -- ambient state


@_weigh(6)
def _ambient(w: Writer) -> list[str]:
    k = w.number(1, 8)
    df, a = w.have(Kind.FRAME), w.have(Kind.ARRAY)
    options = [
        f"np.set_printoptions(precision={k})",
        f"pd.set_option('display.precision', {k})",
        f"pd.options.display.max_rows = {k + 4}",
        f"os.environ['GEN_{k % 3}'] = '{k}'",
        f"print(os.environ.get('GEN_{k % 3}'))",
        "warnings.filterwarnings('ignore')",
        f"warnings.filterwarnings('ignore', category=UserWarning, lineno={k})",
        "os.makedirs('sub', exist_ok=True)\nos.chdir('sub')\nPath('in.txt').write_text('x')\nos.chdir('..')",
        f"decimal.getcontext().prec = {k + 4}",
        "print(decimal.Decimal(1) / 7)",
        "old = np.seterr(divide='ignore')",
        "with np.printoptions(precision=2):\n    print(np.array([1 / 3]))",
        "with pd.option_context('display.precision', 2):\n    print(pd.Series([1 / 3]))",
        "print(np.array([2 / 3]), pd.DataFrame({'p': [2 / 3]}))",
        "with contextlib.suppress(KeyError): del os.environ['GEN_1']",
    ]
    if a:
        options.append(f"print({a} / 3)")
    if df:
        options.append(f"print({df} if len({df}) < 3 else 'long')")
    return [w.pick(options)]


@_weigh(2)
def _monkeypatch(w: Writer) -> list[str]:
    k = w.number()
    cls = w.have(Kind.CLASS)
    options = [f"math.tau = {k}", "print(math.tau)", f"math.extra = {k}",
               "print(getattr(math, 'extra', None))",
               f"json.JSONEncoder.tag = {k}", "print(getattr(json.JSONEncoder, 'tag', None))"]  # fmt: skip
    if cls:
        options += [f"{cls}.size_now = property(lambda self: self.size)", f"{cls}.tag = [{k}]",
                    f"print(getattr({cls}, 'tag', None))"]  # fmt: skip
    return [w.pick(options)]


# -- control flow


@_weigh(9)
def _control(w: Writer) -> list[str] | None:
    n = w.have(Kind.NUMBER)
    xs = w.have(Kind.LIST)
    if n is None or xs is None:
        return None
    new, other = w.name(Kind.NUMBER), w.have(Kind.NUMBER)
    k = w.number()
    return [
        w.pick(
            (
                f"if {n} > {k}:\n    {new} = 1\nelse:\n    {new} = 2\n    {xs}.append(0)",
                f"if {n} % 2:\n    {new} = {k}\n{new} = {k} if '{new}' not in dir() else {new}",
                f"for {new} in {xs} or [0]:\n    if {new} == {k}: break\nelse:\n    {xs}.append({k})",
                f"try:\n    {new} = {xs}[{k + 3}]\nexcept IndexError as error:\n    {new} = len(str(error))",
                f"try:\n    {new} = {k} // {n}\nexcept Exception:\n    {new} = 0\nfinally:\n    {xs}.append({k})",
                f"{new} = 0\nwhile {new} < 3:\n    {new} += 1",
                f"{new} = [{n} + i for i in range(2)][-1]",
                f"if ({new} := {k}) > 3: print({new})",
                f"{new}, *rest = [{k}, *{xs}]",
                f"match {n}:\n    case 0:\n        {new} = 1\n    case int() as {new}:\n        pass\n"
                f"    case _:\n        {new} = 2",
                f"with contextlib.suppress(ZeroDivisionError):\n    {new} = 1\n    {new} = 1 / 0",
                f"{new} = 1\n{new} += {other}",
                f"{new} = sum(i for i in {xs} if isinstance(i, int))",
                f"if {n} < 0: del {xs}\n{new} = 0",
                f"try:\n    if {n} > {k}: del {other}\nexcept NameError: pass\n{other} = {k}; {new} = 1",
                f"assert isinstance({xs}, list)\n{new} = 3",
            )
        )
    ]


@_weigh(3)
def _delete(w: Writer) -> list[str] | None:
    name = w.have(Kind.NUMBER, Kind.LIST, Kind.DICT, Kind.ARRAY, Kind.FRAME, Kind.TEXT, Kind.TUPLE)
    if name is None:
        return None
    again = w.pick((f"{name} = {w.number()}", f"{name} = [1]", ""))
    del w.kinds[name]
    if again:
        w.kinds[name] = Kind.LIST if "[" in again else Kind.NUMBER
    return [f"del {name}", again] if again else [f"del {name}"]


@_weigh(3)
def _strings(w: Writer) -> list[str] | None:
    name = w.have(Kind.NUMBER, Kind.LIST)
    df = w.have(Kind.FRAME)
    if name is None:
        return None
    n = w.have(Kind.NUMBER)
    options = [f"print(eval('{name}'))", f"print(globals()['{name}'])", f"exec('{name} = 4')",
               f"code = '{name}'\nprint(eval(code))", f"print('{name}' in globals())",
               f"exec('ex = {w.number()}')", f"print(vars().get('{name}'))",
               f"print(get_ipython().user_ns['{name}'])", f"print('%(a)s' % {{'a': {name}}})",
               f"print('{{}}'.format({name}))"]  # fmt: skip
    found = w.pick(options)
    if found.startswith(f"exec('{name} ="):
        w.kinds[name] = Kind.NUMBER
    if df and n and w.often(0.3):
        return [f"print(len({df}.query('x > @{n}')))"]
    return [found]


@_weigh(3)
def _results(w: Writer) -> list[str]:
    return [w.pick(("print(type(_).__name__)", "last = _", "print(len(Out) > 0)", "print(len(In))",
                    "print(repr(_)[:20])", "kept = Out.get(3)"))]  # fmt: skip


@_weigh(2)
def _display(w: Writer) -> list[str]:
    k = w.number(0, 1)
    if w.often(0.5):
        return [f"handle{k} = display('first', display_id='shown{k}')"]
    return [
        f"from IPython.display import update_display\nupdate_display('now {w.number()}', display_id='shown{k}')"
    ]


@_weigh(2)
def _copying(w: Writer) -> list[str] | None:
    name = w.have(Kind.LIST, Kind.DICT, Kind.NESTED, Kind.OBJECT)
    if name is None:
        return None
    kind = w.kinds[name]
    how = w.pick(("copy.copy", "copy.deepcopy"))
    return [f"{w.name(kind)} = {how}({name})"]


def write_notebook(chance: random.Random, least: int = 5, most: int = 40) -> list[str]:
    """The sources of one notebook of ``least`` to ``most`` cells."""
    cells = chance.randint(least, most)
    return Writer(chance).notebook(cells)
