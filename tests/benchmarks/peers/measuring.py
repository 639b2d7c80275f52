"""Runs a contender once, in a folder and with a store of its own, and reads what it tells."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.peers.environments import program_of, python_of
from tests.benchmarks.peers.workloads import Contender, Workload
from tests.command_line import make_document

_SCRIPTS = Path(__file__).with_name("scripts")
_LONGEST = 900.0  # seconds for one measurement


@dataclass(frozen=True, slots=True)
class Measurement:
    """Seconds (of the whole work) and the peak memory in bytes; ``failed`` is why there is none."""

    seconds: float = 0.0
    memory: int = 0
    failed: str = ""


class Place:
    """The folder that a whole comparison happens in."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        (folder / "run").mkdir(mode=0o700)

    def environment(self, *, warm: bool) -> Mapping[str, str]:
        """That of all contenders."""
        kept = {name: text for name, text in os.environ.items() if not name.startswith("ORCH_NB_")}
        kept.pop("PYTHONDONTWRITEBYTECODE", None)  # every peer may keep what it has compiled
        return {
            **kept,
            "ORCH_NB_HOME": str(self._folder / "home"),
            "ORCH_NB_WARM": "1" if warm else "0",
            "XDG_RUNTIME_DIR": str(self._folder / "run"),
            "IPYTHONDIR": str(self._folder / "ipython"),
        }

    def measure(self, workload: Workload, contender: Contender, size: int) -> Measurement:
        """Do the work once. ``size`` counts tasks, or cells where another notebook is wanted."""
        if contender.program:
            words = self._command(workload, contender)
        elif workload.cells:
            cells = workload.more(size) if size else workload.cells
            small = self._notebook("small", (workload.first,))
            large = self._notebook("large", cells)
            words = [*_script(contender), small, large, *contender.arguments]
        else:
            words = [*_script(contender), *contender.arguments, str(size)]
        environment = self.environment(warm=contender.warm)
        begin = time.perf_counter()
        done = subprocess.run(
            words,
            cwd=self._folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=_LONGEST,
            check=False,
        )
        seconds = time.perf_counter() - begin
        if done.returncode != 0:
            return Measurement(failed=(done.stderr.strip() or "?").splitlines()[-1][:200])
        if contender.program:
            return Measurement(seconds)
        told = json.loads(done.stdout.strip().splitlines()[-1])
        return Measurement(told["seconds"], told["memory"])

    def _command(self, workload: Workload, contender: Contender) -> list[str]:
        path = self._notebook("small", workload.cells)
        program, *words = contender.program
        given = [path if word == "{notebook}" else word for word in words]
        return [program_of(contender.environment, program), *given]

    def _notebook(self, name: str, cells: tuple[str, ...]) -> str:
        path = self._folder / f"{name}.ipynb"
        path.write_text(json.dumps(make_document(*cells)))
        return str(path)


def _script(contender: Contender) -> list[str]:
    return [python_of(contender.environment), str(_SCRIPTS / contender.script)]
