"""Which cell a read binds to: definite and conditional assignment, by Python's own scopes."""

# ruff: noqa: E501  (a table reads best where a source is one string)

from __future__ import annotations

from tests.unit.analysis.hazards import Case, check, hazards

DEFINITE: list[Case] = [
    ("a read binds to the writer", "x = f() ;; print(x)", "1>2: reads 'x', set in cell 1"),
    ("cells that share nothing run together", "x = 1 ;; y = 2", "1|2"),
    ("a read binds to the nearest writer", "x = 1 ;; x = 2 ;; print(x)", "2>3, 1|3"),
    ("rebinding a name orders nothing", "x = f() ;; x = g()", "1|2"),
    ("a reader does not hold up a later writer", "x = 1 ;; print(x) ;; x = 2", "2|3"),
    ("a name set above its use is not read", "x = 1 ;; x = 2\nprint(x)", "1|2"),
    ("a name used above its setting is read", "x = 1 ;; print(x)\nx = 2", "1>2"),
    (
        "if alone is conditional",
        "x = 1 ;; if c:\n    x = 2 ;; print(x)",
        "1|2, 1>3, 2>3",
    ),
    ("if with else is definite", "x = 1 ;; if 1:\n    x = 2\nelse:\n    x = 3", "1|2"),
    (
        "elif without else is conditional",
        "x = 1 ;; if a:\n    x = 2\nelif b:\n    x = 3 ;; print(x)",
        "1|2, 1>3, 2>3",
    ),
    (
        "elif with else is definite",
        "x = 1 ;; if 1:\n    x = 2\nelif 2:\n    x = 3\nelse:\n    x = 4",
        "1|2",
    ),
    ("a branch that raises does not count", "x = 1 ;; if 1:\n    raise E\nelse:\n    x = 2", "1|2"),
    (
        "a for body is conditional",
        "x = 1 ;; for i in y:\n    x = i ;; print(x)",
        "1|2, 1>3, 2>3",
    ),
    (
        "a for target is conditional",
        "i = 1 ;; for i in y:\n    pass ;; print(i)",
        "1|2, 1>3, 2>3",
    ),
    ("a loop over a literal runs", "x = 1 ;; for i in [1, 2]:\n    x = i", "1|2"),
    (
        "an empty literal does not run",
        "x = 1 ;; for i in []:\n    x = i ;; print(x)",
        "1|2, 1>3, 2>3",
    ),
    (
        "a literal loop with break may leave early",
        "x = 1 ;; for i in [1, 2]:\n    if i:\n        break\n    x = i ;; print(x)",
        "1|2, 1>3, 2>3",
    ),
    (
        "a literal loop with continue may skip",
        "x = 1 ;; for i in [1, 2]:\n    if i:\n        continue\n    x = i ;; print(x)",
        "1|2, 1>3, 2>3",
    ),
    (
        "for else without break is definite",
        "x = 1 ;; for i in y:\n    pass\nelse:\n    x = 1",
        "1|2",
    ),
    (
        "for else with break is conditional",
        "x = 1 ;; for i in y:\n    if i: break\nelse:\n    x = 1 ;; print(x)",
        "1|2, 1>3, 2>3",
    ),
    (
        "a while body is conditional",
        "x = 1 ;; while c():\n    x = 2 ;; print(x)",
        "1|2, 1>3, 2>3",
    ),
    (
        "while else without break is definite",
        "x = 1 ;; while c():\n    pass\nelse:\n    x = 1",
        "1|2",
    ),
    ("while True binds before its break", "x = 1 ;; while True:\n    x = 2\n    break", "1|2"),
    (
        "while True does not bind after its break",
        "x = 1 ;; while True:\n    if c():\n        break\n    x = 2 ;; print(x)",
        "1|2, 1>3, 2>3",
    ),
    (
        "try alone is conditional",
        "x = 1 ;; try:\n    x = f()\nexcept E:\n    pass ;; print(x)",
        "1|2, 1>3, 2>3",
    ),
    ("try and each handler is definite", "x = 1 ;; try:\n    x = 2\nexcept E:\n    x = 3", "1|2"),
    (
        "a handler that raises does not count",
        "x = 1 ;; try:\n    x = 2\nexcept E:\n    raise",
        "1|2",
    ),
    ("finally is definite", "x = 1 ;; try:\n    f()\nfinally:\n    x = 2", "1|2"),
    (
        "finally without handler keeps the body",
        "x = 1 ;; try:\n    x = 2\nfinally:\n    g()",
        "1|2",
    ),
    (
        "a finally reads what the body may not have set",
        "x = 1 ;; try:\n    x = f()\nfinally:\n    print(x)",
        "1>2",
    ),
    (
        "a handler reads what the body may not have set",
        "x = 1 ;; try:\n    x = f()\nexcept E:\n    print(x)\n    x = 0",
        "1>2",
    ),
    (
        "try else is definite after the body",
        "x = 1 ;; try:\n    f()\nexcept E:\n    raise\nelse:\n    x = 1",
        "1|2",
    ),
    (
        "try else is conditional with a handler",
        "x = 1 ;; try:\n    f()\nexcept E:\n    pass\nelse:\n    x = 1 ;; print(x)",
        "1|2, 1>3, 2>3",
    ),
    (
        "except as unbinds its name",
        "e = 1 ;; try:\n    f()\nexcept E as e:\n    pass ;; print(e)",
        "1>2, 2>3",
    ),
    ("with of a file is definite", "x = 1 ;; with open('f') as h:\n    x = h.read()", "1|2"),
    (
        "with of a suppressor is conditional",
        "x = 1 ;; with suppress(E):\n    x = f() ;; print(x)",
        "1|2, 1>3, 2>3",
    ),
    ("with as binds for sure", "h = 1 ;; with lock() as h:\n    pass", "1|2"),
    ("with several targets", "a = b = 1 ;; with m() as a, n() as (b, c):\n    pass", "1|2"),
    (
        "match without wildcard is conditional",
        "x = 1 ;; match y:\n    case 1:\n        x = 2 ;; print(x)",
        "1|2, 1>3, 2>3",
    ),
    (
        "match with wildcard is definite",
        "x = 1 ;; match 0:\n    case 1:\n        x = 2\n    case _:\n        x = 3",
        "1|2",
    ),
    (
        "a guarded wildcard is conditional",
        "x = 1 ;; match 0:\n    case _ if c():\n        x = 3 ;; print(x)",
        "1|2, 1>3, 2>3",
    ),
    (
        "a capture pattern binds",
        "y = 1 ;; match 0:\n    case [y, *z]:\n        pass ;; print(y)",
        "2>3",
    ),
    (
        "a mapping's rest binds",
        "match m:\n    case {'k': v, **rest}:\n        pass ;; print(rest)",
        "1>2",
    ),
    (
        "a value pattern reads",
        "import c ;; C = c.k() ;; match m:\n    case C.A:\n        pass",
        "2>3",
    ),
    ("a class pattern reads", "P = f() ;; match m:\n    case P(x=1):\n        pass", "1>2"),
    (
        "a failed capture may have bound",
        "y = 1 ;; match 0:\n    case y if c():\n        y = 2 ;; print(y)",
        "1|2, 1>3, 2>3",
    ),
    ("del is a read and a write", "x = f() ;; del x ;; print(x)", "1>2, 2>3"),
    ("del of a shadowed builtin", "list = 1 ;; del list ;; list(y)", "2>3"),
    ("a name set again after del is bound", "x = 1 ;; x = 2\ndel x\nx = 3", "1|2"),
    ("a name used after a conditional del", "x = 1 ;; x = 2\nif c():\n    del x\nprint(x)", "1>2"),
    ("walrus binds", "n = 1 ;; (n := 2) ;; print(n)", "1|2, 2>3"),
    ("walrus in a condition binds", "n = 1 ;; if (n := f()):\n    pass", "1|2"),
    (
        "walrus behind and is conditional",
        "n = 1 ;; a() and (n := 2) ;; print(n)",
        "1|2, 1>3, 2>3",
    ),
    ("walrus first in and binds", "n = 1 ;; (n := a()) and b()", "1|2"),
    (
        "walrus in a conditional expression",
        "n = 1 ;; (n := 2) if a() else 0 ;; print(n)",
        "1|2, 1>3, 2>3",
    ),
    (
        "walrus in a chained comparison",
        "n = 1 ;; 1 < f() < (n := 2) ;; print(n)",
        "1|2, 1>3, 2>3",
    ),
    (
        "walrus in a comprehension is conditional",
        "n = 1 ;; [n := i for i in y] ;; print(n)",
        "1|2, 1>3, 2>3",
    ),
    ("walrus in a while test binds", "n = 1 ;; while (n := f()):\n    pass", "1|2"),
    ("augmented assignment reads", "x = 1 ;; x += 1 ;; print(x)", "1>2, 2>3"),
    ("annotated assignment binds", "x = 1 ;; x: int = 2", "1|2"),
    ("a bare annotation does not bind", "x = 1 ;; x: int ;; print(x)", "1>3, 2|3"),
    ("an annotation is read", "T = f() ;; x: T = 2", "1>2"),
    ("a tuple target binds each", "a = b = 1 ;; a, (b, c) = f()", "1|2"),
    ("a star target binds", "a = b = 1 ;; a, *b = f()", "1|2"),
    ("an element store does not bind", "d = {} ;; d['k'] = 1 ;; print(d)", "1>2, 2>3"),
    ("an import binds", "import os ;; os.getcwd()", "1>2"),
    ("an import with a dot binds its root", "import os.path ;; os.getcwd()", "1>2"),
    ("an import as binds the alias", "import numpy as np ;; np.sum(1)", "1>2"),
    ("import from binds", "from math import pi ;; pi", "1>2"),
    ("a star import of a known module binds", "from math import * ;; sqrt(2)", "1>2"),
    ("a star import binds only its names", "from math import * ;; x = 2", "1|2"),
    (
        "a star import may not hide what it lacks",
        "x = 1 ;; from math import * ;; print(x)",
        "1>3, 2|3",
    ),
    ("a def binds", "def f(): pass ;; f()", "1>2"),
    ("a class binds", "class A: pass ;; A()", "1>2"),
    ("async def binds", "async def f(): pass ;; await f()", "1>2"),
    (
        "async for is conditional",
        "x = 1 ;; async for x in f():\n    pass ;; print(x)",
        "1|2, 1>3, 2>3",
    ),
    ("async with binds", "x = 1 ;; async with f() as x:\n    pass", "1|2"),
    ("an unreachable setting binds nothing below", "x = f() ;; raise E\nx = 2 ;; print(x)", "2>3"),
]

