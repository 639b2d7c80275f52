"""Cells that do their worst: a run goes on where serial would, or fails as serial would, and its
message says what happened in which cell."""

# ruff: noqa: E501 - the sources of cells are as long as they are
from __future__ import annotations

import json
from pathlib import Path

import pytest

from orch_nb.app.running import RunRequest, RunResult, run
from orch_nb.app.verifying import verify
from orch_nb.states import StateName
from tests.command_line import make_document

WAIT = "time.sleep(0.15)"  # keeps a cell busy in its own process, so that others run beside it

# Name → cells below `import time`. Serial gets through them, so a parallel run must.
SURVIVED: dict[str, tuple[str, ...]] = {
    "a large model that can't be pickled": (
        "import threading, numpy as np",
        "class Model:\n    def __init__(self):\n        self.weights = np.ones(8_000_000)\n"
        "        self.lock = threading.Lock()\n    def predict(self, x):\n        with self.lock:\n"
        "            return float(self.weights[:3].sum() * x)",
        f"model = Model(); {WAIT}",
        f"{WAIT}; beside = 1",
        "model.weights[0] = 5; a = model.predict(2)",
        f"b = model.predict(3); {WAIT}",
        "print(a, b, beside)",
    ),
    "aliases in cycles": (
        "tree = {'children': []}; tree['self'] = tree; kids = tree['children']",
        "class Node: pass\none, other = Node(), Node(); one.next, other.next = other, one",
        f"{WAIT}; beside = 1",
        f"kids.append(tree); {WAIT}",
        f"one.value = 3; other.next.seen = [one]; {WAIT}",
        "print(tree['children'] is kids, kids[0] is tree, other.next.value, one.seen[0] is one)",
    ),
    "a chain of objects deeper than the stack": (
        "deep = []\nfor _ in range(3000): deep = [deep]",
        f"{WAIT}; beside = 1",
        f"deep.append('end'); {WAIT}",
        "depth, at = 0, deep\nwhile at and isinstance(at[0], list): at = at[0]; depth += 1",
        "print(depth, deep[-1])",
    ),
    "a generator half consumed": (
        "def gen():\n    total = 0\n    while True:\n        total += yield total\ng = gen(); next(g)",
        f"{WAIT}; beside = 1",
        f"a = g.send(2); {WAIT}",
        f"b = g.send(3); {WAIT}",
        "print(a, b, g.send(0))",
    ),
    "methods that raise": (
        "class Sour:\n    def __eq__(self, other): raise ValueError('eq')\n    __hash__ = None\n"
        "    def __repr__(self): raise ValueError('repr')\n"
        "    def __getattr__(self, name): raise ValueError('attribute')",
        "class Stuck:\n    def __reduce__(self): raise RuntimeError('no')\n"
        "    def __getstate__(self): raise RuntimeError('no')",
        f"s = Sour(); k = Stuck(); k.n = 1; both = [s, k]; {WAIT}",
        f"{WAIT}; beside = 1",
        f"both.append(k.n); k.n += 1; {WAIT}",
        "print(len(both), k.n, both[0] is s)",
    ),
    "a destructor that raises": (
        "class D:\n    def __del__(self):\n        raise ValueError('gone')\nd = D(); e = [D()]",
        f"{WAIT}; beside = 1",
        f"del d; {WAIT}",
        f"e.clear(); {WAIT}",
        "print('d' in globals(), e)",
    ),
    "a class made anew": (
        "class C:\n    v = 1\n    def who(self): return 'first', self.v\nold = C()",
        f"{WAIT}; beside = 1",
        f"C.v = 5; {WAIT}",
        f"class C:\n    v = 2\n    def who(self): return 'second', self.v\nnew = C(); {WAIT}",
        "print(old.who(), new.who(), isinstance(old, C), type(old).__name__)",
    ),
    "forks": (
        "import os",
        f"pid = os.fork()\nif pid == 0:\n    os._exit(7)\ncode = os.waitpid(pid, 0)[1] >> 8; del pid; {WAIT}",
        f"{WAIT}; beside = 1",
        "print(code, beside)",
    ),
    "a fork whose child runs on": (
        "import os",
        f"pid = os.fork()\nif pid:\n    _ = os.waitpid(pid, 0)\nelse:\n    kept = 1\ndel pid; {WAIT}",
        f"{WAIT}; beside = 1",
        "print('kept' in globals(), beside)",
    ),
    "threads": (
        "import threading",
        "found = []\ndef work(n):\n    print('from', n)\n    found.append(n)",
        f"for n in range(3):\n    t = threading.Thread(target=work, args=(n,)); t.start(); t.join()\ndel t; {WAIT}",
        f"{WAIT}; beside = 1",
        "print(found, beside)",
    ),
    "a thread that stays": (
        "import threading",
        "stop = threading.Event()\nt = threading.Thread(target=stop.wait, daemon=True); t.start()",
        f"a = 1; {WAIT}",
        f"b = 2; {WAIT}",
        "print(t.is_alive(), a + b); stop.set(); t.join(); del t",
    ),
    "an asyncio task that stays": (
        "import asyncio\nseen = []",
        "async def later():\n    await asyncio.sleep(0.05)\n    seen.append('later')\n    return 5\n"
        "task = asyncio.ensure_future(later())",
        f"{WAIT}; beside = 1",
        "print(await task, seen); del task",
    ),
    "closed stdout": (
        "import sys",
        f"{WAIT}; beside = 1",
        "print('before')",
        f"sys.stdout.close(); {WAIT}",
        "x = 1",
        "x",
    ),
    "another folder": (
        "import os; os.makedirs('sub', exist_ok=True)",
        f"{WAIT}; beside = 1",
        f"os.chdir('sub'); {WAIT}",
        "print(os.path.basename(os.getcwd())); open('f.txt', 'w').close()",
        "os.chdir('..'); print(os.path.exists('sub/f.txt'))",
    ),
    "a patched library": (
        "import json, math",
        f"{WAIT}; beside = 1",
        f"real = json.dumps; json.dumps = lambda value, **more: 'patched'; {WAIT}",
        f"{WAIT}; told = json.dumps([1])",
        f"json.dumps = real; math.tau = 3; {WAIT}",
        "print(told, json.dumps([1]), math.tau)",
    ),
    "recursion without end, caught": (
        "def down(n): return down(n + 1)",
        f"try:\n    down(0)\nexcept RecursionError as error:\n    told = type(error).__name__\n{WAIT}",
        f"{WAIT}; beside = 1",
        "print(told)",
    ),
}

