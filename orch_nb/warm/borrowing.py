"""A template for one run, forked from one that the daemon keeps warm.

It holds the libraries of the run's notebook, as far as they were loaded beforehand.
"""

from __future__ import annotations

import os
import select
import socket
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orch_nb.execution import processes
from orch_nb.execution.inheriting import describe_self
from orch_nb.execution.job import encode
from orch_nb.warm import identity
from orch_nb.warm.client import connect
from orch_nb.warm.messages import Line

_PATIENCE = 1.0  # seconds for the daemon to lend one
_END_SECONDS = 5.0  # for a template to end when its connection has closed
seen: list[tuple[str, ...]] = []  # the imports of this process's runs that got none
_READ_IN_THE_FOLDER = frozenset({"matplotlibrc"})  # by a library, when it is loaded


class BorrowedTemplate:
    """See orch_nb.runners.template.Template, whose part it takes."""

    def __init__(self, sock: socket.socket, session: socket.socket, process: int) -> None:
        self.sock = sock
        self._session: socket.socket | None = session
        self._process = process
        self._handle = os.pidfd_open(process)

    @property
    def ended(self) -> bool:
        """Whether the process is no more."""
        return bool(self._wait(0.0))

    def last_words(self) -> str:
        """Empty: what such a process says on its way out is lost."""
        return ""

    def take_session(self) -> socket.socket | None:
        """The session that was asked for together with the template, once."""
        session, self._session = self._session, None
        return session

    def hang_up(self) -> None:
        """Let the process end, and the sessions it started, without waiting for it."""
        self.sock.close()
        if self._session is not None:
            self._session.close()

    def close(self) -> None:
        """End the process and the sessions it started; a second time nothing happens."""
        self.hang_up()
        if self._handle < 0:
            return
        if not self._wait(_END_SECONDS):
            processes.kill_tree(self._process)
        os.close(self._handle)
        self._handle = -1

    def _wait(self, seconds: float) -> bool:
        return self._handle < 0 or bool(select.select([self._handle], [], [], seconds)[0])


class Loan:
    """A template that was asked for, and is forked while its borrower does other things."""

    def __init__(self, imports: Sequence[str], folder: str) -> None:
        self._folder = folder
        self._asked: _Asked | None = None
        if identity.is_wanted() and identity.is_private(identity.private_folder()):
            self._asked = _ask(imports, folder)
        if self._asked is None:
            seen.append(tuple(imports))

    @property
    def promised(self) -> bool:
        """Whether there is a daemon that has been asked."""
        return self._asked is not None

    def take(self) -> BorrowedTemplate | None:
        """The template; None when there is none to be had after all."""
        asked, self._asked = self._asked, None
        lent = None if asked is None else asked.receive()
        if lent is not None and _shadowed(lent[1], self._folder):
            lent[0].close()
            plain = _ask((), self._folder)
            lent = None if plain is None else plain.receive()
        return None if lent is None else lent[0]

    def give_back(self) -> None:
        """It is not needed."""
        if self._asked is not None:
            self._asked.close()
            self._asked = None


@dataclass(frozen=True, slots=True)
class _Asked:
    """A line to the daemon, and the borrower's ends of what the template was told beforehand: to
    take over, and to begin a session."""

    line: Line
    sock: socket.socket
    session: socket.socket

    def receive(self) -> tuple[BorrowedTemplate, Sequence[str]] | None:
        """The template, with the top-level modules that it holds."""
        try:
            answer = self.line.receive()
            if answer is None or answer["op"] != "lent":
                self.close()
                return None
            found = BorrowedTemplate(self.sock, self.session, answer["process"]), answer["names"]
        except (OSError, ValueError, KeyError, EOFError):
            self.close()
            return None
        self.line.close()
        return found

    def close(self) -> None:
        self.line.close()
        self.sock.close()
        self.session.close()


def _ask(imports: Sequence[str], folder: str) -> _Asked | None:
    """Ask the daemon for a template, and tell the template what comes first."""
    born = identity.standing()
    line = connect(f"{identity.address(born)}.sock", _PATIENCE)
    if line is None:
        return None
    ours, theirs = socket.socketpair()
    session, of_session = socket.socketpair()
    asked = _Asked(line, ours, session)
    ours.settimeout(_PATIENCE)  # nobody may be there to read it
    took_over = encode({"op": "take over", **describe_self(folder)})
    question: dict[str, Any] = {"what": "template", "standing": born}
    question |= {"environment": dict(os.environ), "imports": list(imports)}
    try:
        with theirs, of_session:
            line.send(question, [theirs.fileno()])
            ours.sendall(took_over)
            socket.send_fds(ours, [encode({"op": "session"})], [of_session.fileno()])
    except OSError:
        asked.close()
        return None
    ours.settimeout(None)
    return asked


def _shadowed(names: Iterable[str], folder: str) -> bool:
    """Whether the folder holds what a library of that name, loaded from there, would differ by."""
    given = set(names)
    if not given:
        return False
    with os.scandir(folder) as found:
        there = {Path(entry.name).name.partition(".")[0] for entry in found}
    return not given.isdisjoint(there) or not _READ_IN_THE_FOLDER.isdisjoint(there)
