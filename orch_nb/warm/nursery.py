"""Templates that are kept between runs: one without libraries, and one for each set that is used.

All are forks of the first, and none ever holds a library that the notebook it is lent for does
not import.
"""

from __future__ import annotations

import collections
import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from orch_nb.execution.job import Decoder, Message, encode

_MOST_SETS = 12

# The process of a template that was forked, and the top-level modules that it holds.
Lent = Callable[[int, Sequence[str]], None]


@dataclass(eq=False, slots=True)
class Bed:
    """One template that others are forked from. ``wanted`` are the modules it was made for, and
    ``names`` the top-level ones that it holds."""

    sock: socket.socket
    wanted: tuple[str, ...]
    ready: bool = False
    names: tuple[str, ...] = ()
    memory: int = 0
    used: float = 0.0
    decoder: Decoder = field(default_factory=Decoder)
    lending: collections.deque[Lent] = field(default_factory=collections.deque)

    def fork(self, theirs: int, lent: Lent) -> None:
        """Have a template forked, which obeys the descriptor ``theirs``; it is closed here."""
        socket.send_fds(self.sock, [encode({"op": "template"})], [theirs])
        os.close(theirs)
        self.lending.append(lent)

    def read(self) -> list[Message] | None:
        """What it says; None at its end."""
        data = self.sock.recv(1 << 18)
        return self.decoder.feed(data) if data else None

    def close(self) -> None:
        """It ends by itself."""
        self.sock.close()


class Nursery:
    """The templates of one environment. ``watch`` is told of sockets to be read, ``unwatch`` of
    their end, ``loaded`` of the files that templates were made from."""

    def __init__(
        self,
        environment: Mapping[str, str],
        watch: Callable[[Nursery, Bed], None],
        unwatch: Callable[[Bed], None],
        loaded: Callable[[Sequence[str]], None],
        memory: int,
    ) -> None:
        self.environment = dict(environment)
        self.used = time.monotonic()
        self._watch = watch
        self._unwatch = unwatch
        self._loaded = loaded
        self._most_memory = memory
        self._refused: set[str] = set()
        self._too_large: set[frozenset[str]] = set()
        self._asked: collections.deque[tuple[str, ...]] = collections.deque()
        ours, theirs = socket.socketpair()
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "orch_nb.execution.template", str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            env=self.environment,
            start_new_session=True,
        )
        theirs.close()
        self.first = Bed(ours, ())
        self.sets: dict[tuple[str, ...], Bed] = {}
        watch(self, self.first)
        ours.sendall(encode({"op": "warm", "modules": []}))

    @property
    def ready(self) -> bool:
        """Whether it can lend."""
        return self.first.ready

    @property
    def process(self) -> int:
        """The first template's."""
        return self._process.pid

    def lend(self, imports: Sequence[str], theirs: int, lent: Lent) -> None:
        """Have a template forked for a notebook with those imports, which obeys the descriptor
        ``theirs``, and ``lent`` called with it."""
        self.used = time.monotonic()
        wanted = frozenset(imports)
        fitting = [b for b in self.sets.values() if b.ready and wanted.issuperset(b.wanted)]
        bed = max(fitting, key=lambda one: len(one.wanted), default=self.first)
        bed.used = self.used
        bed.fork(theirs, lent)
        self.ask(imports)

    def ask(self, imports: Sequence[str]) -> None:
        """Remember that a notebook imports these, in that order."""
        wanted = tuple(name for name in imports if name not in self._refused)
        known = self._too_large.union(map(frozenset, (*self.sets, *self._asked)))
        if wanted and frozenset(wanted) not in known:
            self._asked.append(wanted)

    def has_work(self) -> bool:
        """Whether there are sets that were asked for and are not there, and none is being made."""
        return self.ready and bool(self._asked) and all(bed.ready for bed in self.sets.values())

    def work(self) -> None:
        """Make a set that was asked for; it is lent once it says that it is ready."""
        wanted = tuple(n for n in self._asked.popleft() if n not in self._refused)
        if not wanted or wanted in self.sets:
            return
        ours, theirs = socket.socketpair()
        self.first.fork(theirs.detach(), lambda *_: None)
        bed = Bed(ours, wanted, used=time.monotonic())
        self.sets[wanted] = bed
        self._watch(self, bed)
        ours.sendall(encode({"op": "warm", "modules": list(wanted)}))

    def hear(self, bed: Bed) -> None:
        """Read what a template says. Raises EOFError when the first is gone."""
        try:
            messages = bed.read()
        except OSError:
            messages = None
        for message in messages or ():
            self._heard(bed, message)
        if messages is None:
            self._drop(bed)
            if bed is self.first:
                raise EOFError("the first template has ended")

    def _heard(self, bed: Bed, message: Message) -> None:
        if message["op"] == "template":
            bed.lending.popleft()(message["pid"], bed.names)
        elif message["op"] == "warm" and message["refused"]:
            self._refused |= message["refused"].keys()
            self._drop(bed)
            self.ask(bed.wanted)
        elif message["op"] == "warm":
            bed.ready, bed.memory = True, message["memory"]
            bed.names = tuple(message["names"])
            self._loaded(message["files"])
            self._keep_small()

    def _keep_small(self) -> None:
        """End the sets that were not used for longest, when all together are too much."""
        by_use = sorted(self.sets.values(), key=lambda one: one.used)
        while by_use and (
            len(by_use) > _MOST_SETS or sum(one.memory for one in by_use) > self._most_memory
        ):
            gone = by_use.pop(0)
            if not by_use:  # it alone is too much
                self._too_large.add(frozenset(gone.wanted))
            self._drop(gone)

    def _drop(self, bed: Bed) -> None:
        self._unwatch(bed)
        bed.close()
        if self.sets.get(bed.wanted) is bed:
            del self.sets[bed.wanted]

    def close(self) -> None:
        """End all templates that lie here; those that are lent go on."""
        for bed in (*self.sets.values(), self.first):
            self._drop(bed)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(2)
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
