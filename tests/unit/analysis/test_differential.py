"""What cells really did, in a namespace that watches, was never excluded by the analysis."""

# ruff: noqa: E501  (a table reads best where a source is one string)

from __future__ import annotations

import builtins
import contextlib
import io
from dataclasses import replace
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orch_nb.graph.build import build_graph
from orch_nb.graph.topology import ancestors
from tests.unit.analysis.hazards import cells_of

NAMES = ("a", "b", "c", "d")

SIMPLE = (
    "{x} = 1",
    "{x} = [1, 2]",
    "{x} = {{'k': [1], 1: 2}}",
    "{x} = ([], 1)",
    "{x} = {y}",
    "{x} = [{y}, {z}]",
    "{x} = {y}, {z}",
    "{x} = {{'k': {y}}}",
    "{x}, {y} = {z}, [0]",
    "{x}, *{y} = {z}",
    "({x}, {y}), {z} = ({z}, {z}), {x}",
    "{x} = {y} = []",
    "{x} = {y} or {z}",
    "{x} = {y} if {z} else {x}",
    "{x} += [3]",
    "{x} += 1",
    "{x} += {y}",
    "{x}[0] = {y}",
    "{x}[0] += 1",
    "{x}[0].append({y})",
    "{x}.append({y})",
    "{x}.extend({y})",
    "{x}.pop()",
    "{x}.clear()",
    "{x}['k'] = {y}",
    "{x}['k'].append({y})",
    "{x}.setdefault('k', []).append(1)",
    "{x}.update(n={y})",
    "{x} = {y}.copy()",
    "{x} = list({y})",
    "{x} = sorted({y}, key=str)",
    "{x} = {y}[0]",
    "{x} = {y}[:]",
    "{x} = {y}['k']",
    "{x} = {y}.get('k', {z})",
    "{x} = list({y}.values())",
    "{x} = iter({y})",
    "next({x})",
    "{x} = next({y}, {z})",
    "{x} = zip({y}, {z})",
    "{x} = map(str, {y})",
    "{x} = map(lambda i: {z}, {y})",
    "{x} = list({y})",
    "{x} = dict(k={y})",
    "{x} = max([{y}, {z}], key=id)",
    "{x} = (i for i in {y})",
    "{x} = ({z} for i in {y})",
    "{x} = [i for i in {y}]",
    "{x} = [[i, {z}] for i in {y}]",
    "{x} = [{y} for {y} in {z}]",
    "{x} = {{i: {z} for i in range(2)}}",
    "[{x} := i for i in {y}]",
    "({x} := {y})",
    "{y} and ({x} := {z})",
    "print({x}, f'{{{y}}}')",
    "del {x}",
    "del {x}[0]",
    "len({x})",
    "{x} == {y}",
    "{y} in {x}",
    "assert {x}",
    "{x} = lambda p=None: {y}",
    "{x} = lambda p: p.append({y})",
    "{x}({y})",
    "{x}()",
    "{z} = {x}({y})",
    "{z} = {x}()",
    "{x} = functools.partial({y}, {z})",
    "{x} = box({y})",
    "{x}.v = {y}",
    "{x}.v.append({y})",
    "{x}.put({y})",
    "{x} = {y}.v",
    "{x} = {y}.get_v()",
    "{x}.share.append({y})",
    "exec('{x} = {y}')",
    "{x} = eval('{y}')",
    "raise ValueError",
)
DEFINITIONS = (
    "def {f}(p=None):\n    return {x}",
    "def {f}(p=None):\n    return p",
    "def {f}(p=None):\n    p.append({x})",
    "def {f}(p=None):\n    {x}.append(p)",
    "def {f}(p=None):\n    global {x}\n    {x} = p",
    "def {f}(p=None):\n    global {x}\n    {x} = {y}",
    "def {f}(p=None):\n    global {x}\n    del {x}",
    "def {f}(p=[]):\n    p.append({x})\n    return p",
    "def {f}(p={x}):\n    p.append(0)",
    "def {f}(p=None):\n    yield {x}\n    {y}.append(1)",
    "def {f}(p=None):\n    def inner():\n        return {x}\n    return inner",
    "def {f}(p=None):\n    held = [p]\n    def inner(q=None):\n        held.append({x})\n"
    "        return held\n    return inner",
    "def {f}(p=None):\n    n = []\n    def inner(q=None):\n        nonlocal n\n        n = n + [1]\n"
    "        return n\n    return inner",
    "def {f}(p=None):\n    {x} = []\n    return {x}, {y}",
    "def {f}(p=None):\n    return {g}({x})",
    "def {f}(p=None, q=3):\n    return {f}(p, q - 1) if q else {x}.append(1)",
    "def {f}(p=None):\n    return [p for p in {x}]",
    "def {f}(p=None):\n    for i in p:\n        i.append({x})",
    "@{g}\ndef {f}(p=None):\n    return {x}",
    "class {f}:\n    held = {x}\n    def __init__(self, p=None):\n        self.v = p\n"
    "    def put(self, q):\n        self.held.append(q)\n    def get_v(self):\n        return self.v",
    "class {f}:\n    def __init__(self, p=None):\n        {x}.append(p)\n"
    "    def __len__(self):\n        {y}.append(1)\n        return 1",
    "class {f}:\n    def __init__(self, p=None):\n        self.v = [p]\n"
    "    @property\n    def k(self):\n        return {x}\n    def append(self, q):\n"
    "        self.v.append(q)\n    def __iter__(self):\n        return iter(self.v)",
)
BLOCKS = (
    "if {x}:\n{1}",
    "if {x}:\n{1}\nelse:\n{2}",
    "for {x} in {y}:\n{1}",
    "for i in [0, 1]:\n{1}",
    "for i in [0, 1]:\n    if i: break\n{1}\nelse:\n{2}",
    "for i in range(2):\n    if {x}: continue\n{1}",
    "while {x}:\n{1}\n    break",
    "while True:\n{1}\n    if {y}: break\n    break",
    "try:\n{1}\nexcept Exception as {x}:\n{2}",
    "try:\n{1}\nexcept Exception:\n{2}\nelse:\n{3}",
    "try:\n{1}\nexcept ZeroDivisionError:\n    pass\nfinally:\n{2}",
    "try:\n{1}\nexcept Exception:\n    pass",
    "with contextlib.suppress(Exception):\n{1}",
    "with contextlib.nullcontext({x}) as {y}:\n{1}",
    "match {x}:\n    case [{y}, *{z}]:\n    {1}\n    case _:\n    {2}",
    "match {x}:\n    case {{'k': {y}}} if {z}:\n    {1}",
)
SETUP = (
    "import contextlib, functools\n"
    "class box:\n    share = []\n    def __init__(self, v): self.v = v\n"
    "    def put(self, q): self.v = q\n    def get_v(self): return self.v"
)


