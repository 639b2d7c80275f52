"""The messages between those who run calls of functions and their worker processes."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping
from typing import Any

from orch_nb.execution.calls import CallError, CallOutcome, CallSpec, Kept
from orch_nb.execution.frames import pack


def open_message(
    folder: str, path: tuple[str, ...], environment: Mapping[str, str], run: Mapping[str, Any]
) -> bytes:
    """What a worker takes on before its first call."""
    return pack(
        {
            "op": "open",
            "folder": folder,
            "path": path,
            "environment": dict(environment),
            "run": dict(run),
        }
    )


def call_message(call: int, spec: CallSpec, sent: set[str]) -> bytes:
    """One call; ``sent`` are the functions that the worker has, to which this one is added."""
    digest = _digest(spec.function)
    frames = [spec.arguments]
    new = digest not in sent
    if new:
        sent.add(digest)
        frames.insert(0, spec.function)
    frames += [kept.frame for kept in spec.inputs if kept.frame is not None]
    header = {
        "op": "call",
        "call": call,
        "function": digest,
        "new": new,
        "staging": spec.staging,
        "task": spec.task,
        "inputs": [[kept.manifest, kept.frame is not None] for kept in spec.inputs],
    }
    return pack(header, frames)


@functools.lru_cache(64)
def _digest(function: bytes) -> str:
    return hashlib.sha256(function).hexdigest()[:32]


def spec_from(
    header: Mapping[str, Any], frames: list[bytes], functions: dict[str, bytes]
) -> CallSpec:
    """The call of a message; ``functions`` are those that came before, to which a new one is
    added."""
    if header["new"]:
        functions[header["function"]] = frames.pop(0)
    return CallSpec(
        functions[header["function"]],
        frames.pop(0),
        [Kept(m, frames.pop(0) if small else None) for m, small in header["inputs"]],
        header["staging"],
        header["task"],
    )


def outcome_message(call: int, outcome: CallOutcome) -> bytes:
    """How a call ended."""
    kept, error = outcome.kept, outcome.error
    header: dict[str, Any] = {
        "op": "outcome",
        "call": call,
        "seconds": outcome.seconds,
        "unshippable": outcome.unshippable,
        "manifest": None if kept is None else kept.manifest,
        "small": kept is not None and kept.frame is not None,
        "error": None,
    }
    frames = []
    if kept is not None and kept.frame is not None:
        frames.append(kept.frame)
    if error is not None:
        header["error"] = [error.name, error.value, error.types, error.trace, error.line]
        frames.append(error.pickled)
    return pack(header, frames)


def outcome_from(header: Mapping[str, Any], frames: list[bytes]) -> CallOutcome:
    """The outcome of a message."""
    kept = None
    frames = list(frames)
    if header["manifest"] is not None:
        kept = Kept(header["manifest"], frames.pop(0) if header["small"] else None)
    error = None
    if header["error"] is not None:
        name, value, types, trace, line = header["error"]
        error = CallError(name, value, tuple(types), trace, line, frames.pop(0))
    return CallOutcome(kept, error, header["unshippable"], header["seconds"])


def crashed_outcome(words: str, seconds: float = 0.0) -> CallOutcome:
    """That of a call whose process is gone."""
    error = CallError("Crashed", words, ("Crashed",))
    return CallOutcome(error=error, seconds=seconds, crashed=True)
