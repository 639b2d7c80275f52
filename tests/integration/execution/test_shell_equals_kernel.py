"""Every kind of output is the same from a CellShell as from a real kernel through nbclient.

Masked, because they differ between any two runs of a kernel: addresses, process ids, measured
times, ids of widgets, and the pixels of images. Streams' pieces that follow each other are joined,
as JupyterLab joins them; where a kernel's own order is a race, stdout and stderr are compared each
on its own.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook

import orch_nb


@dataclass(frozen=True)
class Case:
    """A cell; ``racy`` if a kernel gives its streams in no fixed order."""

    name: str
    source: str
    racy: bool = False


CASES = [
    Case("print", "print('hello'); print('a', 'b', sep='-', end='!')"),
    Case("stderr", "import sys\nprint('oops', file=sys.stderr)"),
    Case(
        "streams by turns",
        "import sys\nfor i in range(5):\n    print('out', i)\n    print('err', i, file=sys.stderr)",
    ),
    Case("stderr written first", "print('err', file=sys.stderr); print('out')"),
    Case("flushed stream goes first", "print('later'); print('now', file=sys.stderr, flush=True)"),
    Case("streams around a display", "print('before'); display('middle'); print('after')"),
    Case("streams with time between", "import time\nprint(1)\ntime.sleep(0.5)\nprint(2, file=sys.stderr)\ntime.sleep(0.5)\nprint(3)"),
    Case("write returns its length", "sys.stdout.write('abc')"),
    Case("write of no str", "try:\n    sys.stdout.write(b'abc')\nexcept TypeError as e:\n    print(e)"),
    Case("writelines", "sys.stdout.writelines(['a\\n', 'b\\n'])"),
    Case("stream attributes", "(sys.stdout.isatty(), sys.stdout.encoding, sys.stdout.writable(), sys.stdout.closed)"),
    Case("carriage returns stay", "print('10%\\r20%\\r30%', end=''); print('\\b\\b!')"),
    Case("unicode", "print('é ∑ 🎉'); 'é ∑ 🎉'"),
    Case("five megabytes", "print('x' * 5_000_000)"),
    Case("many lines", "for i in range(20000):\n    print(i)"),
    Case("descriptor 1", "import os\nn = os.write(1, b'raw\\n')"),
    Case("descriptor 2", "n = os.write(2, b'raw\\n')"),
    Case("bytes that are no utf-8", "n = os.write(1, b'\\xff\\xfe ok\\n')"),
    Case("subprocess", "import subprocess\nn = subprocess.run('echo out; echo err >&2', shell=True)", racy=True),
    Case("os.system", "os.system('echo from system')"),
    Case("shell escape", "!echo one && echo two"),
    Case("shell escape to stderr", "!echo one >&2"),
    Case("shell escape assigned", "files = !echo a b; echo c\nfiles"),
    Case("shell escape failing", "!exit 3"),
    Case("exit code of a shell escape", "_exit_code"),
    Case("bash cell", "%%bash\necho out\necho err >&2\n", racy=True),
    Case("bash cell failing", "%%bash\nexit 4"),
    Case("script to a variable", "%%script bash --out captured_out\necho kept"),
    Case("its variable", "captured_out"),
    Case("thread", "import threading\nt = threading.Thread(target=lambda: print('in a thread'))\nt.start(); t.join()"),
    Case("thread failing", "def fail():\n    raise ValueError('in a thread')\nt = threading.Thread(target=fail, name='T')\nt.start(); t.join()"),
    Case("fork in a cell", "pid = os.fork()\nif pid == 0:\n    os.write(1, b'child\\n')\n    os._exit(0)\nn = os.waitpid(pid, 0)"),
    Case("multiprocessing", "import multiprocessing\ndef shout(i):\n    print('worker', i)\n    return i\nwith multiprocessing.get_context('fork').Pool(1) as pool:\n    pool.map(shout, [1, 2])\n    pool.close()\n    pool.join()"),
    Case("logging", "import logging\nprint(1)\nlogging.warning('careful')\nprint(2)"),
    Case("warning", "import warnings\nwarnings.warn('old', DeprecationWarning, stacklevel=1)\nwarnings.warn('mind this')"),
    Case("warning twice", "for i in range(3):\n    warnings.warn('again')"),
    Case("expression", "1 + 1"),
    Case("expression with semicolon", "1 + 1;"),
    Case("expression with semicolon and comment", "1 + 1;  # quiet"),
    Case("None", "None"),
    Case("several expressions", "1\n2\n3"),
    Case("assignment", "x = 5"),
    Case("long list", "list(range(100))"),
    Case("nested data", "{'a': [1, 2, {'b': (3, None)}], 'c': {4}, 'long': 'x' * 200}"),
    Case("last results", "_, __, ___, _37"),
    Case("Out", "Out[37], len(In), In[36][:10]"),
    Case("inputs", "(_i, _ii, _i37)"),
    Case("underscore bound by the user", "for _ in range(3): pass\n_"),
    Case("underscore after that", "7"),
    Case("underscore still the user's", "_"),
    Case("underscore freed", "del _"),
    Case("underscore follows again", "(8, '_' in globals())"),
    Case("who", "%who"),
    Case("whos of a type", "%who int"),
    Case("history magic", "%history 36-38"),
    Case("zero division", "def f(x):\n    return 1 / x\n\nprint('first')\nf(0)\nprint('never')"),
    Case("nested exceptions", "try:\n    f(0)\nexcept ZeroDivisionError as e:\n    raise ValueError('outer') from e"),
    Case("exception during exception", "try:\n    f(0)\nexcept ZeroDivisionError:\n    {}['key']"),
    Case("exception group", "raise ExceptionGroup('many', [ValueError(1), TypeError(2)])"),
    Case("exception in a library", "import json\njson.loads('{')"),
    Case("recursion", "def r(n):\n    return r(n + 1)\ntry:\n    r(0)\nexcept RecursionError as e:\n    print(e)"),
    Case("exception with notes", "e = ValueError('noted')\ne.add_note('a note')\nraise e"),
    Case("exception after blank lines", "\n\nraise KeyError('low')"),
    Case("syntax error", "if True\n    pass"),
    Case("indentation error", "  x = 1\n y = 2"),
    Case("unclosed bracket", "print((1)"),
    Case("null byte", "x = '\x00'"),
    Case("name error", "undefined_name"),
    Case("usage error of a magic", "%no_such_magic"),
    Case("error of a magic", "%run /no/such/file.py"),
    Case("xmode", "%xmode Plain\n1 / 0"),
    Case("xmode back", "%xmode Context"),
    Case("keyboard interrupt raised", "raise KeyboardInterrupt"),
    Case("system exit", "sys.exit(3)"),
    Case("system exit with text", "raise SystemExit('bye')"),
    Case("failing repr", "class Bad:\n    def __repr__(self):\n        raise RuntimeError('no repr')\nBad()"),
    Case("failing html", "class BadHtml:\n    def _repr_html_(self):\n        raise RuntimeError('no html')\nBadHtml()"),
    Case("quitting the debugger", "import bdb\nraise bdb.BdbQuit"),
    Case("tb magic", "%tb"),
    Case("await", "import asyncio\nprint('before')\nawait asyncio.sleep(0.01)\n'awaited'"),
    Case("await failing", "await asyncio.sleep(0)\nraise ValueError('after await')"),
    Case("async for", "async def numbers():\n    for i in range(3):\n        yield i\nasync for i in numbers():\n    print(i)"),
    Case("async with", "async with asyncio.timeout(5):\n    print('inside')"),
    Case("gather", "await asyncio.gather(*(asyncio.sleep(0, i) for i in range(3)))"),
    Case("asyncio.run is refused", "async def nothing(): pass\nn = nothing()\ntry:\n    asyncio.run(n)\nfinally:\n    n.close()"),
    Case("loop runs in a plain cell", "asyncio.get_running_loop().is_running()"),
    Case("task starts", "async def late():\n    await asyncio.sleep(0.05)\n    print('late')\n    return 'done'\ntask = asyncio.ensure_future(late())"),
    Case("task of an earlier cell prints to nobody", "await asyncio.sleep(0.2)\nprint('mine')"),
    Case("task's result", "await task"),
    Case("contextvar set", "import contextvars\nvar = contextvars.ContextVar('var')\ntoken = var.set(1)"),
    Case("contextvar read later", "var.get()"),
    Case("contextvar set in an async cell", "await asyncio.sleep(0)\ntoken = var.set(2)"),
    Case("contextvar after an async cell", "var.get()"),
    Case("display", "from IPython.display import *\ndisplay(1, 'two', [3])"),
    Case("html", "HTML('<b>bold</b>')"),
    Case("markdown latex json", "display(Markdown('*m*'), Latex('$x$'), JSON({'a': 1}), SVG('<svg xmlns=\"http://www.w3.org/2000/svg\"/>'))"),
    Case("image", "Image(data=b'\\x89PNG\\r\\n\\x1a\\n' + bytes(20), format='png', width=10)"),
    Case("mime bundle", "display({'text/plain': 'p', 'application/x-own+json': {'n': 1}}, metadata={'k': 'v'}, raw=True)"),
    Case("own png", "class P:\n    def _repr_png_(self):\n        return b'\\x89PNG'\nP()"),
    Case("data that json lacks", "import datetime\npublish_display_data({'application/json': {'t': (1, 2), 'd': datetime.date(2020, 1, 1).isoformat()}})"),
    Case("display id", "handle = display('first', display_id='one')"),
    Case("update in the same cell", "h = display('a', display_id='two')\nh.update('b')\nprint('c')"),
    Case("update of an earlier cell", "handle.update('changed')"),
    Case("same id shown again", "again = display('shown twice', display_id='one')"),
    Case("update of both", "update_display(HTML('<i>both</i>'), display_id='one')"),
    Case("update of an unknown id", "update_display('x', display_id='unknown')"),
    Case("clear output", "print('gone'); display('gone too')\nclear_output()\nprint('stays')"),
    Case("clear output and wait", "for i in range(3):\n    clear_output(wait=True)\n    print('step', i)\n    display(i)"),
    Case("clear and wait with nothing after", "print('kept')\nclear_output(wait=True)"),
    Case("clear, then update", "h = display(1, display_id='three')\nclear_output()\nh.update(2)\nprint('x')"),
    Case("capture", "%%capture cap\nprint('kept away')\nprint('e', file=sys.stderr)\ndisplay('rich')\n5"),
    Case("what was captured", "(cap.stdout, cap.stderr, len(cap.outputs))"),
    Case("capture shown", "cap.show()"),
    Case("capture_output", "from IPython.utils.capture import capture_output\nwith capture_output() as c:\n    print('inside')\nprint('outside', repr(c.stdout))"),
    Case("redirected stdout", "import contextlib, io\nwith contextlib.redirect_stdout(io.StringIO()) as s:\n    print('away')\nprint(repr(s.getvalue()))"),
    Case("time", "%time sum(range(10))"),
    Case("time of a cell", "%%time\nprint('timed')\nz = 1"),
    Case("timeit", "%timeit -n1 -r1 pass"),
    Case("error in a timed cell", "%%time\nprint('timed')\n1 / 0"),
    Case("help", "print?"),
    Case("source", "f??"),
    Case("help function", "help(f)"),
    Case("inspect", "%pinfo f"),
    Case("lsmagic", "%lsmagic;"),
    Case("magic with an output", "%pwd;\n%precision 3\n3.14159"),
    Case("precision back", "%precision"),
    Case("writefile", "%%writefile made.txt\nhello"),
    Case("load into the cell", "%load made.txt"),
    Case("html cell", "%%html\n<p>cell</p>"),
    Case("javascript cell", "%%javascript\nconsole.log(1)"),
    Case("env", "%env PAGER"),
    Case("environment", "{k: os.environ.get(k) for k in ('TERM', 'CLICOLOR', 'FORCE_COLOR', 'CLICOLOR_FORCE', 'PAGER', 'GIT_PAGER', 'MPLBACKEND')}"),
    Case("stdin is empty", "sys.stdin.read()"),
    Case("shell's type", "type(get_ipython())"),
    Case("main module", "import __main__\n(__main__.__dict__ is globals(), __name__, '__file__' in globals(), sys.path.index('') > 0)"),
    Case("pickle of an own class", "import pickle\nclass Own: pass\ntype(pickle.loads(pickle.dumps(Own()))) is Own"),
    Case("source of an own function", "import inspect\nprint(inspect.getsource(f))"),
    Case("in a kernel, say libraries", "from tqdm.auto import tqdm as auto\nauto.__mro__[0].__module__"),
    Case("numpy", "import numpy as np\nnp.arange(6).reshape(2, 3)"),
    Case("pandas", "import pandas as pd\ndf = pd.DataFrame({'a': [1, 2], 'b': ['x', 'y']})\ndf"),
    Case("pandas wide", "pd.DataFrame(np.arange(60).reshape(2, 30), columns=[f'column_{i}' for i in range(30)])"),
    Case("pandas wide printed", "print(pd.DataFrame(np.arange(60).reshape(2, 30), columns=[f'column_{i}' for i in range(30)]))"),
    Case("pandas long", "pd.DataFrame({'n': range(100)})"),
    Case("pandas series", "df['a']"),
    Case("pandas style", "df.style.set_uuid('u').format(precision=1)"),
    Case("pandas info", "df.info()"),
    Case("figure", "import matplotlib.pyplot as plt\nplt.plot([1, 2, 3])"),
    Case("figure with semicolon", "plt.plot([1, 2]);"),
    Case("two figures", "plt.figure(); plt.plot([1])\nplt.figure(); plt.plot([2])\nprint('text')"),
    Case("figure shown in between", "plt.plot([1]); plt.show()\nprint('after')"),
    Case("figure as a value", "fig, ax = plt.subplots()\nplt.close(fig)\nfig"),
    Case("figure before an error", "plt.plot([1])\n1 / 0"),
    Case("matplotlib inline", "%matplotlib inline\nplt.plot([1, 2])"),
    Case("svg figures", "%config InlineBackend.figure_formats = ['svg']\nax = plt.plot([1, 2])"),
    Case("backend", "import matplotlib\nmatplotlib.get_backend(), plt.isinteractive()"),
    Case("unknown gui", "%gui nonsense"),
    Case("seaborn", "import seaborn as sns\nax = sns.lineplot(x=[1, 2], y=[1, 2])"),
    Case("tqdm plain", "from tqdm import tqdm\nfor i in tqdm(range(3), mininterval=0, bar_format='{desc}{n_fmt}/{total_fmt}'):\n    pass"),
    Case("tqdm notebook", "from tqdm.notebook import tqdm as bar\nfor i in bar(range(3), bar_format='{desc}{n_fmt}/{total_fmt}'):\n    pass"),
    Case("rich", "import rich\nrich.print('[bold red]hello[/] world', {'a': 1})"),
    Case("rich table", "from rich.table import Table\nt = Table(title='T')\nt.add_column('c')\nt.add_row('v')\nt"),
    Case("rich progress", "from rich.progress import Progress\nwith Progress(*Progress.get_default_columns()[:2], auto_refresh=False) as p:\n    n = p.add_task('go', total=2)\n    p.advance(n, 2)\n    p.refresh()"),
    Case("widget", "import ipywidgets as w\nslider = w.IntSlider(value=3, description='n')\nslider"),
    Case("widget changed later", "slider.value = 5"),
    Case("progress widget", "p = w.IntProgress(max=3)\ndisplay(p)\nfor i in range(4):\n    p.value = i"),
    Case("box of widgets", "w.VBox([w.Label('a'), w.Button(description='b')])"),
    Case("output widget", "out = w.Output()\nwith out:\n    print('inside')\n    display('rich inside')\nprint('outside')\nout"),
    Case("output widget in a later cell", "with out:\n    print('more')\nprint('cell')"),
    Case("output widget knows its outputs", "[o['output_type'] for o in out.outputs]"),
    Case("output widget cleared", "with out:\n    print('x')\n    clear_output()\n    print('y')"),
    Case("output widget with an error", "with out:\n    1 / 0\nprint('goes on')"),
    Case("output widget as decorator", "@out.capture(clear_output=True)\ndef noisy():\n    print('noise')\nnoisy()"),
    Case("nested output widgets", "a, b = w.Output(), w.Output()\nwith a:\n    print('a')\n    with b:\n        print('b')\n    print('a2')\nprint('none')"),
    Case("appended stdout", "a.append_stdout('appended')"),
    Case("interact", "@w.interact(x=(0, 10))\ndef square(x=3):\n    print(x * x)\n    return x * x"),
    Case("interactive", "i = w.interactive(lambda x: x + 1, x=2)\ndisplay(i)"),
    Case("image widget", "w.Image(value=b'\\x89PNG', format='png')"),
    Case("widget closed", "slider.close()\nrepr(slider)[:9]"),
    Case("comms", "import comm\nlen(comm.get_comm_manager().comms) > 5"),
    Case("widget observed", "s = w.IntText()\ns.observe(lambda c: print('now', c['new']), 'value')\ns.value = 4"),
    Case("nested run_cell", "r = get_ipython().run_cell('print(\"nested\")\\n42')\nr.result"),
    Case("ex and ev", "get_ipython().ex('made = 3'); get_ipython().ev('made + 1')"),
    Case("send_response", "k = get_ipython().kernel\nk.send_response(k.iopub_socket, 'stream', {'name': 'stdout', 'text': 'sent'});"),
    Case("payload for the next cell", "get_ipython().set_next_input('x')"),
    Case("post_execute hook", "def hook():\n    print('hooked')\nget_ipython().events.register('post_run_cell', lambda r: print('done', r.success))"),
    Case("post_run_cell fires", "2"),
    Case("input transformer", "get_ipython().input_transformers_cleanup.append(lambda lines: [l.replace('@@', 'print') for l in lines])\nNone"),
    Case("transformed", "@@('changed')"),
    Case("last cell", "In[-1], sorted(Out)[-1]"),
]  # fmt: skip


@dataclass(frozen=True)
class Run:
    """Outputs by cell, and `metadata.widgets`."""

    outputs: list[list[dict]]
    widgets: dict


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> tuple[Run, Run]:
    """Every case run once, as one notebook, by a kernel and by a CellShell."""
    sources = [case.source for case in CASES]
    return (
        run_in_kernel(sources, tmp_path_factory.mktemp("kernel")),
        run_in_shell(sources, tmp_path_factory.mktemp("shell")),
    )


def run_in_kernel(sources: list[str], folder: Path) -> Run:
    # a kernel that finds itself under pytest leaves the descriptors alone
    environment = {k: v for k, v in os.environ.items() if k != "PYTEST_CURRENT_TEST"}
    notebook = new_notebook(cells=[new_code_cell(source) for source in sources])
    NotebookClient(
        notebook,
        allow_errors=True,
        kernel_name="python3",
        resources={"metadata": {"path": str(folder)}},
    ).execute(env=environment)
    plain = json.loads(nbformat.writes(notebook))
    outputs = [[joined(output) for output in cell["outputs"]] for cell in plain["cells"]]
    return Run(outputs, plain["metadata"].get("widgets") or {})


def joined(output: dict) -> dict:
    """Text that nbformat split into lines, whole again."""
    whole = dict(output)
    if isinstance(whole.get("text"), list):
        whole["text"] = "".join(whole["text"])
    if "data" in whole:
        whole["data"] = {
            kind: "".join(value) if isinstance(value, list) and "json" not in kind else value
            for kind, value in whole["data"].items()
        }
    return whole


def run_in_shell(sources: list[str], folder: Path) -> Run:
    listed, results = folder.parent / "sources.json", folder.parent / "results.json"
    listed.write_text(json.dumps(sources))
    script = Path(__file__).with_name("shell_session.py")
    command = [sys.executable, str(script), str(listed), str(results)]
    environment = {**os.environ, "PYTHONPATH": str(Path(orch_nb.__file__).parents[1])}
    subprocess.run(command, check=True, cwd=folder, env=environment, timeout=120)
    told = json.loads(results.read_text())
    return Run([cell["outputs"] for cell in told["cells"]], told["widgets"] or {})


MASKS = [
    (re.compile(r"0x[0-9a-f]{6,}"), "0xADDRESS"),
    (re.compile(r"ipykernel_\d+"), "ipykernel_PID"),
    (re.compile(r"/[^\s:\"']*/(kernel|shell)0"), "FOLDER"),
    (re.compile(r"(?<![0-9a-f])[0-9a-f]{32}(?![0-9a-f])"), "WIDGET"),
    (re.compile(r"[\d.]+ (ns|[uµμ]s|ms|s)\b"), "TIME"),
    (re.compile(r"<dc:date>.*</dc:date>"), "DATE"),
    (re.compile(r"\b[mp][0-9a-f]{10}\b"), "SVG-ID"),
]


def masked(value, *, racy: bool = False):
    """``value`` without what differs between two runs of a kernel."""
    if isinstance(value, str):
        for pattern, mask in MASKS:
            value = pattern.sub(mask, value)
        return value
    if isinstance(value, dict):
        return {
            key: "PIXELS" if key == "image/png" else masked(item) for key, item in value.items()
        }
    if isinstance(value, list):
        return [masked(item) for item in streams_joined(value, racy=racy)]
    return value


def streams_joined(outputs: list, *, racy: bool) -> list:
    """Outputs in which the pieces of a stream are one."""
    told: list = []
    for output in outputs:
        is_stream = isinstance(output, dict) and output.get("output_type") == "stream"
        last = told[-1] if told else None
        if is_stream and last and last.get("name") == output["name"]:
            told[-1] = {**last, "text": last["text"] + output["text"]}
        else:
            told.append(output)
    if racy:
        told.sort(key=lambda output: output.get("name", ""))
    return told


@pytest.mark.parametrize("number", range(len(CASES)), ids=[case.name for case in CASES])
def test_outputs_are_a_kernels(runs, number) -> None:
    kernel, shell = runs
    racy = CASES[number].racy
    assert masked(shell.outputs[number], racy=racy) == masked(kernel.outputs[number], racy=racy)


def test_widget_state_is_what_nbclient_keeps(runs) -> None:
    kernel, shell = runs
    assert states(shell.widgets) == states(kernel.widgets)
    assert len(states(shell.widgets)) > 20


def states(widgets: dict) -> list[str]:
    """The models in an order that does not depend on their random ids."""
    models = widgets["application/vnd.jupyter.widget-state+json"]["state"]
    return sorted(json.dumps(masked(model), sort_keys=True) for model in models.values())
