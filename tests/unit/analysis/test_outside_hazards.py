"""What lies outside the names: ambient state, files, magics, barriers, the output history."""

# ruff: noqa: E501  (a table reads best where a source is one string)

from __future__ import annotations

from tests.unit.analysis.hazards import Case, check, hazards

AMBIENT: list[Case] = [
    (
        "two draws keep their order",
        "import numpy as np ;; np.random.rand() ;; np.random.rand()",
        "2>3: numpy's global random state",
    ),
    (
        "a draw comes after its seed",
        "import numpy as np ;; np.random.seed(0) ;; np.random.rand()",
        "2>3: numpy's global random state",
    ),
    (
        "a seed waits for no draw",
        "import numpy as np ;; np.random.rand() ;; np.random.seed(0)",
        "2|3",
    ),
    (
        "two seeded cells run together",
        "import numpy as np ;; np.random.seed(0)\na = np.random.rand() ;; np.random.seed(0)\nb = np.random.rand()",
        "2|3",
    ),
    (
        "a seed on some path is no seed",
        "import numpy as np ;; np.random.rand() ;; if c():\n    np.random.seed(0)",
        "2>3",
    ),
    (
        "a generator of one's own is a value",
        "import numpy as np\nr = np.random.default_rng(0)\ns = np.random.default_rng(1) ;; r.normal() ;; s.normal()",
        "2|3",
    ),
    (
        "a generator moves on",
        "import numpy as np\nr = np.random.default_rng(0) ;; r.normal() ;; r.normal()",
        "2>3",
    ),
    ("an imported function draws", "from numpy.random import randn ;; randn(2) ;; randn(3)", "2>3"),
    (
        "Python's random state is another",
        "import numpy as np, random ;; np.random.rand() ;; random.random()",
        "2|3",
    ),
    (
        "Python's random state keeps its order",
        "import random ;; random.shuffle([1]) ;; random.random()",
        "2>3: Python's global random state",
    ),
    (
        "random.Random is a value",
        "import random\nr = random.Random(0) ;; r.random() ;; random.random()",
        "2|3",
    ),
    (
        "a function draws when it is called",
        "import random\ndef g(): return random.random() ;; g() ;; g()",
        "2>3",
    ),
    (
        "an unseeded estimator draws when fitted",
        "from sklearn.ensemble import RandomForestClassifier\nm = RandomForestClassifier()\nn = RandomForestClassifier() ;; m.fit(X, y) ;; n.fit(X, y)",
        "2>3: numpy's global random state",
    ),
    (
        "a seeded estimator does not",
        "from sklearn.ensemble import RandomForestClassifier\nm = RandomForestClassifier(random_state=0)\nn = RandomForestClassifier(random_state=0) ;; m.fit(X, y) ;; n.fit(X, y)",
        "2|3",
    ),
    (
        "predicting does not draw",
        "from sklearn.ensemble import RandomForestClassifier\nm = RandomForestClassifier() ;; m.fit(X, y) ;; m.predict(X) ;; m.predict(X)",
        "2>3, 3|4",
    ),
    (
        "a search over an unseeded estimator draws",
        "from sklearn.model_selection import GridSearchCV\nfrom sklearn.tree import DecisionTreeClassifier\ng = GridSearchCV(DecisionTreeClassifier(), {})\nh = GridSearchCV(DecisionTreeClassifier(), {}) ;; g.fit(X) ;; h.fit(X)",
        "2>3",
    ),
    (
        "an unseeded split draws",
        "from sklearn.model_selection import train_test_split ;; a = train_test_split(X) ;; b = train_test_split(X)",
        "2>3",
    ),
    (
        "a seeded split does not",
        "from sklearn.model_selection import train_test_split ;; a = train_test_split(X, random_state=0) ;; b = train_test_split(X, random_state=0)",
        "2|3",
    ),
    (
        "rcParams are read by plots",
        "import matplotlib.pyplot as plt ;; plt.rcParams['lines.linewidth'] = 2 ;; plt.plot([1])",
        "2>3: rcParams",
    ),
    (
        "a style is read by plots",
        "import matplotlib.pyplot as plt ;; plt.style.use('ggplot') ;; plt.plot([1])",
        "2>3",
    ),
    (
        "a seaborn theme is read by plots",
        "import seaborn as sns ;; sns.set_theme() ;; df.plot() ;; sns.heatmap(d)",
        "2>4",
    ),
    (
        "two plots run together",
        "import matplotlib.pyplot as plt ;; plt.plot([1]) ;; plt.plot([2])",
        "2|3",
    ),
    (
        "two plots of one axes keep their order",
        "import matplotlib.pyplot as plt\nfig, ax = plt.subplots() ;; ax.plot([1]) ;; ax.plot([2])",
        "2>3",
    ),
    (
        "a figure goes with its axes",
        "import matplotlib.pyplot as plt\nfig, ax = plt.subplots() ;; ax.plot([1]) ;; fig.savefig('a.png')",
        "2>3",
    ),
    (
        "an axes given to a library is changed",
        "import matplotlib.pyplot as plt\nimport seaborn as sns\nfig, ax = plt.subplots() ;; sns.heatmap(d, ax=ax) ;; ax.set_title('a')",
        "2>3",
    ),
    (
        "interactive figures live on",
        "%matplotlib widget ;; import matplotlib.pyplot as plt\nplt.plot([1])",
        "1>2",
    ),
    (
        "pandas options are seen by displays",
        "import pandas as pd ;; pd.set_option('display.max_rows', 5) ;; df",
        "2>3",
    ),
    (
        "pandas options by attribute",
        "import pandas as pd ;; pd.options.display.max_rows = 5 ;; df",
        "2>3",
    ),
    (
        "print options are seen by prints",
        "import numpy as np ;; np.set_printoptions(precision=2) ;; print(x)",
        "2>3",
    ),
    (
        "an assignment sees no print options",
        "import numpy as np ;; np.set_printoptions(precision=2) ;; x = 1",
        "2|3",
    ),
    (
        "error states are seen by calls",
        "import numpy as np ;; np.seterr(all='raise') ;; np.log(0)",
        "2>3",
    ),
    (
        "warning filters are seen by calls",
        "import warnings ;; warnings.filterwarnings('ignore') ;; f()",
        "2>3",
    ),
    (
        "environment variables are read",
        "import os ;; os.environ['A'] = '1' ;; os.getenv('A')",
        "2>3",
    ),
    ("%env writes the environment", "import os ;; %env A=1 ;; os.environ['A']", "2>3"),
    (
        "the environment is read by imports",
        "import os\nos.environ['A'] = '1' ;; import tensorflow",
        "1>2",
    ),
    (
        "the working directory is read by files",
        "import os ;; os.chdir('a') ;; open('b').read()",
        "2>3",
    ),
    ("%cd writes the working directory", "%cd a ;; open('b').read()", "1>2"),
    ("sys.path is read by imports", "import sys\nsys.path.append('a') ;; import mine", "1>2"),
    (
        "a setting of a known library",
        "import xarray ;; xarray.set_options(a=1) ;; xarray.x()",
        "2>3",
    ),
    ("a bare call of an unknown library", "import mine ;; mine.go() ;; mine.ask()", "2>3"),
    (
        "a name from an unknown library",
        "import mine ;; mine.go() ;; from mine import f ;; f()",
        "2>4",
    ),
    ("a call whose result is taken", "import mine ;; a = mine.go() ;; b = mine.go()", "2|3"),
    ("other libraries do not wait", "import mine, other ;; mine.go() ;; b = other.go()", "2|3"),
    ("a module's attribute is ambient", "import mine ;; mine.level = 3 ;; mine.level", "2>3"),
    (
        "an unknown object may draw",
        "import matplotlib.pyplot as plt ;; x = f() ;; plt.style.use('ggplot') ;; x.plot.bar()",
        "2>4, 3>4",
    ),
    (
        "so may a function that calls what is not known",
        "import matplotlib.pyplot as plt, mine ;; plt.rc('font', size=3)"
        " ;; def g(): return mine.show() ;; g()",
        "2>4",
    ),
    (
        "a known one that does not need not wait",
        "import matplotlib.pyplot as plt ;; plt.style.use('ggplot') ;; sorted([1])",
        "2|3",
    ),
    (
        "what IPython calls after each cell makes a line of them",
        "n = [] ;; get_ipython().events.register('post_run_cell', lambda *a: n.append(1))"
        " ;; x = 1 ;; y = 2",
        "2>3, 3>4",
    ),
    (
        "a library keeps what is registered",
        "import pandas as pd ;; df = f() ;; @pd.api.extensions.register_dataframe_accessor('own')"
        "\nclass Own: pass ;; df.own",
        "3>4: registers something",
    ),
    (
        "a function of one's own does not",
        "import functools\n@functools.singledispatch\ndef g(x): return 0"
        " ;; x = 1 ;; @g.register\ndef h(x: int): return 1 ;; y = x",
        "2>4, 3|4",
    ),
    (
        "what exec has bound may change",
        "exec(text) ;; a = next(found) ;; b = next(found) ;; other.append(1) ;; print(other)",
        "2>3, 4>5, 3|4",
    ),
    ("and be known by another name", "%run it.py ;; x = found ;; x.append(1) ;; found", "3>4"),
    (
        "another backend of matplotlib's",
        "import matplotlib ;; x = 1 ;; matplotlib.use('svg') ;; y = 1",
        "2>3, 3>4: switches how figures are shown",
    ),
    (
        "the number of an open file",
        "import os ;; n = os.open('a', os.O_RDWR) ;; x = 1 ;; os.close(n)",
        "2>4, 3|4",
    ),
    ("a looked-up attribute too", "import mine ;; mine.level = 3 ;; getattr(mine, 'level')", "2>3"),
    ("and that of a module handed on", "import mine ;; mine.level = 3 ;; len([mine])", "2>3"),
    ("and an imported one", "import mine ;; mine.level = 3 ;; from mine import level", "2>3"),
    ("and a star's", "import math ;; math.tau = 3 ;; from math import *", "2>3"),
    (
        "setattr of a module is ambient",
        "import mine ;; setattr(mine, 'level', 3) ;; mine.level",
        "2>3",
    ),
    (
        "the decimal context is seen",
        "import decimal ;; decimal.getcontext().prec = 5 ;; decimal.Decimal(1)",
        "2>3",
    ),
    (
        "scikit-learn's settings are seen",
        "import sklearn ;; sklearn.set_config(display='text') ;; m",
        "2>3",
    ),
    (
        "torch's seed",
        "import torch ;; torch.manual_seed(0) ;; torch.randn(2) ;; torch.randn(2)",
        "2>3, 3>4",
    ),
]