SCOPES: list[Case] = [
    ("a comprehension's target is its own", "i = f() ;; [i for i in range(3)]", "1|2"),
    ("a comprehension's first iterable is outside", "i = f() ;; [i for i in i]", "1>2"),
    ("a comprehension's condition reads", "k = f() ;; [i for i in range(3) if i > k]", "1>2"),
    ("a comprehension does not leak", "[i for i in range(3)] ;; i = 2", "1|2"),
    (
        "a dict comprehension's names are its own",
        "k = v = f() ;; {k: v for k, v in [(1, 2)]}",
        "1|2",
    ),
    ("a nested comprehension reads outside", "m = f() ;; [[m for _ in [1]] for _ in [1]]", "1>2"),
    ("a parameter is local", "x = f() ;; (lambda x: x)(1)", "1|2"),
    ("a default is evaluated early", "x = f() ;; def g(a=x): pass", "1>2"),
    ("a body is not evaluated early", "x = f() ;; def g(): return x", "1|2"),
    ("a decorator is evaluated early", "d = f() ;; @d\ndef g(): pass", "1>2"),
    ("a return annotation is evaluated early", "T = f() ;; def g() -> T: pass", "1>2"),
    ("a lambda's default is evaluated early", "x = f() ;; g = lambda a=x: a", "1>2"),
    ("a lambda's body is not", "x = f() ;; g = lambda: x", "1|2"),
    ("a class body is evaluated early", "x = f() ;; class A:\n    y = x", "1>2"),
    ("a class attribute is not the notebook's", "y = f() ;; class A:\n    y = 1\n    z = y", "1|2"),
    (
        "a class body falls through",
        "y = f() ;; class A:\n    if c():\n        y = 1\n    z = y",
        "1>2",
    ),
    ("a class body does not bind outside", "class A:\n    y = 1 ;; y = 2 ;; print(y)", "2>3, 1|3"),
    (
        "a method does not see the class's names",
        "y = f() ;; class A:\n    y = 1\n    def m(self): return y ;; A().m()",
        "1>3",
    ),
    ("a base class is read", "B = f() ;; class A(B): pass", "1>2"),
    ("a keyword of a class is read", "M = f() ;; class A(metaclass=M): pass", "1>2"),
    (
        "global in a function writes when called",
        "def s():\n    global x\n    x = f() ;; s() ;; print(x)",
        "2>3",
    ),
    (
        "global in a function does nothing before",
        "x = 1 ;; def s():\n    global x\n    x = 2 ;; print(x)",
        "1>3, 2|3",
    ),
    (
        "a call that may set a global reads it",
        "x = f() ;; def s():\n    global x\n    x = 1 ;; s() ;; print(x)",
        "1|3, 1>4, 3>4",
    ),
    ("global at the cell's own level", "global x\nx = f() ;; print(x)", "1>2"),
    ("global in a class body", "class A:\n    global x\n    x = 1 ;; print(x)", "1>2"),
    (
        "nonlocal stays inside",
        "n = f() ;; def g():\n    n = 0\n    def h():\n        nonlocal n\n        n += 1\n    h() ;; g()",
        "1|3",
    ),
    (
        "a nested function's free names",
        "k = f() ;; def g():\n    def h(): return k\n    return h() ;; g()",
        "1>3",
    ),
    (
        "a name that a function binds is local all through",
        "x = f() ;; def g():\n    x = 1\n    return x ;; g()",
        "1|3",
    ),
    (
        "a name deleted in a function is local",
        "x = f() ;; def g():\n    x = 1\n    del x ;; g()",
        "1|3",
    ),
    (
        "a for target in a function is local",
        "i = f() ;; def g():\n    for i in []: pass ;; g()",
        "1|3",
    ),
    (
        "an import in a function is local",
        "np = f() ;; def g():\n    import numpy as np\n    np.sum(1) ;; g()",
        "1|3",
    ),
    ("a walrus in a function is local", "n = f() ;; def g(): return (n := 1) ;; g()", "1|3"),
    (
        "an except name in a function is local",
        "e = f() ;; def g():\n    try: pass\n    except E as e: pass ;; g()",
        "1|3",
    ),
    (
        "a capture in a function is local",
        "v = f() ;; def g(a):\n    match a:\n        case v: return v ;; g(1)",
        "1|3",
    ),
    ("names in f-strings are read", "x = f() ;; print(f'{x!r:>10}')", "1>2"),
    ("names in nested format specs are read", "w = f() ;; print(f'{1:{w}}')", "1>2"),
    ("a plain string reads nothing", "x = f() ;; print('{x}')", "1|2"),
    ("a shadowed builtin is the notebook's", "sum = f() ;; sum([1])", "1>2"),
    ("a builtin is nobody's", "x = 1 ;; sum([1])", "1|2"),
    ("star arguments are read", "a = f() ;; print(*a)", "1>2"),
    ("double star arguments are read", "a = f() ;; dict(**a)", "1>2"),
    ("a dict display's spread is read", "a = f() ;; {**a}", "1>2"),
    ("a slice is read", "n = f() ;; [1, 2][:n]", "1>2"),
    ("a yield in a function", "k = f() ;; def g(): yield k ;; list(g())", "1>3"),
    ("an assert is read", "k = f() ;; assert k", "1>2"),
    ("an await is read", "k = f() ;; await k", "1>2"),
]


@hazards(DEFINITE)
def test_a_name_is_bound_on_every_path_or_read(cells: str, expected: str) -> None:
    check(cells, expected)


@hazards(SCOPES)
def test_scopes_are_pythons_own(cells: str, expected: str) -> None:
    check(cells, expected)
