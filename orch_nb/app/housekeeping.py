"""Keep the results' folder in bounds: the values that were not used for longest go first."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping

from orch_nb.app.abandoned import settle_runs
from orch_nb.errors import InputError, ResultError
from orch_nb.results.blob import remove_leftovers
from orch_nb.results.location import KeptBlob, Location
from orch_nb.states import StateType
from orch_nb.store import RunQuery, Store

CAP_VARIABLE = "ORCH_NB_RESULTS_CAP"
DEFAULT_CAP = 10_000_000_000  # bytes

_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([kMGT]?)B?\s*", re.I)
_FACTORS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
_ACTIVE = tuple(state for state in StateType if not state.is_terminal)
_MOST_ACTIVE = 10_000
_MARGIN = 60.0  # seconds by which a file system's clock may differ


def results_cap(environ: Mapping[str, str] | None = None) -> int:
    """The bytes that kept values may take: ``ORCH_NB_RESULTS_CAP`` ("10GB", "500 MB"; 0 keeps
    only what active runs need). Raises InputError when it is no size.
    """
    text = (os.environ if environ is None else environ).get(CAP_VARIABLE)
    if not text:
        return DEFAULT_CAP
    found = _SIZE.fullmatch(text)
    if found is None:
        raise InputError(
            f"{text!r} is not a size", where=CAP_VARIABLE, hint=f"such as {CAP_VARIABLE}=10GB"
        )
    return int(float(found.group(1)) * _FACTORS[found.group(2).lower()])


def tidy_results(store: Store, location: Location, cap: int) -> int:
    """Delete what killed writers left, and the least recently used values beyond ``cap`` bytes;
    returns how many values went. Those of runs that have not ended stay.

    Raises ResultError when the location can't be reached.
    """
    remove_leftovers(location.staging)
    blobs = list(location.list())
    excess = sum(blob.size for blob in blobs) - cap
    if excess <= 0:
        return 0
    used = store.last_uses()
    kept, since = needed_values(store)
    victims: list[KeptBlob] = []
    for blob in sorted(blobs, key=lambda blob: used.get(blob.digest, blob.modified)):
        if excess <= 0:
            break
        if blob.digest not in kept and blob.modified < since:
            victims.append(blob)
            excess -= blob.size
    # The record first: a value that is said to be kept must be there.
    digests = [blob.digest for blob in victims]
    store.write(lambda t: t.forget_results(digests, "it made room for newer values"))
    for blob in victims:
        location.delete(blob.digest)
    return len(victims)


def needed_values(store: Store) -> tuple[set[str], float]:
    """The recorded values of runs that have not ended; and since when such runs may have written
    values that are not recorded yet."""
    kept: set[str] = set()
    since = time.time() + _MARGIN
    settle_runs(store)  # a killed one needs nothing any more
    for run in store.list_runs(RunQuery(state_types=_ACTIVE, limit=_MOST_ACTIVE)):
        kept |= {result.digest for result in store.results(run.id) if result.digest}
        if run.start_time is not None:
            since = min(since, run.start_time.timestamp() - _MARGIN)
    return kept, since


def tidy_quietly(store: Store, location: Location, cap: int) -> str:
    """``tidy_results`` at the end of a run, which it must not spoil; returns what went wrong."""
    try:
        tidy_results(store, location, cap)
    except ResultError as error:
        return error.message
    return ""