# What ends a process, and the words of the run's message.
ENDS = {
    "leaves with a code": ("os._exit(4)", "exit code 4"),
    "leaves as if all were well": ("os._exit(0)", "exit code 0"),
    "reads where there is nothing": ("ctypes.string_at(0)", "SIGSEGV"),
    "is killed for memory": ("os.kill(os.getpid(), signal.SIGKILL)", "SIGKILL (out of memory?)"),
    "aborts": ("os.abort()", "SIGABRT"),
}


@pytest.fixture
def notebook(tmp_path: Path):
    """Writes a notebook into a folder of its own."""
    folder = tmp_path / "work"
    folder.mkdir()

    def write(*cells: str) -> RunRequest:
        path = folder / "bad.ipynb"
        path.write_text(json.dumps(make_document("import ctypes, os, signal, time", *cells)))
        out = str(tmp_path / "out.ipynb")
        return RunRequest(str(path), output=out, options={"cells": "all", "max_workers": 3})

    return write


@pytest.mark.parametrize("name", SURVIVED)
def test_where_serial_gets_through_the_run_does(notebook, name: str) -> None:
    verdict = verify(notebook(*SURVIVED[name]))
    assert verdict.serial.run.state_name is StateName.COMPLETED, verdict.serial.run.state_message
    told = [f"{found.what}: {found.serial} | {found.parallel}" for found in verdict.differences]
    assert not told, "\n".join(told)


def failed(result: RunResult) -> list[tuple[int, str]]:
    """The cells that ended badly, with what is said of each."""
    bad = (StateName.FAILED, StateName.CRASHED)
    return [(t.cell_number, t.state_message) for t in result.tasks if t.state_name in bad]


@pytest.mark.parametrize("name", ENDS)
def test_a_cell_beside_others_that_ends_its_process(notebook, name: str) -> None:
    how, words = ENDS[name]
    cells = (f"{WAIT}; a = 1; print(a)", f"{WAIT}; {how}", f"{WAIT}; c = 3; print(c)", "print(a)")
    result = run(notebook(*cells))
    assert result.run.state_name is StateName.CRASHED
    assert result.run.state_message.startswith("cell 3: its process ended ")
    assert words in result.run.state_message
    assert failed(result) == [(3, result.run.state_message.removeprefix("cell 3: "))]
    shown = [cell["outputs"] for cell in result.document["cells"] if cell["cell_type"] == "code"]
    assert [o["text"] for outputs in shown for o in outputs][:1] == ["1\n"]


@pytest.mark.parametrize("name", ENDS)
def test_a_cell_in_the_flows_own_process_that_ends_it(notebook, name: str) -> None:
    how, words = ENDS[name]
    result = run(notebook("a = 1; print(a)", f"print(a)\n{how}", "print(a + 1)"))
    assert result.run.state_name is StateName.CRASHED
    assert result.run.state_message.startswith("cell 3: its process ended ")
    assert words in result.run.state_message
    assert [number for number, _ in failed(result)] == [3]


def test_timeit_runs_alone(notebook) -> None:
    cells = (f"{WAIT}; a = 1", "%timeit -n1 -r1 b = 2", "%%timeit -n1 -r1\ntime.sleep(0.1)")
    result = run(notebook(*cells, f"{WAIT}; c = 3", "print(a, c, 'b' in globals())"))
    assert result.run.state_name is StateName.COMPLETED, result.run.state_message
    times = {task.cell_number: (task.start_time, task.end_time) for task in result.tasks}
    for timed in (3, 4):
        begun, ended = times.pop(timed)
        beside = [n for n, (start, end) in times.items() if start < ended and end > begun]
        assert not beside
    assert result.document["cells"][-1]["outputs"][0]["text"] == "1 3 False\n"
