"""The driver's end of a template process; starting one costs nothing but the start itself."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from orch_nb.execution import processes


class Template:
    """The template process of one interpreter, exec'd and never forked from this process.

    ``environment`` is added to this process's; it counts from the interpreter's first moment.
    """

    def __init__(
        self,
        python: str | None = None,
        folder: str | Path | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        ours, theirs = socket.socketpair()
        self.sock = ours
        self._process = subprocess.Popen(
            [
                python or sys.executable,
                "-P",  # a module of the notebook's folder must not shadow the library's
                "-m",
                "orch_nb.execution.template",
                str(theirs.fileno()),
            ],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            cwd=folder,
            env={**os.environ, **(environment or {})},
            start_new_session=True,  # a Ctrl-C in the terminal is the driver's to handle
        )
        theirs.close()

    def last_words(self) -> str:
        """The end of what the process wrote to stderr, once it has ended."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(5)
        stream = self._process.stderr
        text = stream.read().decode(errors="replace") if stream and self.ended else ""
        return text.strip().rpartition("\n")[2]

    @property
    def ended(self) -> bool:
        """Whether the process is no more."""
        return self._process.poll() is not None

    def kill(self) -> None:
        """End the process, not the sessions it started."""
        self._process.kill()

    def take_session(self) -> socket.socket | None:
        """The session that was begun together with the template, once: none was."""
        return None

    def hang_up(self) -> None:
        """Let the process end, and the sessions it started, without waiting for it."""
        self.sock.close()

    def close(self) -> None:
        """End the process and the sessions it started."""
        self.hang_up()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            processes.kill_tree(self._process.pid)
            self._process.wait()
        if self._process.stderr:
            self._process.stderr.close()


class SpareTemplate:
    """A template for the next run of this process, started before it is known which that is.

    It serves a run in this interpreter whose environment is what it was then.
    """

    def __init__(self) -> None:
        self._template: Template | None = None
        self._environment: dict[str, str] = {}

    def start(self) -> None:
        """Have it come up, without waiting for it."""
        self._environment = dict(os.environ)
        self._template = Template()

    def take(self) -> Template | None:
        """The template, if there is one and the environment has not changed since."""
        if self._template is None or dict(os.environ) != self._environment:
            return None
        template, self._template = self._template, None
        return None if template.ended else template

    def close(self) -> None:
        """End it if nobody took it; at once, since no session has begun in it."""
        if self._template is not None:
            self._template.kill()
            self._template.close()
            self._template = None


spare = SpareTemplate()
