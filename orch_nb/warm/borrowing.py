"""A template for one run, forked from one that the daemon keeps warm.

It holds the libraries of the run's notebook, as far as they were loaded beforehand.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
from collections.abc import Iterable, Sequence
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

    def __init__(self, descriptor: int, process: int) -> None:
        self.sock = socket.socket(fileno=descriptor)
        self._process = process
        self._handle = os.pidfd_open(process)

    @property
    def ended(self) -> bool:
        """Whether the process is no more."""
        return bool(self._wait(0.0))

    def last_words(self) -> str:
        """Empty: what such a process says on its way out is lost."""
        return ""

    def close(self) -> None:
        """End the process and the sessions it started; a second time nothing happens."""
        self.sock.close()
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
        self._imports = imports
        self._folder = folder
        self._line: Line | None = None
        if identity.is_wanted() and identity.is_private(identity.private_folder()):
            self._line = _ask(imports)
        if self._line is None:
            seen.append(tuple(imports))

    @property
    def promised(self) -> bool:
        """Whether there is a daemon that has been asked."""
        return self._line is not None

    def take(self) -> BorrowedTemplate | None:
        """The template; None when there is none to be had after all."""
        line, self._line = self._line, None
        try:
            lent = None if line is None else _receive(line)
            if lent is not None and _shadowed(lent[1], self._folder):
                lent[0].close()
                plain = _ask(())
                lent = None if plain is None else _receive(plain)
            if lent is None:
                return None
            lent[0].sock.sendall(encode({"op": "take over", **describe_self(self._folder)}))
            return lent[0]
        except (OSError, ValueError, KeyError, EOFError):
            return None

    def give_back(self) -> None:
        """It is not needed."""
        if self._line is not None:
            self._line.close()
            self._line = None


def _ask(imports: Sequence[str]) -> Line | None:
    """A line to the daemon, which has been asked for a template."""
    born = identity.standing()
    line = connect(f"{identity.address(born)}.sock", _PATIENCE)
    if line is None:
        return None
    question: dict[str, Any] = {"what": "template", "standing": born}
    try:
        line.send({**question, "environment": dict(os.environ), "imports": list(imports)})
    except OSError:
        line.close()
        return None
    return line


def _receive(line: Line) -> tuple[BorrowedTemplate, Sequence[str]] | None:
    with contextlib.closing(line):
        answer = line.receive()
        if answer is None or answer["op"] != "lent":
            return None
        (descriptor,) = line.take_descriptors()
        return BorrowedTemplate(descriptor, answer["process"]), answer["names"]


def _shadowed(names: Iterable[str], folder: str) -> bool:
    """Whether the folder holds what a library of that name, loaded from there, would differ by."""
    given = set(names)
    if not given:
        return False
    with os.scandir(folder) as found:
        there = {Path(entry.name).name.partition(".")[0] for entry in found}
    return not given.isdisjoint(there) or not _READ_IN_THE_FOLDER.isdisjoint(there)
