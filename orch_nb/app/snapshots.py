"""A deployment's notebook and included files: into the store, and out again where a run is."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from orch_nb.errors import InputError
from orch_nb.places import find_places
from orch_nb.schedules.deployment import SnapshotFile
from orch_nb.store import Store
from orch_nb.store.deployments import read_snapshot

LARGEST = 50 << 20  # bytes of one snapshot: the store is no place for data


def take_snapshot(
    notebook: Path, include: Sequence[str]
) -> tuple[tuple[SnapshotFile, ...], dict[str, bytes]]:
    """The files of a snapshot, the notebook first, and what they hold, by digest.

    ``include`` are paths, folders or patterns relative to the notebook's folder. Raises
    InputError for one that names nothing, or lies elsewhere, or is too large.
    """
    folder = notebook.parent
    paths = [notebook, *sorted({path for pattern in include for path in _find(folder, pattern)})]
    files, blobs, total = [], {}, 0
    for path in dict.fromkeys(paths):
        total += path.stat().st_size
        if total > LARGEST:
            raise InputError(
                f"the snapshot is larger than {LARGEST >> 20} MB",
                where=str(path),
                hint="leave data where it is, or deploy with --follow",
            )
        data = path.read_bytes()
        digest = hashlib.sha256(data).hexdigest()
        blobs[digest] = data
        files.append(SnapshotFile(path.relative_to(folder).as_posix(), digest, len(data)))
    return tuple(files), blobs


def _find(folder: Path, pattern: str) -> Iterable[Path]:
    inside = folder / pattern
    if Path(pattern).is_absolute() or ".." in Path(pattern).parts:
        raise InputError(
            f"--include {pattern} lies outside of the notebook's folder", where=str(folder)
        )
    found = [inside] if inside.exists() else list(folder.glob(pattern))
    files = [
        path
        for place in found
        for path in ([place] if place.is_file() else place.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    ]
    if not files:
        raise InputError(f"--include {pattern} names no file", where=str(folder))
    return files


def lay_out(store: Store, files: Sequence[SnapshotFile]) -> Path:
    """A folder of this machine with the snapshot in it, made once; returns the notebook's path.

    The folder is shared by all runs of the version: nobody writes to it.
    """
    name = hashlib.sha256(repr(files).encode()).hexdigest()[:32]
    root = find_places().home / "snapshots"
    target = root / name
    if not target.is_dir():
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=root))
        try:
            write_files(store, files, staging)
            staging.rename(target)
        except OSError:
            if not target.is_dir():  # else another process was faster
                raise
        finally:
            shutil.rmtree(staging, ignore_errors=True)
    return target / files[0].path


def write_files(store: Store, files: Sequence[SnapshotFile], folder: Path) -> None:
    """Write a snapshot's files into a folder. Raises ResultError when one is missing."""
    for file in files:
        path = folder / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(read_snapshot(store, file.digest))
