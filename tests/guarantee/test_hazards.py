"""Hard notebooks, each for one thing that makes a parallel run differ from a serial one."""

# ruff: noqa: E501 - the sources of cells are as long as they are
from __future__ import annotations

import pytest

from tests.guarantee.harness import Bench, differences

WAIT = "time.sleep(0.15)"  # keeps a fork busy, so that others run beside it

# Name → cells. The first cell imports, so it is run in place; every other one is forked where it can be.
NOTEBOOKS: dict[str, tuple[str, ...]] = {
    "seeded random numbers in a fork": (
        "import random, time",
        "random.seed(1)",
        WAIT + "; beside = 1",
        "a = random.random()",
        "b = random.random(); print(a, b)",
    ),
    "alias through a container": (
        "import time",
        "xs = [1]\nbox = {'inner': [xs, xs]}",
        WAIT,
        "box['inner'][0].append(2)",
        "print(xs, box['inner'][0] is xs)",
    ),
    "view of a view": (
        "import time, numpy as np",
        "a = np.arange(12).reshape(3, 4)",
        "b = a[1:]",
        "c = b.T[::2]; " + WAIT,
        "c[0] = 9",
        "print(a, b)",
    ),
    "views of an array of objects": (
        "import time, numpy as np",
        "a = np.array(['x', None, (1, 2)], dtype=object)",
        WAIT,
        "b = a[1:]",
        WAIT,
        "b[0] = 5",
        "print(a)",
    ),
    "large array changed in place": (
        "import time, numpy as np",
        "a = np.zeros((1000, 500))",
        "b = a[::2]",
        WAIT,
        "b[3] += 1",
        "print(a.sum(), b.sum(), np.shares_memory(a, b))",
    ),
    "closure state": (
        "import time",
        "def make():\n    n = 0\n    def step():\n        nonlocal n\n        n += 1\n        return n\n"
        "    return step\nstep = make(); also = step",
        WAIT,
        "step()",
        "also()",
        "print(step(), also is step)",
    ),
    "function defined anew": (
        "import time",
        "def rate():\n    return 1",
        "def total():\n    return rate() * 10",
        "a = total(); " + WAIT,
        "def rate():\n    return 2",
        "print(a, total())",
    ),
    "class defined anew": (
        "import time",
        "class C:\n    v = 1",
        "old = C(); " + WAIT,
        "class C:\n    v = 2",
        "new = C()",
        "print(old.v, new.v, isinstance(old, C), isinstance(new, C), type(old) is type(new))",
    ),
    "isinstance across cells": (
        "import time",
        "class A: pass\nclass B(A): pass",
        "a = B(); " + WAIT,
        "b = [B(), A()]; " + WAIT,
        "print(isinstance(a, A), type(a) is type(b[0]), isinstance(b[1], B))",
    ),
    "class changed later": (
        "import time",
        "class C:\n    def f(self):\n        return 1",
        "c = C(); " + WAIT,
        "C.f = lambda self: 2\nC.extra = [1]",
        WAIT,
        "print(c.f(), c.extra, C().f())",
    ),
    "attribute that equals the base's": (
        "import time",
        "class A:\n    total = 5",
        WAIT,
        "class B(A):\n    total = 5",
        WAIT,
        "A.total = 7",
        "print(B.total)",
    ),
    "class with slots": (
        "import time",
        WAIT,
        "class T:\n    __slots__ = ('a',)",
        "t = T(); t.a = 1",
        WAIT,
        "try:\n    t.b = 2\nexcept AttributeError as error:\n    print(error)",
    ),
    "generator half consumed": (
        "import time",
        "def gen():\n    for i in range(9):\n        yield i\ng = gen()",
        WAIT,
        "a = next(g)",
        "b = [next(g), next(g)]; " + WAIT,
        "print(a, b, list(g))",
    ),
    "native iterators": (
        "import time, itertools",
        "c = itertools.cycle('abc'); n = itertools.count().__next__",
        WAIT,
        "a = next(c), n()",
        "b = next(c), n()",
        "print(a, b, next(c), n())",
    ),
    "a file that is looked for": (
        "import time, os\nfrom pathlib import Path",
        "name = 'made' + '.txt'; " + WAIT,
        "Path(name).write_text('x' * 7); " + WAIT,
        "print(os.path.exists('made.txt'), Path('made' '.txt').is_file())",
        "print(os.path.getsize('./made.txt')); " + WAIT,
        "os.remove(name); " + WAIT,
        "if os.path.exists('made.txt'):\n    raise ValueError('it is there')",
    ),
    "a picture that is saved and shown": (
        "import matplotlib.pyplot as plt",
        "fig = plt.figure(); plt.plot([1, 2])",
        "fig.savefig('figure.png')",
        "from IPython.display import Image\nImage('figure.png')",
    ),
    "masked arrays": (
        "import numpy as np, time",
        "x = np.arange(10.0); m = np.ma.masked_array(x, mask=x > 5); " + WAIT,
        "alone = np.ma.masked_array([1.0, 2, 3], mask=[0, 1, 0]); part = alone[1:]; " + WAIT,
        "m[2] = np.ma.masked; part[1] = 8; " + WAIT,
        "print(m, x, alone)",
        "m[1] = 99; z = np.ma.masked_greater(x.reshape(2, 5), 3); " + WAIT,
        "print(x, m.mean(), z, z.mask.sum())",
    ),
    "subclasses of arrays that share memory": (
        "import numpy as np, time",
        "x = np.arange(4.0).reshape(2, 2); " + WAIT,
        "m = np.matrix(x, copy=False); r = np.rec.array([(1, 2.0)], dtype='i8,f8'); " + WAIT,
        "m[0, 0] = 9; r.f0[0] = 5; " + WAIT,
        "print(x, m * m, r)",
        "file = np.memmap('f.dat', dtype='f8', mode='w+', shape=(4,)); " + WAIT,
        "file[3] = 4; file.flush(); " + WAIT,
        "print(np.fromfile('f.dat'), file[3])",
    ),
    "an object that fails when it is looked at": (
        "import numpy as np, time",
        "class Odd(np.ndarray):\n"
        "    def __getattribute__(self, name):\n"
        "        if name in ('base', 'flags'):\n"
        "            raise ValueError(name)\n"
        "        return super().__getattribute__(name)",
        "odd = np.arange(3).view(Odd); other = 1; " + WAIT,
        "other += 1; " + WAIT,
        "odd[0] = 7; " + WAIT,
        "print(odd.sum(), other); del odd",
    ),
    "iterators that pickle makes others of": (
        "import time, itertools",
        "d = {'a': 1}; keys = iter(d); items = iter(d.items()); " + WAIT,
        "s = iter({1}); used = iter([1]); rest = list(used); z = zip([1], [2]); list(z); " + WAIT,
        "groups = [g for _, g in itertools.groupby('aab')]; " + WAIT,
        "print(*(type(x).__name__ for x in (keys, items, s, used, z, *groups)))",
        "d['b'] = 2",
        "try:\n    next(keys)\nexcept RuntimeError as error:\n    print(error)",
    ),
    "cache of calls": (
        "import time, functools",
        "@functools.lru_cache\ndef f(k):\n    print('in', k)\n    return k",
        WAIT,
        "a = f(1)",
        "b = f(1)",
        "print(f.cache_info())",
    ),
    "attribute of a cached function": (
        "import time, functools",
        "@functools.lru_cache\ndef f(k):\n    return k",
        "f.calls = 0; " + WAIT,
        "print(getattr(f, 'calls', None)); " + WAIT,
        "f.calls += 1",
        "print(f.calls)",
    ),
    "cached function under an old name": (
        "import time, functools",
        "def f(k):\n    return 1",
        WAIT,
        "@functools.lru_cache\ndef f(k):\n    return 2",
        WAIT,
        "print(f(0), type(f).__name__)",
    ),
    "unpicklable values": (
        "import threading, sqlite3, time",
        "lock = threading.Lock(); " + WAIT,
        "base = sqlite3.connect(':memory:'); base.execute('create table t (x)')",
        "class Holder: pass\nh = Holder(); h.f = lambda x: x + lock.locked(); " + WAIT,
        "file = open('notes.txt', 'w'); file.write('one')",
        "base.execute('insert into t values (3)')",
        "file.write('two'); file.close()",
        "print(base.execute('select * from t').fetchall(), h.f(1), lock.acquire(False))",
    ),
    "methods that raise": (
        "import time",
        "class Sour:\n    def __eq__(self, other): raise ValueError('eq')\n    __hash__ = None\n"
        "    def __bool__(self): raise ValueError('bool')\n    def __len__(self): raise ValueError('len')",
        "s = Sour(); t = [s, s]; " + WAIT,
        "class Stuck:\n    def __reduce__(self): raise TypeError('no')\nk = Stuck(); k.n = 1",
        "k.n += 1; " + WAIT,
        "t.append(1)",
        "print(k.n, len(t), t[0] is s)",
    ),
    "a destructor that raises": (
        "import time",
        "class D:\n    def __del__(self):\n        pass\nd = D()",
        WAIT,
        "del d",
        "print('d' in globals())",
    ),
    "self-reference": (
        "import time",
        "xs = [1]; xs.append(xs)\nd = {}; d['d'] = d; d['xs'] = xs",
        WAIT,
        "xs.append(2)",
        "print(d['xs'] is xs, xs[1] is xs, len(xs))",
    ),
    "method passed on": (
        "import time",
        "xs = []\nadd = xs.append",
        WAIT,
        "add(3)",
        "list.append(xs, 4)",
        "print(xs)",
    ),
    "thread that prints": (
        "import threading, time",
        "def work():\n    print('from the thread')\nt = threading.Thread(target=work); t.start(); t.join()",
        WAIT,
        "del t; print('after')",
    ),
    "thread left alive": (
        "import threading, time",
        "stop = threading.Event()\nt = threading.Thread(target=stop.wait, daemon=True); t.start()",
        WAIT,
        "x = 1",
        "print(t.is_alive()); stop.set(); t.join()",
        "print(t.is_alive()); del t",
    ),
    "asyncio task left": (
        "import asyncio, time",
        "async def later(): \n    await asyncio.sleep(0.01)\n    return 5\ntask = asyncio.ensure_future(later())",
        WAIT,
        "print(await task)",
    ),
    "folder changed": (
        "import os, time",
        "os.makedirs('sub')",
        WAIT + "; os.chdir('sub')",
        "open('f.txt', 'w').write('1')",
        "print(os.listdir('.'))",
        "os.chdir('..')",
        "print(sorted(os.listdir('.')))",
    ),
    "file appended in order": (
        "import time",
        *(
            f"{WAIT if n % 2 else 'pass'}\nwith open('log.txt', 'a') as f:\n    f.write('{n}')"
            for n in range(6)
        ),
        "print(open('log.txt').read())",
    ),
    "file read before it is rewritten": (
        "import time",
        "open('d.txt', 'w').write('old')",
        WAIT + "\nprint(open('d.txt').read())",
        "name = 'd' + '.txt'; open(name, 'w').write('new')",
        "print(open('d.txt').read())",
    ),
    "monkeypatched module": (
        "import math, json, time",
        WAIT + "; math.tau = 3",
        WAIT + "; json.JSONEncoder.tag = 'x'",
        "print(math.tau, json.JSONEncoder.tag)",
    ),
    "monkeypatched module, and a process that was there before and becomes home": (
        "import math, time",
        WAIT + "; x = 1",
        "math.tau = x",
        "squares = (n * n for n in range(5)); print(next(squares))",
        "print(math.tau, next(squares))",
    ),
    "a text that is taken for a path": (
        "import os, time",
        WAIT + "; print(os.path.exists('<svg>' * 999))",
        "print(os.path.isfile('y' * 9999))",
    ),
    "filters of a warning that no edge tells of": (
        "import time, warnings, pandas as pd",
        "df = pd.DataFrame({'x': range(3)})",
        WAIT + "; warnings.filterwarnings('ignore')",
        "df.x.iloc[:] = 5",
    ),
    "magics without their %": (
        "import time",
        WAIT + "; open('a.txt', 'w').write('first')",
        "cat a.txt",
        "mkdir there",
        "cd there",
        "pwd = 3",
        "print(pwd)",
    ),
    "a module that the notebook writes": (
        "import time",
        WAIT,
        "%%writefile onb_own.py\nlevel = 1",
        "import onb_own",
        "print(onb_own.level)",
    ),
    "a module that is written no edge tells how": (
        "import os, time",
        "open('onb_quiet.text', 'w').write('level = 2')",
        WAIT + "; vars(os)['replace']('onb_quiet.text', 'onb_quiet.py')",
        "import onb_quiet",
        "print(onb_quiet.level)",
    ),
    "a descriptor that stays open": (
        "import os, tempfile, time",
        WAIT + "; x = 1",
        "number, path = tempfile.mkstemp(dir='.')",
        "print(os.write(number, b'some'))",
        "os.close(number); print(open(path).read()); os.remove(path); del number, path",
    ),
    "classes whose making is told": (
        "import time",
        WAIT + "; x = 1",
        "class Meta(type):\n    seen = {}\n    def __new__(kind, name, bases, space):\n"
        "        made = super().__new__(kind, name, bases, space)\n"
        "        kind.seen[name] = len(kind.seen)\n        return made\n"
        "class A(metaclass=Meta): pass",
        "class Base:\n    heirs = []\n    def __init_subclass__(cls): Base.heirs.append(cls)\n"
        "class B(Base): pass",
        "class C(Base): pass\nclass D(A): pass",
        "print(Meta.seen, Base.heirs)",
    ),
    "what was shown is changed by another name": (
        "import time, numpy as np",
        "a = np.arange(6)",
        "a",
        "b = a.reshape(2, 3)",
        WAIT + "; b[0, 0] = 9",
        "print(_)",
    ),
    "a seed in a process that was there before and becomes home": (
        "import random, time",
        WAIT + "; x = 1",
        "random.seed(x)",
        "squares = (n * n for n in range(5)); random.seed(2)",
        "print(random.random(), next(squares))",
    ),
    "decimal context": (
        "import decimal, time",
        WAIT + "; decimal.getcontext().prec = 5",
        "print(decimal.Decimal(1) / 3)",
        WAIT + "; decimal.getcontext().prec = 9",
        "print(decimal.Decimal(1) / 3)",
    ),
    "hidden random state through a library": (
        "import time, numpy as np",
        "from sklearn.model_selection import train_test_split\nfrom sklearn.utils import shuffle",
        "np.random.seed(3)",
        "a = train_test_split(np.arange(10))[1]; " + WAIT,
        "b = shuffle(np.arange(5)); " + WAIT,
        "c = np.random.rand()",
        "print(a, b, c)",
    ),
    "figure used across cells": (
        "import time\nimport matplotlib.pyplot as plt",
        "fig, ax = plt.subplots()",
        "ax.plot([1, 2]); " + WAIT,
        "ax.set_title('t'); " + WAIT,
        "print(ax.get_title(), len(ax.lines), fig.axes[0] is ax)",
    ),
    "source of a function": (
        "import inspect, time",
        WAIT,
        "def f(x):\n    # a comment\n    return x",
        WAIT,
        "print(inspect.getsource(f))",
    ),
    "pickling of what the notebook defines": (
        "import pickle, time",
        "def f(x):\n    return x + 1\nclass C:\n    pass",
        WAIT,
        "g = pickle.loads(pickle.dumps(f)); c = pickle.loads(pickle.dumps(C()))",
        "print(g is f, type(c) is C, g(1))",
    ),
    "multiprocessing of a notebook's function": (
        "import multiprocessing, time",
        "def f(x):\n    return x * 2",
        WAIT,
        "with multiprocessing.get_context('fork').Pool(2) as pool:\n    r = pool.map(f, [1, 2, 3])",
        "del pool; print(r)",
    ),
    "a cell that forks": (
        "import os, time",
        WAIT,
        "pid = os.fork()\nif pid == 0:\n    os._exit(3)\ncode = os.waitpid(pid, 0)[1]\npid = 0",
        "print(code)",
    ),
    "capture and shell": (
        "import time",
        WAIT,
        "%%capture v\nprint('inside')",
        "out = !echo hello",
        "print(v.stdout, out)",
    ),
    "results by number": (
        "import time",
        WAIT + "\n41",
        "_ + 1",
        "x = _",
        "print(x, Out[2], In[1][:6])",
    ),
    "names deleted again": (
        "import time",
        "tmp = 1; e = 2; " + WAIT,
        "tmp = 2\ny = tmp\ndel tmp",
        "try:\n    1 / 0\nexcept ZeroDivisionError as e:\n    z = 1",
        WAIT,
        "print('tmp' in dir(), 'e' in dir(), y, z)",
    ),
    "columns moved in a frame": (
        "import time, pandas as pd",
        "df = pd.DataFrame({'x': [1, 2], 'y': [0.5, 1.5], 'g': ['a', 'b']})\nrow = df['x']",
        WAIT,
        "del df['y']; df['y'] = 1.5",
        WAIT,
        "df.insert(0, 'w', 3)",
        "df.loc[0, 'x'] = 9",
        "print(df, list(row))",
    ),
    "alias through the last result": (
        "import time",
        "xs = [1]\nxs",
        WAIT,
        "last = _",
        WAIT,
        "xs.append(2)",
        "print(last, _, Out)",
    ),
    "closed file left under its name": (
        "import time",
        WAIT,
        "with open('a.txt', 'w') as f:\n    f.write('x')",
        WAIT,
        "print(f.closed, f.name, f.mode)",
    ),
    "copy on write of a column": (
        "import time, pandas as pd",
        "df = pd.DataFrame({'x': [1, 2], 'y': [0.5, 1.5]})",
        WAIT,
        "s = df['x']",
        WAIT,
        "a = s.to_numpy()",
        WAIT,
        "s[:] = 9",
        "print(df, s, a)",
    ),
    "copy on write of an index": (
        "import time, pandas as pd",
        "df = pd.DataFrame({'x': [1, 2], 'y': [3, 4]})",
        WAIT,
        "by = df.set_index('x', drop=False); i = pd.Index(df['y'])",
        WAIT,
        "df.iloc[0, 0] = 9; df.iloc[1, 1] = 8",
        "print(by, i, df)",
    ),
    "shared part of an instance of a derived class": (
        "import copy, time",
        "class B: pass\nclass T(B):\n    def __init__(self):\n        self.parts = []",
        WAIT,
        "one = T()",
        WAIT,
        "two = copy.copy(one)",
        WAIT,
        "two.parts.append(1)",
        "print(one.parts, one.parts is two.parts)",
    ),
    "list that may have been deleted": (
        "import copy, functools, itertools, time",
        "xs = [1]; n = 3",
        WAIT,
        "if n < 0: del xs",
        "count = functools.partial(next, itertools.count(3))",
        "xs.append(count())",
        "ys = copy.copy(xs)",
    ),
    "unforeseen change beside a state that can't be seen": (
        "import itertools, time",
        "xs = [1]; add = {'a': xs}.get('a').append; count = itertools.count()",
        WAIT,
        "for f in (add,): f(next(count))",
        "print(xs)",
    ),
    "dataclass made in another process": (
        "import dataclasses, time",
        WAIT,
        "@dataclasses.dataclass\nclass A:\n    x: int\n    y: list = dataclasses.field(default_factory=list)",
        WAIT,
        "@dataclasses.dataclass\nclass B(A):\n    z: int = 3",
        "print(B(1), [f.default is dataclasses.MISSING for f in dataclasses.fields(B)])",
    ),
    "sentinels of two cells": (
        "import dataclasses, time",
        WAIT + "; one = [dataclasses.MISSING]",
        WAIT + "; two = [dataclasses.MISSING]",
        "print(one[0] is two[0], one[0] is dataclasses.MISSING)",
    ),
    "the global random state under another name": (
        "import random, time, numpy as np",
        WAIT + "; draw, draws = random.random, np.random.rand",
        "random.seed(3); np.random.seed(3)",
        "print(draw(), draws(), random.random(), np.random.rand())",
    ),
    "settings under another name": (
        "import os, time\nimport matplotlib.pyplot as plt",
        WAIT + "; rc, env = plt.rcParams, os.environ",
        "plt.rcParams['lines.linewidth'] = 7; os.environ['GEN_1'] = 'x'",
        "print(rc['lines.linewidth'], env['GEN_1'], rc is plt.rcParams, env is os.environ)",
    ),
    "a name hidden from the cell that takes over": (
        "import functools, time",
        "@functools.lru_cache\ndef f(k):\n    return k",
        "c = [1]",
        "time.sleep(0.5)",
        WAIT + "\nclass T: pass\nc = [2]",
        "if len(c) > 5: c = 0",
        "t = T(); n = f(5)",
        "print(c)",
    ),
    "columns of which two frames share the names": (
        "import time, pandas as pd",
        "df = pd.DataFrame({'x': [1, 2], 'y': [3, 4]})",
        WAIT,
        "by = df.set_index('x', drop=False)",
        WAIT,
        "df.iloc[0, 0] = 9",
        "print(by, df)",
    ),
    "partial function with an attribute": (
        "import functools, time",
        "f = functools.partial(int, base=2); g = functools.partial(max, 3)",
        WAIT,
        "f.calls = 3",
        WAIT + "; h = functools.partial(min, 3)",
        "print(f.calls, f('11'), getattr(g, 'calls', None), getattr(h, 'calls', None))",
    ),
    "estimators shown in two cells": (
        "import time\nfrom sklearn.linear_model import Ridge",
        WAIT + "\nRidge()",
        WAIT + "\nRidge(alpha=2)",
        "Ridge(alpha=3)",
    ),
    "how numbers are shown": (
        "import time",
        WAIT + "\n3.14159265",
        "%precision 3",
        WAIT + "\n3.14159265",
    ),
    "extension loaded beside other code": (
        "import time",
        WAIT,
        "%load_ext autoreload\nz = 1",
        WAIT,
        "%autoreload 2\nprint(z)",
    ),
    "a magic of the notebook's own": (
        "import time",
        WAIT,
        "%alias say echo hi %s",
        WAIT,
        "%say you",
    ),
    "which values a cell shows": (
        "import time",
        WAIT + "\n1\n2",
        "%config InteractiveShell.ast_node_interactivity = 'all'",
        WAIT + "\n3\n4",
        "z = 5\n%config InteractiveShell.ast_node_interactivity = 'last_expr'",
        WAIT + "\n5\n6",
    ),
    "how figures are drawn": (
        "import time, matplotlib.pyplot as plt\n%matplotlib inline",
        WAIT + "\nplt.plot([1, 2]);",
        "%config InlineBackend.figure_format = 'retina'",
        WAIT + "\nplt.plot([1, 3]);",
        "%matplotlib inline",
        WAIT + "\nplt.plot([1, 4]);",
    ),
    "figures left open": (
        "import time, matplotlib\nmatplotlib.use('agg')\nimport matplotlib.pyplot as plt",
        WAIT + "\nplt.plot([1, 2]);",
        "%matplotlib inline",
        WAIT + "\nplt.plot([1, 3]);",
        WAIT + "\nplt.plot([1, 2]); print(plt.get_backend(), len(plt.gca().lines))",
    ),
    "a type's own way to be shown": (
        "import time",
        "class P: pass",
        "get_ipython().display_formatter.formatters['text/plain'].for_type(P, lambda p, q, c: q.text('pee'))",
        WAIT + "; z = P()",
        WAIT + "\nz",
    ),
    "named tuple": (
        "import collections, time",
        WAIT,
        "nt = collections.namedtuple('NT', 'a b'); t = nt(1, 2)",
        WAIT,
        "print(t._replace(a=5), nt._fields, nt._make([3, 4]))",
    ),
    "data classes of several cells": (
        "import dataclasses, time",
        "@dataclasses.dataclass\nclass A:\n    x: int = 1",
        WAIT,
        "@dataclasses.dataclass\nclass B:\n    x: int = 1",
        WAIT,
        "a, b = (dataclasses.fields(c)[0].metadata for c in (A, B)); print(a is b)\ndel a, b",
    ),
    "an import under a name that is taken": (
        "import time",
        WAIT + "; json = 5",
        "import json",
        WAIT + "; print(json)",
        WAIT + "; x = json.dumps",
        "import xml as json",
        "print(json)",
    ),
    "an import while another process becomes home": (
        "import time, random, threading",
        "random.seed(1); lock = threading.Lock()",
        "import xmlrpc.client, wsgiref.simple_server as late",
        WAIT + "; print(late, lock.locked())",
        "print(random.random())",
    ),
    "failure in the middle": (
        "import time",
        WAIT + "; a = 1",
        "open('before.txt', 'w').write('1')",
        WAIT + "; 1 / 0",
        "open('after.txt', 'w').write('1')",
        "print(a)",
    ),
    "arrays over what can be changed by itself": (
        "import array, struct, time, numpy as np",
        WAIT + "; raw = bytearray(range(8)); floats = array.array('d', [1.5, 2])",
        WAIT + "; ints = np.frombuffer(raw, 'u1'); pair = np.frombuffer(floats)",
        WAIT + "; ints[0] = 9",
        WAIT + "; raw[1] = 8; struct.pack_into('B', raw, 2, 77); floats[1] = 7",
        WAIT + "; pair[0] = 5; print(ints, pair)",
        "print(raw, floats, ints)",
    ),
    "records of an array": (
        "import time, numpy as np",
        "table = np.zeros(4, dtype=[('x', 'i4'), ('y', 'f8'), ('s', 'U3')]); table['x'] = [4, 1, 7, 2]",
        WAIT + "; row = table[2]; alone = table[1].copy()",
        WAIT + "; row['s'] = 'row'; alone['x'] = 40",
        WAIT + "; print(table, alone); table.sort(order='x')",
        WAIT + "; print(row); named = table.view(np.recarray); last = named[-1]",
        WAIT + "; named.x[0] = -5; last.s = 'end'",
        "print(table, row, named.s, last.y, alone, type(named) is np.recarray)",
    ),
    "windows over an array": (
        "import time, numpy as np\nfrom numpy.lib.stride_tricks import as_strided, sliding_window_view",
        "data = np.arange(10.)",
        WAIT + "; windows = sliding_window_view(data, 3); lags = as_strided(data, (4, 3), (16, 8))",
        WAIT + "; data[2] = 50",
        WAIT + "; print(windows[:3]); lags[0, 0] = 70",
        "print(data, windows[0], np.shares_memory(data, windows))",
    ),
    "what is printed goes elsewhere for some cells": (
        "import io, sys, time\nclass Tee:\n    def __init__(self, base): self.base, self.sizes = base, []\n"
        "    def write(self, text): self.sizes.append(len(text)); return self.base.write(text)\n"
        "    def __getattr__(self, name): return getattr(self.base, name)",
        WAIT + "; print('shown')",
        "real = sys.stdout\nsys.stdout = caught = io.StringIO()",
        WAIT + "; print('caught')",
        "sys.stdout = tee = Tee(real)",
        WAIT + "; print('through')",
        WAIT + "; print('a tee')",
        "sys.stdout = real",
        WAIT + "; print(tee.sizes)",
        WAIT + "; print(caught.getvalue())",
    ),
    "a builtin that is replaced": (
        "import builtins, time\nplain, asked = builtins.max, []",
        WAIT + "; print(max(1, 2))",
        "builtins.max = lambda *given: asked.append(given) or plain(*given)",
        WAIT + "; print(max(3, 4))",
        WAIT + "; print(max(5, 6))",
        "builtins.max = plain\nprint(asked)",
    ),
    "functions that cells put into libraries": (
        "import json, math, time\nimport pandas as pd\nheard, factor = [], 2",
        "def double(self, by=2):\n    heard.append(by)\n    return self * by * factor\n"
        "pd.DataFrame.double = double\ndf = pd.DataFrame({'a': [1.0, 2.0]})",
        WAIT + "; x = df.double()",
        WAIT + "; y = df.head(1).double(3); print(heard)",
        "def install():\n    math.shout = lambda n: heard.append(n) or n",
        "install()\nsetattr(json, 'loud', lambda text: heard.append(text))",
        WAIT + "; factor = 5",
        WAIT + "; z = math.shout(x.double(4))",
        WAIT + "; json.loud('all'); print(heard, x, y, z)",
    ),
    "an accessor that counts": (
        "import time\nimport pandas as pd\ndf = pd.DataFrame({'a': [1.0, 2.0]})",
        "@pd.api.extensions.register_dataframe_accessor('counted')\nclass Counted:\n    made = 0\n"
        "    def __init__(self, frame): self.frame = frame; Counted.made += 1\n"
        "    def total(self): return float(self.frame['a'].sum())",
        WAIT + "; x = df.counted.total()",
        WAIT + "; y = df.head(1).counted.total()",
        WAIT + "; print(Counted.made, x, y)",
    ),
    "functions that libraries keep and call": (
        "import codecs, signal, time, warnings\nimport numpy as np\ntold = []\n"
        "class Temperature:\n    def __init__(self, degrees): self.degrees = degrees",
        "codecs.register_error('told', lambda error: (told.append(error.start) or '?', error.end))",
        "kept, warnings.showwarning = warnings.showwarning, lambda text, *rest: told.append(text)",
        "signal.signal(signal.SIGUSR1, lambda number, frame: told.append(number))",
        WAIT + "; a = 'a\u00e9'.encode('ascii', 'told')",
        WAIT + "; warnings.warn('careful')",
        WAIT + "; signal.raise_signal(signal.SIGUSR1)",
        WAIT + "; print(told)",
        "warnings.showwarning = kept",
        "def html(value):\n    told.append(value.degrees)\n    return f'<b>{value.degrees}</b>'",
        "get_ipython().display_formatter.formatters['text/html'].for_type(Temperature, html)",
        WAIT + "\nTemperature(3)",
        WAIT + "\ndisplay(Temperature(4))",
        "np.set_printoptions(formatter={'float': lambda x: told.append(x) or f'<{x}>'})",
        WAIT + "; print(np.ones(2))",
        WAIT + "; print(told)",
    ),
    "what is set for all cells below": (
        "import gc, os, sys, time\nfrom unittest import mock",
        WAIT + "; gc.disable()",
        "patcher = mock.patch.object(os, 'getlogin', lambda: 'me'); patcher.start()",
        WAIT + "; sys.setswitchinterval(0.25)",
        WAIT + "; print(gc.isenabled(), os.getlogin(), sys.getswitchinterval())",
        "patcher.stop(); gc.enable(); sys.setswitchinterval(0.005)",
        WAIT + "; print(gc.isenabled(), type(os.getlogin), sys.getswitchinterval())",
    ),
    "a context that is entered by hand": (
        "import contextlib, io, time\nbuffer = io.StringIO()",
        "redirect = contextlib.redirect_stdout(buffer); redirect.__enter__()",
        WAIT + "; print('kept')",
        "redirect.__exit__(None, None, None)",
        WAIT + "; print('shown')\nwith contextlib.redirect_stdout(buffer): print('kept, too')",
        "stack = contextlib.ExitStack()\nstack.enter_context(contextlib.redirect_stdout(buffer))",
        WAIT + "; print('the last')",
        "stack.close()",
        WAIT + "; print(buffer.getvalue())",
    ),
    "iterators that share a source": (
        "import itertools, time\nsource = itertools.count()\n"
        "left, right = itertools.tee(itertools.islice(source, 6))",
        WAIT + "; print(next(left), next(left))",
        WAIT + "; print(list(right))",
        WAIT + "; print(next(source), list(left))",
    ),
    "random generators that share a source": (
        "import time\nimport numpy as np\nseeds = np.random.SeedSequence(5)\n"
        "first = np.random.default_rng(seeds); bits = np.random.PCG64(4)\n"
        "one, other = np.random.Generator(bits), np.random.Generator(bits)",
        WAIT + "; a = first.spawn(1)[0].integers(100)",
        WAIT + "; b = seeds.spawn(1)[0]",
        WAIT + "; c = one.random()",
        WAIT + "; d = other.random()",
        "print(a, b.spawn_key, c, d)",
    ),
    "results put where an array is": (
        "import time\nimport numpy as np\nplace, ones = np.zeros(3), np.ones(3)",
        WAIT + "; result = np.add(ones, 1, out=place)",
        WAIT + "; result[0] = 9",
        WAIT + "; print(place, result is place)",
    ),
    "objects that end where the notebook ends them, seen by weak references": (
        "import time, weakref\nclass Part:\n    def __init__(self, n): self.n = n",
        "seen, cache = weakref.WeakSet(), weakref.WeakValueDictionary()\n"
        "one, two = Part(1), Part(2); seen.add(one); seen.add(two); cache['one'] = one",
        WAIT + "; two.n = 3",
        WAIT + "; two = None\nprint(len(seen))",
        WAIT + "; one.n = 4",
        WAIT + "; del one",
        WAIT + "; print(len(seen), len(cache))",
        "ended = []\nthree = Part(3)\nend = weakref.finalize(three, ended.append, 'three')",
        WAIT + "; three = 0",
        WAIT + "; print(ended, end.alive)",
    ),
    "files that are written by what was opened": (
        "import csv, sqlite3, time\nlog = open('log.txt', 'w+'); log.write('one,')",
        WAIT + "; log.write('two'); log.flush()",
        WAIT + "; print(open('log.txt').read())",
        "table = open('rows.csv', 'w', newline=''); rows = csv.writer(table)",
        WAIT + "; rows.writerow([1, 2])",
        WAIT + "; table.close()",
        WAIT + "; print(open('rows.csv').read())",
        "base = sqlite3.connect('base.db'); base.execute('create table t (x)')",
        WAIT + "; base.execute('insert into t values (7)'); base.commit()",
        WAIT + "; print(sqlite3.connect('base.db').execute('select x from t').fetchall())",
        WAIT + "; base.close(); log.close()",
    ),
    "what the standard library is set to": (
        "import calendar, socket, time",
        WAIT + "; calendar.setfirstweekday(3); socket.setdefaulttimeout(4)",
        WAIT + "; print(calendar.weekheader(2), socket.getdefaulttimeout())",
    ),
    "the attributes of an object under a name": (
        "import time\nclass Part: pass\npart = Part(); log = open('log.txt', 'w')",
        "own = vars(part); own['extra'] = 4",
        WAIT + "; also = open('log.txt')",
        "del part.extra",
        WAIT + "; print(own, own is part.__dict__); also.close(); log.close()",
    ),
    "a class gets another base and another text": (
        "import time\nclass A:\n    def who(self): return 'A'\n"
        "class B:\n    'text'\n    def who(self): return 'B'\nclass C(A): pass\nc = C()",
        WAIT + "; C.__bases__ = (B,)",
        WAIT + "; B.__doc__ = 'other'",
        "print(c.who(), C.__mro__, B.__doc__)",
    ),
    "parts of the kernel and of threads under a name": (
        "import time, threading\nfrom concurrent.futures import ThreadPoolExecutor",
        WAIT + "; shell = get_ipython(); formatter = shell.display_formatter",
        WAIT + "\nwith ThreadPoolExecutor(2) as pool:\n    a = list(pool.map(len, ['a']))",
        WAIT + "\nwith ThreadPoolExecutor(2) as other:\n    b = list(other.map(len, ['b']))",
        "print(a, b, shell is get_ipython())",
    ),
    "windows that only show what is changed": (
        "import time\nimport numpy as np\nrow = np.arange(1, 8)\n"
        "windows = np.lib.stride_tricks.sliding_window_view(row, 3)",
        WAIT,
        WAIT + "; row[1] += 100; print(row)",
        WAIT,
        "print(windows, row)",
    ),
    "files that are written by what logs": (
        "import logging, time\nlog = logging.getLogger('app'); log.setLevel(logging.DEBUG)\n"
        "handler = logging.FileHandler('app.log'); log.addHandler(handler)",
        WAIT + "; log.debug('one')",
        WAIT + "; print(open('app.log').read())",
        WAIT + "; logging.getLogger('app').info('two')",
        WAIT + "; print(open('app.log').read())",
        "log.removeHandler(handler); handler.close()",
    ),
    "the notebook's names as a module's": (
        "import __main__, time\ntickets = 7",
        WAIT + "; __main__.tickets += 3",
        WAIT + "; setattr(__main__, 'more', tickets)",
        "print(tickets, more)",
    ),
    "a class of the notebook that is patched": (
        "import time\nfrom unittest import mock\nclass Signal:\n    def load(self): return 'real'",
        "signal = Signal(); patcher = mock.patch.object(Signal, 'load', return_value='mock')",
        WAIT + "; patcher.start()\nNone",
        WAIT + "; print(signal.load())",
        WAIT + "; patcher.stop()",
        WAIT + "; print(signal.load())",
    ),
    "everything that is logged": (
        "import logging, sys, time\n"
        "logging.basicConfig(level=logging.DEBUG, stream=sys.stdout, format='%(name)s %(message)s')",
        WAIT + "; logging.debug('one')",
        WAIT + "; x = 1; logging.getLogger('app').info('two')",
        WAIT + "; print(x)",
    ),
    "a series that was looked at, and is copied when it is written to": (
        "import time\nimport pandas as pd\n"
        "frame = pd.DataFrame({'a': [1, 2], 'b': [3, 5]}); series = frame.pop('b')",
        "print(series.values.tolist())",
        WAIT + "; x = 1",
        WAIT + "; series[0] = -1; print(frame)",
        WAIT + "; print(series.tolist())",
    ),
    "objects that share their attributes": (
        "import time\nclass Borg:\n    shared = {}\n    def __init__(self): self.__dict__ = self.shared\n"
        "class Bunch(dict):\n    def __init__(self, **given): super().__init__(given); self.__dict__ = self",
        "one, bunch = Borg(), Bunch(x=1)",
        WAIT + "; one.p = [2]",
        WAIT + "; two = Borg(); two.p.append(3); two.q = 1",
        WAIT + "; bunch.y = 5",
        WAIT + "; bunch['z'] = 6",
        WAIT + "; print(one.p, one.q, bunch.z, bunch)",
    ),
    "generators with code to run at their end": (
        "import time\nsaid = []\ndef tell(n):\n    try:\n        yield n\n        yield n + 1\n"
        "    except KeyError:\n        said.append('caught'); yield 0\n"
        "    finally:\n        said.append('closed')",
        "first, second = tell(1), tell(2); next(first), next(second)",
        WAIT + "; x = [1]",
        WAIT + "; second = None",
        WAIT + "; print(first.throw(KeyError))",
        WAIT + "; del first",
        WAIT + "; print(said)",
    ),
    "the last result, after its name was the notebook's": (
        "import time\nfor _ in range(4): pass\nlast = _\n'shown'",
        WAIT + "; print(_, last)",
        "del _\n'again'",
        WAIT + "; x = 1",
        WAIT + "; print(_)",
    ),
    "a name that is a magic's as well": (
        "import time\ncolors = [1, 2]",
        WAIT + "; x = 1",
        "colors[0] = -1",
        WAIT + "; print(colors)",
    ),
    "calls that are counted, by a cell that writes": (
        "import functools, time\nimport pandas as pd",
        "@functools.lru_cache\ndef f(k, bag=[]): return k",
        "x = f(1)",
        "y = x",
        "g = f",
        "df = pd.DataFrame({'a': [5, 2]})",
        WAIT + "; df.loc[0, 'a'] = y",
        WAIT + "; count = g; open('log.txt', 'a').write(f'{count(1)},')",
        "print(open('log.txt').read(), f.cache_info())",
    ),
    "frames that share their memory until one is written to": (
        "import time, numpy as np, pandas as pd",
        "raw = pd.DataFrame({'g': list('abc'), 'v': [1.5, 2, 3], 'w': [4., 5, 6],\n"
        "    'd': pd.date_range('2024', periods=3), 'n': pd.array([1, 2, None], dtype='Int64')})",
        WAIT + "; same = raw[raw['v'] > 0]",  # all of them: pandas makes no copy
        WAIT + "; raw.loc[0, 'v'] = 7; raw.loc[1, 'd'] = pd.Timestamp('1999'); shown = raw['v']",
        WAIT + "; raw.loc[2, 'n'] = 9; raw.loc[1, 'w'] = -1",
        WAIT + "; print(same); same.loc[2, 'v'] = 8",
        "print(raw, same, shown)",
    ),
    "a view of what is locked since": (
        "import time, numpy as np",
        "fixed = np.arange(4.); open = fixed[1:]; fixed.setflags(write=False)",
        WAIT + "; also = open[::2]; open[0] = 9",
        WAIT + "; also[1] = 8; print(fixed.flags.writeable)",
        "print(fixed, open, also)",
    ),
    "a name for the namespace": (
        "import time\nspace = globals()",
        WAIT + "; x = [1]",
        "space['y'] = x",
        WAIT + "; print(y)",
    ),
    "an array that is a file": (
        "import time, numpy as np\nnp.save('a.npy', np.arange(6.))",
        WAIT + "; mapped = np.load('a.npy', mmap_mode='r+')",
        WAIT + "; mapped[2] = 50; mapped.flush()",
        WAIT + "; print(np.load('a.npy'))",
        WAIT + "; plain = np.asarray(mapped); plain[0] = 3; part = mapped[1:3]",
        WAIT + "; print(np.load('a.npy'), type(mapped).__name__, part)",
    ),
    "a handler that keeps what is logged": (
        "import logging, time\nclass Keep(logging.Handler):\n    def __init__(self):\n"
        "        super().__init__()\n        self.got = []\n"
        "    def emit(self, record): self.got.append(record.getMessage())",
        "log = logging.getLogger('kept'); log.propagate = False; log.setLevel(logging.INFO)",
        "keeper = Keep(); log.addHandler(keeper)",
        WAIT + "; log.info('one')",
        WAIT + "; logging.getLogger('kept.below').info('two')",
        WAIT + "; print(keeper.got)",
    ),
    "a database, opened beside an import of what cells set": (
        "import pathlib, sqlite3, time\n"
        "pathlib.Path('made.py').write_text('level = 1\\ndef get(): return level\\n')",
        "import made",
        "made.level = 3",
        WAIT
        + "; db = sqlite3.connect('a.sqlite'); made_rows = db.execute('create table t (k int)')",
        "from made import get, level",
        WAIT + "; n = 5",
        "with db: db.execute('insert into t values (?)', (level,))",
        "print(get(), db.execute('select * from t').fetchall()); db.close()",
    ),
    "classes that a class keeps": (
        """import time
class Plugin:
    registry = {}
    def __init_subclass__(cls, key=None, **rest):
        super().__init_subclass__(**rest)
        Plugin.registry[key] = cls
calls = []""",
        "def count(v):\n    calls.append(v)\n    return len(calls)",
        "class Down(Plugin, key='down'):\n    def run(self, v): return v - count(v)",
        WAIT + "; x = 1",
        WAIT + "; print(Plugin.registry['down']().run(10))",
        WAIT + "; print([c().run(5) for c in Plugin.registry.values()])",
        "print(calls)",
    ),
    "functions that are registered": (  # and found by nobody's name
        """import time
class Subject:
    def __init__(self): self.told = []
    def on(self, function):
        self.told.append(function)
        return function
    def fire(self, value): return [function(value) for function in self.told]
subject = Subject()""",
        "heard = [1]",
        "@subject.on\ndef hear(value):\n    heard.append(value)\n    return len(heard)",
        WAIT + "; also, on = heard, subject.on",
        "on(lambda value: heard.insert(0, value))",
        WAIT + "; print(subject.fire(5))",
        WAIT + "; print(also)",
    ),
    "functions made by exec in a dict": (
        "import time\nitems = [1]",
        WAIT + "; space = {'n': 4, 'items': items}\n"
        "exec('n += 1; give = lambda: n\\ndef grow(v):\\n    items.append(v); return n', space)",
        WAIT + "; print(space['give'](), items)",
        WAIT + "; space['n'] = 7; space['grow'](9)",
        "print(space['give'](), items, space['give'].__globals__ is space)",
    ),
    "members of an enum with attributes": (
        "import enum, time",
        WAIT
        + """
class Planet(enum.Enum):
    MERCURY = (3.3, 2)
    VENUS = (4.9, 6)
    EVENING_STAR = (4.9, 6)
    def __init__(self, mass, radius):
        self.mass, self.radius, self.seen = mass, radius, []""",
        WAIT + "; star = Planet.EVENING_STAR; Planet.MERCURY.seen.append(1)",
        WAIT + "; print(star.mass, list(Planet.__members__)); star.mass = 5",
        WAIT + "; Planet.VENUS.seen.append(2)",
        "print(star.seen, star.mass, star is Planet((4.9, 6)), Planet['EVENING_STAR'])",
    ),
    "enums that make their values": (
        "import enum, time",
        WAIT
        + """
class Named(enum.Enum):
    def _generate_next_value_(name, start, count, last):
        return name.lower()
class Counted(enum.Enum):
    def __new__(cls):
        made = object.__new__(cls)
        made._value_ = len(cls.__members__) + 1
        return made
class Labelled(int, enum.Enum):
    def __new__(cls, value, label):
        made = int.__new__(cls, value)
        made._value_, made.label = value, label
        return made
    ONE = (1, 'one')
    UNO = (1, 'uno')
class Kind(enum.EnumMeta):
    def __contains__(cls, value): return value == 'all'
class Odd(enum.Enum, metaclass=Kind): pass""",
        WAIT
        + """
class Color(Named):
    RED = enum.auto()
class Fruit(Counted):
    APPLE = ()
    PEAR = ()
class Axis(bytes, enum.Enum):
    def __new__(cls, value, label):
        made = bytes.__new__(cls, [value])
        made._value_, made.label = value, label
        return made
    X = (0, 'x')
class Right(enum.Flag):
    READ, WRITE, BOTH = 1, 2, 3""",
        WAIT + "; print(list(Color), list(Fruit), Axis.X, Axis.X.label, Labelled.UNO + 1)",
        WAIT + "; print(Labelled.UNO.label, Right.READ | Right.WRITE, 'all' in Odd)",
    ),
    "recursions that end at the limit": (  # in forks, and in those that have become home
        "import time\ndef deep(n):\n    try:\n        return deep(n + 1)\n    "
        "except RecursionError:\n        return n",
        WAIT + "; print(deep(0))",
        WAIT + "; held = (i for i in range(3)); print(deep(0))",
        WAIT + "; also = (i for i in range(3)); print(deep(next(held)))",
        "print(deep(next(also)), deep(next(held)))",
    ),
}


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_parallel_is_as_serial(bench: Bench, name: str) -> None:
    serial = bench.run(NOTEBOOKS[name], serial=True)
    assert (serial.failed is None) is (name != "failure in the middle"), serial.message
    found = differences(serial, bench.run(NOTEBOOKS[name]))
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("how", "words"),
    [("os._exit(4)", "exit code 4"), ("os.kill(os.getpid(), signal.SIGSEGV)", "SIGSEGV")],
)
def test_a_cell_that_ends_its_process_fails_alone(bench: Bench, how: str, words: str) -> None:
    cells = ("import os, signal, time", WAIT + "; a = 1; print(a)", how, WAIT + "; print('b')")
    seen = bench.run(cells)
    assert (seen.state, seen.failed) == ("Crashed", 3)
    assert words in seen.message
    assert seen.outputs[1] == ("stdout: 1\n",)


