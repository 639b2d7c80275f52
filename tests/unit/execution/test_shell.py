"""A CellShell's own promises: errors, history, forks, interrupts, leftovers, and a clean end.

Each test runs its code in a process of its own, as a worker does; ``tell`` sends a value back.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import IPython
import pytest

import orch_nb

NEWER = pytest.mark.skipif(IPython.version_info < (8,), reason="IPython 7 does it another way")

PROLOGUE = """
import json, os, signal, sys, threading
from orch_nb.execution.shell import CellShell

results = os.fdopen(int(sys.argv[1]), "w")

def tell(*values):
    results.write(json.dumps(values) + "\\n")
    results.flush()

def texts(result):
    return [
        o.get("text") or o.get("ename") or o["data"]["text/plain"] for o in result.outputs
    ]

shell = CellShell()
"""


def run(code: str, *, timeout: float = 60, **variables: str) -> list:
    """Run ``code`` after the prologue, with environment ``variables``; return what it told."""
    reading, writing = os.pipe()
    environment = {
        **os.environ,
        **variables,
        "PYTHONPATH": str(Path(orch_nb.__file__).parents[1]),
        "PYTHONWARNINGS": "error::DeprecationWarning:orch_nb",
    }
    program = PROLOGUE + textwrap.dedent(code)
    try:
        process = subprocess.Popen(
            [sys.executable, "-c", program, str(writing)],
            pass_fds=[writing],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
    finally:
        os.close(writing)
    with os.fdopen(reading) as told:
        values = [json.loads(line) for line in told]
    shown, _ = process.communicate(timeout=timeout)
    assert process.returncode == 0, shown
    return [value[0] if len(value) == 1 else value for value in values]


@pytest.mark.parametrize(
    ("source", "name", "line"),
    [
        ("x = 1\n1 / 0", "ZeroDivisionError", 2),
        ("\n\nraise KeyError('a')", "KeyError", 3),
        ("def f():\n    raise ValueError\n\nf()", "ValueError", 2),
        ("import json\njson.loads('{')", "JSONDecodeError", 2),
        ("a = 1\nif True\n    pass", "SyntaxError", 2),
        pytest.param("%%time\na = 1\n1 / 0", "ZeroDivisionError", 3, marks=NEWER),
        ("await __import__('asyncio').sleep(0)\nmissing", "NameError", 2),
    ],
)
def test_error_says_its_line_in_the_cell_as_given(source, name, line) -> None:
    told = run(f"e = shell.run({source!r}, count=1).error; tell(e.name, e.line)")
    assert told == [[name, line]]


@pytest.mark.parametrize(
    ("source", "code"),
    [("import sys; sys.exit(3)", 3), ("raise SystemExit", 0), ("raise SystemExit('no')", "no")],
)
def test_system_exit_ends_the_cell_only(source, code) -> None:
    told = run(
        f"""
        e = shell.run({source!r}, count=1).error
        tell(e.name, e.exit_code)
        tell(texts(shell.run("print('goes on')", count=2)))
        """
    )
    assert told == [["SystemExit", code], ["goes on\n"]]


def test_exit_is_a_wish_of_the_cell() -> None:
    told = run("r = shell.run('exit()', count=1); tell(r.error, r.exit_requested)")
    assert told == [[None, True]]


def test_input_says_what_to_do() -> None:
    told = run(
        """
        for n, source in enumerate(("input('name?')", "import getpass; getpass.getpass()"), 1):
            error = shell.run(source, count=n).error
            tell(error.name, "parameter" in error.value)
        """
    )
    assert told == [["StdinNotImplementedError", True]] * 2


@NEWER
def test_count_is_in_tracebacks_prompts_and_names() -> None:
    told = run(
        """
        r = shell.run("40 + 2", count=7)
        tell(r.outputs[0]["execution_count"], r.value, r.has_value, shell.user_ns["_7"])
        r = shell.run("1 / 0", count=12)
        tell("In[12]" in "".join(r.error.traceback), r.has_value)
        """
    )
    assert told == [[7, 42, True, 42], [True, False]]


def test_history_is_that_of_a_serial_run_whatever_the_order() -> None:
    told = run(
        """
        shell.set_sources({1: "'one'", 2: "'two'", 3: "a = 3", 4: "'four'"})
        shell.run("'five'", count=5)
        shell.set_out(2, "two")
        tell(*shell.run("_, __, sorted(Out), len(In), In[1:4], _i, _ii", count=4).value)
        shell.run("'one'", count=1)
        tell(*shell.run("_, __[0], ___, sorted(Out), len(In), In[5], _2", count=6).value)
        """
    )
    assert told == [
        ["two", "", [2], 5, ["'one'", "'two'", "a = 3"], "a = 3", "'two'"],
        ["five", "two", "two", [1, 2, 4, 5], 7, "'five'", "two"],
    ]


def test_underscore_that_the_user_bound_is_left_alone() -> None:
    told = run(
        """
        shell.run("for _ in range(3): pass", count=1)
        shell.set_out(2, "two")
        tell(texts(shell.run("_", count=3)))
        """
    )
    assert told == [["2"]]


def test_cell_run_again_forgets_its_earlier_result() -> None:
    told = run(
        """
        shell.run("'first'", count=1)
        r = shell.run("None", count=1)
        tell(r.has_value, r.value)
        """
    )
    assert told == [[False, None]]


def test_function_of_a_cell_that_ran_elsewhere_shows_its_source() -> None:
    told = run(
        """
        source = "def f():\\n    return 1 / 0  # here"
        read, write = os.pipe()
        pid = os.fork()
        if pid == 0:
            shell.after_fork()
            import cloudpickle
            shell.run(source, count=1)
            os.write(write, cloudpickle.dumps(shell.user_ns["f"].__code__.co_filename))
            os._exit(0)
        os.waitpid(pid, 0)
        import pickle
        filename = pickle.loads(os.read(read, 10_000))
        shell.set_sources({1: source})
        shell.user_ns["code"] = compile(source, filename, "exec")
        shell.run("exec(code)", count=2)
        tell("# here" in "".join(shell.run("f()", count=3).error.traceback))
        """
    )
    assert told == [True]


def test_preload_leaves_no_trace_but_the_modules() -> None:
    told = run(
        """
        before = dict(shell.user_ns)
        failed = shell.preload(["decimal", "no_such_module", "warnings"])
        tell(list(failed), "decimal" in sys.modules, dict(shell.user_ns) == before)
        tell(texts(shell.run("_, In[1:], len(Out)", count=1)))
        """
    )
    assert told == [[["no_such_module"], True, True], ["('', ['_, In[1:], len(Out)'], 0)"]]


def test_a_library_that_is_loaded_between_cells_is_loaded_in_a_notebook() -> None:
    told = run(
        """
        import builtins
        there = lambda: hasattr(builtins, "get_ipython")
        tell(there(), shell.within(there), there())
        """
    )
    assert told == [[False, True, False]]


def test_hidden_names_are_ipythons_and_variables_the_notebooks() -> None:
    told = run(
        """
        shell.run("a = 1; open = 2\\n3", count=1)
        tell(sorted(shell.variables()), {"In", "_1", "_i1", "get_ipython"} <= shell.hidden)
        """
    )
    assert told == [[["a", "open"], True]]


def test_child_records_its_own_outputs_and_the_parent_stays_usable() -> None:
    told = run(
        """
        shell.run("import os; x = ['parent']", count=1)
        read, write = os.pipe()
        pid = os.fork()
        if pid == 0:
            events = []
            shell.after_fork(events.append)
            r = shell.run("x.append('child'); print(x); n = os.write(1, b'raw'); await "
                          "__import__('asyncio').sleep(0.01)", count=2)
            os.write(write, json.dumps([texts(r), [e["text"] for e in events]]).encode())
            os._exit(0)
        r = shell.run("print(x); n = os.write(1, b'mine'); await "
                      "__import__('asyncio').sleep(0.05)", count=2)
        os.waitpid(pid, 0)
        tell(json.loads(os.read(read, 10_000)))
        tell(texts(r), texts(shell.run("print('next')", count=3)))
        """
    )
    assert told[0][0] == ["['parent', 'child']\nraw"]
    assert "".join(told[0][1]) == "['parent', 'child']\nraw"
    assert told[1] == [["['parent']\nmine"], ["next\n"]]


def test_fifty_forks_leak_no_descriptor_and_disturb_no_loop() -> None:
    told = run(
        """
        def descriptors():
            return len(os.listdir("/proc/self/fd"))

        shell.run("import asyncio; print(1); await asyncio.sleep(0)", count=1)
        before, statuses = descriptors(), set()
        for n in range(50):
            pid = os.fork()
            if pid == 0:
                known = descriptors()
                shell.after_fork()
                r = shell.run("print('x'); await asyncio.sleep(0)", count=2)
                os._exit(0 if texts(r) == ["x\\n"] and descriptors() == known else 1)
            statuses.add(os.waitpid(pid, 0)[1])
            shell.run("await asyncio.sleep(0.001)", count=2)
        tell(sorted(statuses), descriptors() - before)
        # a fork of a fork of a fork
        depth = 0
        while depth < 5 and os.fork() == 0:
            depth += 1
            shell.after_fork()
        if depth < 5:
            os._exit(os.waitstatus_to_exitcode(os.wait()[1])) if depth else os.wait()
        else:
            os._exit(0 if texts(shell.run("print('deep')", count=3)) == ["deep\\n"] else 1)
        """
    )
    assert told == [[[0], 0]]


def test_process_forked_by_a_cell_prints_into_the_cell() -> None:
    told = run(
        """
        r = shell.run('''
        import os
        print("before")
        pid = os.fork()
        if pid == 0:
            print("child")
            os._exit(0)
        os.waitpid(pid, 0)
        print("after")
        ''', count=1)
        tell(texts(r))
        """
    )
    assert told == [["before\nchild\nafter\n"]]


INTERRUPT = """
signal.signal(signal.SIGUSR1, shell.handle_interrupt)

