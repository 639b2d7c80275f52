"""Commands that a warm daemon runs: they end, fail, are interrupted and killed as from cold."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.command_line import wait_until

_SLOW = "from pathlib import Path\nimport time\nPath('begun').touch()\ntime.sleep(60)"
_LONG = 30.0  # seconds, on a busy machine


def start_slow(bench: Any) -> subprocess.Popen[str]:
    """A warm run whose cell has begun and would take a minute."""
    bench.write(_SLOW)
    client = bench.start("run", "sales.ipynb")
    wait_until((bench.folder / "begun").exists, _LONG, "the cell to begin")
    return client  # type: ignore[no-any-return]


def home_of(bench: Any) -> list[psutil.Process]:
    """The processes that sit in the working folder: those of sessions, and the client."""
    found = []
    for process in bench.processes():
        try:
            if process.cwd() == str(bench.folder):
                found.append(process)
        except psutil.Error:
            continue
    return found


def test_outputs_exit_codes_and_errors_are_those_of_a_cold_run(bench: Any) -> None:
    cases = {
        "well": ("print(1)", "2 + 2"),
        "fails": ("1 / 0", "print('not run')"),
        "syntax": ("x = = 1",),
    }
    for name, cells in cases.items():
        bench.write(*cells, name=f"{name}.ipynb")
        how = ("run", f"{name}.ipynb", "--name", "same", "-o")
        warm, cold = bench.run_warm(*how, "warm.ipynb"), bench.orch(*how, "cold.ipynb", "--no-warm")
        assert (warm.code, warm.err) == (cold.code, cold.err)
        if warm.code != 2:
            told = [
                json.loads((bench.folder / f"{one}.ipynb").read_text()) for one in ("warm", "cold")
            ]
            outputs = [[cell.get("outputs") for cell in document["cells"]] for document in told]
            assert outputs[0] == outputs[1]
    assert bench.run_warm("show", "nothing-like-it").code == 2


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_cancels_the_run(bench: Any, number: int) -> None:
    client = start_slow(bench)
    client.send_signal(number)
    _out, err = client.communicate(timeout=_LONG)
    assert client.returncode == 130, err
    (run,) = bench.orch_json("runs", "--limit", "1")
    assert run["state_name"] == "Cancelled"
    wait_until(lambda: not home_of(bench), _LONG, "the session to end")


def test_a_killed_client_takes_its_run_along(bench: Any) -> None:
    client = start_slow(bench)
    assert len(home_of(bench)) > 1
    client.kill()
    client.communicate(timeout=_LONG)
    wait_until(lambda: not home_of(bench), _LONG, "the session to end")
    assert bench.status()[0]["running"] == 0


def test_a_killed_command_is_told(bench: Any) -> None:
    client = start_slow(bench)
    (daemon,) = bench.status()
    (command,) = [
        child
        for child in psutil.Process(daemon["process"]).children()
        if child.cwd() == str(bench.folder)
    ]
    command.kill()
    client.communicate(timeout=_LONG)
    assert client.returncode == -signal.SIGKILL
    wait_until(lambda: not home_of(bench), _LONG, "the session to end")


def test_a_daemon_that_is_killed_leaves_its_runs_alone(bench: Any) -> None:
    bench.write("import time\nopen('begun', 'w').close()\ntime.sleep(2)\nprint(1)")
    client = bench.start("run", "sales.ipynb")
    wait_until((bench.folder / "begun").exists, _LONG, "the cell to begin")
    psutil.Process(bench.status()[0]["process"]).kill()
    out, err = client.communicate(timeout=_LONG)
    assert client.returncode == 0, out + err
    assert bench.orch("run", "sales.ipynb", "-q").code == 0  # from cold, and a new one comes up


def test_a_daemon_that_hangs_is_not_waited_for(bench: Any) -> None:
    daemon = psutil.Process(bench.status()[0]["process"])
    bench.write("print(1)")
    daemon.suspend()
    try:
        begin = time.monotonic()
        assert bench.orch("run", "sales.ipynb", "-q").code == 0
        assert time.monotonic() - begin < _LONG
    finally:
        daemon.resume()
    assert len(bench.orch_json("runs")) == 1


def test_stop_lets_the_run_end(bench: Any) -> None:
    bench.write("import time\nopen('begun', 'w').close()\ntime.sleep(3)\nprint(1)")
    client = bench.start("run", "sales.ipynb")
    wait_until((bench.folder / "begun").exists, _LONG, "the cell to begin")
    assert bench.orch("warm", "stop").code == 0
    client.communicate(timeout=_LONG)
    assert client.returncode == 0
    wait_until(lambda: not bench.processes(), _LONG, "the daemon to be gone")


def test_a_terminal_is_one_and_has_its_size(bench: Any) -> None:
    bench.write("print(1)")
    master, slave = pty.openpty()
    os.set_blocking(master, False)
    import fcntl
    import struct
    import termios

    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 100, 0, 0))
    before = bench.served()
    environ = {name: text for name, text in bench.environ.items() if name != "COLUMNS"}
    client = subprocess.Popen(
        bench.command("run", "sales.ipynb"),
        cwd=bench.folder,
        env={**environ, "TERM": "xterm-256color"},
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
    )
    client.wait(_LONG)
    os.close(slave)
    shown = os.read(master, 1 << 16).decode()
    os.close(master)
    assert bench.served() == before + 1
    assert "\x1b[" in shown  # colours, and a live area
    assert "Completed" in shown


def test_another_environment_has_a_cold_session_and_then_a_warm_one(bench: Any) -> None:
    bench.environ["POLARS_MAX_THREADS"] = "1"
    for _ in range(2):
        assert bench.printed("import os\nprint(os.environ['POLARS_MAX_THREADS'])") == ["1\n"]


def test_a_run_learns_which_libraries_are_wanted(bench: Any) -> None:
    show = "import sys\nprint('numpy' in sys.modules)"
    assert bench.printed("import numpy as np")[0] == ""
    wait_until(lambda: bench.status()[0]["libraries"] != [], _LONG, "numpy to be loaded")
    assert bench.status()[0]["libraries"] == [["numpy"]]
    # a session has them only where the notebook imports them, and does not look
    assert bench.printed(show) == ["False\n"]
    assert bench.printed("import numpy as np", show) == ["", "True\n"]
    seconds = bench.printed(
        "import time\nbegin = time.perf_counter()\nimport numpy as np\n"
        "print(time.perf_counter() - begin < 0.01)"
    )
    assert seconds == ["True\n"]


def test_a_module_beside_the_notebook_comes_first(bench: Any) -> None:
    bench.printed("import numpy as np")
    wait_until(lambda: bench.status()[0]["libraries"] != [], _LONG, "numpy to be loaded")
    Path(bench.folder, "numpy.py").write_text("shadow = 1")
    assert bench.printed("import numpy as np\nprint(np.shadow)") == ["1\n"]


def test_a_command_runs_where_nobody_waits_for_it(bench: Any) -> None:
    bench.write("print(1)")
    bench.wait_for_standby()
    (waiting,) = psutil.Process(bench.status()[0]["process"]).children()[1:]
    waiting.suspend()  # it takes no command, and is gone when the next one comes
    waiting.kill()
    assert bench.orch("run", "sales.ipynb", "-q").code == 0
    bench.rehearsed = False
    for _ in range(3):
        assert bench.run_warm("run", "sales.ipynb", "-q").code == 0
    (daemon,) = bench.status()
    assert not daemon["leaving"]
