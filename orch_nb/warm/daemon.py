"""The warm daemon: it runs commands in forks of itself, and lends templates for their sessions.

It has one thread, no store and no event loop, so that it can be forked at any time. It ends when
nobody has asked for anything for a while, when told to, and when a file that it or its templates
have loaded is another; commands that run then are seen to their end.
"""

from __future__ import annotations

import contextlib
import gc
import os
import selectors
import signal
import socket
import stat
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

from orch_nb.execution import processes
from orch_nb.execution.preloading import module_files
from orch_nb.warm.environment import fits
from orch_nb.warm.messages import Line, Message, peer_of
from orch_nb.warm.nursery import Bed, Nursery
from orch_nb.warm.options import DaemonOptions
from orch_nb.warm.standby import RunCommand, Standby
from orch_nb.warm.watching import Watched

_MOST_NURSERIES = 3
_REST = 0.3  # seconds without a command before libraries are loaded beforehand
_RUDE = 5.0  # seconds for a client to say what it wants


@dataclass(eq=False, slots=True)
class _Guest:
    """A connection, what it is for, and the process of its command."""

    line: Line
    what: str = ""
    caller: int = 0  # the process at the other end
    handle: int = -1  # a descriptor of that, once its command has a process
    process: int = 0
    began: float = field(default_factory=time.monotonic)

    @property
    def works(self) -> bool:
        """Whether it is more than a look."""
        return self.what in ("command", "template")

    @property
    def keeps(self) -> bool:
        """Whether all it wants is that the daemon stays."""
        return self.what == "keep"