def interrupted(source):
    signal.setitimer(signal.ITIMER_REAL, 0.3)
    return shell.run(source, count=1)

signal.signal(signal.SIGALRM, lambda *_: os.kill(os.getpid(), signal.SIGUSR1))
"""


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("import time; time.sleep(30)", ["KeyboardInterrupt"]),
        ("while True: pass", ["KeyboardInterrupt"]),
        ("import asyncio\nawait asyncio.sleep(30)", ["CancelledError"]),
        ("import asyncio, time\nawait asyncio.sleep(0)\ntime.sleep(30)", ["KeyboardInterrupt"]),
        ("import subprocess\nsubprocess.run(['sleep', '30'])", ["KeyboardInterrupt"]),
        (
            "import asyncio\nasync def f():\n    while True: pass\nawait asyncio.gather(f())",
            ["KeyboardInterrupt", "CancelledError"],
        ),
        ("!sleep 30", [None]),
    ],
)
def test_interrupt_ends_the_cell_and_not_the_shell(source, names) -> None:
    told = run(
        INTERRUPT
        + textwrap.dedent(
            f"""
            r = interrupted({source!r})
            tell(r.error and r.error.name, r.interrupted, r.seconds < 5)
            tell(texts(shell.run("print('fine')", count=2)))
            """
        )
    )
    (name, flag, soon), next_cell = told
    assert name in names
    assert (flag, soon, next_cell) == (name is not None, True, ["fine\n"])


def test_interrupt_between_cells_does_nothing() -> None:
    told = run(
        INTERRUPT
        + textwrap.dedent(
            """
            os.kill(os.getpid(), signal.SIGUSR1)
            r = shell.run("print('fine')", count=1)
            tell(texts(r), r.interrupted)
            """
        )
    )
    assert told == [[["fine\n"], False]]


def test_leftovers_are_named() -> None:
    told = run(
        """
        r = shell.run('''
        import asyncio, threading
        stop = threading.Event()
        t = threading.Thread(target=stop.wait, name="waiter"); t.start()
        task = asyncio.ensure_future(asyncio.sleep(60)); task.set_name("sleeper")
        ''', count=1)
        tell(list(r.leftover_tasks), list(r.leftover_threads), r.leftovers)
        r = shell.run("stop.set(); t.join(); n = task.cancel(); await asyncio.sleep(0)", count=2)
        tell(r.leftovers)
        """
    )
    assert told == [[["sleeper"], ["waiter"], "task sleeper, thread waiter"], ""]


@pytest.mark.parametrize(
    "source",
    [
        "%%bash\necho x",
        "!echo x",
        "import asyncio\nawait asyncio.to_thread(print, 'x')",
        "import subprocess\nsubprocess.run(['echo', 'x'])",
        "from tqdm import tqdm\nfor i in tqdm([1]): print('x')",
    ],
)
def test_ordinary_cells_leave_no_thread_behind(source) -> None:
    told = run(
        f"""
        r = shell.run({source!r}, count=1)
        tell("x" in "".join(texts(r)), r.leftovers, threading.active_count())
        """
    )
    assert told == [[True, "", 1]]


def test_task_that_exits_does_not_end_the_shell() -> None:
    told = run(
        """
        r = shell.run('''
        import asyncio
        async def leave(): raise SystemExit(1)
        t = asyncio.ensure_future(leave())
        await asyncio.sleep(0.05)
        print("still here")
        ''', count=1)
        tell(texts(r)[-1], texts(shell.run("print('and here')", count=2)))
        """
    )
    assert told == [["still here\n", ["and here\n"]]]


def test_widgets_of_a_cell_are_reported_with_it() -> None:
    told = run(
        """
        r = shell.run("import ipywidgets as w; s = w.IntSlider(value=1)", count=1)
        tell(sorted(m["model_name"] for m in r.widgets.values()))
        r = shell.run("s.value = 5", count=2)
        tell([m["state"]["value"] for m in r.widgets.values()])
        tell(len(shell.run("print(1)", count=3).widgets))
        """
    )
    models = ["IntSliderModel", "LayoutModel", "SliderStyleModel"]
    assert told == [models, [5], 0]


def test_pager_goes_to_payloads() -> None:
    told = run("r = shell.run('print?', count=1); tell(r.outputs, r.payloads[0]['source'])")
    assert told == [[[], "page"]]


def test_silent_cell_leaves_no_history() -> None:
    told = run(
        """
        r = shell.run("a = 5; print(a)\\na", count=3, silent=True)
        tell(texts(r), r.has_value, shell.user_ns["a"], len(shell.user_ns["In"]))
        """
    )
    assert told == [[["5\n"], False, 5, 1]]


def test_running_a_cell_inside_a_cell_is_refused() -> None:
    told = run(
        """
        shell.user_ns["shell"] = shell
        tell(shell.run("shell.run('1', count=9)", count=1).error.name)
        tell(texts(shell.run("print('fine')", count=2)))
        """
    )
    assert told == ["RuntimeError", ["fine\n"]]


def test_close_gives_everything_back_and_a_second_shell_works() -> None:
    told = run(
        """
        def state():
            return [dict(os.environ), list(sys.path), len(os.listdir("/proc/self/fd"))]

        shell.close()
        before, main = state(), sys.modules["__main__"]
        for n in range(3):
            second = CellShell()
            r = second.run("x = 1; print('second')\\nimport ipywidgets as w; w.Label()", count=1)
            tell(texts(r)[0], len(r.widgets))
            second.close()
        tell(sys.stdout is sys.__stdout__, sys.modules["__main__"] is main, state() == before)
        """
    )
    assert told == [["second\n", 3]] * 3 + [[True, True, True]]


def test_sink_may_be_changed_between_cells() -> None:
    told = run(
        """
        first, second = [], []
        shell.sink = first.append
        shell.run("print('a')", count=1)
        shell.sink = second.append
        shell.run("print('b'); display('c')", count=2)
        shell.sink = None
        shell.run("print('d')", count=3)
        tell([e["text"] for e in first], [e["type"] for e in second])
        """
    )
    assert told == [[["a\n"], ["stream", "output"]]]


def test_shell_without_ipykernel_gives_outputs_and_errors() -> None:
    told = run(
        """
        shell.close()
        import importlib.util
        find = importlib.util.find_spec
        importlib.util.find_spec = lambda name, *a: None if name == "ipykernel" else find(name, *a)
        plain = CellShell()
        r = plain.run("print('a'); h = display('b', display_id='i')\\n1 + 1", count=3)
        tell([o["output_type"] for o in r.outputs], r.outputs[-1]["execution_count"])
        tell(list(plain.run("h.update('c')", count=4).display_updates))
        r = plain.run("a = 1\\n1 / 0", count=5)
        tell(r.error.name, r.error.line, [o["output_type"] for o in r.outputs])
        tell(len(r.error.traceback) > 2, type(plain.shell).__name__)
        plain.close()
        """
    )
    assert told == [
        [["stream", "display_data", "execute_result"], 3],
        [{"display_id": "i", "data": {"text/plain": "'c'"}, "metadata": {}}],
        ["ZeroDivisionError", 2, ["error"]],
        [True, "PlainShell"],
    ]


def test_interrupt_of_a_printing_cell_loses_nothing() -> None:
    told = run(
        INTERRUPT
        + textwrap.dedent(
            """
            r = interrupted("i = 0\\nwhile True:\\n    print(i)\\n    i += 1")
            numbers = texts(r)[0].split()
            tell(r.error.name, numbers == [str(n) for n in range(len(numbers))],
                 abs(len(numbers) - shell.user_ns["i"]) <= 1)
            """
        )
    )
    assert told == [["KeyboardInterrupt", True, True]]


def test_child_that_a_cell_forgot_to_end_does_not_outlive_the_cell() -> None:
    told = run(
        """
        r = shell.run("import os; pid = os.fork(); print('both')", count=1)
        os.waitpid(shell.user_ns["pid"], 0)
        tell(texts(r)[0].count("both") in (1, 2))
        """
    )
    assert told == [True]


def test_users_ipython_configuration_holds_and_a_broken_file_does_no_harm(tmp_path) -> None:
    profile = tmp_path / "profile_default"
    profile.mkdir()
    setting = "c.InteractiveShell.ast_node_interactivity = 'all'"
    (profile / "ipython_kernel_config.py").write_text(setting)
    (profile / "ipython_config.py").write_text("1 / 0")
    told = run("tell(texts(shell.run('1\\n2', count=1)))", IPYTHONDIR=str(tmp_path))
    assert told == [["1", "2"]]


HARMFUL = [
    "import asyncio\nasyncio.get_event_loop().stop()",
    "import asyncio\nasyncio.get_event_loop().stop()\nawait asyncio.sleep(0.01)",
    "import asyncio\nasyncio.set_event_loop(None)",
    "%reset -f",
    "%reset -f out",
    "del In, Out",
    "get_ipython().execution_count = 99",
    "import os\nos.close(1); os.close(2)",
    "import sys\nsys.stdout.flush(); sys.stderr.close()",
    "import sys\nsys.modules.pop('__main__')",
    "x = '\x00'",
    "x = '\ud800'",
    "raise BaseException('bare')",
    "class E(Exception):\n    def __str__(self): raise E\nraise E",
    "raise GeneratorExit",
    "import asyncio\nraise asyncio.CancelledError",
    "import asyncio\nawait asyncio.sleep(0)\nraise asyncio.CancelledError",
    "import asyncio\nasyncio.current_task().cancel()\nawait asyncio.sleep(1)",
    "import threading\nthreading.Thread(target=print, args=('x' * 9,)).start()",
    "",
    "   \n ",
]


@NEWER
def test_no_cell_harms_the_next() -> None:
    told = run(
        f"""
        for source in {HARMFUL!r}:
            if os.fork():
                os.wait()
                continue
            shell.after_fork()
            shell.run(source, count=1)
            r = shell.run("print('fine')\\n40 + 2", count=2)
            s = shell.run(
                "import asyncio; await asyncio.sleep(0)\\n"
                "len(get_ipython().history_manager.input_hist_parsed)",
                count=3,
            )
            tell(source, texts(r)[-2:], s.value, s.outputs[-1]["execution_count"])
            os._exit(0)
        """
    )
    assert told == [[source, ["fine\n", "42"], 4, 3] for source in HARMFUL]


def test_a_cell_in_a_fork_has_threads_to_wait_for() -> None:
    told = run(
        """
        shell.run("import asyncio", count=1)
        for cell in range(2):
            if os.fork():
                os.wait()
                continue
            shell.after_fork()
            for count in (2, 3):
                r = shell.run("await asyncio.to_thread(sum, [40, 2])", count=count)
                tell(r.error and r.error.value, r.value, r.leftovers)
            os._exit(0)
        """
    )
    assert told == [[None, 42, ""]] * 4


def test_a_magic_that_is_used_for_the_first_time_is_no_change_of_ipython(tmp_path: Path) -> None:
    told = run(
        """
        from orch_nb.execution.ipython_state import IPythonWatch
        MINE = "import IPython; IPython.get_ipython().register_magic_function(print, 'line', '{}')"
        os.chdir(os.environ["PLACE"])
        own = ("%%time\\nx = 1", "%%writefile f.txt\\nx", "%env")
        plots = "import matplotlib.pyplot as plt; plt.plot([1])", "%matplotlib inline"
        for source in (*own, *plots, MINE.format("mine"), MINE.format("time")):
            watch = IPythonWatch(shell.shell, tolerant=True)
            result = shell.run(source, count=1)
            tell(result.error is None, watch.changed(source))
        """,
        PLACE=str(tmp_path),
    )
    assert told == [[True, False]] * 5 + [[True, True]] * 2


def test_a_module_that_a_cell_writes_is_an_effect_and_one_that_it_imports_is_not(
    tmp_path: Path,
) -> None:
    told = run(
        """
        from orch_nb.execution.execute import execute
        from orch_nb.execution.job import Job, SessionSpec
        import tempfile
        tempfile.gettempdir()  # which tries the folder out
        os.chdir(os.environ["PLACE"])
        writes, deletes = "open('helper.py', 'w').write('x = 1')", "os.remove('helper.py')"
        for source in (writes, "import helper", deletes):
            job = Job(1, 1, "import os\\n" + source, 1, ship=False)
            done = execute(shell, job, SessionSpec(os.getcwd(), "results"), may_refuse=False)
            written = [os.path.basename(path) for path in done.files_written]
            tell(written, done.acted, done.files_read)
        """,
        PLACE=str(tmp_path),
    )
    assert told == [
        [["helper.py"], "writes a file", []],
        [[], "", []],
        [["helper.py"], "deletes a file", []],
    ]


@pytest.mark.skipif(sys.platform != "linux", reason="a peak that can be forgotten is Linux's")
def test_peak_memory_is_that_of_the_cell_that_had_it() -> None:
    told = run(
        """
        from orch_nb.execution.execute import execute
        from orch_nb.execution.job import Job, SessionSpec
        much = "x = bytearray(200_000_000); x[::4096] = bytes(len(x[::4096])); del x"
        for source in ("pass", much, "pass", "import time; time.sleep(0.002)", much, "pass"):
            job = Job(1, 1, source, 1, observe=False, ship=False)
            tell(execute(shell, job, SessionSpec(".", "."), may_refuse=False).peak_memory)
        """
    )
    first, large, after, slow, again, last = told
    assert first > 10_000_000
    assert min(large, again) > first + 150_000_000
    assert max(after, slow, last) < first + 50_000_000
