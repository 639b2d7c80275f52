"""Locks whose holders are not interrupted: what is done in them is done as a whole."""

from __future__ import annotations

import threading
from types import TracebackType

_main = threading.main_thread().ident
_depth = 0  # of such locks that the main thread is in
_asked = False


def put_off_interrupt() -> bool:
    """For the handler of a signal that interrupts: whether the main thread is in such a lock.
    Then KeyboardInterrupt is raised as it leaves, and not by the handler."""
    global _asked
    _asked = _depth > 0
    return _asked


class UndisturbedLock:
    """A reentrant lock, see the module."""

    def __init__(self) -> None:
        self._lock = threading.RLock()

    def __enter__(self) -> None:
        global _depth
        if threading.get_ident() == _main:
            _depth += 1
        self._lock.acquire()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        global _depth, _asked
        self._lock.release()
        if threading.get_ident() == _main:
            _depth -= 1
            if _asked and not _depth:
                _asked = False
                raise KeyboardInterrupt