class Daemon:
    """See the module; ``run`` is what runs a command line in a fork, ``get_ready`` imports what it
    needs, while the first template boots, and ``rehearse`` runs a command of no consequence."""

    def __init__(
        self,
        options: DaemonOptions,
        run: RunCommand,
        get_ready: Callable[[], None],
        rehearse: Callable[[], None],
    ) -> None:
        self._options = options
        self._run = run
        self._get_ready = get_ready
        self._rehearse = rehearse
        self._standby: Standby | None = None
        self._may_rehearse = True
        self._selector = selectors.DefaultSelector()
        self._guests: set[_Guest] = set()
        self._commands: dict[int, _Guest] = {}
        self._nurseries: list[Nursery] = []
        self._watched = Watched()
        self._since = self._used = time.monotonic()
        self._served = 0
        self._leaving = ""
        self._listener: socket.socket | None = None
        self._lock: int | None = options.lock

    def serve(self) -> None:
        """Be there until there is reason to leave."""
        self._take_signals()
        self._add_nursery(os.environ)
        # a run takes signals as its own; one that is for this process waits until then
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        self._get_ready()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
        self._watched.add(module_files())
        for imports in self._options.imports:
            self._nurseries[0].ask(imports)
        try:
            while not (self._leaving and not self._commands):
                self._step()
        finally:
            self._leave("it has ended")
            self._end_standby()
            for nursery in self._nurseries:
                nursery.close()

    # -- its life

    def _step(self) -> None:
        for key, _events in self._selector.select(self._nap()):
            key.data()
        now = time.monotonic()
        rude = [g for g in self._guests if not (g.process or g.keeps) and now - g.began > _RUDE]
        for guest in rude:
            self._dismiss(guest)
        if not self._leaving and self._listener is None and self._nurseries[0].ready:
            self._listen()
        if self._commands or any(guest.works for guest in self._guests):
            self._used = now
        elif now - self._used >= _REST and all(guest.what for guest in self._guests):
            self._work()  # not while somebody is about to say what he wants
        kept = any(guest.keeps for guest in self._guests)
        if now - self._used > self._options.idle and not kept:
            self._leave("nobody has asked for anything")

    def _nap(self) -> float:
        if self._wants_standby() or any(nursery.has_work() for nursery in self._nurseries):
            return _REST
        return min(self._options.idle, 1.0 if self._guests else 30.0)

    def _work(self) -> None:
        """Use the rest: look whether it is stale, and make what was asked for."""
        if changed := self._watched.changed():
            self._leave(f"{changed} has changed")
        for nursery in self._nurseries:
            if not self._leaving and nursery.has_work():
                nursery.work()
        if self._wants_standby():
            self._standby = Standby(self._forget_all, self._run, self._rehearse)
            self._selector.register(self._standby.sock, selectors.EVENT_READ, self._hear_standby)

    def _listen(self) -> None:
        path = Path(f"{self._options.address}.sock")
        path.unlink(missing_ok=True)
        gc.collect()
        gc.freeze()  # what is there stays shared with the forks
        listener = socket.socket(socket.AF_UNIX)
        listener.setblocking(False)
        listener.bind(str(path))
        path.chmod(stat.S_IRUSR | stat.S_IWUSR)
        listener.listen(64)
        self._selector.register(listener, selectors.EVENT_READ, self._accept)
        self._listener = listener

    def _leave(self, why: str) -> None:
        """Take no more guests, and make room for another daemon."""
        self._leaving = self._leaving or why
        if self._listener is not None:
            self._selector.unregister(self._listener)
            self._listener.close()
            self._listener = None
            Path(f"{self._options.address}.sock").unlink(missing_ok=True)
        if self._lock is not None:
            Path(f"{self._options.address}.lock").unlink(missing_ok=True)
            os.close(self._lock)
            self._lock = None

    def _take_signals(self) -> None:
        read, write = os.pipe()
        for end in (read, write):
            os.set_blocking(end, False)

        def drain() -> None:
            with contextlib.suppress(BlockingIOError):
                os.read(read, 4096)
            self._reap()

        def stop(number: int, frame: FrameType | None) -> None:
            self._leave("it was told to")

        self._selector.register(read, selectors.EVENT_READ, drain)
        self._wakes = (read, write)
        signal.set_wakeup_fd(write, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, _do_nothing)
        for number, handler in (
            (signal.SIGTERM, stop),
            (signal.SIGINT, _do_nothing),
            (signal.SIGHUP, _do_nothing),
        ):
            if signal.getsignal(number) is not signal.SIG_IGN:  # else its forks must not hear it
                signal.signal(number, handler)

    # -- the process for the next command

    def _wants_standby(self) -> bool:
        absent = self._standby is None and self._listener is not None
        return absent and self._may_rehearse and not self._leaving

    def _hear_standby(self) -> None:
        if self._standby is not None and not self._standby.hear():
            self._may_rehearse = False  # it would fail again
            self._end_standby()

    def _take_standby(self) -> Standby | None:
        """The process that waits, for one to be its command's."""
        standby = self._standby
        if standby is None or not standby.ready:
            return None
        self._selector.unregister(standby.sock)
        self._standby = None
        return standby

    def _end_standby(self) -> None:
        if self._standby is not None:
            with contextlib.suppress(KeyError, ValueError):
                self._selector.unregister(self._standby.sock)
            self._standby.close()
            self._standby = None

    # -- templates

    def _add_nursery(self, environment: Mapping[str, str]) -> Nursery:
        while len(self._nurseries) >= _MOST_NURSERIES:
            oldest = min(self._nurseries[1:], key=lambda one: one.used)
            self._nurseries.remove(oldest)
            oldest.close()
        found = Nursery(
            environment, self._watch, self._unwatch, self._watched.add, self._options.memory
        )
        self._nurseries.append(found)
        return found

    def _watch(self, nursery: Nursery, bed: Bed) -> None:
        """Hear what a template says."""
        self._selector.register(bed.sock, selectors.EVENT_READ, partial(self._hear, nursery, bed))

    def _unwatch(self, bed: Bed) -> None:
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(bed.sock)

    def _hear(self, nursery: Nursery, bed: Bed) -> None:
        try:
            nursery.hear(bed)
        except EOFError:
            self._nurseries.remove(nursery)
            nursery.close()
            if not self._nurseries:
                self._leave("the template has ended")

    def _lend(self, guest: _Guest, message: Message) -> None:
        environment = message["environment"]
        for nursery in self._nurseries:
            if nursery.ready and fits(nursery.environment, environment):
                break
        else:
            guest.line.send({"op": "none"})
            if not any(fits(one.environment, environment) for one in self._nurseries):
                self._add_nursery(environment).ask(message["imports"])
            return

        def lent(pid: int, names: Sequence[str]) -> None:
            with contextlib.suppress(OSError):
                guest.line.send({"op": "lent", "process": pid, "names": list(names)})

        (theirs,) = guest.line.take_descriptors()
        nursery.lend(message["imports"], theirs, lent)

    # -- guests

    def _accept(self) -> None:
        if self._listener is None:
            return
        try:
            sock, _ = self._listener.accept()
        except OSError:
            return
        sock.setblocking(True)
        sock.settimeout(_RUDE)
        caller, user = peer_of(sock)
        if user != os.getuid():
            sock.close()
            return
        guest = _Guest(Line(sock), caller=caller)
        self._guests.add(guest)
        self._selector.register(sock, selectors.EVENT_READ, partial(self._serve_guest, guest))

    def _serve_guest(self, guest: _Guest) -> None:
        try:
            open_still = guest.line.read()
            for message in guest.line.messages():
                self._answer(guest, message)
        except (OSError, ValueError, KeyError, TypeError, EOFError):
            open_still = False
        if not open_still and guest in self._guests:
            self._dismiss(guest)

    def _answer(self, guest: _Guest, message: Message) -> None:
        if not guest.what:
            guest.what = message["what"]
            wrong = "standing" in message and message["standing"] != self._options.standing
            if guest.what == "status":
                guest.line.send(self._status())
            elif guest.what == "stop":
                self._leave("it was told to")
                guest.line.send({"op": "stopping", "commands": len(self._commands)})
            elif guest.what == "command" and not wrong and not self._leaving:
                guest.line.send({"op": "ready"})
                if self._is_stale():  # looked at while the client gathers what it has to send
                    self._dismiss(guest)
                else:
                    self._begin(guest)
            elif guest.what == "template" and guest.caller in self._commands and not wrong:
                self._lend(guest, message)  # all was looked at when that command began
            elif wrong or self._is_stale():
                self._dismiss(guest)
            elif guest.what == "template":
                self._lend(guest, message)

    def _is_stale(self) -> bool:
        if not self._leaving and (changed := self._watched.changed()):
            self._leave(f"{changed} has changed")
        return bool(self._leaving)

    def _dismiss(self, guest: _Guest) -> None:
        """Let a guest go; a command whose client is gone is killed, as the client was."""
        self._guests.discard(guest)
        for watched in (guest.line.sock, guest.handle):
            with contextlib.suppress(KeyError, ValueError):
                self._selector.unregister(watched)
        guest.line.close()
        if guest.handle >= 0:
            os.close(guest.handle)
            guest.handle = -1
        if guest.process:
            with contextlib.suppress(ProcessLookupError):
                os.kill(guest.process, signal.SIGKILL)

    def _begin(self, guest: _Guest) -> None:
        """Have a process run the command: it reads what the client sends, and here it is only
        looked whether the client lives."""
        guest.handle = os.pidfd_open(guest.caller)
        standby = self._take_standby() or Standby(self._forget_all, self._run)
        guest.process = standby.process
        self._commands[guest.process] = guest
        self._served += 1
        self._selector.unregister(guest.line.sock)
        self._selector.register(guest.handle, selectors.EVENT_READ, partial(self._dismiss, guest))
        standby.take(guest.line)

    def _forget_all(self) -> None:
        """In a fork: what is the daemon's own is closed, and no more."""
        signal.set_wakeup_fd(-1)
        self._selector.close()
        for descriptor in (*self._wakes, self._lock):
            if descriptor is not None:
                os.close(descriptor)
        if self._listener is not None:
            self._listener.close()
        for guest in self._guests:
            guest.line.close()
            if guest.handle >= 0:
                os.close(guest.handle)
        self._end_standby()
        for nursery in self._nurseries:
            for bed in (nursery.first, *nursery.sets.values()):
                bed.close()

    def _reap(self) -> None:
        for pid, guest in list(self._commands.items()):
            found, status = os.waitpid(pid, os.WNOHANG)
            if not found:
                continue
            del self._commands[pid]
            guest.process = 0
            code = os.waitstatus_to_exitcode(status)
            if code < 0:
                with contextlib.suppress(OSError):
                    guest.line.send({"op": "killed", "signal": -code})
            self._dismiss(guest)

    def _status(self) -> dict[str, Any]:
        now = time.monotonic()
        beds = [(nursery, bed) for nursery in self._nurseries for bed in nursery.sets.values()]
        own = [os.getpid(), *(nursery.process for nursery in self._nurseries)]
        memory = sum(processes.memory_of(pid) or 0 for pid in own)
        if self._standby is not None:
            memory += processes.own_memory_of(self._standby.process)
        return {
            "op": "status",
            "process": os.getpid(),
            "up": now - self._since,
            "idle": now - self._used,
            "running": len(self._commands),
            "served": self._served,
            "standby": self._standby is not None and self._standby.ready,
            "memory": memory + sum(bed.memory for _, bed in beds),
            "libraries": [list(bed.wanted) for _, bed in beds if bed.ready],
            "leaving": self._leaving,
        }


def _do_nothing(number: int, frame: FrameType | None) -> None:
    """A handler, which an exec'd process does not inherit; that a signal is ignored it would."""
