"""Capture what a cell logs, without being seen by it.

A handler on the root logger would change what ``basicConfig`` and the last-resort handler do;
so the records are taken where every logger hands them on.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator

Tell = Callable[[int, str, str, float], None]  # level, logger, text, time

_tell: Tell | None = None
_hand_on = logging.Logger.callHandlers


def _call_handlers(self: logging.Logger, record: logging.LogRecord) -> None:
    if _tell is not None:
        try:
            text = record.getMessage()
        except Exception:  # the record's own formatting; the handlers will report it
            text = str(record.msg)
        _tell(record.levelno, record.name, text, record.created)
    _hand_on(self, record)


@contextlib.contextmanager
def capture_logs(tell: Tell) -> Iterator[None]:
    """Hand every record logged inside the block to ``tell`` as well."""
    global _tell
    _tell = tell
    logging.Logger.callHandlers = _call_handlers  # type: ignore[method-assign]
    try:
        yield
    finally:
        _tell = None
        logging.Logger.callHandlers = _hand_on  # type: ignore[method-assign]
