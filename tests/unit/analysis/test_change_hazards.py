"""What changes in place, through which names, and what is known to change nothing."""

from __future__ import annotations

from tests.unit.analysis.hazards import Case, check, graph_of, hazards

CHANGES: list[Case] = [
    ("append changes", "x = [] ;; x.append(1) ;; print(x)", "2>3: by .append()"),
    ("count does not change", "x = [] ;; x.count(1) ;; print(x)", "1>3, 2|3"),
    ("an element store changes", "x = [1] ;; x[0] = 2 ;; print(x)", "2>3: an element was set"),
    ("an element read does not", "x = [1] ;; x[0] ;; print(x)", "2|3"),
    ("an element delete changes", "x = [1] ;; del x[0] ;; print(x)", "2>3"),
    ("an attribute store changes", "x = f() ;; x.a = 2 ;; print(x)", "2>3: attribute 'a' was set"),
    ("an attribute read does not", "x = f() ;; x.a ;; print(x)", "2|3"),
    ("an attribute delete changes", "x = f() ;; del x.a ;; print(x)", "2>3"),
    ("augmented assignment of a list changes", "x = [1]\ny = x ;; x += [2] ;; print(y)", "2>3"),
    ("augmented assignment of a number does not", "x = 1\ny = x ;; x += 2 ;; print(y)", "2|3"),
    ("augmented assignment of an element changes", "x = [1] ;; x[0] += 2 ;; print(x)", "2>3"),
    ("augmented assignment of an attribute changes", "x = f() ;; x.n += 2 ;; print(x)", "2>3"),
    ("a deep store changes", "x = [[1]] ;; x[0][0] = 2 ;; print(x)", "2>3"),
    ("a deep method changes", "x = {'a': []} ;; x['a'].append(1) ;; print(x)", "2>3"),
    ("an unknown function may change", "x = [] ;; f(x) ;; print(x)", "2>3: passed to f()"),
    ("a number can't be changed", "x = 1 ;; f(x) ;; print(x)", "2|3"),
    ("a string can't be changed", "x = 'a' ;; f(x) ;; print(x)", "2|3"),
    ("a tuple of numbers can't be changed", "x = (1, 2) ;; f(x) ;; print(x)", "2|3"),
    ("a tuple of lists can", "x = ([], 2) ;; f(x) ;; print(x)", "2>3"),
    ("print changes nothing", "x = [] ;; print(x) ;; x", "2|3"),
    ("len and sorted change nothing", "x = [] ;; len(x), sorted(x) ;; x", "2|3"),
    (
        "an unknown method may change",
        "x = f() ;; x.frobnicate() ;; print(x)",
        "2>3: by .frobnicate()",
    ),
    ("fit may change", "m = f() ;; m.fit(1) ;; print(m)", "2>3: by .fit()"),
    ("predict does not", "m = f() ;; m.predict(1) ;; print(m)", "2|3"),
    ("update may change", "d = f() ;; d.update(a=1) ;; print(d)", "2>3"),
    ("inplace changes", "d = f() ;; d.dropna(inplace=True) ;; print(d)", "2>3"),
    ("without inplace nothing changes", "d = f() ;; d.dropna() ;; print(d)", "2|3"),
    ("next advances", "x = iter([1]) ;; next(x) ;; print(x)", "2>3"),
    ("a loop advances an iterator", "x = iter([1]) ;; for i in x: pass ;; list(x)", "2>3"),
    ("a loop over a list changes nothing", "x = [1] ;; for i in x: pass ;; list(x)", "2|3"),
    ("a loop over a range changes nothing", "x = range(3) ;; for i in x: pass ;; list(x)", "2|3"),
    ("a generator is used up", "x = (i for i in [1]) ;; sum(x) ;; list(x)", "2>3"),
    (
        "a generator function's result is used up",
        "def g(): yield 1\nx = g() ;; sum(x) ;; list(x)",
        "2>3",
    ),
    ("zip is used up", "x = zip([1], [2]) ;; list(x) ;; list(x)", "2>3"),
    ("map is used up", "x = map(str, [1]) ;; list(x) ;; list(x)", "2>3"),
    ("what may be an iterator may be used up", "x = f() ;; for i in x: pass ;; list(x)", "2>3"),
    ("a file is used up", "h = open('a') ;; h.read() ;; h.read()", "2>3"),
    ("membership advances an iterator", "x = iter([1]) ;; 1 in x ;; list(x)", "2>3"),
    ("unpacking advances an iterator", "x = iter([1]) ;; print(*x) ;; list(x)", "2>3"),
    ("setattr changes", "x = f() ;; setattr(x, 'a', 1) ;; print(x)", "2>3"),
    ("getattr does not", "x = f() ;; getattr(x, 'a') ;; print(x)", "2|3"),
    (
        "a defaultdict grows by a lookup",
        "from collections import defaultdict\nd = defaultdict(list) ;; d['k'] ;; print(d)",
        "2>3",
    ),
    ("a dict does not", "d = {} ;; d['k'] ;; print(d)", "2|3"),
    (
        "heappush changes its first argument",
        "import heapq\nx = [] ;; heapq.heappush(x, 1) ;; print(x)",
        "2>3",
    ),
    ("deepcopy changes nothing", "import copy\nx = [] ;; copy.deepcopy(x) ;; print(x)", "2|3"),
    ("entering a manager may change it", "x = f() ;; with x: pass ;; print(x)", "2>3"),
    ("a change in a branch counts", "x = [] ;; if c():\n    x.append(1) ;; print(x)", "2>3"),
    ("a change in a loop counts", "x = [] ;; for i in [1]:\n    x.append(i) ;; print(x)", "2>3"),
    (
        "a change in a comprehension counts",
        "x = [] ;; [x.append(i) for i in [1]] ;; print(x)",
        "2>3",
    ),
    ("a change of a fresh object is no change", "x = [] ;; x = []\nx.append(1) ;; x", "1|2"),
]

