"""Tell what a cell's outcome depended on: files, modules, packages; and keep what it wrote."""

from __future__ import annotations

import contextlib
import json
import mmap
import os
import sys
import time
import types
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from orch_nb.analysis.syntax import parse
from orch_nb.execution.contents import Content, content_of, expand
from orch_nb.execution.fingerprint import global_names
from orch_nb.execution.job import Job, Message
from orch_nb.execution.observe import Observer
from orch_nb.execution.uses import find_uses, imported_names
from orch_nb.execution.walk import Index, Namespace
from orch_nb.results.blob import Manifest, blob_path, read_blob, write_blob


class Trace:
    """Begins before the cell runs. Everything is told as plain JSON."""

    def __init__(self, job: Job, index: Index, namespace: Namespace) -> None:
        self._job = job
        self._namespace = namespace
        self._modules_before = set(sys.modules)
        self._modules = _modules_of((obj for obj, _ in index.objects()), namespace)
        self._modules |= _modules_of(
            (namespace[name] for name in job.reads if name in namespace), namespace
        )
        self._started = time.time_ns()

    def tell(self, observer: Observer, bound: Mapping[str, Any], more: Iterable[str]) -> Message:
        """What the cell used: ``more`` are modules that its values are known to be from. In
        ``why`` it says for what reason this can't be told for sure."""
        names = self._modules | _modules_of(bound.values(), self._namespace) | set(more)
        names |= sys.modules.keys() - self._modules_before
        tree = parse(self._job.source).tree
        if tree is not None:
            names |= imported_names(tree)
        uses = find_uses(names)
        now = time.time_ns()
        files: dict[str, list[Any]] = {}
        why = ""
        for path in expand({*observer.read, *(self._job.trace or ())}):
            if path in observer.written:
                why = why or f"it reads and writes {Path(path).name}"
                continue
            content = content_of(path, now)
            files[path] = content.to_json()
            why = why or self._edited(path, content)
        modules = {}
        for name, path in sorted(uses.local.items()):
            content = content_of(path, now)
            modules[name] = [path, content.to_json()]
            why = why or self._edited(path, content)
        return {
            "files": files,
            "modules": modules,
            "packages": list(uses.packages),
            "why": why,
        }

    def _edited(self, path: str, content: Content) -> str:
        """What the cell used may not be what is there now."""
        if content.modified > self._started:
            return f"{Path(path).name} was changed while it ran"
        return ""


def keep_files(paths: Sequence[str], results: Path, folder: str) -> Message:
    """Write what the files hold as one blob; the manifest. Raises ResultError and OSError.

    Folders are kept as such. The names are kept relative to ``folder`` where they lie in it.
    """
    entries: list[list[Any]] = []
    with contextlib.ExitStack() as stack:
        buffers = []
        for path in paths:
            name = os.path.relpath(path, folder) if Path(path).is_relative_to(folder) else path
            found = Path(path)
            if found.is_dir():
                entries.append([name, found.stat().st_mode & 0o777, None])
                continue
            size = found.stat().st_size
            entries.append([name, found.stat().st_mode & 0o777, size])
            if size:
                file = stack.enter_context(found.open("rb"))
                mapped = mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ)
                buffers.append(memoryview(mapped))
        return write_blob(results, json.dumps(entries).encode(), buffers).to_json()


def declared_files(declared: Iterable[str], folder: str, seen: Iterable[str]) -> list[str]:
    """The files that a cell declared and that are there, absolute: those that were seen to be
    written, and those that its patterns and folders hold, since native code writes unseen."""
    found: set[str] = set()
    patterns = [os.path.join(folder, pattern) for pattern in declared]  # noqa: PTH118 - text
    for path in expand(patterns):
        if path.endswith("/"):
            continue
        found.add(path)
        if Path(path).is_dir():
            found.update(str(inner) for inner in Path(path).rglob("*"))
    names = [Path(pattern) for pattern in patterns]
    found.update(path for path in seen if any(Path(path) in name.parents for name in names))
    return sorted(path for path in found if Path(path).exists() and Path(path) != Path(folder))


def restore_files(manifest: Message, results: Path, folder: str) -> list[str]:
    """Bring back what `keep_files` kept, and return the paths that had to be written.

    The caller has checked the manifest's signature. Raises ResultError where the blob is
    missing or damaged, OSError where a file can't be written.
    """
    record = Manifest.from_json(manifest)
    frame, buffers = read_blob(blob_path(results, record.digest), record, check_buffers=True)
    remaining = iter(buffers)
    written = []
    for name, mode, size in json.loads(bytes(frame)):
        path = Path(folder, name)
        if size is None:
            path.mkdir(parents=True, exist_ok=True)
            continue
        content = next(remaining) if size else memoryview(b"")
        if _holds(path, content):
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{path.name}.{os.getpid()}.part")
        try:
            partial.write_bytes(content)
            partial.chmod(mode)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
        written.append(str(path))
    return written


def _holds(path: Path, content: memoryview) -> bool:
    try:
        if path.stat().st_size != len(content):
            return False
        with path.open("rb") as file:
            position = 0
            while piece := file.read(1 << 22):
                if content[position : position + len(piece)] != piece:
                    return False
                position += len(piece)
    except OSError:
        return False
    return True


def _modules_of(values: Iterable[Any], namespace: Namespace) -> set[str]:
    """Where values, and what the notebook's functions among them name, come from."""
    found: set[str] = set()
    for value in values:
        found.add(type(value).__module__)
        if isinstance(value, types.ModuleType):
            found.add(value.__name__)
        elif isinstance(value, (type, types.FunctionType, types.BuiltinFunctionType)):
            found.add(str(value.__module__))
        if type(value) is types.FunctionType and value.__globals__ is namespace:
            for name in global_names(value.__code__):
                if isinstance(namespace.get(name), types.ModuleType):
                    found.add(namespace[name].__name__)
    return found
