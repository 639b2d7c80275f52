"""Trying again where another process was in the way, so that no lock ever reaches the user."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy.exc import DBAPIError

from orch_nb.errors import StoreError
from orch_nb.store.failures import in_words, is_busy, is_lost

T = TypeVar("T")

LONGEST_WAIT = 300.0  # seconds after which a held lock is taken for a broken process's
LONGEST_ABSENCE = 30.0  # seconds that a server may take to be started again


def patiently(
    attempt: Callable[[], T], where: str, longest: float = LONGEST_WAIT, absence: float = 0.0
) -> T:
    """``attempt()``, called again while the database is busy with others, or gone.

    ``where`` names the store in messages. Raises StoreError when the wait was longer than
    ``longest`` seconds, or the server away for ``absence`` seconds, and for every other
    failure of the database.
    """
    started = time.monotonic()
    pause = 0.001
    while True:
        try:
            return attempt()
        except DBAPIError as error:
            away = is_lost(error) and time.monotonic() - started < absence
            if not is_busy(error) and not away:
                raise in_words(error, where) from error
        if time.monotonic() - started > longest:
            raise StoreError(
                f"another process has kept the store to itself for {longest:.0f} s",
                where=where,
                hint="end that process: it has the store's file open",
            )
        time.sleep(pause * random.uniform(0.5, 1.0))
        pause = min(pause * 2, 0.25)
