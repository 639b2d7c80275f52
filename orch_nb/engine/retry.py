"""When a failed attempt is tried again, and after how long: pure, decided before the run."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

from orch_nb.options import TaskOptions
from orch_nb.states import StateName

_BASE = 1.0  # seconds that grow by --retry-backoff where no delay is given
LONGEST = 365 * 86400.0  # seconds: a wait that has grown beyond all measure

TIMED_OUT = (StateName.TIMED_OUT.value, *(c.__name__ for c in TimeoutError.__mro__))
CRASHED = (StateName.CRASHED.value,)


def next_delay(
    options: TaskOptions, attempt: int, error_types: Sequence[str], chance: float
) -> float | None:
    """Seconds to wait after failed ``attempt`` (from 1) before the next; None: no further one.

    ``error_types`` are the names of the error's class and its bases, ``chance`` is in [0, 1).
    """
    if attempt > options.retries or not may_follow(options.retry_on, error_types):
        return None
    return _delay(options, attempt, chance)


def retry_delays(options: TaskOptions, chance: Callable[[int], float]) -> tuple[float, ...]:
    """The wait before each retry, in seconds; ``chance`` gives attempt n its number in [0, 1)."""
    return tuple(_delay(options, n, chance(n)) for n in range(1, options.retries + 1))


def may_follow(retry_on: Sequence[str], error_types: Sequence[str]) -> bool:
    """Whether an attempt that failed so may be tried again: all may where no error is named.

    A class is named as ``HTTPError`` or in full, as ``urllib.error.HTTPError``; both name its
    subclasses too.
    """
    if not retry_on:
        return True
    names = {*error_types, *(full.rpartition(".")[2] for full in error_types)}
    return not names.isdisjoint(retry_on)


def chance_of(run: str, task: str) -> Callable[[int], float]:
    """A number in [0, 1) for each attempt of a task in a run, the same whoever asks."""

    def chance(attempt: int) -> float:
        key = f"{run}\0{task}\0{attempt}".encode("utf-8", "surrogatepass")
        return int.from_bytes(hashlib.sha256(key).digest()[:6], "big") / 2**48

    return chance


def _delay(options: TaskOptions, attempt: int, chance: float) -> float:
    given = options.retry_delay
    delay = given[min(attempt, len(given)) - 1]
    further = attempt - len(given)  # retries after the list has ended
    if options.retry_backoff is not None:
        if not any(given):
            delay, further = _BASE, attempt - 1
        delay = _grown(delay, options.retry_backoff, further)
    delay *= 1 + options.retry_jitter * chance
    longest = LONGEST if options.retry_max_delay is None else options.retry_max_delay
    return min(delay, longest)


def _grown(delay: float, factor: float, times: int) -> float:
    for _ in range(times):
        if factor == 1 or not 0 < delay < LONGEST:
            break  # it grows no more, or long enough
        delay *= factor
    return delay
