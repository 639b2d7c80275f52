"""While a warm process runs a command, its client passes signals on, and then ends as it did."""

from __future__ import annotations

import os
import signal

TYPE_CHECKING = False  # as type checkers take it: a warm command waits for no import of typing
if TYPE_CHECKING:
    from types import FrameType
    from typing import NoReturn

    from orch_nb.warm.messages import Line, Message

_PASSED_ON = ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGWINCH", "SIGUSR1", "SIGUSR2")


class _Signals:
    """Passes on to the command what this process is sent."""

    def __init__(self) -> None:
        self._process: int | None = None  # a descriptor of it
        self._early: list[int] = []
        numbers = [getattr(signal, name) for name in _PASSED_ON]
        self._before = {number: signal.signal(number, self._pass_on) for number in numbers}
        self._before[signal.SIGTSTP] = signal.signal(signal.SIGTSTP, self._pause)

    def restore(self) -> None:
        """The command runs in this process after all."""
        for number, handler in self._before.items():
            signal.signal(number, handler)
        for number in self._early:
            os.kill(os.getpid(), number)

    def follow(self, process: int) -> None:
        """The command runs: what came before goes to it now."""
        self._process = process
        for number in self._early:
            self._send(number)

    def _pass_on(self, number: int, frame: FrameType | None) -> None:
        if self._process is None:
            self._early.append(number)
        else:
            self._send(number)

    def _pause(self, number: int, frame: FrameType | None) -> None:
        self._send(signal.SIGSTOP)
        os.kill(os.getpid(), signal.SIGSTOP)
        self._send(signal.SIGCONT)

    def _send(self, number: int) -> None:
        try:
            if self._process is not None:
                signal.pidfd_send_signal(self._process, number)
        except ProcessLookupError:
            pass  # it has ended, and its last message is on the way


def follow(line: Line) -> None:
    """End as the command ends that the daemon was sent. Returns only if it was never begun."""
    line.sock.settimeout(None)
    signals = _Signals()
    started = line.receive()
    if started is None or started["op"] != "started":
        signals.restore()
        return
    signals.follow(line.take_descriptors()[0])
    try:
        last = line.receive()
    except OSError:
        last = None
    _end(last)


def _end(last: Message | None) -> NoReturn:
    if last is not None and "signal" in last:
        signal.signal(last["signal"], signal.SIG_DFL) if last["signal"] != signal.SIGKILL else None
        os.kill(os.getpid(), last["signal"])
    if last is None or "code" not in last:
        os.write(2, b"error: the warm process that ran the command ended unexpectedly\n")
        os._exit(1)
    os._exit(last["code"])
