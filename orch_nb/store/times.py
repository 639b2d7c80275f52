"""Times as the store keeps them: whole microseconds since 1970 in UTC."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import overload

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@overload
def micros(moment: datetime) -> int: ...
@overload
def micros(moment: None) -> None: ...
def micros(moment: datetime | None) -> int | None:
    """Microseconds since 1970; ValueError for a datetime without a time zone."""
    if moment is None:
        return None
    if moment.tzinfo is None:
        raise ValueError(f"a time in the store needs a time zone, and {moment} has none")
    return (moment - _EPOCH) // _MICROSECOND


@overload
def moment(value: int) -> datetime: ...
@overload
def moment(value: None) -> None: ...
def moment(value: int | None) -> datetime | None:
    """The aware UTC datetime of a number of microseconds since 1970."""
    return None if value is None else _EPOCH + value * _MICROSECOND


def now_micros() -> int:
    """The wall clock's time now."""
    return time.time_ns() // 1000