ALIASES: list[Case] = [
    ("a second name moves along", "x = []\ny = x ;; x.append(1) ;; print(y)", "2>3"),
    ("a copy does not", "x = []\ny = x.copy() ;; x.append(1) ;; print(y)", "1>3, 2|3"),
    ("a list made of another does not", "x = [1]\ny = list(x) ;; x.append(1) ;; print(y)", "2|3"),
    ("a chained assignment shares", "x = y = [] ;; x.append(1) ;; print(y)", "2>3"),
    ("two literals do not share", "x, y = [], [] ;; x.append(1) ;; print(y)", "2|3"),
    (
        "a container moves along with its content",
        "x = []\nc = [x] ;; x.append(1) ;; print(c)",
        "2>3",
    ),
    (
        "content moves along with its container",
        "x = []\nc = [x] ;; c[0].append(1) ;; print(x)",
        "2>3",
    ),
    (
        "a container's own change leaves its content",
        "x = []\nc = [x] ;; c.append(1) ;; print(x)",
        "2|3",
    ),
    (
        "neighbours in a container stay apart",
        "x = []\ny = []\nc = [x, y] ;; x.append(1) ;; print(y)",
        "2|3",
    ),
    ("an attribute shares with its object", "x = f()\ny = x.a ;; y.append(1) ;; print(x)", "2>3"),
    (
        "a value stored in an object shares",
        "x = f()\ny = []\nx.a = y ;; y.append(1) ;; print(x)",
        "2>3",
    ),
    ("a value appended shares", "x = []\ny = [] ;; x.append(y) ;; y.append(1) ;; print(x)", "3>4"),
    ("a dict's value shares", "y = []\nd = {'k': y} ;; d['k'].append(1) ;; print(y)", "2>3"),
    ("a loop's element shares", "x = [[1]]\nfor r in x: pass ;; r.append(1) ;; print(x)", "2>3"),
    ("a tuple unpacked shares", "x = [[], []]\na, b = x ;; a.append(1) ;; print(x)", "2>3"),
    (
        "a generator shuffles its argument",
        "import numpy as np ;; a = np.arange(3) ;; np.random.default_rng(1).shuffle(a) ;; print(a)",
        "3>4",
    ),
    (
        "a Random shuffles its argument",
        "import random ;; a = [1, 2] ;; random.Random(1).shuffle(a) ;; print(a)",
        "3>4",
    ),
    ("an unbound method changes its argument", "x = [] ;; list.append(x, 1) ;; print(x)", "2>3"),
    (
        "a conditional expression shares with both",
        "x = []\ny = []\nz = x if c() else y ;; z.append(1) ;; print(y)",
        "2>3",
    ),
    ("an or shares", "x = []\nz = x or [] ;; z.append(1) ;; print(x)", "2>3"),
    (
        "a rebound name leaves the group",
        "x = []\ny = x ;; y = [] ;; y.append(1) ;; print(x)",
        "1>4, 3|4",
    ),
    (
        "a conditionally rebound name stays",
        "x = []\ny = x ;; if c():\n    y = [] ;; y.append(1) ;; print(x)",
        "3>4",
    ),
    ("a walrus shares", "x = []\nprint(y := x) ;; y.append(1) ;; print(x)", "2>3"),
    ("an unknown call's result may share", "x = []\ny = f(x) ;; y.append(1) ;; print(x)", "2>3"),
    ("numbers never share", "x = 1\ny = x ;; y += 1 ;; print(x)", "2|3"),
    (
        "a set of names moves along",
        "a = []\nb = a\nc = b ;; c.append(1) ;; print(a) ;; print(b)",
        "2>3, 2>4",
    ),
    (
        "an iterator shares with what it reads",
        "x = iter([1])\ny = zip(x, x) ;; list(y) ;; list(x)",
        "2>3",
    ),
    ("sorted does not share its order", "x = [3]\ny = sorted(x) ;; x.sort() ;; print(y)", "2|3"),
    ("a slice of a list does not share", "x = [3]\ny = x[:] ;; x.sort() ;; print(y)", "2|3"),
    (
        "a dict's copy shares its values",
        "a = []\nd = {1: a}\ne = d.copy() ;; e[1].append(1) ;; print(d)",
        "2>3",
    ),
    (
        "a starred target shares elements",
        "x = [[], []]\na, *b = x ;; b[0].append(1) ;; print(x)",
        "2>3",
    ),
    (
        "a partial shares",
        "from functools import partial\nx = []\ng = partial(f, x) ;; g() ;; print(x)",
        "2>3",
    ),
]


