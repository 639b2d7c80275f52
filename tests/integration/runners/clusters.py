"""Dask clusters as an administrator would start them: each part a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat

from orch_nb.app.requests import Control, RunRequest, RunResult
from orch_nb.app.running import run


class Theirs:
    """A scheduler with workers, each a process of its own."""

    def __init__(self, folder: Path, port: int = 0) -> None:
        self.file = folder / "scheduler.json"
        self._folder = folder
        self._started: list[subprocess.Popen[bytes]] = []
        self.scheduler = self.start_scheduler(port)

    def start_scheduler(self, port: int = 0) -> subprocess.Popen[bytes]:
        """A scheduler; returns once it can be found."""
        self.file.unlink(missing_ok=True)
        words = ("--host", "127.0.0.1", "--port", str(port), "--no-dashboard")
        scheduler = self._start("scheduler", *words)
        deadline = time.monotonic() + 60
        while not self.file.exists() and time.monotonic() < deadline:
            time.sleep(0.1)
        return scheduler

    def add_worker(
        self, *more: str, nanny: bool, environment: dict[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        """One more worker, of one thread."""
        return self._start(
            "worker",
            "--nthreads",
            "1",
            "--nanny" if nanny else "--no-nanny",
            "--no-dashboard",
            *more,
            environment=environment,
        )

    def _start(self, *words: str, environment: dict[str, str] | None = None) -> Any:
        program = [sys.executable, "-m", "distributed.cli.dask_" + words[0], *words[1:]]
        process = subprocess.Popen(
            [*program, "--scheduler-file", str(self.file)],
            cwd=self._folder,
            env={**os.environ, **(environment or {})},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._started.append(process)
        return process

    def close(self) -> None:
        """End them all."""
        for process in reversed(self._started):
            process.kill()
            process.wait()


def run_cells(
    folder: Path,
    cells: list[str],
    place: str,
    told: Callable[[Any], None] = lambda event: None,
    **options: Any,
) -> RunResult:
    """Run a notebook of these cells there; ``place`` is what follows ``dask=``."""
    path = folder / "flow.ipynb"
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in cells])
    nbformat.write(notebook, path)
    chosen = {"runner": f"dask={place}" if place else "dask", "max_workers": 2, **options}
    return run(RunRequest(str(path), options=chosen), told, Control())


def printed(result: RunResult) -> str:
    """What its cells printed."""
    return "".join(
        output.get("text", "")
        for cell in result.document["cells"]
        for output in cell.get("outputs", ())
    )