def test_closed_output_stops_no_run(bench: Bench) -> None:
    seen = bench.run(("import sys, time", "sys.stdout.close()", WAIT + "; x = 1", "y = x"))
    assert seen.state == "Completed"


@pytest.mark.parametrize(
    "cells",
    [
        ("print(decimal.Decimal(1) / 7)", "open('log', 'a').write('once')"),
        (
            "random.seed(1)",
            "open('log', 'a').write('once')\nrandom.seed(2)\nprint(random.random())",
        ),
        (
            "random.seed(1)",
            "random.seed(2)\nprint(random.random())\nopen('log', 'a').write('once')",
        ),
        (
            "getattr(random, 'seed')(1)",
            "n = vars(random)['random']()\nopen('log', 'a').write(f'{n}')",
        ),
    ],
)
def test_what_a_cell_writes_it_writes_once(bench: Bench, cells: tuple[str, str]) -> None:
    """It starts when the one above has ended, without its changes, and is found to need them."""
    start = ("import decimal, random, time", WAIT)
    assert bench.compare((*start, *cells, "print(open('log').read())"), workers=2) == []


def test_an_object_ends_where_the_notebook_ends_it(bench: Bench) -> None:
    """Nobody else keeps it alive, be it to see whether it changes."""
    cells = (
        "import time\nclass Mortal:\n    def __init__(self, n): self.n = n\n"
        "    def __del__(self): print('end of', self.n); globals()['ended'].append(self.n)",
        "ended = []\nfirst = Mortal(1)\nalso = [Mortal(2)]",
        WAIT + "; del first; print('deleted')",
        WAIT + "; also[0] = Mortal(3); print('replaced')",
        WAIT + "; other = Mortal(4)",
        WAIT + "; other = None; print('bound anew')",
        WAIT + "; print(ended)",
    )
    serial = bench.run(cells, serial=True)
    assert serial.outputs[2:] == (
        ("stdout: end of 1\ndeleted\n",),
        ("stdout: end of 2\nreplaced\n",),
        (),
        ("stdout: end of 4\nbound anew\n",),
        ("stdout: [1, 2, 4]\n",),
        *serial.outputs[7:],
    )
    assert differences(serial, bench.run(cells)) == []


def test_timeit_runs_alone_and_binds_nothing(bench: Bench) -> None:
    cells = ("import time", WAIT, "%timeit -n1 -r1 k = 1", "print('k' in globals())")
    seen = bench.run(cells)
    assert seen.outputs[3] == ("stdout: False\n",)
    assert "runs alone" in seen.where[2]
