"""Points that the processes of a run cross, and a kill at the N-th of them.

A point is the moment before or after a commit of the driver, half of a blob's bytes, before or
after a blob or an output notebook gets its name. All processes of a run count in one file.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pathlib
import signal
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orch_nb.execution import home
from orch_nb.execution.processes import children_of
from orch_nb.results import blob

VARIABLE = "ORCH_NB_TEST_KILLS"
DRIVER, WORKER, BOTH = "driver", "worker", "both"
VICTIMS = (DRIVER, WORKER, BOTH)
_LINE = 32  # bytes of one line of the count


@dataclass(frozen=True)
class Aim:
    """Who is killed when the ``at``-th point is crossed; 0 kills nobody."""

    at: int
    victim: str = DRIVER


class Crossings:
    """The count of a run's points, in a folder that its processes share."""

    def __init__(self, folder: Path) -> None:
        told = json.loads((folder / "aim.json").read_text())
        self._aim = Aim(told["at"], told["victim"])
        self._driver: int = told["driver"]
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND
        self._points = os.open(folder / "points", flags)
        self._cells = os.open(folder / "cells", flags)
        self._struck = os.open(folder / "struck", flags)
        self._lock = threading.Lock()

    def cross(self, point: str) -> None:
        """Count a point; it is the end of some process if it is the one aimed at."""
        with self._lock:
            fcntl.lockf(self._points, fcntl.LOCK_EX)
            number = os.fstat(self._points).st_size // _LINE + 1
            line = f"{point} {os.getpid()}".ljust(_LINE - 1)[: _LINE - 1] + "\n"
            os.write(self._points, line.encode())
            if number == self._aim.at:
                self._kill()
            fcntl.lockf(self._points, fcntl.LOCK_UN)

    def ran(self, cell: int) -> None:
        """Note that a cell's code is about to run."""
        os.write(self._cells, f"{cell}\n".encode())

    def _kill(self) -> None:
        here, victim = os.getpid(), self._aim.victim
        os.write(self._struck, b".")
        doomed = []
        if victim in (WORKER, BOTH):
            doomed += [here] if here != self._driver else _sessions(here)
        if victim in (DRIVER, BOTH):
            doomed = [*(pid for pid in doomed if pid != here), self._driver, here]
            if victim == DRIVER:
                doomed = [self._driver]
        for pid in doomed:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def _sessions(driver: int) -> Iterable[int]:
    """The home processes of a driver's templates, and all that they started, leaves first."""
    family = [home for template in children_of(driver) for home in children_of(template)]
    for pid in family:
        family += children_of(pid)
    return list(reversed(family))


def aim(folder: Path, at: int, victim: str) -> None:
    """Make ``folder`` ready for one run, driven by this process."""
    folder.mkdir(exist_ok=True)
    for name in ("points", "cells"):
        (folder / name).unlink(missing_ok=True)
    told = {"at": at, "victim": victim, "driver": os.getpid()}
    (folder / "aim.json").write_text(json.dumps(told))


def points_crossed(folder: Path) -> list[str]:
    """The points that the last run crossed, in order."""
    lines = (folder / "points").read_text().splitlines() if (folder / "points").exists() else []
    return [line.split()[0] for line in lines]


def cells_run(folder: Path) -> list[int]:
    """The cells whose code the last run ran, in the order of their starts."""
    return [int(line) for line in (folder / "cells").read_text().split()]


def install_in_driver(folder: Path) -> None:
    """Count the driver's commits and its output notebooks."""
    from orch_nb.store.commit import Committer

    crossings = _install(folder)
    finish: Callable[..., None] = Committer._finish

    def finish_between(self: Committer, connection: Any) -> None:
        crossings.cross("before-commit")
        finish(self, connection)
        crossings.cross("after-commit")

    Committer._finish = finish_between  # type: ignore[method-assign]


def install_in_worker() -> None:
    """Count the blobs of a process that runs cells, and tell which cells it runs."""
    crossings = _install(Path(os.environ[VARIABLE]))
    execute = home.execute

    def execute_and_tell(shell: Any, job: Any, *rest: Any, **more: Any) -> Any:
        crossings.ran(job.cell)
        return execute(shell, job, *rest, **more)

    home.execute = execute_and_tell  # type: ignore[assignment]
    write_all = blob._write_all

    def write_in_two(descriptor: int, part: bytes | memoryview) -> None:
        half = len(part) // 2
        write_all(descriptor, part[:half])
        if half > 64:  # not at the padding between parts
            crossings.cross("half-of-blob")
        write_all(descriptor, part[half:])

    blob._write_all = write_in_two


def _install(folder: Path) -> Crossings:
    crossings = Crossings(folder)
    rename, replace = pathlib.Path.rename, pathlib.Path.replace

    def rename_between(self: Path, target: Any) -> Path:
        if not self.name.endswith(".part"):
            return rename(self, target)
        crossings.cross("before-blob")
        renamed = rename(self, target)
        crossings.cross("after-blob")
        return renamed

    def replace_between(self: Path, target: Any) -> Path:
        if not str(target).endswith(".ipynb"):
            return replace(self, target)
        crossings.cross("before-notebook")
        replaced = replace(self, target)
        crossings.cross("after-notebook")
        return replaced

    pathlib.Path.rename = rename_between  # type: ignore[method-assign]
    pathlib.Path.replace = replace_between  # type: ignore[method-assign]
    return crossings
