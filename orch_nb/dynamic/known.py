"""Values that need not be made: those of an earlier attempt of the run, and of the cache."""

from __future__ import annotations

import hashlib
import sys

from orch_nb.dynamic.calls import Call
from orch_nb.dynamic.ledger import Ledger
from orch_nb.execution.calls import CallOutcome, Kept
from orch_nb.states import StateName


def call_key(call: Call) -> str:
    """What makes the call the same as one of an earlier attempt of the run."""
    index = "" if call.index is None else str(call.index)
    parts = [call.work.name, call.work.where_from, index, call.digest]
    parts += [future.digest for future in call.arguments.futures]
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:32]


def find_known(call: Call, ledger: Ledger) -> Kept | None:
    """The call's kept value, if an earlier attempt or the cache has one. Gives the call its
    keys."""
    call.key = call_key(call)
    options = call.work.options
    kept = None if options.refresh else ledger.known(call.key)
    if kept is not None or not options.cache or call.partial or not call.digest:
        return kept
    call.cache_key = _cache_key(call)
    if options.refresh:
        return None
    kept = ledger.cached(call.cache_key, options.cache_ttl)
    if kept is not None:
        entry = ledger.begin(call.work.call_name(call.index), call.key)
        words = "equal work was done before"
        ledger.end(entry, CallOutcome(kept), StateName.CACHED, message=words)
    return kept


def _cache_key(call: Call) -> str:
    inputs = [future.digest for future in call.arguments.futures]
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    extra = call.work.options.cache_extra or ""
    parts = [call.work.code(), call.digest, *inputs, version, extra]
    return "call:" + hashlib.sha256("\0".join(parts).encode()).hexdigest()
