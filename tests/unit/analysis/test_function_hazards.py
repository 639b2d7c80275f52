"""Functions and classes bind late: what their code reads and changes, as of the call."""

# ruff: noqa: E501  (a table reads best where a source is one string)

from __future__ import annotations

from tests.unit.analysis.hazards import Case, check, hazards

FUNCTIONS: list[Case] = [
    ("a call reads what the body reads", "k = f() ;; def g(): return k ;; g()", "1>3"),
    ("a call reads as of the call", "def g(): return k ;; k = f() ;; g()", "2>3"),
    ("defining reads nothing", "def g(): return k ;; k = f()", "1|2"),
    ("passing a function on reads too", "k = f() ;; def g(): return k ;; h(g)", "1>3"),
    (
        "another name for a function reads too",
        "k = f() ;; def g(): return k ;; h = g ;; h()",
        "1>4",
    ),
    ("a function in a list reads too", "k = f() ;; def g(): return k\nx = [g] ;; x[0]()", "1>3"),
    ("a function in a dict reads too", "k = f() ;; x = {'a': lambda: k} ;; x['a']()", "1>3"),
    (
        "reads are transitive",
        "k = f() ;; def g(): return k ;; def h(): return g() ;; h()",
        "1>4, 2>4",
    ),
    (
        "a redefinition counts",
        "k = f() ;; def g(): return k ;; def g(): return 1 ;; g()",
        "1|4, 3>4",
    ),
    (
        "an older function keeps its code",
        "k = f() ;; def g(): return k\nh = g ;; def g(): return 1 ;; h()",
        "1>4",
    ),
    (
        "mutual recursion ends",
        "k = f() ;; def g(n): return h(n) ;; def h(n): return k if n else g(n) ;; g(1)",
        "1>4",
    ),
    ("a body's change is the caller's", "x = [] ;; def g(): x.append(1) ;; g() ;; print(x)", "3>4"),
    (
        "a body that only reads changes nothing",
        "x = [] ;; def g(): return len(x) ;; g() ;; print(x)",
        "3|4",
    ),
    ("an argument that is changed", "x = [] ;; def g(p): p.append(1) ;; g(x) ;; print(x)", "3>4"),
    (
        "an argument that is only read",
        "x = [] ;; def g(p): return len(p) ;; g(x) ;; print(x)",
        "3|4",
    ),
    (
        "a keyword argument that is changed",
        "x = [] ;; def g(*, p): p.append(1) ;; g(p=x) ;; print(x)",
        "3>4",
    ),
    (
        "the other argument is not",
        "x = []\ny = [] ;; def g(p, q): p.append(1) ;; g(x, y) ;; print(y)",
        "3|4",
    ),
    (
        "star arguments are changed",
        "x = [] ;; def g(*p): p[0].append(1) ;; g(x) ;; print(x)",
        "3>4",
    ),
    (
        "double star arguments are changed",
        "x = [] ;; def g(**p): p['a'].append(1) ;; g(a=x) ;; print(x)",
        "3>4",
    ),
    (
        "a change through two calls",
        "x = [] ;; def g(p): p.append(1)\ndef h(q): g(q) ;; h(x) ;; print(x)",
        "3>4",
    ),
    (
        "a returned argument shares",
        "x = [] ;; def g(p): return p\ny = g(x) ;; y.append(1) ;; print(x)",
        "3>4",
    ),
    (
        "a returned copy does not",
        "x = [] ;; def g(p): return list(p)\ny = g(x) ;; y.append(1) ;; print(x)",
        "3|4",
    ),
    (
        "a returned global shares",
        "x = [] ;; def g(): return x\ny = g() ;; y.append(1) ;; print(x)",
        "3>4",
    ),
    (
        "two results of one function stay apart",
        "def g(): return []\nx = g()\ny = g() ;; x.append(1) ;; print(y)",
        "2|3",
    ),
    (
        "a default that is changed belongs to the function",
        "def g(p=[]): p.append(1) ;; g() ;; g()",
        "2>3",
    ),
    (
        "a closure's state belongs to the function",
        "def m():\n    n = []\n    def g(): n.append(1)\n    return g\nc = m() ;; c() ;; c()",
        "2>3",
    ),
    (
        "nonlocal state belongs to the function",
        "def m():\n    n = 0\n    def g():\n        nonlocal n\n        n += 1\n        return n\n    return g\nc = m() ;; c() ;; c()",
        "2>3",
    ),
    (
        "a closure over an argument changes it",
        "x = [] ;; def m(p):\n    def g(): p.append(1)\n    return g\nc = m(x) ;; c() ;; print(x)",
        "3>4",
    ),
    ("a lambda reads late", "k = f() ;; g = lambda: k ;; g()", "1>3"),
    ("a generator reads late", "k = f() ;; g = (k for _ in range(3)) ;; k = 2 ;; sum(g)", "3>4"),
    (
        "a generator function runs late",
        "k = f() ;; def g(): yield k\nx = g() ;; k = 2 ;; list(x)",
        "3>4",
    ),
    ("map runs late", "k = f() ;; x = map(lambda i: k, [1]) ;; k = 2 ;; list(x)", "3>4"),
    ("a coroutine runs late", "k = f() ;; async def g(): return k ;; await g()", "1>3"),
    (
        "a decorated function keeps its code",
        "k = f() ;; import functools\n@functools.lru_cache\ndef g(): return k ;; g()",
        "1>3",
    ),
    (
        "a cache hands out one object again",
        "import functools\n@functools.cache\ndef g(k): return [k]"
        " ;; x = g(1) ;; g(1).append(2) ;; print(x)",
        "1>2, 3>4",
    ),
    (
        "a cache of numbers hands out none",
        "import functools\n@functools.cache\ndef g(k): return int(k) ;; x = g(1) ;; y = g(1)",
        "2|3",
    ),
    ("an unknown decorator keeps its code", "k = f() ;; @deco\ndef g(): return k ;; g()", "1>3"),
    (
        "a notebook's decorator is run",
        "k = f() ;; def d(g):\n    return lambda: g() + k ;; @d\ndef h(): return 1 ;; h()",
        "1>4",
    ),
    (
        "a pure function of numbers runs beside others",
        "def g(n): return n * 2 ;; a = g(1) ;; b = g(2)",
        "2|3",
    ),
    ("a function attribute is a change", "def g(): pass ;; g.n = 1 ;; print(g.n)", "2>3"),
    (
        "globals in a function are a barrier",
        "x = 1 ;; def g(): return globals()['x'] ;; g()",
        "1>3: reaches every name",
    ),
]

