"""Which files a call reads or writes, as far as its literal arguments say."""

from __future__ import annotations

import posixpath

from orch_nb.analysis.arguments import Arguments
from orch_nb.analysis.knowledge import CallFacts, Position
from orch_nb.analysis.state import READS_FILE, WRITES_FILE, State
from orch_nb.analysis.values import NONE, Value

FOLDER = "."  # the working folder, and all that is in it


def note_files(
    state: State, facts: CallFacts, arguments: Arguments, receiver: Value | None
) -> frozenset[str]:
    """Count the files of one call; returns what the handle draws on that it may give."""
    if facts.files_read is None and facts.files_written is None and not facts.folder:
        return NONE
    state.ambient_read("os.cwd")
    if facts.folder:
        state.effects.files_read.add(FOLDER)
        state.effects.files_written.add(FOLDER)
    mode = _mode(arguments, receiver)
    read = _path(facts.files_read, arguments, receiver)
    written = _path(facts.files_written, arguments, receiver)
    if facts.files_read is not None and facts.files_written is not None:
        # open(): the mode decides
        read = read if mode is None or set(mode) & set("ra+") else None
        written = written if mode is None or set(mode) & set("wax+") else None
    used = [READS_FILE + read] if read else []
    used += [WRITES_FILE + written] if written else []
    state.draw(used)
    return frozenset(used)


def _mode(arguments: Arguments, receiver: Value | None) -> str | None:
    given = arguments.keywords.get("mode")
    index = 0 if receiver is not None else 1
    if given is None and len(arguments.positional) > index:
        given = arguments.positional[index]
    if given is None:
        return "r"
    return given.text


def _path(
    positions: tuple[Position, ...] | None, arguments: Arguments, receiver: Value | None
) -> str | None:
    for position in positions or ():
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
