"""A Jupyter kernel's process: its start, its signs of life, its end with all it started."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jupyter_client.manager import AsyncKernelManager

from orch_nb.errors import SessionError
from orch_nb.execution import processes

log = logging.getLogger("orch_nb.kernel")
log.addHandler(logging.NullHandler())

_KEPT = 8192  # bytes of stderr kept for the last words
_POLITE = 3.0  # seconds that an idle kernel has to end by itself, half of it before SIGTERM


class KernelProcess:
    """One kernel, from start to close. ``manager`` and ``client`` are jupyter_client's;
    ``language_info`` is what it tells of its language, once started."""

    def __init__(self, name: str, arguments: Sequence[str] = ()) -> None:
        self._name = name
        self._arguments = list(arguments)
        self._stderr = bytearray()
        self._pipe: int | None = None
        self._closed = False
        self.manager: Any = AsyncKernelManager(kernel_name=name, log=log)
        self.manager.shutdown_wait_time = _POLITE
        self.client: Any = None
        self.language_info: Mapping[str, Any] = {}

    async def start(self, folder: str, environment: Mapping[str, str], patience: float) -> None:
        """Start the kernel and wait ``patience`` seconds for its first answer.

        Raises SessionError with the kernel's last words; nothing is left behind then.
        """
        try:
            await self._launch(folder, environment)
            self.client = self.manager.client()
            # no stdin: a cell that asks for input gets an error; no heartbeat: the process is ours
            self.client.start_channels(stdin=False, hb=False)
            await self.client.wait_for_ready(timeout=patience)
            reply = await self.client.kernel_info(reply=True, timeout=patience)
            self.language_info = reply["content"].get("language_info", {})
        except (OSError, RuntimeError, TimeoutError) as error:
            words = await self._why_not_started(error, patience)
            await self.close(politely=False)
            raise SessionError(f"kernel '{self._name}' {words}") from error
        except BaseException:
            await self.close(politely=False)
            raise

    @property
    def pid(self) -> int | None:
        """The kernel's process id; None before the start, or when it runs elsewhere."""
        return getattr(self.manager.provisioner, "pid", None)

    async def is_alive(self) -> bool:
        """Whether the process runs."""
        return bool(await self.manager.is_alive())

    async def interrupt(self) -> None:
        """Interrupt what runs, in the way the kernel's specification asks for."""
        with contextlib.suppress(OSError, RuntimeError):  # it may end meanwhile
            await self.manager.interrupt_kernel()

    def kill(self) -> None:
        """End the kernel and all processes that it started, at once."""
        if self.pid is not None and self.manager.has_kernel:
            processes.kill_tree(self.pid)

    async def how_it_ended(self) -> str:
        """In words, with its last words if there are any; empty while it lives."""
        code = await self.manager.provisioner.poll() if self.manager.provisioner else None
        if code is None:
            return ""
        words = processes.how_it_ended(code)
        if code < 0:
            return f"ended by {words}"
        said = self._last_line()
        return words + (f": {said}" if said else "")

    async def close(self, *, politely: bool) -> None:
        """End the kernel, once; ``politely`` lets it finish its own affairs first."""
        if self._closed:
            return
        self._closed = True
        family = _family(self.pid) if self.pid is not None else {}
        if not politely:
            self.kill()
        if self.manager.provisioner is not None:
            await self.manager.shutdown_kernel(now=not politely)
        for pid, session in family.items():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                if os.getsid(pid) == session:  # else the number belongs to another process now
                    os.kill(pid, signal.SIGKILL)
        if self.pid is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)
        if self.client is not None:
            self.client.stop_channels()
            self.client = None
        await self.manager.cleanup_resources()
        self._close_pipe()

    async def _launch(self, folder: str, environment: Mapping[str, str]) -> None:
        self._pipe, theirs = os.pipe()
        os.set_blocking(self._pipe, False)
        asyncio.get_running_loop().add_reader(self._pipe, self._read)
        try:
            await self.manager.start_kernel(
                extra_arguments=self._arguments,
                cwd=folder,
                env={**os.environ, **environment},
                stdout=subprocess.DEVNULL,  # the terminal is the driver's to paint
                stderr=theirs,
            )
        finally:
            os.close(theirs)

    async def _why_not_started(self, error: Exception, patience: float) -> str:
        ended = await self.how_it_ended()
        if ended:
            self._read()
            return f"did not start: {self._last_line() or ended}"
        if self.manager.has_kernel:
            return f"did not answer within {patience:g} s"
        return f"did not start: {error}"

    def _read(self) -> None:
        """Take what the kernel wrote to stderr, and keep the end of it."""
        while self._pipe is not None:
            try:
                data = os.read(self._pipe, 1 << 16)
            except BlockingIOError:
                return
            if not data:
                self._close_pipe()
                return
            self._stderr = (self._stderr + data)[-_KEPT:]

    def _last_line(self) -> str:
        return self._stderr.decode(errors="replace").strip().rpartition("\n")[2].strip()

    def _close_pipe(self) -> None:
        if self._pipe is not None:
            asyncio.get_running_loop().remove_reader(self._pipe)
            os.close(self._pipe)
            self._pipe = None


def _family(pid: int) -> dict[int, int]:
    """A process's descendants, with the session that each belongs to."""
    found: dict[int, int] = {}
    todo = processes.children_of(pid)
    for member in todo:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            found[member] = os.getsid(member)
            todo.extend(processes.children_of(member))
    return found


def begin_peak(pid: int) -> None:
    """Count a process's peak memory anew (Linux only)."""
    with contextlib.suppress(OSError):
        Path(f"/proc/{pid}/clear_refs").write_text("5")


def peak_of(pid: int) -> int:
    """A process's peak resident memory since ``begin_peak`` in bytes; 0 when it can't be told."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return 0
