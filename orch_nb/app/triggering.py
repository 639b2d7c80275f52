"""Triggers from what people write; what was there before a trigger was made is no news to it."""

from __future__ import annotations

import hashlib
from pathlib import Path

from orch_nb.errors import OptionError
from orch_nb.states import StateName
from orch_nb.store import open_store
from orch_nb.store.trigger_rows import Trigger, TriggerKind
from orch_nb.store.watching import newest_event

__all__ = ["Trigger", "describe_paths", "hash_token", "on_call", "on_file", "on_flow"]

_DATES = ("ETag", "etag", "mtime", "LastModified", "last_modified", "updated", "created")


def on_file(path: str) -> Trigger:
    """Start when a path (or pattern, or fsspec URL) appears or changes from now on."""
    if "://" not in path:
        path = str(Path(path).absolute())
    return Trigger(TriggerKind.FILE, {"path": path}, seen=describe_paths(path))


def on_flow(text: str) -> Trigger:
    """Start when a run of another flow reaches a state: ``NAME:STATE``; Completed by default."""
    name, _, word = text.rpartition(":") if ":" in text else (text, "", "Completed")
    states = {state.value.lower(): state for state in StateName}
    state = states.get(word.strip().lower())
    if state is None or not name:
        raise OptionError(f"{text[:60]!r} names no flow's state", hint="such as etl:Completed")
    with open_store() as store:
        seen = [newest_event(store)] * 2  # what happened before is no news, and was looked at
    return Trigger(TriggerKind.FLOW, {"flow": name, "state": state.value}, seen=seen)


def on_call(token: str) -> Trigger:
    """Start at an HTTP call that knows the token, of which only a hash is kept."""
    return Trigger(TriggerKind.HTTP, {"token_hash": hash_token(token)})


def hash_token(token: str) -> str:
    """What is kept of a token: enough to know it again."""
    return hashlib.sha256(token.encode()).hexdigest()


def describe_paths(path: str) -> dict[str, str]:
    """What a path, pattern or fsspec URL names now: each file with a mark of what it holds."""
    if "://" in path:
        return _describe_remote(path)
    place = Path(path)
    found = [place] if place.exists() else list(place.parent.glob(place.name))
    marks = {}
    for file in found:
        try:
            state = file.stat()
        except OSError:  # gone meanwhile
            continue
        marks[str(file)] = f"{state.st_mtime_ns}:{state.st_size}"
    return marks


def _describe_remote(url: str) -> dict[str, str]:
    import fsspec

    files, root = fsspec.core.url_to_fs(url)
    names = files.glob(root) if any(sign in root for sign in "*?[") else [root]
    marks = {}
    for name in names:
        if files.exists(name):
            details = files.info(name)
            changed = next((str(details[key]) for key in _DATES if details.get(key)), "")
            marks[str(name)] = f"{changed}:{details.get('size')}"
    return marks
