"""A process that forks drivers: `orch-nb` commands without the time that its imports take.

Started as ``python -m tests.kills.drivers``; a line of JSON in is a command to run, a line out is
its exit code, negative for a signal.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.command_line import ROOT
from tests.kills import crossings

_LOADED = (
    "orch_nb.app",
    "orch_nb.app.resuming",
    "orch_nb.app.running",
    "orch_nb.cli.resume",
    "orch_nb.cli.run",
    "orch_nb.cli.live",
    "orch_nb.runners.local",
    "orch_nb.store.commit",
    "rich.console",
    "sqlalchemy.dialects.sqlite.pysqlite",
)


class Drivers:
    """The forking process, as its owner sees it."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.kills.drivers"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
            env=dict(environment),
            text=True,
        )

    def run(self, command: Mapping[str, Any]) -> int:
        """Run a command (see ``_be_driver``) to its end; its exit code."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps(command), file=self._process.stdin, flush=True)
        return int(self._process.stdout.readline())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.communicate(timeout=30)


def serve() -> None:
    """Run commands until there are no more."""
    for module in _LOADED:
        importlib.import_module(module)
    for line in sys.stdin:
        command = json.loads(line)
        pid = os.fork()
        if pid == 0:
            _be_driver(**command)
        _, status = os.waitpid(pid, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def _be_driver(
    folder: str, home: str, store: str, kills: str, at: int, victim: str, words: list[str]
) -> None:
    """Be `orch-nb WORDS` in ``folder``, with its data in ``home`` and, if it is given, in
    ``store``; crossings count in ``kills``."""
    from orch_nb.cli.__main__ import run_command

    code = 1
    try:
        os.setpgid(0, 0)
        shown = os.open(Path(folder, "..", "shown.txt"), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(shown, 1)
        os.dup2(shown, 2)
        os.chdir(folder)
        extra = [str(ROOT / "tests/kills/in_every_process"), str(ROOT)]
        os.environ |= {
            "ORCH_NB_HOME": home,
            "ORCH_NB_STORE": store,
            crossings.VARIABLE: kills,
            "PYTHONPATH": os.pathsep.join(extra),
        }
        crossings.aim(Path(kills), at, victim)
        crossings.install_in_driver(Path(kills))
        code = run_command(words)
    finally:
        sys.stdout.flush()
        os._exit(code)


if __name__ == "__main__":
    serve()