@st.composite
def statements(draw: st.DrawFn, depth: int = 0) -> str:
    """One random statement over a few names."""
    name = st.sampled_from(NAMES)
    words = {key: draw(name) for key in "xyzfg"}
    kind = draw(st.integers(0, 9))
    if kind == 0 and depth < 2:
        block = draw(st.sampled_from(BLOCKS))
        for number in "123":
            body = draw(statements(depth=depth + 1))
            indent = "        " if block.startswith("match") else "    "
            lines = "\n".join(indent + line for line in body.splitlines())
            marker = "    {" + number + "}" if block.startswith("match") else "{" + number + "}"
            block = block.replace(marker, lines.replace("{", "{{").replace("}", "}}"))
        return block.format(**words)
    template = draw(st.sampled_from(DEFINITIONS if kind == 1 else SIMPLE))
    return template.format(**words)


notebooks = st.lists(
    st.lists(statements(), min_size=1, max_size=4).map("\n".join), min_size=2, max_size=7
)


class Watched(dict[str, Any]):
    """A namespace that notes which names a cell reads before it binds them, and binds."""

    def __init__(self) -> None:
        super().__init__()
        self.read: set[str] = set()
        self.stored: set[str] = set()

    def __getitem__(self, name: str) -> Any:
        if name not in self.stored:
            self.read.add(name)
        return super().__getitem__(name)

    def __setitem__(self, name: str, value: Any) -> None:
        self.stored.add(name)
        super().__setitem__(name, value)

    def __delitem__(self, name: str) -> None:
        if name not in self.stored:
            self.read.add(name)
        self.stored.discard(name)
        super().__delitem__(name)


