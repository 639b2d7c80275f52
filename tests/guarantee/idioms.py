"""Writes notebooks from a table of idioms: what books, courses and reports do with libraries.

The generator beside it invents programs; this one strings together what people write: frames and
groups, figures, estimators, texts, databases, modules of their own, objects that hold each other.
An idiom is source text with gaps: ``{+frame}`` is a name to bind, ``{frame}`` and ``{frame2}`` are
names that hold such a value, ``{#}`` a number. Values are deterministic, as the generator's are.
"""

# ruff: noqa: E501 - the sources of cells are as long as they are
from __future__ import annotations

import random
import re
from dataclasses import dataclass, field

IMPORTS = """import asyncio, base64, bisect, calendar, collections, contextlib, contextvars, copy, dataclasses, datetime, enum
import functools, heapq, importlib, io, itertools, json, logging, operator, os, pathlib, pickle, random, re
import shelve, sqlite3, string, sys, textwrap, time, types, typing, warnings, weakref, zipfile
from collections import ChainMap, Counter, OrderedDict, UserDict, UserList, defaultdict, deque, namedtuple
import numpy as np
import pandas as pd
import matplotlib.pyplot as plt
from IPython.display import HTML, Markdown, display"""

SETTINGS = (
    "%matplotlib inline\nplt.rcParams['figure.figsize'] = (2, 1)\nplt.rcParams['figure.dpi'] = 40\n"
    "np.random.seed(0)\nrandom.seed(0)\nrng = np.random.default_rng(0)"
)

