"""Errors as answers: one table from orch_nb's errors to HTTP, and never a traceback."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import Any

from tornado.web import HTTPError

from orch_nb.errors import InputError, NotFoundError, OptionError, OrchError

_STATUS: tuple[tuple[type[OrchError], HTTPStatus], ...] = (
    (NotFoundError, HTTPStatus.NOT_FOUND),
    (InputError, HTTPStatus.BAD_REQUEST),
    # the store or a run is not in a state in which it can be done
    (OrchError, HTTPStatus.CONFLICT),
)
_log = logging.getLogger(__name__)


def status_of(error: OrchError) -> HTTPStatus:
    """The status that an error is answered with."""
    return next(status for kind, status in _STATUS if isinstance(error, kind))


def body_of(error: OrchError) -> dict[str, Any]:
    """The answer's body: ``message``, ``where`` and ``hint``, the last two None where unknown."""
    return {"message": error.message, "where": error.where, "hint": error.hint}


def describe(error: BaseException | None, status: int) -> tuple[int, dict[str, Any]]:
    """The status and body for whatever a handler raised."""
    if isinstance(error, OrchError):
        return status_of(error), body_of(error)
    if isinstance(error, HTTPError):
        words = error.reason or (error.log_message if status < 500 else None)
        return status, {"message": words or _phrase(status), "where": None, "hint": None}
    if error is None:
        return status, {"message": _phrase(status), "where": None, "hint": None}
    _log.error("orch_nb itself went wrong", exc_info=error)
    return HTTPStatus.INTERNAL_SERVER_ERROR, {
        "message": f"orch_nb itself went wrong: {type(error).__name__}",
        "where": None,
        "hint": "the server's log shows where; please report it",
    }


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"


def misfit(message: str, where: str, hint: str | None = None) -> OptionError:
    """The error for a request that does not fit the API."""
    return OptionError(message, where=where, hint=hint)
