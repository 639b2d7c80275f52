"""A real kernel, spoken to as a front-end does.

ORCH_NB_TEST_PYTHON names another interpreter to run the kernels with, such as one that has the
oldest IPython and ipykernel that are supported.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import KernelManager

ROOT = Path(__file__).resolve().parents[3]
PATIENCE = 120.0


@dataclass
class Ran:
    """What a cell showed and how it ended."""

    status: str
    text: str = ""  # of the streams
    value: str = ""  # of the last expression
    shown: list[dict[str, Any]] = field(default_factory=list)  # displays and their updates
    error: str = ""
    payload: list[dict[str, Any]] = field(default_factory=list)

    @property
    def table(self) -> str:
        """The flow's table at the end, as text."""
        return str(self.shown[-1]["text/plain"]) if self.shown else ""

    @property
    def html(self) -> str:
        return str(self.shown[-1]["text/html"]) if self.shown else ""


class Kernel:
    """A kernel process with its client."""

    def __init__(self, folder: Path, notebook: Path | None) -> None:
        self.folder = folder
        python = os.environ.get("ORCH_NB_TEST_PYTHON", sys.executable)
        self.manager = KernelManager()
        self.manager._kernel_spec = KernelSpec(
            argv=[python, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
            display_name="test",
            language="python",
        )
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        environment.pop("JPY_SESSION_NAME", None)
        if notebook is not None:
            environment["JPY_SESSION_NAME"] = str(notebook)
        self.manager.start_kernel(cwd=str(folder), env=environment)
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=PATIENCE)

    def send(self, code: str, cell_id: str | None = None) -> str:
        """Have a cell run; returns the message's id."""
        content = {
            "code": code,
            "silent": False,
            "store_history": True,
            "user_expressions": {},
            "allow_stdin": False,
            "stop_on_error": True,
        }
        message = self.client.session.msg("execute_request", content)
        if cell_id is not None:
            message["metadata"]["cellId"] = cell_id
        self.client.shell_channel.send(message)
        return str(message["header"]["msg_id"])

    def run(
        self,
        code: str,
        cell_id: str | None = None,
        seen: Callable[[dict[str, Any]], None] | None = None,
    ) -> Ran:
        """Run a cell and wait for its end; ``seen`` gets each message of it as it comes."""
        ran = self._run_once(code, cell_id, seen)
        while ran.status == "aborted":  # ipykernel 6 does that to what comes soon after an error
            ran = self._run_once(code, cell_id, seen)
        return ran

    def _run_once(
        self, code: str, cell_id: str | None, seen: Callable[[dict[str, Any]], None] | None
    ) -> Ran:
        sent = self.send(code, cell_id)
        ran = Ran("")
        while True:
            message = self.client.get_iopub_msg(timeout=PATIENCE)
            if message["parent_header"].get("msg_id") != sent:
                continue
            if seen is not None:
                seen(message)
            kind, content = message["msg_type"], message["content"]
            if kind == "status" and content["execution_state"] == "idle":
                break
            if kind == "stream":
                ran.text += content["text"]
            elif kind == "execute_result":
                ran.value = content["data"]["text/plain"]
            elif kind in ("display_data", "update_display_data"):
                ran.shown.append(content["data"])
            elif kind == "error":
                ran.error = "\n".join(content["traceback"])
        reply = self.reply(sent)
        ran.status, ran.payload = reply["status"], reply.get("payload", [])
        return ran

    def reply(self, sent: str) -> dict[str, Any]:
        """The content of the reply to a message on the shell channel."""
        while True:
            message = self.client.get_shell_msg(timeout=PATIENCE)
            if message["parent_header"].get("msg_id") == sent:
                content: dict[str, Any] = message["content"]
                return content

    def value(self, expression: str) -> str:
        """What an expression gives, as text."""
        ran = self.run(expression)
        assert ran.status == "ok", ran.error
        return ran.value

    def complete(self, line: str) -> list[str]:
        """The completions at the end of a line."""
        return list(self.reply(self.client.complete(line, len(line)))["matches"])

    def interrupt_when(self, marks: str) -> Callable[[dict[str, Any]], None]:
        """Interrupts the kernel once the flow's table shows ``marks``."""
        done = threading.Event()

        def seen(message: dict[str, Any]) -> None:
            data = message["content"].get("data", {})
            if marks in str(data.get("text/plain", "")) and not done.is_set():
                done.set()
                self.manager.interrupt_kernel()

        return seen

    def restart(self) -> None:
        """End the kernel's process and start another, as a front-end's restart does."""
        self.manager.restart_kernel(now=True)
        self.client.wait_for_ready(timeout=PATIENCE)

    def close(self) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)
        self.manager.cleanup_resources()


class SavedNotebook:
    """A notebook file whose cells are known by their ids."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.cells: dict[str, str] = {}
        self.tags: dict[str, list[str]] = {}

    def save(self, **cells: str) -> None:
        """Set cells (in order of first mention) and write the file."""
        self.cells |= cells
        document = {
            "cells": [
                {
                    "cell_type": "code",
                    "id": name,
                    "metadata": {"tags": self.tags.get(name, [])},
                    "source": source,
                    "outputs": [],
                    "execution_count": None,
                }
                for name, source in self.cells.items()
            ],
            "metadata": {},
            "nbformat": 4,
            "nbformat_minor": 5,
        }
        self.path.write_text(json.dumps(document))


@pytest.fixture(autouse=True)
def closed_loop() -> Iterator[None]:
    """jupyter_client keeps the loop that its blocking calls run in; nobody else closes it."""
    yield
    from jupyter_core.utils import ensure_event_loop

    ensure_event_loop().close()


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Kernel]]:
    """Starts kernels that all have one store of their own; with a notebook, or without."""
    monkeypatch.setenv("ORCH_NB_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("ORCH_NB_PANEL", "0")  # the table tells in words all that is shown
    started: list[Kernel] = []

    def start(notebook: Path | None = None) -> Kernel:
        kernel = Kernel(tmp_path, notebook)
        started.append(kernel)
        assert kernel.run("%load_ext orch_nb").status == "ok"
        return kernel

    yield start
    for kernel in started:
        kernel.close()


@pytest.fixture
def kernel(start: Callable[..., Kernel]) -> Kernel:
    """A kernel of which no notebook file is known."""
    return start()


@pytest.fixture
def saved(tmp_path: Path) -> SavedNotebook:
    return SavedNotebook(tmp_path / "sales.ipynb")
