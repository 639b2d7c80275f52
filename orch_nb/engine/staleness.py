"""Whether a cell that started without an earlier one's changes has seen old values."""

from __future__ import annotations

from pathlib import PurePath

from orch_nb.engine.plan import Facts
from orch_nb.execution import warned
from orch_nb.graph.model import Node

# Ambient state that changes by being used: a user is recognised by having changed it.
_DRAWN = frozenset({"random", "numpy.random", "torch.random", "sklearn.display"})


def why_stale(
    earlier: Node, did: Facts, later: Node, seen: Facts, rebound: frozenset[str]
) -> tuple[tuple[str, ...], str] | None:
    """The names and the reason, in words, for which ``later`` must run again; None if not.

    ``did`` is what ``earlier`` was seen to do, ``seen`` what ``later`` did (so far nothing,
    while it runs); ``rebound`` are names that cells between them, which ``later`` did see, bind.
    """
    # A cell may come upon an object otherwise than by the names that it reads: what it says of it
    # is said of the object as it was before.
    unread = (did.changed & (seen.refs | seen.changed)) - later.reads
    apart = did.writes.isdisjoint(later.reads) and did.changed.isdisjoint(later.reads)
    if apart and not (unread or did.ambient or did.files_written):
        return None  # nearly always, and asked for every two cells that ran beside each other
    label = earlier.cell.label
    names = (did.writes - rebound | did.changed) & later.reads
    if names:
        found = tuple(sorted(names))
        return found, f"{label} changed {', '.join(found)}, which it reads"
    if unread:
        found = tuple(sorted(unread))
        return found, f"{label} changed {', '.join(found)}, which it uses too"
    set_anew = later.ambient_writes - later.ambient_reads
    ambient = {
        name
        for name in did.ambient - set_anew
        if name in later.ambient_reads
        or (name in seen.ambient and not warned.is_warning(name))
        or not (name in _DRAWN or name in earlier.ambient_writes or warned.is_warning(name))
    }
    if ambient:
        found = tuple(sorted(ambient))
        return found, f"{label} changed {', '.join(found)}, which it uses too"
    warning = warned.conflict(did.ambient, seen.ambient)
    if warning:
        return (warning,), f"{label}: {warning}, and it warns there too"
    files = _touched(did.files_written, seen.files_read | seen.files_written)
    if files:
        return files, f"{label} wrote {', '.join(files)}, which it uses too"
    return None


def is_only_shown(names: tuple[str, ...]) -> bool:
    """Whether what a stale cell saw differs only in which warnings were shown before."""
    return all(warned.is_warning(name) for name in names)


def _touched(written: frozenset[str], used: frozenset[str]) -> tuple[str, ...]:
    """Written paths that were used as a file, or whose folder was listed (ends in a slash)."""
    return tuple(
        sorted(path for path in written if path in used or f"{PurePath(path).parent}/" in used)
    )