# One idiom a paragraph, under the theme's heading; a theme is used by whole notebooks.
IDIOMS: dict[str, str] = {
    "plain": """
{+number} = {#}

{+number} = {number} * 2 + {#}

{+list} = [{#}, {number}, {#}]

{+list} = list(range({#}))

{+list} = sorted({list}, key=lambda item: -item)

{+list} = {list} + {list2}

{+list} = {list}

{+list} = {list}[:]

{list}.append({#})

{list} *= 2

{list} = [item % 7 for item in {list}]

{list}.sort(); print({list})

heapq.heapify({list}); heapq.heappush({list}, {#})

bisect.insort({list}, {#})

random.shuffle({list})

{+number} = random.choice([1, 2, 3]) + random.randrange(5)

operator.setitem({dict}, 'k{#}', {list})

operator.iadd({list}, [{#}])

{+number} = functools.reduce(operator.add, {list}, {number})

for index, item in enumerate({list}):
    {dict}[f'i{index % 3}'] = item

{+dict} = {'a': {number}, 'b': {list}, 'c': [{#}]}

{+dict} = {**{dict}, 'more': {#}}

{+dict} = dict(sorted({dict}.items()))

{dict}.setdefault('rows', []).append({number})

{dict}['self'] = {dict}

for key in list({dict}):
    if isinstance({dict}[key], int): {dict}[key] -= 1

{+list} = {dict}.setdefault('a', [1]) if isinstance({dict}.get('a'), list) else [0]

print(sorted(map(str, {dict})), len({dict}))

{+number}, *{+list} = [{#}, *{list}, {number}]

{number}, {number2} = {number2}, {number}

def {+function}(x, seen={list}):
    seen.append(x)
    return len(seen)

def {+function}(x):
    global {number}
    {number} = {number} + x
    return {number}

def {+function}(x, **more):
    return {function}(x) + {number}

{+function} = lambda x: x + {number} + len({list})

{+function} = functools.partial(operator.add, {number})

@functools.lru_cache(maxsize=None)
def {+function}(x):
    return x if x < 2 else {function_self}(x - 1) + {function_self}(x - 2)

@functools.singledispatch
def {+function}(x):
    return 1

if hasattr({function}, 'register'):
    {function}.register(str, lambda x: 2)

print({function}({#}))

{+number} = {function}({#}) + {function}({number} % 11)

{+list} = list(map({function}, range(3)))

{+functions} = {'f': {function}, 'g': {function2}, 'h': len}

{functions}['extra'] = lambda x: {number}

print([one(3) for name, one in {functions}.items() if name != 'h'])

def {+adder}(total):
    def add(k):
        nonlocal total
        total += k
        {list}.append(total)
        return total
    def read():
        return total
    return add, read
{+function}, {+reader} = {adder_self}({#})

print({reader}())

{+text} = f'{{number}:>4}|{{#}!r}'

{+text} = ' '.join(map(str, {list}))

{+text} = string.Template('$a and $b').substitute(a={number}, b={#})

print({text}.upper(), re.sub(r'\\d', '#', {text}))

print('{:>8} {}'.format({text}, {number}))

{+number} = eval('{number} + {#}')

exec('{number} += 1')

print(globals().get('{number}'), '{text}' in dir())

if {number} % 2:
    {+number} = 1
else:
    {+number} = {number} - 1

while {number} > 5:
    {number} -= 3

try:
    {+number} = {list}[{#}] // {number}
except (IndexError, ZeroDivisionError) as error:
    {+number} = len(str(error))

try:
    raise KeyError('gone', {list})
except KeyError as error:
    {+caught} = error

print(repr({caught}.args[0])); {caught}.args[1].append({#})

with contextlib.suppress(Exception):
    {list}.append({#})
    raise ValueError

match {list}:
    case [first, *{+list}]:
        print(first)
    case _:
        {+list} = []

del {list}
{list} = [{#}]

{+matrix} = [[0] * 3 for _ in range(2)]; {+list} = {matrix_self}[1]

{matrix}[1][0] = {#}; print({matrix})

{+tuple} = ({list}, {dict}, {number})

{tuple}[0].append(0) if isinstance({tuple}[0], list) else None

{+list} = {tuple}[0] if isinstance({tuple}[0], list) else [9]

{+set} = frozenset({list}) | {{#}}

print(sorted({set}))

{+buffer} = bytearray(b'0123456789'); {+window} = memoryview({buffer_self})[2:6]

{window}[0] = 65 + {#}; print(bytes({buffer}))

{buffer}[1:2] = b'{#}'

{+list} = json.loads(json.dumps({list}))

{+number} = {number} if '{number}' in globals() else 0

{+number} = sum(1 for _ in range({#})); _

{+number} = len(Out) and {#}

print({number:d})
""".replace("{number:d}", "{number}"),
    "objects": """
class {+cls}:
    count = 0
    registry = []
    def __init__(self, size={#}):
        type(self).count += 1
        self.size, self.items, self.link = size, [], None
    def add(self, item):
        self.items.append(item)
        return self
    def total(self):
        return self.size + len(self.items)
    def __repr__(self):
        return f'<{self.size}:{len(self.items)}>'

class {+cls}({cls}):
    def total(self):
        return super().total() + {#}
    @property
    def half(self):
        return self.size / 2
    @half.setter
    def half(self, value):
        self.size = value * 2

class {+cls}({cls}):
    def add(self, item):
        self.registry.append(item)
        return super().add(item)
    def __getitem__(self, index):
        return self.items[index]
    def __len__(self):
        return len(self.items)
    def __iter__(self):
        return iter(self.items)

class {+cls}({cls}):
    def __enter__(self):
        self.items.append('in'); return self
    def __exit__(self, *args):
        self.items.append('out'); return True
    def __call__(self, x):
        self.size += x
        return self.size

{+object} = {cls}({#})

{+object} = {object}

{+object} = copy.copy({object})

{+object} = copy.deepcopy({object})

{+object} = pickle.loads(pickle.dumps({object}))

{object}.add({#}).add({#}); print({object}.total())

{object}.link = {object2}

if {object}.link is not None: {object}.link.size += 1

{object}.items = {object2}.items

{object}.size += {#}

{object}.__dict__['extra'] = {#}; print(sorted(vars({object})))

{object}.total = lambda: {#}

print({object}, {object}.total(), isinstance({object}, {cls}), type({object}).__name__)

{cls}.count = {#}

{cls}.total = lambda self: self.size * 2

setattr({cls}, 'tag', {'n': {#}})

print(getattr({cls}, 'tag', None), {cls}.count, {cls}.registry)

{cls}.registry.append({#})

{+method} = {object}.add

{method}({#})

{+objects} = [{object}, {object2}, {cls}()]

{objects}.append({object})

print([one.total() for one in {objects}])

for one in {objects}:
    one.size += 1

{+object} = {objects}[-1]

{+objects} = sorted({objects}, key=lambda one: one.size)

{+index} = {id_: one for id_, one in enumerate({objects})}

{index}[0].add('via index'); print({index})

@dataclasses.dataclass
class {+data}:
    x: int = {#}
    tags: list = dataclasses.field(default_factory=list)
    def move(self, by):
        return dataclasses.replace(self, x=self.x + by)

@dataclasses.dataclass(frozen=True, order=True)
class {+data}:
    x: int = {#}
    tags: tuple = ()
    def move(self, by):
        return dataclasses.replace(self, x=self.x + by)

{+record} = {data}(x={#})

{+record} = {record}.move({#}); print({record_self})

with contextlib.suppress(dataclasses.FrozenInstanceError, AttributeError):
    {record}.x = {#}
    {record}.tags.append({#})

print({record}, {record} == {record2})

{+point} = namedtuple('Point', 'x y')({#}, {#})

{+point} = {point}._replace(x={#}); print({point_self}, {point_self}.x + {point_self}.y)

class {+colour}(enum.Enum):
    RED = {#} + 1
    BLUE = 20
    def mix(self):
        return self.value * 2

{+member} = {colour}.RED; print({member_self}.mix(), {member_self} is {colour}['RED'])

print({member}, {member} in type({member}))

class {+slim}:
    __slots__ = ('a', '__weakref__')
    def __init__(self, a): self.a = a

{+thin} = {slim}([{#}]); {+weak} = weakref.ref({thin_self})

{thin}.a.append({#}); print({thin}.a)

print({weak}() is not None)

class {+meta}(type):
    made = []
    def __new__(mcs, name, bases, space):
        mcs.made.append(name)
        return super().__new__(mcs, name, bases, space)

class {+cls}({cls}, metaclass=type({cls})):
    def __init_subclass__(cls, **more):
        cls.registry.append(cls.__name__)

{+space} = types.SimpleNamespace(n={#}, items=[])

{space}.n += 1; {space}.items.append({#}); print({space})

{+object} = {cls}(); {object_self}.items.append({object_self}); {object_self}.link = {object_self}

def {+make}(size):
    class Local({cls}):
        scale = size
        def total(self):
            return self.scale * super().total()
    return Local
{+cls} = {make_self}({#})

def {+counted}(function):
    calls = []
    @functools.wraps(function)
    def inner(*args):
        calls.append(args)
        inner.times = len(calls)
        return function(*args)
    return inner

@{counted}
def {+routine}(x):
    return x + {#}

print({routine}({#}), {routine}.times)

{+user} = UserDict(a={#}); {+users} = UserList([{user_self}])

{user}['b'] = {#}; print({user}, {users})
""",
    "collections": """
{+counter} = Counter('abracadabra'[:{#} + 2])

{counter}.update('aab'); print({counter}.most_common(2))

{counter}['z'] -= {#}

{+counter} = {counter} + {counter2}

{+groups} = defaultdict(list)

{groups}['k{#}'].append({#}); print(dict({groups}))

print(len({groups}['absent{#}']), sorted({groups}))

{+chain} = ChainMap({'a': {#}}, {groups})

{chain}['new'] = {#}; print(sorted(map(str, {chain})))

{+ring} = deque(range({#}), maxlen=4)

{ring}.append({#}); {ring}.rotate(1); print({ring})

{+ordered} = OrderedDict((str(i), i) for i in range(3))

{ordered}.move_to_end('0'); {ordered}.popitem(last={#} > 4); {ordered}['0'] = 0

{+stream} = itertools.count({#})

{+stream}, {+stream2} = itertools.tee(iter(range(20)))

def {+source}(n):
    for i in range(n):
        yield i * i
{+stream} = {source_self}(12)

{+stream} = (item * 2 for item in {stream})

{+stream} = itertools.chain({stream}, [{#}])

print(next({stream}, None), next({stream}, None))

{+head} = list(itertools.islice({stream}, 2)); print({head_self})

{+stream} = map(str, itertools.islice({stream}, 3))

{+stream} = zip(itertools.count(), {ring})

for item in {stream}:
    print(item); break

{+stream} = iter({ring})

{ring}.clear()

{+memo} = {}
def {+fib}(n):
    if n not in {memo}:
        {memo}[n] = n if n < 2 else {fib_self}(n - 1) + {fib_self}(n - 2)
    return {memo}[n]

print({fib}({#}), len({memo}))

{+var} = contextvars.ContextVar('var', default={#})

{var}.set({#}); print({var}.get())

print({var}.get())

{+words} = textwrap.wrap('the quick brown fox jumps over the lazy dog ' * 2, 10 + {#})

{+counter} = Counter(word for line in {words} for word in line.split())

print(sorted({counter}.items(), key=lambda pair: (-pair[1], str(pair[0])))[:3])

async def {+task}(n):
    await asyncio.sleep(0)
    return n + {#}

print(await {task}({#}))

{+head} = await asyncio.gather(*({task}(i) for i in range(3)))

{+day} = datetime.date(2024, 1, 1) + datetime.timedelta(days={#}); print({day_self}, {day_self}.strftime('%a'))

print(calendar.monthrange(2024, {#} % 12 + 1))

{+enum_map} = {word: index for index, word in enumerate({words})}; print(len({enum_map_self}))
""",
    "arrays": """
{+array} = np.arange(12.0).reshape(3, 4) + {#}

{+array} = np.linspace(0, 1, 8).reshape(2, 4)

{+array} = rng.normal(size=(3, 4))

{+array} = np.random.rand(3, 4)

{+array} = {array}

{+array} = {array}.copy()

{+array} = {array}[:, :2]

{+array} = {array}[::-1]

{+array} = {array}.T

{+array} = np.vstack([{array}, {array}])

{+array} = {array} * 2 - {#}

{+array} = np.where({array} > 1, {array}, 0)

{array}[0, 0] = {#}

{array}[{array} > 3] = 3

{array} += 1

{array}[:, -1] = {array}[:, 0]

{array}.sort(axis=0)

np.multiply({array}, 2, out={array})

np.fill_diagonal({array}, {#})

rng.shuffle({array})

np.random.shuffle({array})

{+row} = {array}[0]

{row}[:] = {#}

{row}[::2] *= 3

{+row} = np.array({row})

{+row} = np.sort({row}); print({row_self}[:3])

{+row} = {array}.mean(axis=0)

{+row} = np.concatenate([{row}, {row2}])

for r in {array}: r[0] = {#}

print({array}.sum().round(4), {array}.shape)

{array}

print({array} @ {array}.T)

{+blocks} = np.split({array}, 2, axis=1) if {array}.shape[1] % 2 == 0 else [{array}]

{blocks}[0][...] = {#}

{+table} = np.zeros(3, dtype=[('a', 'i4'), ('b', 'f8'), ('c', 'U4')])

{table}['a'] = [1, 2, {#}]; {table}['c'][0] = 'x{#}'

{+column} = {table}['b']

{column}[1] = {#}; print({table})

{+masked} = np.ma.masked_less(np.arange(6.0), {#})

{masked}[0] = 9; print({masked}, {masked}.mean())

{+objects_array} = np.array([[1, 2], 'a', None], dtype=object)

{objects_array}[0].append({#}); print({objects_array})

{+windows} = np.lib.stride_tricks.sliding_window_view(np.arange(6), 3)

print({windows}.sum(axis=1))

{+grid} = np.meshgrid(np.arange(3), np.arange({#} + 1)); print({grid_self}[0].shape)

np.set_printoptions(precision={#} + 1, suppress=True)

print(np.array([1 / 3, 2e-7]))

with np.errstate(divide='ignore'): print(np.array([1.0]) / 0)

{+dice} = np.random.default_rng({#})

{+row} = {dice}.integers(0, 10, 5).astype(float)

{+dice} = {dice}

{+row} = {dice}.permutation({row})

{+state} = np.random.get_state()

np.random.set_state({state}); print(np.random.rand())

np.random.seed({#})

{+poly} = np.poly1d([1, {#}, 2]); print({poly_self}(2))

{+function} = np.vectorize(lambda x: x + {#})

print({function}({row})[:2])

np.save('array.npy', {array})

print(np.load('array.npy').sum().round(3) if os.path.exists('array.npy') else 'none')

np.savetxt('row.txt', {row}); print(np.loadtxt('row.txt').sum().round(3))

np.savez('all.npz', a={array}, r={row})
""",
    "frames": """
{+frame} = pd.DataFrame({'k': list('abab'), 'v': [1.0, {#}, 3, 4], 'n': range(4)})

{+frame} = pd.DataFrame({'k': list('aab'), 'v': np.arange(3) / 2, 'n': [{#}, 1, 2], 'd': pd.date_range('2024-01-01', periods=3)})

{+frame} = {frame}.copy()

{+frame} = {frame}

{+frame} = {frame}[{frame}.v > 1]

{+frame} = {frame}.sort_values('v', ascending=False)

{+frame} = pd.concat([{frame}, {frame2}], ignore_index=True)

{+frame} = {frame}.merge({frame2}[['k']].drop_duplicates(), on='k')

{+frame} = {frame}.assign(w=lambda d: d.v * 2)

{+frame} = {frame}.rename(columns={'w': 'u'})

{+frame} = {frame}.reset_index(drop=True)

{frame}['w'] = {frame}.v + {#}

{frame}['c'] = pd.Categorical({frame}.k)

{frame}.loc[{frame}.k == 'a', 'v'] = {#}

{frame}.loc[len({frame}) + 10, ['k', 'v', 'n']] = ['z', 0.5, {#}]

{frame}.at[{frame}.index[0], 'v'] = {#}

{frame}.drop(columns='w', inplace=True, errors='ignore')

{frame}.sort_index(inplace=True)

{frame}.fillna(0, inplace=True) if '{#}' > '4' else None

{frame}.insert(0, 'i{#}', 1, allow_duplicates=True)

{frame}.columns = [str(c).lower() for c in {frame}.columns]

{frame}.index.name = 'i{#}'

{frame}.attrs['note'] = {#}

print({frame}.attrs, list({frame}.columns))

{frame}

{frame}.describe()

{frame}.info()

{frame}.head(2)

{frame}.style.format(precision=1).set_uuid('u')

print({frame}.groupby('k').v.sum())

{+groupby} = {frame}.groupby('k')

{+series} = {groupby}.v.mean()

for key, part in {groupby}:
    print(key, len(part))

{+parts} = {key: part for key, part in {frame}.groupby('k')}

{parts}.setdefault('a', pd.DataFrame({'v': [1.0]}))['v'] = {#}

print({key: part.v.sum() for key, part in {parts}.items()})

{+series} = {frame}.v

{+series} = {frame}['v'].cumsum()

{+series} = {series} * 2

{series}.iloc[0] = {#}

{series}[{series} > 3] = 3

{series}.name = 's{#}'

{+series} = {series}.rolling(2).mean().fillna(0)

{+row} = {series}.to_numpy()

{+frame} = {frame}.query('v > {#} / 5')

print({frame}.eval('v + n').sum())

{frame}.eval('e = v * {#}', inplace=True)

{+pivot} = {frame}.pivot_table(values='v', index='k', aggfunc='sum')

{pivot}

{+multi} = {frame}.set_index(['k', 'n']); print({multi_self}.index.nlevels)

{+series} = {frame}.apply(lambda r: r.v + {#}, axis=1)

{+series} = {frame}.k.map({'a': {#}, 'b': 2}).fillna(0)

{+series} = {frame}.k.str.upper()

{+times} = pd.Series(range(6), index=pd.date_range('2024-01-01', periods=6, freq='D'))

print({times}.resample('2D').sum())

{times}.iloc[1] = {#}

pd.set_option('display.max_rows', 4 + {#}); pd.options.display.precision = {#} % 5 + 1

with pd.option_context('display.max_columns', 3): display({frame})

{frame}.to_csv('frame.csv', index=False)

{+frame} = pd.read_csv('frame.csv').assign(k='q', v=1.0, n={#}) if os.path.exists('frame.csv') else {frame}

{frame}.to_json('frame.json'); print(os.path.getsize('frame.json') > 10)

{frame}.to_pickle('frame.pkl'); {+frame} = pd.read_pickle('frame.pkl')

{frame}.to_sql('t', sqlite3.connect('base.db'), if_exists='replace', index=False)

print(pd.read_sql('select count(*) as n from t', sqlite3.connect('base.db')).n[0] if os.path.exists('base.db') else 0)

{+frame} = {frame}.sample(n=2, replace=True)

{+frame} = {frame}.sample(frac=1, random_state={#})

{frame}.pop('w') if 'w' in {frame} else None

{frame}.v.plot(); plt.show()
""",
    "figures": """
plt.plot([1, 2, {#}]); plt.title('t{#}')

plt.hist(np.random.randn(20), bins={#} + 2);

{+fig}, {+ax} = plt.subplots()

{+fig}, {+axes} = plt.subplots(1, 2); {+ax} = {axes_self}[0]

{+fig} = plt.figure(); {+ax} = {fig_self}.add_subplot(111)

{ax}.plot([3, {#}, 1], label='l{#}')

{ax}.set_title('x{#}'); {ax}.set_xlim(0, {#} + 1)

{ax}.scatter([1, 2], [{#}, 3]); {ax}.legend() if {ax}.lines else None

{fig}

display({fig})

{fig}.savefig('fig.png', dpi=20)

print(os.path.exists('fig.png'))

{fig}.suptitle('s{#}'); print(len({fig}.axes))

print({ax}.get_title(), len({ax}.lines), {ax}.get_xlim())

{+line}, = {ax}.plot([{#}, 2])

{line}.set_linewidth({#}); {line}.set_ydata([1, {#}])

plt.gcf().set_size_inches(1, 1); plt.close()

plt.close('all')

plt.rcParams['lines.linewidth'] = {#} + 1

with plt.style.context('ggplot'): plt.plot([1, {#}])

plt.style.use('default'); plt.rcParams['figure.figsize'] = (2, 1); plt.rcParams['figure.dpi'] = 40

print(plt.rcParams['lines.linewidth'], plt.get_fignums())

{+bars} = plt.bar([1, 2], [{#}, 1])

print([round(b.get_height(), 2) for b in {bars}])

{bars}[0].set_height({#})

def {+draw}(ax=None, n={#}):
    ax = ax or plt.gca()
    ax.plot(range(n))
    return ax

{draw}()

{draw}({ax})

{+ax} = {draw}(n=3)

plt.imshow(np.arange(9).reshape(3, 3) + {#}); plt.colorbar()

%config InlineBackend.figure_format = 'png'

display(HTML('<b>{#}</b>')); display(Markdown('*{#}*'))
""",
    "models": """
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.tree import DecisionTreeRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.model_selection import train_test_split, cross_val_score
from sklearn.base import clone

{+X} = np.random.rand(20, 3); {+y} = {X_self} @ [1, 2, 3] + np.random.randn(20) / 10

{+X}, {+X2}, {+y}, {+y2} = train_test_split({X}, {y}, test_size=0.3)

{+X} = {X} + 0.1

{X}[0] = {#}

{+model} = Ridge(alpha={#} + 1).fit({X}, {y})

{+model} = make_pipeline(StandardScaler(), LinearRegression()).fit({X}, {y})

{+model} = DecisionTreeRegressor(max_depth=2).fit({X}, {y})

{+model} = DecisionTreeRegressor(max_depth=2, random_state={#}).fit({X}, {y})

{+model} = clone({model}).fit({X}, {y})

{+model} = {model}

{model}.fit({X}, {y} * 2)

{model}.set_params(**{key: value for key, value in {model}.get_params().items() if key == 'alpha'})

{model}

{+prediction} = {model}.predict({X})

print({prediction}.round(3)[:3])

{+last} = {model}.steps[-1][1] if hasattr({model}, 'steps') else {model}

print(type({last}).__name__, np.ravel(getattr({last}, 'coef_', [0])).round(3))

if hasattr({last}, 'coef_'): {last}.coef_ = {last}.coef_ * 2

print(round({model}.score({X}, {y}), 4))

print(cross_val_score({model}, {X}, {y}, cv=3).round(3))

{+models} = {'a': {model}, 'b': clone({model})}

for one in {models}.values(): one.fit({X}, {y})

print({name: round(one.score({X}, {y}), 3) for name, one in {models}.items()})

{+scores} = [clone(m).fit({X}, {y}).score({X}, {y}) for m in {models}.values()]; print(np.round({scores_self}, 3))

{+scaler} = StandardScaler().fit({X})

{+X} = {scaler}.transform({X})

print({scaler}.mean_.round(3))

from sklearn import set_config; set_config(display='text')

{model}.note = [{#}]; print(getattr({model}, 'note', None))
""",
    "system": """
pathlib.Path('notes.txt').write_text('line {#}\\n')

with open('notes.txt', 'a') as handle:
    handle.write('more {#}\\n')

print(pathlib.Path('notes.txt').read_text() if pathlib.Path('notes.txt').exists() else 'nothing')

print(sorted(p.name for p in pathlib.Path().glob('*.txt')))

os.makedirs('out', exist_ok=True); pathlib.Path('out', 'f{#}.txt').write_text('{#}')

print(sorted(os.listdir('out')) if os.path.isdir('out') else 'no out')

pathlib.Path('out/f{#}.txt').unlink(missing_ok=True)

{+handle} = open('kept.txt', 'w')

{handle}.write('{#}') if not {handle}.closed else None

{handle}.close()

{+text_file} = io.StringIO(); {text_file_self}.write('a{#}')

{text_file}.write('b{#}'); print({text_file}.getvalue())

{+base} = sqlite3.connect(':memory:'); {base_self}.execute('create table t (x)')

{base}.execute('insert into t values ({#})'); print({base}.execute('select sum(x) from t').fetchall())

%%writefile helper{#}.py
VALUE = {#}
def tell():
    return VALUE + 1

sys.path.insert(0, os.getcwd()) if os.getcwd() not in sys.path else None
importlib.invalidate_caches()
for found in sorted(pathlib.Path().glob('helper*.py')):
    print(importlib.reload(importlib.import_module(found.stem)).tell())

!echo shell {#} > shell.txt

{+lines} = !cat shell.txt 2>/dev/null
print({lines_self})

%%capture {+shown}
print('captured {#}')

print({shown}.stdout)

%%capture
{+elapsed} = {#}; print({#})

%env GEN_A={#}

os.environ['GEN_B'] = '{#}'; print(os.environ.get('GEN_A'))

{+log} = logging.getLogger('one'); {log_self}.setLevel(logging.INFO); {log_self}.propagate = False

{log}.handlers[:] = [logging.StreamHandler(sys.stdout)]

{log}.info('told {#}'); print({log}.level, len({log}.handlers))

warnings.warn('note {#}')

warnings.simplefilter('{pick:ignore,always,default}')

with warnings.catch_warnings(record=True) as {+caught_list}:
    warnings.simplefilter('always'); warnings.warn('w{#}')
print(len({caught_list_self}), *(w.category for w in {caught_list_self}); del {caught_list_self}

print('to stderr {#}', file=sys.stderr)

with contextlib.redirect_stdout(io.StringIO()) as {+text_file}: print('redirected {#}')

json.dump({'n': {#}}, open('d.json', 'w'))

print(json.load(open('d.json')) if os.path.exists('d.json') else 'no d')

with shelve.open('shelf') as {+shelf}: {shelf_self}['k'] = {#}

with zipfile.ZipFile("z.zip", "a") as z: z.writestr(zipfile.ZipInfo("m{#}"), "x")
del z

print(zipfile.ZipFile('z.zip').namelist() if os.path.exists('z.zip') else 'no z')

pickle.dump([{#}], open('p.pkl', 'wb'))

print(pickle.load(open('p.pkl', 'rb')) if os.path.exists('p.pkl') else 'no p')

if os.path.isdir('out'): os.chdir('out')

os.chdir('..') if os.path.basename(os.getcwd()) == 'out' else None

print(os.path.basename(os.getcwd()) == 'out')

sys.setrecursionlimit(3000 + {#})

{+again} = display('shown {#}', display_id='id{#}')

{again}.update('updated {#}')

import math; math.limit = {#}

import math; print(getattr(math, 'limit', None))

{+old} = sys.stdout; print({old} is sys.stdout); del {old}

get_ipython().user_ns['injected'] = {#}

print(globals().get('injected'), In[-1][:5])
""",
}