FILES: list[Case] = [
    (
        "a file is read after it is written",
        "open('a', 'w').write('x') ;; open('a').read()",
        "1>2: reads file a, written in cell 1",
    ),
    (
        "a file is written after it is read",
        "open('a').read() ;; open('a', 'w').write('x')",
        "1>2: writes file a, read in cell 1",
    ),
    ("two writes keep their order", "open('a', 'w') ;; open('a', 'w')", "1>2"),
    ("two reads do not", "open('a').read() ;; open('a').read()", "1|2"),
    ("other files are other files", "open('a', 'w') ;; open('b', 'w')", "1|2"),
    ("one path has many spellings", "open('./d/../a', 'w') ;; open('a').read()", "1>2"),
    (
        "a CSV goes from frame to frame",
        "import pandas as pd ;; df.to_csv('a.csv') ;; pd.read_csv('a.csv')",
        "2>3",
    ),
    (
        "parquet too",
        "import pandas as pd ;; df.to_parquet('a.parquet') ;; pd.read_parquet('a.parquet')",
        "2>3",
    ),
    ("NumPy's files", "import numpy as np ;; np.save('a.npy', x) ;; np.load('a.npy')", "2>3"),
    (
        "a figure's file",
        "import matplotlib.pyplot as plt ;; plt.savefig('a.png') ;; open('a.png', 'rb')",
        "2>3",
    ),
    ("a path in a variable", "p = 'a.csv' ;; open(p, 'w') ;; open('a.csv')", "2>3"),
    (
        "a path joined",
        "import os\nd = 'x' ;; open(os.path.join(d, 'a'), 'w') ;; open('x/a')",
        "2>3",
    ),
    (
        "a Path",
        "from pathlib import Path ;; Path('a').write_text('x') ;; Path('a').read_text()",
        "2>3",
    ),
    (
        "a Path with slashes",
        "from pathlib import Path\nd = Path('x') ;; (d / 'a').write_text('x') ;; open('x/a')",
        "2>3",
    ),
    ("an f-string path", "n = 'a' ;; open(f'{n}.csv', 'w') ;; open('a.csv')", "2>3"),
    (
        "a folder comes before what is in it",
        "import os ;; os.makedirs('out') ;; open('out/a', 'w')",
        "2>3",
    ),
    (
        "a listing comes after what it lists",
        "import os ;; open('out/a', 'w') ;; os.listdir('out')",
        "2>3",
    ),
    ("a glob too", "import glob ;; open('out/a.csv', 'w') ;; glob.glob('out/*.csv')", "2>3"),
    ("neighbours in a folder stay apart", "open('out/a', 'w') ;; open('out/b', 'w')", "1|2"),
    (
        "a URL is no file",
        "import pandas as pd ;; pd.read_csv('https://a/b.csv') ;; df.to_csv('b.csv')",
        "2|3",
    ),
    ("a module that the notebook writes", "%%writefile a.py\nx = 1 ;; import a ;; a.x", "1>2"),
    (
        "which may keep something",
        "%%writefile a.py\nbox = [] ;; import a ;; x = a.add(1) ;; y = a.add(2) ;; a.box",
        "2>3, 3>4, 4>5",
    ),
    ("a package that it writes", "open('a/b.py', 'w') ;; from a.b import c", "1>2"),
    ("a module that a command may write", "!make ;; import mine ;; import numpy", "1>2, 1|3"),
    ("%%writefile writes", "%%writefile a.py\nx = 1 ;; open('a.py').read()", "1>2"),
    (
        "!cmd may write anything",
        "!wget http://x/a.csv ;; import pandas as pd\npd.read_csv('a.csv')",
        "1>2: a.csv",
    ),
    ("!ls reads the folder", "open('a', 'w') ;; !ls", "1>2"),
    ("!echo touches nothing", "open('a', 'w') ;; !echo hi", "1|2"),
    (
        "subprocess may write anything",
        "import subprocess ;; subprocess.run(['make']) ;; open('a').read()",
        "2>3",
    ),
    (
        "a download's target",
        "from urllib.request import urlretrieve ;; urlretrieve('http://x', 'a.zip') ;; open('a.zip')",
        "2>3",
    ),
    (
        "a path after a move is known by its end",
        "import os ;; open('d/a', 'w') ;; os.chdir('d') ;; open('a').read()",
        "2>4",
    ),
    ("the mode of open decides", "open('a', mode='r') ;; open('a', mode='r')", "1|2"),
    ("append is a write", "open('a', 'a') ;; open('a')", "1>2"),
    ("a function's files", "def g(): open('a', 'w') ;; g() ;; open('a')", "2>3"),
]

