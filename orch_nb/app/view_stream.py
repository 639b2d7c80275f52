"""Send a view's changes in batches: at most so many messages a second, whatever happens."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from orch_nb.app.view_schema import Delta, Snapshot
from orch_nb.app.viewing import RunView, delta, snapshot

INTERVAL = 0.1  # seconds between messages: half of what the promise of 20 a second allows

Send = Callable[[Delta | Snapshot], Any]
Clock = Callable[[], float]  # seconds since 1970


class ViewStream:
    """Compares what was sent with what is, when ``flush`` is called; not thread-safe.

    The clock is an argument, and nothing here waits: the owner calls ``flush`` when ``due`` says
    so, from whatever loop or thread it has.
    """

    def __init__(self, view: RunView, send: Send, clock: Clock, interval: float = INTERVAL) -> None:
        self._sent = view
        self._send = send
        self._clock = clock
        self._interval = interval
        self._last = float("-inf")
        self.seq = 0

    def due(self) -> float:
        """Seconds until the next message may go; 0.0 when it may go now."""
        left = self._last + self._interval - self._clock()
        return min(max(0.0, left), self._interval)  # the clock may have been set back

    def flush(self, view: RunView, *, force: bool = False) -> bool:
        """Send what has changed since the last message, if that is due (or ``force``).

        Returns whether the receivers now know all of ``view``.
        """
        if view is self._sent:
            return True
        if not force and self.due() > 0:
            return False
        now = self._clock()
        message: Delta | Snapshot | None
        if len(view.rows) < len(self._sent.rows) or view.graph is not self._sent.graph:
            message = snapshot(view, self.seq + 1, now)
        else:
            message = delta(self._sent, view, self.seq + 1, now)
        self._sent = view
        if message is not None:
            self.seq += 1
            self._last = now
            self._send(message)
        return True

    def whole(self) -> Snapshot:
        """All that the receivers have been told, for one that comes late."""
        return snapshot(self._sent, self.seq, self._clock())
