"""A thread that calls a panel's flush soon after something changed, and not too often."""

from __future__ import annotations

import threading
from collections.abc import Callable

from orch_nb.browser import is_in_browser

Flush = Callable[[], float]  # returns the seconds until it wants to be called again; 0: done


class Pump:
    """Runs only while there is something to send: a kernel keeps no thread for a run that ended."""

    def __init__(self, flush: Flush) -> None:
        self._flush = flush
        self._changed = threading.Condition()
        self._pending = False
        self._closed = False
        self._thread: threading.Thread | None = None

    def poke(self) -> None:
        """Something changed. From any thread."""
        if is_in_browser():  # there are no threads
            if not self._closed:
                self._flush()
            return
        with self._changed:
            self._pending = True
            if self._thread is None and not self._closed:
                self._thread = threading.Thread(
                    target=self._work, name="orch_nb panel", daemon=True
                )
                self._thread.start()
            self._changed.notify()

    def close(self) -> None:
        """Flush no more, and wait for the thread's end, unless this is it."""
        with self._changed:
            self._closed = True
            self._changed.notify()
            thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout=5)

    def _work(self) -> None:
        left = 0.0
        while True:
            with self._changed:
                if left > 0:
                    self._changed.wait_for(lambda: self._closed, timeout=left)
                elif not self._pending:
                    self._changed.wait_for(lambda: self._pending or self._closed)
                if self._closed:
                    return
                self._pending = False
            left = self._flush()
