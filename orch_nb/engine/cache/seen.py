"""What a cell was seen to depend on and to do: the second level of its entry."""

from __future__ import annotations

import fnmatch
import os
import tempfile
from collections.abc import Callable, Iterable
from pathlib import PurePath

from orch_nb.engine.cache.fields import Field, Group
from orch_nb.engine.cache.versions import DRAWN, Versions
from orch_nb.execution.contents import Content
from orch_nb.execution.job import Outcome
from orch_nb.graph.model import Node

UNSET = "as at the start"
_FILE_EFFECTS = frozenset(
    {
        *("writes a file", "deletes a file", "renames a file", "links a file", "cuts a file"),
        *("changes a file's mode", "changes a file's times", "moves a file", "copies a file"),
        *("makes a folder", "removes a folder"),
    }
)


def seen_fields(
    outcome: Outcome,
    node: Node,
    versions: Versions,
    *,
    folder: str,
    version_of: Callable[[str], tuple[str, tuple[str, ...]]],
) -> tuple[Field, ...]:
    """What the attempt depended on beside its key. ``version_of`` gives a package's
    version, and the names that it is installed under."""
    traced = outcome.traced or {}
    fields = [
        file_field(relative(path, folder), Content.from_json(plain))
        for path, plain in sorted(traced.get("files", {}).items())
    ]
    for name, (path, plain) in sorted(traced.get("modules", {}).items()):
        fields.append(module_field(name, relative(path, folder), Content.from_json(plain)))
    for name in traced.get("packages", ()):
        version, owners = version_of(name)
        if version:  # else it is some other package's
            fields.append(package_field(name, version, owners))
    for name in sorted(DRAWN.intersection(outcome.ambient) - node.ambient_reads):
        fields.append(ambient_field(node.cell.number, name, versions))
    return tuple(fields)


def file_field(name: str, content: Content) -> Field:
    """A file, or with a slash at its end a folder's listing, relative to the run's folder."""
    return Field(Group.FILE, name, content.digest, _size(content), tuple(content.to_json()))


def module_field(name: str, path: str, content: Content) -> Field:
    """The source of a module."""
    return Field(Group.MODULE, name, content.digest, path, (path, *content.to_json()))


def package_field(name: str, version: str, owners: tuple[str, ...]) -> Field:
    """A package; ``owners`` is what it is installed as, where that is another name."""
    return Field(Group.PACKAGE, name, version, version, owners)


def ambient_field(cell: int, name: str, versions: Versions) -> Field:
    """The version of an ambient state that the cell was seen to use."""
    found = versions.of_ambient(cell, frozenset((name,))).get(name)
    return Field(Group.AMBIENT, name, found.digest if found else UNSET)


def why_not_kept(outcome: Outcome, node: Node, writes: Iterable[str], folder: str) -> str:
    """Why an outcome serves no other run; empty if it does. ``writes`` are the paths declared by
    `--writes`."""
    if outcome.error is not None:
        return "it ended with an error" if not outcome.exits else "it ended the notebook"
    if outcome.leftovers:
        return f"it left {outcome.leftovers} running"
    if not outcome.observed or outcome.traced is None:
        return outcome.unshippable or "what it did was not looked at"
    acts = sorted(set(outcome.effects) - _FILE_EFFECTS)
    if acts:
        return f"it {acts[0]}"
    why = undeclared(outcome, node, writes, folder)
    if why:
        return why
    if outcome.blob is None:
        return f"its values are not kept: {outcome.unshippable or 'nobody asked for them'}"
    return str(outcome.traced.get("why", ""))


def undeclared(outcome: Outcome, node: Node, writes: Iterable[str], folder: str) -> str:
    """What the cell did to files without having declared it."""
    declared = tuple(writes)
    written = [relative(path, folder) for path in outcome.files_written if not _is_gone(path)]
    written += [path for path in node.files_written if "://" not in path]
    extra = sorted({path for path in written if not is_declared(path, declared)})
    if extra:
        return f"it writes {extra[0]}, not declared: --writes {extra[0]}"
    remote = sorted(path for path in node.files_written if "://" in path)
    if remote:
        return f"it writes {remote[0]}"
    return ""


def _is_gone(path: str) -> bool:
    """Whether a path was one of something temporary."""
    return path.startswith(f"{tempfile.gettempdir()}/") and not os.path.lexists(path)


def is_declared(path: str, declared: Iterable[str]) -> bool:
    """Whether a path, relative to the run's folder, is one of those declared, fits a pattern, or
    lies in a declared folder."""
    pure = PurePath(os.path.normpath(path))
    for pattern in declared:
        plain = PurePath(os.path.normpath(pattern))
        if pure == plain or plain in pure.parents or pure in plain.parents:
            return True
        if fnmatch.fnmatchcase(str(pure), str(plain)):
            return True
    return False


def relative(path: str, folder: str) -> str:
    """``path`` as it lies from the run's folder, if it lies in it; a last slash stays."""
    pure = PurePath(path)
    if not pure.is_relative_to(folder):
        return path
    return f"{pure.relative_to(folder)}{'/' if path.endswith('/') else ''}"


def _size(content: Content) -> str:
    return f"{content.size:,} bytes" if content.modified else content.digest[:16]