def shape(value: Any, depth: int = 0, seen: tuple[int, ...] = ()) -> Any:
    """What a value looks like inside, so that two looks can be compared."""
    if id(value) in seen or depth > 12:
        return "…"
    inner = (*seen, id(value))

    def look(part: Any) -> Any:
        return shape(part, depth + 1, inner)

    if isinstance(value, (list, tuple)):
        return [id(value), *map(look, value)]
    if isinstance(value, dict):
        return [id(value), *((key, look(part)) for key, part in value.items())]
    if type(value).__name__ in ("list_iterator", "tuple_iterator", "dict_keyiterator"):
        return [id(value), value.__length_hint__()]
    if type(value).__name__ == "generator":
        return [id(value), value.gi_frame is None, getattr(value.gi_frame, "f_lasti", 0)]
    if type(value).__name__ == "function":
        cells = [c.cell_contents for c in value.__closure__ or ()]
        return [id(value), look(cells)[1:], look(value.__defaults__)]
    if isinstance(value, type) and value.__module__ == "notebook":
        return [id(value), *(look(v) for k, v in vars(value).items() if not k.startswith("_"))]
    if type(value).__module__ == "notebook":
        return [id(value), look(value.v if "v" in vars(value) else None)]
    return id(value)


class Deed:
    """What one cell really did."""

    def __init__(self, space: Watched, source: str) -> None:
        before = dict(space)
        shapes = {name: shape(value) for name, value in before.items()}
        space.read, space.stored = set(), set()
        self.failed = True
        quiet = contextlib.redirect_stdout(io.StringIO())
        with quiet, contextlib.suppress(Exception):
            exec(compile(source, "cell", "exec"), space, space)
            self.failed = False
        known = set(NAMES) | {"box"}
        # the compiler stores these past the watch
        hidden = {n for n in NAMES if f"global {n}" in source or f"[{n} :=" in source}
        self.read = {name for name in (space.read & known) - hidden if name in before}
        self.set = {n for n in known if (n in before) != (n in space)}
        self.set |= {n for n in known if n in before and before[n] is not dict.get(space, n, self)}
        self.stored = space.stored | hidden
        self.changed = {n for n in known & before.keys() if shape(before[n]) != shapes[n]}


def verify(sources: list[str], tolerant: bool) -> None:
    """Run the cells and compare; ``tolerant`` goes on after a cell that fails."""
    tags = ("raises-exception",) if tolerant else ()
    graph = build_graph([replace(cell, tags=tags) for cell in cells_of(*sources)])
    space = Watched()
    dict.__setitem__(space, "__builtins__", builtins)
    dict.__setitem__(space, "__name__", "notebook")
    writers: dict[str, int] = {}
    for node, source in zip(graph.nodes, sources, strict=True):
        deed = Deed(space, source)
        number = node.cell.number
        assert deed.read <= node.reads, f"cell {number} read {deed.read - node.reads}"
        assert deed.set <= node.writes, f"cell {number} set {deed.set - node.writes}"
        assert deed.changed <= node.changes, f"cell {number} changed {deed.changed - node.changes}"
        if deed.failed and not tolerant:
            return
        if not deed.failed:
            assert node.binds <= deed.stored, f"cell {number} left {node.binds - deed.stored}"
        for name in deed.read:
            writer = writers.get(name)
            assert writer is None or writer in ancestors(graph, number), f"{number} reads {name}"
        for name in deed.set | deed.changed | (deed.stored & set(NAMES)):
            writers[name] = number


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(notebooks, st.booleans())
def test_the_analysis_excludes_nothing_that_happens(cells: list[str], tolerant: bool) -> None:
    verify([SETUP, *cells], tolerant)
