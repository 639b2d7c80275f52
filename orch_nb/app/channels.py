"""Addresses that messages are sent to (apprise), of which nothing is told that they hide."""

from __future__ import annotations

import contextlib
import logging
import re
import warnings
from collections.abc import Iterator
from typing import IO, Any
from urllib.parse import unquote, urlsplit

from orch_nb.errors import InputError, OrchError

_BETWEEN = re.compile(r"[/:@?&=+,;]+")
_SHORTEST = 4  # characters of an address's part that may be a secret
_LONGEST = 200  # of what went wrong


def check_address(address: str) -> None:
    """Raises InputError for what no message can be sent to."""
    with _quiet():
        _open(address)


def send(address: str, title: str, text: str, *, failed: bool, hides: bool) -> None:
    """Send a message. Raises OrchError with the reason when the channel does not take it; no part
    of the address is in that when it ``hides`` a secret.
    """
    with _quiet() as said:
        channel = _open(address)
        import apprise

        kind = apprise.NotifyType.FAILURE if failed else apprise.NotifyType.INFO
        try:
            if channel.notify(title=title, body=text, notify_type=kind):
                return
            why = next((line for line in said.getvalue().splitlines() if line.strip()), "")
        except Exception as error:  # each channel has failures of its own
            why = f"{type(error).__name__}: {error}"
    where = "the channel" if hides else urlsplit(address).hostname or address
    why = _without(address, why) if hides else why
    raise OrchError(
        f"{where} did not take the message" + (f": {why[:_LONGEST]}" if why else "")
    ) from None


def _open(address: str) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of what apprise imports
        import apprise

        channel = apprise.Apprise()
        known = channel.add(address)
    if not known:
        raise InputError(
            "that is no address that a message can be sent to",
            hint="such as mailto://user:password@example.org or json://host/path",
        )
    return channel


@contextlib.contextmanager
def _quiet() -> Iterator[Any]:
    """What apprise has to say goes here and nowhere else: it may tell a whole address."""
    logger = logging.getLogger("apprise")
    before, logger.propagate = logger.propagate, False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of what apprise imports
            import apprise

        said: IO[str]
        with apprise.LogCapture(level=logging.WARNING, fmt="%(message)s") as said:
            yield said
    finally:
        logger.propagate = before


def _without(address: str, text: str) -> str:
    """The text with ``***`` for each part of the address."""
    rest = address.partition("://")[2]
    parts = {part for known in (rest, unquote(rest)) for part in _BETWEEN.split(known)}
    for part in sorted(parts, key=len, reverse=True):
        if len(part) >= _SHORTEST:
            text = text.replace(part, "***")
    return text