_GAP = re.compile(r"\{(\+?)([A-Za-z_]+?)(_self)?(\d?)\}|\{#\}|\{pick:([^}]*)\}")


def _paragraphs(text: str) -> list[str]:
    return [part for part in re.split(r"\n\n+", text.strip("\n")) if part.strip()]


_TABLE = {theme: _paragraphs(text) for theme, text in IDIOMS.items()}


@dataclass
class Composer:
    """Writes one notebook; ``kinds`` is what each name holds."""

    chance: random.Random
    kinds: dict[str, str] = field(default_factory=dict)

    def notebook(self, cells: int) -> list[str]:
        """The sources of a notebook of that many cells, of two to four themes."""
        themes = self.chance.sample(sorted(_TABLE), self.chance.randint(2, 4))
        sources = [IMPORTS, SETTINGS]
        if "models" in themes:
            sources.append(_TABLE["models"][0])
        while len(sources) < cells:
            sources.append(self.cell(themes))
        return sources

    def cell(self, themes: list[str]) -> str:
        """One cell of one to three idioms that have what they need."""
        found: list[str] = []
        for _ in range(self.chance.choice((1, 1, 2, 3))):
            text = self.statement(themes)
            if text.startswith(("%%", "!")) or "\n%" in text:
                if not found:
                    return text
                continue
            found.append(text)
        if self.chance.random() < 0.15:
            found.append(f"time.sleep({self.chance.choice((0.002, 0.01, 0.02))})")
        if self.chance.random() < 0.003:
            found.append("raise RuntimeError('stop here')")
        return "\n".join(found)

    def statement(self, themes: list[str]) -> str:
        """An idiom of one of the themes with its gaps filled."""
        while True:
            idiom = self.chance.choice(_TABLE[self.chance.choice(themes)])
            text = self._fill(idiom)
            if text is not None:
                return text

    def _fill(self, idiom: str) -> str | None:
        chosen: dict[str, str] = {}
        new: dict[str, str] = {}
        for gap in _GAP.finditer(idiom):
            plus, kind, own, digit, _ = gap.groups()
            if kind is None:
                continue
            if plus:
                key = f"+{kind}{digit}"
                if key not in chosen:
                    chosen[key] = self._new_name(kind)
                    new[chosen[key]] = kind
            elif not own:
                key = f"{kind}{digit}"
                names = [name for name, held in self.kinds.items() if held == kind]
                if key not in chosen:
                    if not names:
                        return None
                    chosen[key] = self.chance.choice(names)

        def put(gap: re.Match[str]) -> str:
            plus, kind, own, digit, options = gap.groups()
            if options is not None:
                return self.chance.choice(options.split(","))
            if kind is None:
                return str(self.chance.randint(0, 9))
            return chosen[f"+{kind}" if own else f"{plus}{kind}{digit}"]

        text = _GAP.sub(put, idiom)
        self.kinds.update(new)
        return text

    def _new_name(self, kind: str) -> str:
        return f"{kind}_{self.chance.randint(1, 4)}"


def compose_notebook(chance: random.Random, least: int = 5, most: int = 40) -> list[str]:
    """The sources of one notebook of ``least`` to ``most`` cells."""
    return Composer(chance).notebook(chance.randint(least, most))
