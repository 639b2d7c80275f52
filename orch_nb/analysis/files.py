"""Which files a call reads or writes, as far as its literal arguments say."""

from __future__ import annotations

import posixpath

from orch_nb.analysis.arguments import Arguments
from orch_nb.analysis.knowledge import CallFacts, Position
from orch_nb.analysis.state import State
from orch_nb.analysis.values import Value

FOLDER = "."  # the working folder, and all that is in it


def note_files(
    state: State, facts: CallFacts, arguments: Arguments, receiver: Value | None
) -> None:
    """Count the files of one call."""
    if facts.files_read is None and facts.files_written is None and not facts.folder:
        return
    state.ambient_read("os.cwd")
    if facts.folder:
        state.effects.files_read.add(FOLDER)
        state.effects.files_written.add(FOLDER)
    mode = _mode(arguments, receiver)
    if facts.files_read is not None and facts.files_written is not None:
        # open(): the mode decides
        path = _path(facts.files_read, arguments, receiver)
        if path:
            if mode is None or "r" in mode or "+" in mode or "a" in mode:
                state.effects.files_read.add(path)
            if mode is None or set(mode) & set("wax+"):
                state.effects.files_written.add(path)
        return
    if facts.files_read is not None:
        path = _path(facts.files_read, arguments, receiver)
        if path:
            state.effects.files_read.add(path)
    if facts.files_written is not None:
        path = _path(facts.files_written, arguments, receiver)
        if path:
            state.effects.files_written.add(path)


def _mode(arguments: Arguments, receiver: Value | None) -> str | None:
    given = arguments.keywords.get("mode")
    index = 0 if receiver is not None else 1
    if given is None and len(arguments.positional) > index:
        given = arguments.positional[index]
    if given is None:
        return "r"
    return given.text


def _path(
    positions: tuple[Position, ...], arguments: Arguments, receiver: Value | None
) -> str | None:
    for position in positions:
        value: Value | None = None
        if position == "self":
            value = receiver
        elif isinstance(position, str):
            value = arguments.keywords.get(position)
        elif position < len(arguments.positional):
            value = arguments.positional[position]
        if value is not None and value.text and "\n" not in value.text:
            return normal(value.text)
    return None


def normal(path: str) -> str | None:
    """One spelling for each path; None for an address of the network."""
    if "://" in path:
        return normal(path[7:]) if path.startswith("file://") else None
    for index, letter in enumerate(path):
        if letter in "*?[":
            # a pattern reads its folder
            path = path[:index].rpartition("/")[0] or FOLDER
            break
    return posixpath.normpath(path)


def overlap(first: str, second: str) -> bool:
    """Whether two paths are one, or one is a folder around the other."""
    if first == second or FOLDER in (first, second):
        return True
    return first.startswith(second + "/") or second.startswith(first + "/")
