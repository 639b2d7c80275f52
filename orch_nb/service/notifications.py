"""Tell people what happened to runs, once; what a channel did not take is tried again."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from orch_nb.app.telling import Message, deliver, write_message
from orch_nb.errors import NotFoundError, OrchError
from orch_nb.store import Store
from orch_nb.store.notices import (
    Notification,
    has_pending,
    has_rules,
    note_events,
    settle,
    take_pending,
)

EVERY = 1.0  # seconds between looks
_PATIENCE = 120.0  # seconds that a sender may take
_DELAYS = (10.0, 30.0, 60.0, 300.0, 900.0, 3600.0)  # between attempts; the last again and again
MOST_ATTEMPTS = 30  # about a day

_log = logging.getLogger(__name__)

Send = Callable[[str, Message], None]


@dataclass(slots=True)
class Notifier:
    """One of any number of senders on a store."""

    store: Store
    send: Send = deliver

    def step(self, now: datetime, monotonic: float) -> float:
        """Tell what is to be told; the seconds until the next look."""
        if not has_rules(self.store):
            return EVERY
        self.store.write(lambda t: note_events(t, now))
        if has_pending(self.store, now):
            taken = self.store.write(lambda t: take_pending(t, now, patience=_PATIENCE))
            for item in taken:
                self._tell(item, now)
        return EVERY

    def _tell(self, item: Notification, now: datetime) -> None:
        error = ""
        try:
            self.send(item.target, write_message(self.store, item.flow_run_id, item.state))
        except NotFoundError as gone:
            error = gone.message
        except OrchError as failed:
            error = failed.message
        except Exception as failed:  # each channel has failures of its own
            error = f"{type(failed).__name__}: {failed}"
        retry_at = None
        if error and item.attempts < MOST_ATTEMPTS:
            delay = _DELAYS[min(item.attempts, len(_DELAYS)) - 1]
            retry_at = now + timedelta(seconds=delay)
        if error:
            _log.warning("a notification could not be sent: %s", error)
        self.store.write(lambda t: settle(t, item, error=error, retry_at=retry_at))
