"""The real `orch-nb` in a process of its own, with its own data, temporary and working folders."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = ROOT / "example_notebooks"
LONGEST = 150  # seconds for one command
RUNNER = os.environ.get("ORCH_NB_TEST_RUNNER", "")  # of the runs that do not ask for one


@dataclass(frozen=True)
class Ended:
    """What a command left behind."""

    code: int
    out: str
    err: str


class Bench:
    """Folders and environment that one test's commands share."""

    def __init__(self, folder: Path, home: Path) -> None:
        self.folder = folder / "work"
        self.temporary = folder / "tmp"
        self.home = home
        self.folder.mkdir()
        self.temporary.mkdir()
        self.environ = {
            **os.environ,
            "ORCH_NB_HOME": str(home),
            "ORCH_NB_WARM": "0",
            "TMPDIR": str(self.temporary),
            "LC_ALL": "C.UTF-8",
            "PYTHONWARNINGS": "default",
        }

    def command(self, *arguments: str) -> list[str]:
        if RUNNER and arguments[:1] == ("run",) and "--runner" not in arguments:
            arguments = ("run", "--runner", RUNNER, *arguments[1:])
        return [str(Path(sys.executable).with_name("orch-nb")), *arguments]

    def orch(self, *arguments: str, cwd: Path | None = None) -> Ended:
        """Run `orch-nb` to its end."""
        return self.call(self.command(*arguments), cwd=cwd)

    def call(self, command: list[str], cwd: Path | None = None) -> Ended:
        """Run any command to its end in this test's environment."""
        done = subprocess.run(
            command,
            cwd=cwd or self.folder,
            env=self.environ,
            capture_output=True,
            text=True,
            encoding="utf-8",
            stdin=subprocess.DEVNULL,
            timeout=LONGEST,
            check=False,
        )
        return Ended(done.returncode, done.stdout, done.stderr)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start `orch-nb` as a terminal would: in a process group of its own."""
        return subprocess.Popen(
            self.command(*arguments),
            cwd=self.folder,
            env=self.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
            encoding="utf-8",
            process_group=0,
        )

    def orch_json(self, *arguments: str) -> Any:
        ended = self.orch(*arguments, "--json")
        assert ended.code == 0, f"{ended.err}\n{ended.out}"
        return json.loads(ended.out)

    def processes(self) -> list[psutil.Process]:
        """Every process that was given this test's data folder, zombies left out."""
        found = []
        for process in psutil.process_iter():
            try:
                ours = process.environ().get("ORCH_NB_HOME") == str(self.home)
                if ours and process.pid != os.getpid() and process.status() != "zombie":
                    found.append(process)
            except (psutil.Error, OSError):
                continue
        return found

    def left_behind(self) -> list[str]:
        """Processes, sockets and temporary files that are still there, in words."""
        left = [f"process {process.pid} {process.cmdline()}" for process in self.processes()]
        left += [f"temporary {path.name}" for path in self.temporary.iterdir()]
        for folder in (self.folder, self.home):
            for path in folder.rglob("*"):
                if path.is_socket() or path.is_fifo() or ".tmp" in path.name:
                    left.append(f"file {path.name}")
        return left

    def files(self) -> set[str]:
        """What the working folder holds."""
        return {str(path.relative_to(self.folder)) for path in self.folder.rglob("*")}


def code(source: str, *tags: str, **metadata: Any) -> dict[str, Any]:
    """A code cell."""
    return {
        "cell_type": "code",
        "execution_count": None,
        "metadata": {**metadata, **({"tags": list(tags)} if tags else {})},
        "outputs": [],
        "source": source,
    }


def make_document(*cells: str | dict[str, Any], **top: Any) -> dict[str, Any]:
    """A notebook of code cells, given as text or as dicts from `code`."""
    made = [code(cell) if isinstance(cell, str) else cell for cell in cells]
    for number, cell in enumerate(made, 1):
        cell.setdefault("id", f"cell-{number}")
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return {
        "cells": made,
        "metadata": {"kernelspec": kernel},
        "nbformat": 4,
        "nbformat_minor": 5,
        **top,
    }


def wait_until(condition: Callable[[], bool], seconds: float, what: str) -> None:
    """Poll until the condition holds; TimeoutError after so many seconds."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"waited {seconds} s for {what}")
        time.sleep(0.02)