CLASSES: list[Case] = [
    (
        "a method's reads are the call's",
        "k = f() ;; class A:\n    def m(self): return k\na = A() ;; a.m()",
        "1>3",
    ),
    (
        "an instance's use reads what its class reads",
        "k = f() ;; class A:\n    def __str__(self): return k\na = A() ;; print(a)",
        "1>3",
    ),
    (
        "an instance in a list too",
        "k = f() ;; class A:\n    def __str__(self): return k\na = [A()] ;; print(a)",
        "1>3",
    ),
    (
        "an instance reads its class",
        "class A: pass ;; a = A() ;; class A:\n    x = 1 ;; print(a)",
        "2>4",
    ),
    (
        "a method that changes self",
        "class A:\n    def m(self): self.n = 1 ;; a = A() ;; a.m() ;; print(a)",
        "3>4",
    ),
    (
        "a method that only reads self",
        "class A:\n    def m(self): return self.n ;; a = A() ;; a.m() ;; print(a)",
        "3|4",
    ),
    (
        "a method that changes by another",
        "class A:\n    def p(self): self.n = 1\n    def m(self): self.p() ;; a = A() ;; a.m() ;; print(a)",
        "3>4",
    ),
    (
        "two instances stay apart",
        "class A:\n    def m(self): self.n = 1\na = A()\nb = A() ;; a.m() ;; print(b)",
        "2|3",
    ),
    (
        "a shared class attribute links instances",
        "class A:\n    x = []\n    def m(self): self.x.append(1)\na = A()\nb = A() ;; a.m() ;; print(b)",
        "2>3",
    ),
    (
        "an argument kept by an instance shares",
        "x = [] ;; class A:\n    def __init__(self, v): self.v = v\n    def m(self): self.v.append(1)\na = A(x) ;; a.m() ;; print(x)",
        "3>4",
    ),
    (
        "a method's argument kept shares",
        "class A:\n    def put(self, v): self.v = v\na = A()\nx = [] ;; a.put(x) ;; a.v.append(1) ;; print(x)",
        "3>4",
    ),
    (
        "an inherited method counts",
        "k = f() ;; class A:\n    def m(self): return k ;; class B(A): pass\nb = B() ;; b.m()",
        "1>4",
    ),
    (
        "super is followed",
        "x = [] ;; class A:\n    def m(self): x.append(1)\nclass B(A):\n    def m(self): super().m()\nb = B() ;; b.m() ;; print(x)",
        "3>4",
    ),
    (
        "a property's reads count",
        "k = f() ;; class A:\n    @property\n    def p(self): return k\na = A() ;; a.p",
        "1>3",
    ),
    (
        "a protocol that changes self counts",
        "class A:\n    def __iter__(self):\n        self.n = 1\n        return iter([])\na = A() ;; for i in a: pass ;; print(a)",
        "2>3",
    ),
    (
        "a context manager that changes",
        "x = [] ;; class A:\n    def __enter__(self): x.append(1)\n    def __exit__(self, *e): pass\na = A() ;; with a: pass ;; print(x)",
        "3>4",
    ),
    ("a class attribute store is a change", "class A: pass ;; A.n = 1 ;; print(A.n)", "2>3"),
    (
        "a dataclass is a class",
        "k = f() ;; from dataclasses import dataclass\n@dataclass\nclass A:\n    v: int\n    def m(self): return k\na = A(1) ;; a.m()",
        "1>3",
    ),
    ("an unknown base may change", "class A(Base): pass ;; a = A() ;; a.fit() ;; print(a)", "3>4"),
    (
        "an operator method runs",
        "x = [] ;; class A:\n    def __add__(self, o): x.append(1)\na = A() ;; a + 1 ;; print(x)",
        "3>4",
    ),
    (
        "an instance that is called",
        "k = f() ;; class A:\n    def __call__(self): return k\na = A() ;; a()",
        "1>3",
    ),
    (
        "a static method leaves self",
        "class A:\n    @staticmethod\n    def m(v): return v ;; a = A() ;; a.m(1) ;; print(a)",
        "3|4",
    ),
    (
        "a class method may change the class",
        "class A:\n    n = []\n    @classmethod\n    def m(cls): cls.n.append(1) ;; A.m() ;; print(A.n)",
        "2>3",
    ),
]


@hazards(FUNCTIONS)
def test_functions_bind_late(cells: str, expected: str) -> None:
    check(cells, expected)


@hazards(CLASSES)
def test_classes_bind_late(cells: str, expected: str) -> None:
    check(cells, expected)