MAGICS: list[Case] = [
    ("%time binds", "%time x = f() ;; print(x)", "1>2"),
    ("%%time binds", "%%time\nx = f() ;; print(x)", "1>2"),
    ("%%time is definite", "x = f() ;; %%time\nx = 2", "1|2"),
    ("%timeit reads", "x = f() ;; %timeit g(x)", "1>2"),
    ("a magic may stand without its %", "x = f() ;; timeit g(x)", "1>2"),
    ("cat reads a file", "open('a', 'w') ;; cat a", "1>2"),
    ("a name of one's own comes first", "ls = f() ;; x = 1 ;; ls", "1>3, 2|3"),
    ("%timeit does not bind", "x = f() ;; %timeit x = 2 ;; print(x)", "1>3, 2|3"),
    ("%%timeit does not bind", "x = f() ;; %%timeit\ny = x\nx2 = 2 ;; print(x2)", "1>2, 2|3"),
    ("%timeit changes", "x = [] ;; %timeit x.append(1) ;; print(x)", "2>3"),
    ("%%capture binds its name", "%%capture out\nx = 1 ;; out.show() ;; print(x)", "1>2, 1>3"),
    ("!cmd's output binds", "x = !ls ;; print(x)", "1>2"),
    ("{v} is read", "v = f() ;; !echo {v}", "1>2"),
    ("$v is read", "v = f() ;; !echo $v", "1>2"),
    ("a magic's {v} is read", "v = f() ;; %cd {v}", "1>2"),
    (
        "an unknown magic is a barrier",
        "x = 1 ;; %frobnicate ;; y = 2",
        "1>2: not known, 2>3: not known",
    ),
    ("an unknown cell magic is a barrier", "x = 1 ;; %%frobnicate\nabc", "1>2: not known"),
    ("%run is a barrier", "x = 1 ;; %run a.py ;; y = 2", "1>2, 2>3"),
    ("%pip is a barrier", "x = 1 ;; %pip install a ;; y = 2", "1>2, 2>3"),
    ("!pip install is a barrier", "x = 1 ;; !pip install a ;; y = 2", "1>2, 2>3"),
    ("%load_ext is none", "x = 1 ;; %load_ext autoreload ;; y = 2", "1|2, 2|3"),
    ("%load_ext orch_nb is none", "x = 1 ;; %load_ext orch_nb ;; y = 2", "1|2, 2|3"),
    ("%matplotlib inline is none", "x = 1 ;; %matplotlib inline ;; y = 2", "1|2, 2|3"),
    ("%%html is none", "x = 1 ;; %%html\n<b>x</b> ;; y = 2", "1|2, 2|3"),
    ("%%bash touches files", "open('a', 'w') ;; %%bash\ncat a", "1>2"),
    ("help binds nothing", "x = f() ;; x? ;; y = 2", "2|3"),
    ("a percent sign is an operator", "x = 7 ;; x % 2", "1>2"),
    ("exec of a literal is read", "x = f() ;; exec('y = x') ;; print(y)", "1>2, 2>3"),
    ("exec of a variable is a barrier", "s = f() ;; y = 1 ;; exec(s) ;; z = 1", "2>3, 3>4"),
    ("eval of a literal is read", "x = f() ;; eval('x + 1')", "1>2"),
    ("eval of a variable is a barrier", "s = f() ;; y = 1 ;; eval(s)", "2>3"),
    ("a shadowed exec is a function", "def exec(s): pass ;; y = 1 ;; exec(a)", "2|3"),
    ("globals is a barrier", "x = 1 ;; globals()['x'] = 2 ;; print(x)", "1>2, 2>3"),
    ("user_ns is a barrier", "x = 1 ;; get_ipython().user_ns['x'] = 2 ;; print(x)", "1>2, 2>3"),
    ("an unknown star import is a barrier", "x = 1 ;; from mine import * ;; print(x)", "1>2, 2>3"),
    (
        "broken Python is a barrier",
        "x = 1 ;; x = = 2 ;; y = 3",
        "1>2: can't be read as Python, 2>3",
    ),
    ("barriers keep their order", "%run a ;; %run b ;; x = 1", "1>2, 2>3, 1|3"),
    ("_ reads the last output", "x = f() ;; x + 1 ;; y = 2 ;; print(_)", "2>4: output of cell 2"),
    ("_ passes what may be None", "1 + 1 ;; f() ;; _", "1>3, 2>3"),
    ("_ stops at what is surely shown", "1 + 1 ;; 2 + 2 ;; _", "2>3, 1|3"),
    ("a quiet expression is no output", "1 + 1 ;; 2 + 2; ;; _", "1>3, 2|3"),
    ("_ may be a name of one's own", "_ = f() ;; 1 + 1 ;; print(_)", "1>3"),
    ("Out of one cell reads that", "1 + 1 ;; 2 + 2 ;; Out[1]", "1>3, 2|3"),
    ("_ may have changed since", "x = [] ;; x ;; y = x ;; y.append(1) ;; print(_)", "4>5, 3|5"),
    ("_1 reads that cell", "1 + 1 ;; 2 + 2 ;; _1", "1>3, 2|3"),
    ("Out with a variable reads all", "1 + 1 ;; 2 + 2 ;; n = 1\nOut[n]", "1>3, 2>3"),
    ("_i reads no output", "1 + 1 ;; 2 + 2 ;; print(_i, _i1, In[1])", "1|3, 2|3"),
    ("query reads names", "v = f() ;; df.query('a > @v')", "1>2"),
    ("query in a variable reads names", "v = f() ;; q = 'a > @v' ;; df.query(q)", "1>3, 2>3"),
    ("eval of a frame reads names", "v = f() ;; df.eval('a + @v')", "1>2"),
    (
        "a formula reads names",
        "import statsmodels.formula.api as smf ;; scale = g() ;; smf.ols('y ~ scale(x)', df)",
        "2>3",
    ),
    ("a plain string reads nothing", "v = f() ;; print('v')", "1|2"),
]

