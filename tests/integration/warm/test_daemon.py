"""When a daemon comes up, and when it leaves."""

from __future__ import annotations

import json
import site
import stat
import venv
from pathlib import Path
from typing import Any

from tests.command_line import ROOT, wait_until

_LONG = 60.0  # seconds, on a busy machine
_COMMAND = "orch_nb.cli.__main__"


def test_a_run_brings_one_up_for_the_next(make_bench: Any) -> None:
    bench = make_bench()
    bench.write("print(1)")
    assert bench.status() == []
    assert bench.orch("run", "sales.ipynb", "-q").code == 0
    wait_until(lambda: len(bench.status()) == 1, _LONG, "the daemon")
    assert bench.run_warm("run", "sales.ipynb", "-q").code == 0


def test_nobody_else_can_reach_it(make_bench: Any) -> None:
    bench = make_bench()
    bench.start_daemon()
    (folder,) = bench.runtime.iterdir()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    (sock,) = folder.glob("*.sock")
    assert stat.S_IMODE(sock.stat().st_mode) == 0o600
    folder.chmod(0o755)  # a folder that others can enter is not used
    bench.write("print(1)")
    assert bench.orch("run", "sales.ipynb", "-q").code == 0
    assert bench.status() == []
    folder.chmod(0o700)
    assert bench.served() == 0


def test_it_leaves_when_nobody_asks(make_bench: Any) -> None:
    bench = make_bench()
    bench.environ["ORCH_NB_WARM_IDLE"] = "2s"
    bench.start_daemon()
    wait_until(lambda: not bench.processes(), _LONG, "the daemon to leave")
    (folder,) = bench.runtime.iterdir()
    assert [path.suffix for path in folder.iterdir()] == [".log"]


def test_it_is_not_used_where_it_is_switched_off(make_bench: Any) -> None:
    bench = make_bench()
    bench.start_daemon()
    bench.write("print(1)")
    assert bench.orch("run", "sales.ipynb", "-q", "--no-warm").code == 0
    bench.environ["ORCH_NB_WARM"] = "off"
    assert bench.orch("run", "sales.ipynb", "-q").code == 0
    assert bench.served() == 0
    assert bench.orch("warm", "start", "--json").code == 1


def test_what_it_is_born_with_is_its_own(make_bench: Any) -> None:
    bench = make_bench()
    bench.start_daemon()
    bench.write("import sys\nassert not sys.flags.hash_randomization")
    bench.environ["PYTHONHASHSEED"] = "0"
    assert bench.orch("run", "sales.ipynb", "-q").code == 0
    assert sum(daemon["served"] for daemon in bench.status()) == 0


def test_two_that_come_up_at_once_are_one(make_bench: Any) -> None:
    bench = make_bench()
    started = [bench.start("warm", "start") for _ in range(3)]
    for process in started:
        process.communicate(timeout=_LONG)
    assert [process.returncode for process in started] == [0, 0, 0]
    assert len(bench.status()) == 1


def test_a_library_that_is_another_is_used_at_once(make_bench: Any, tmp_path: Path) -> None:
    bench = make_bench()
    venv.create(tmp_path / "env", symlinks=True)
    (libraries,) = (tmp_path / "env").glob("lib/python*/site-packages")
    ours = [str(ROOT), *site.getsitepackages()]
    lines = [f"import site; site.addsitedir({folder!r})" for folder in ours]
    (libraries / "ours.pth").write_text("\n".join(lines))
    (libraries / "tinylib.py").write_text("release = 1")
    python = str(tmp_path / "env" / "bin" / "python")
    bench.command = lambda *words: [python, "-m", _COMMAND, *words]

    def shown() -> str:
        """What a run shows, be it a warm or a cold one."""
        bench.write("import tinylib\ntinylib.release")
        ended = bench.orch("run", "sales.ipynb", "-q", "-o", "out.ipynb")
        assert ended.code == 0, ended.err
        (cell,) = json.loads((bench.folder / "out.ipynb").read_text())["cells"]
        return "".join(cell["outputs"][0]["data"]["text/plain"])

    def daemon_after(earlier: int) -> int:
        """The daemon that comes in the place of one."""
        wait_until(
            lambda: [d["process"] for d in bench.status()] not in ([], [earlier]), _LONG, "it"
        )
        return int(bench.status()[0]["process"])

    first = bench.start_daemon()
    assert shown() == "1"
    wait_until(lambda: bench.status()[0]["libraries"] == [["tinylib"]], _LONG, "the library")
    assert (shown(), bench.status()[0]["process"]) == ("1", first)

    (libraries / "tinylib.py").write_text("release = 22")
    assert shown() == "22"
    second = daemon_after(first)
    assert shown() == "22"

    (libraries / "other").mkdir()  # a new package may complete another, or shadow one
    assert shown() == "22"
    daemon_after(second)