@hazards(CHANGES)
def test_a_change_in_place_is_a_new_version(cells: str, expected: str) -> None:
    check(cells, expected)


@hazards(ALIASES)
def test_aliases_move_together(cells: str, expected: str) -> None:
    check(cells, expected)


def test_a_chain_beyond_the_limit_still_moves_together() -> None:
    chain = ["x0 = []", *(f"x{n} = [x{n - 1}]" for n in range(1, 90))]
    graph = graph_of(*chain, "x0.append(1)", "print(x89)", "print(x45)")
    assert 91 in graph.predecessors[92]
    assert 91 in graph.predecessors[93]


def test_a_list_of_more_than_the_limit_is_apart_from_what_lies_in_it() -> None:
    appends = [f"y{n} = [{n}]\nxs.append(y{n})" for n in range(120)]
    later = [
        "print(y3)",  # cell 122
        "y3.append(0)",
        "print(xs)",
        "xs[5].append(1)",
        "print(y5)",
        "ys = [xs]\nys[0].append([])",
        "print(xs)",
        "y4.append(xs)\ny4[-1].append(1)",
        "print(xs)",
        "y119[0] = xs\nzs = [y119]\nzs[0][0].append(1)",
        "print(xs)",
    ]
    before = graph_of("xs = []", *appends, *later).predecessors
    assert before[122] == {5}
    for cell in (124, 126, 128, 130, 132):
        assert cell - 1 in before[cell]