LIBRARIES: list[Case] = [
    (
        "a NumPy function changes nothing",
        "import numpy as np\nx = np.zeros(3) ;; np.sum(x) ;; x",
        "2|3",
    ),
    ("out= changes", "import numpy as np\nx = np.zeros(3) ;; np.add(1, 2, out=x) ;; x", "2>3"),
    (
        "fill_diagonal changes",
        "import numpy as np\nx = np.zeros(3) ;; np.fill_diagonal(x, 1) ;; x",
        "2>3",
    ),
    ("shuffle changes", "import numpy as np\nx = np.zeros(3) ;; np.random.shuffle(x) ;; x", "2>3"),
    ("sort in place changes", "import numpy as np\nx = np.zeros(3) ;; x.sort() ;; x", "2>3"),
    ("a view shares", "import numpy as np\nx = np.zeros(3)\nv = x[1:] ;; v[0] = 1 ;; x", "2>3"),
    (
        "a reshape shares",
        "import numpy as np\nx = np.zeros(4)\nv = x.reshape(2, 2) ;; v[0] = 1 ;; x",
        "2>3",
    ),
    (
        "arithmetic does not share",
        "import numpy as np\nx = np.zeros(3)\nv = x + 1 ;; v[0] = 1 ;; x",
        "2|3",
    ),
    (
        "asarray shares",
        "import numpy as np\nx = np.zeros(3)\nv = np.asarray(x) ;; v[0] = 1 ;; x",
        "2>3",
    ),
    (
        "a column set changes the frame",
        "import pandas as pd\ndf = pd.read_csv('a') ;; df['b'] = 1 ;; df.head()",
        "2>3",
    ),
    (
        "a column read does not",
        "import pandas as pd\ndf = pd.read_csv('a') ;; df['b'].mean() ;; df.head()",
        "2|3",
    ),
    (
        "groupby and plot change nothing",
        "import pandas as pd\ndf = pd.read_csv('a') ;; df.groupby('b').sum().plot() ;; df.head()",
        "2|3",
    ),
    (
        "loc set changes",
        "import pandas as pd\ndf = pd.read_csv('a') ;; df.loc[0, 'b'] = 1 ;; df.head()",
        "2>3",
    ),
    (
        "insert changes",
        "import pandas as pd\ndf = pd.read_csv('a') ;; df.insert(0, 'b', 1) ;; df.head()",
        "2>3",
    ),
    (
        "columns set changes",
        "import pandas as pd\ndf = pd.read_csv('a') ;; df.columns = ['b'] ;; df.head()",
        "2>3",
    ),
    (
        "a copy is apart",
        "import pandas as pd\ndf = pd.read_csv('a')\nd = df.copy() ;; d['b'] = 1 ;; df.head()",
        "2|3",
    ),
    (
        "a merge is apart",
        "import pandas as pd\ndf = pd.read_csv('a')\nd = df.merge(df) ;; d['b'] = 1 ;; df.head()",
        "2|3",
    ),
    (
        "a column shares",
        "import pandas as pd\ndf = pd.read_csv('a')\ns = df['b'] ;; s[0] = 1 ;; df.head()",
        "2>3",
    ),
    (
        "frames given to a library are safe",
        "import pandas as pd, seaborn as sns\ndf = pd.read_csv('a') ;; sns.heatmap(df) ;; df.head()",
        "2|3",
    ),
    (
        "apply runs its function",
        "import pandas as pd\ndf = pd.read_csv('a')\nx = [] ;; df.apply(lambda r: x.append(r)) ;; print(x)",
        "2>3",
    ),
    (
        "fit changes the estimator",
        "from sklearn.linear_model import LinearRegression\nm = LinearRegression() ;; m.fit(X, y) ;; m.predict(X)",
        "2>3",
    ),
    (
        "fit leaves its arguments",
        "import numpy as np\nfrom sklearn.linear_model import LinearRegression\nX = np.zeros(3)\nm = LinearRegression() ;; m.fit(X, X) ;; X.sum()",
        "2|3",
    ),
    (
        "a pipeline's fit changes its steps",
        "from sklearn.pipeline import make_pipeline\nfrom sklearn.preprocessing import StandardScaler\ns = StandardScaler()\np = make_pipeline(s) ;; p.fit(X) ;; s.mean_",
        "2>3",
    ),
    (
        "metrics change nothing",
        "from sklearn.metrics import accuracy_score\na = [1] ;; accuracy_score(a, a) ;; a",
        "2|3",
    ),
    (
        "an unknown library may change",
        "import mine\nx = [] ;; mine.go(x) ;; x",
        "2>3: passed to go()",
    ),
    (
        "a polars frame is not changed by filter",
        "import polars as pl\nd = pl.read_csv('a') ;; d.filter(c) ;; d.head()",
        "2|3",
    ),
    ("a torch tensor's add_ changes", "import torch\nt = torch.zeros(2) ;; t.add_(1) ;; t", "2>3"),
    ("a torch tensor's add does not", "import torch\nt = torch.zeros(2) ;; t.add(1) ;; t", "2|3"),
    (
        "a statsmodels fit leaves the data",
        "import pandas as pd, statsmodels.api as sm\ndf = pd.read_csv('a')\nm = sm.OLS(df['a'], df['b']) ;; r = m.fit() ;; df.head()",
        "2|3",
    ),
    (
        "an Arrow table never changes",
        "import pyarrow as pa\nt = pa.table({}) ;; t.filter(c) ;; t.num_rows",
        "2|3",
    ),
    (
        "a SciPy function changes nothing",
        "import numpy as np\nfrom scipy import stats\nx = np.zeros(3) ;; stats.ttest_ind(x, x) ;; x",
        "2|3",
    ),
    (
        "json.load advances its file",
        "import json\nh = open('a') ;; json.load(h) ;; h.read()",
        "2>3",
    ),
    (
        "a socket's reader advances",
        "from urllib.request import urlopen\nr = urlopen('http://a') ;; r.read() ;; r.read()",
        "2>3",
    ),
]


@hazards(AMBIENT)
def test_ambient_state_is_a_variable(cells: str, expected: str) -> None:
    check(cells, expected)


@hazards(FILES)
def test_files_order_their_users(cells: str, expected: str) -> None:
    check(cells, expected)


@hazards(MAGICS)
def test_magics_go_by_class(cells: str, expected: str) -> None:
    check(cells, expected)


@hazards(LIBRARIES)
def test_libraries_are_known(cells: str, expected: str) -> None:
    check(cells, expected)
