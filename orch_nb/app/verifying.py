"""Run a notebook serially and in parallel, and compare everything: the user's own proof."""

from __future__ import annotations

import hashlib
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from orch_nb.app.requests import RunRequest, RunResult
from orch_nb.app.running import run
from orch_nb.engine.events import Listener
from orch_nb.errors import NotebookError
from orch_nb.execution.threads import count_cores
from orch_nb.model import TaskRun
from orch_nb.runners.base import Collect
from orch_nb.states import StateName

_MOST_AGAIN = 4  # further serial runs
LARGEST_FOLDER = 1 << 30  # bytes of the notebook's folder that are copied for each run

_MASKS = (
    (re.compile(r"0x[0-9a-fA-F]{6,}"), "0x…"),  # addresses
    (re.compile(r"\.\.\.x?[0-9a-f]{6,}(?=>|&gt;)"), "...…"),  # those that reprlib has cut
    (re.compile(r"ipykernel_\d+/\d+\.py"), "ipykernel/….py"),
    (re.compile(r"(?<![0-9a-f])[0-9a-f]{32}(?![0-9a-f])"), "…"),  # ids of widgets and displays
    # colours: which part of a line a traceback marks goes by how often Python has run it
    (re.compile(r"\x1b\[[0-9;]*m"), ""),
)


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not the same. ``what`` is a variable, a cell's output, a file or the
    run's end; ``cell`` the cell it belongs to, if it does."""

    what: str
    serial: str
    parallel: str
    cell: int | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """The comparison. ``unstable`` are differences that serial has with itself as well;
    ``suspect`` says in words which edge may be missing."""

    serial: RunResult
    parallel: RunResult
    differences: tuple[Difference, ...]
    unstable: tuple[Difference, ...]
    compared: tuple[int, int, int]  # variables, cells, files
    suspect: str = ""

    @property
    def equal(self) -> bool:
        """Whether parallel gave what serial gave, as far as serial is sure."""
        return not self.differences


def verify(
    request: RunRequest, listener: Callable[[str], Listener | None] = lambda which: None
) -> Verdict:
    """Run the notebook of ``request`` one cell after the other, then in parallel, each in a copy
    of its folder, and compare variables, outputs and files.

    On a difference it runs serially once more, to tell whether serial agrees with itself; and
    again if it does not, but for other things: what comes down like a coin may agree by chance.
    ``listener`` gives the one for "serial", "parallel" and "serial again". Raises as ``run``.
    """
    with tempfile.TemporaryDirectory(prefix="orch_nb-verify-") as temporary:
        place = Path(temporary)
        serial = _run_copy(request, place / "serial", "inline", listener("serial"))
        runner = str(request.options.get("runner", "local"))
        parallel = _run_copy(request, place / "parallel", runner, listener("parallel"))
        found = tuple(_compare(serial, parallel))
        unstable: tuple[Difference, ...] = ()
        for number in range(_MOST_AGAIN):
            if not found or (number and not unstable):
                break
            again = _run_copy(request, place / f"again{number}", "inline", listener("serial again"))
            shaky = {difference.what for difference in _compare(serial, again)}
            unstable += tuple(item for item in found if item.what in shaky)
            found = tuple(item for item in found if item.what not in shaky)
        compared = (
            len(serial.result.fingerprints),
            len(serial.result.tasks),
            len(serial.files),
        )
        suspect = _suspect(found, parallel.result)
        return Verdict(serial.result, parallel.result, found, unstable, compared, suspect)


@dataclass(frozen=True, slots=True)
class _Copy:
    result: RunResult
    files: Mapping[str, str]  # path in the folder → digest of what it holds now


def _run_copy(request: RunRequest, place: Path, runner: str, listener: Listener | None) -> _Copy:
    source = Path(request.notebook)
    folder = Path(request.cwd) if request.cwd else source.absolute().parent
    # Both runs see the same path: what prints it must print the same.
    stage = place.parent / "folder"
    _copy_folder(folder, stage)
    before = _digests(stage)
    options = {**request.options, "runner": runner, "refresh": True}  # both run
    changed = replace(
        request,
        notebook=str(source),
        output=str(place) + ".ipynb",
        options=options,
        cwd=str(stage),
        collect=Collect.FINGERPRINTS,
        threads=threads_for(request),
    )
    result = run(changed, listener)
    after = _digests(stage)
    files = {path: digest for path, digest in after.items() if before.get(path) != digest}
    files |= {path: "deleted" for path in before if path not in after}
    shutil.rmtree(stage)
    return _Copy(result, files)


def threads_for(request: RunRequest) -> int:
    """The threads that each cell has on both sides: sums depend on how many there are."""
    cores = count_cores()
    workers = request.options.get("max_workers") or cores
    return request.threads or max(1, cores // workers)


def _copy_folder(folder: Path, target: Path) -> None:
    size = 0
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            size += path.stat().st_size
        if size > LARGEST_FOLDER:
            raise NotebookError(
                f"the notebook's folder holds more than {LARGEST_FOLDER >> 30} GB",
                where=str(folder),
                hint="copy the notebook with its data to a folder of their own",
            )
    ignored = shutil.ignore_patterns(".git", ".venv", "node_modules", "__pycache__")
    shutil.copytree(folder, target, symlinks=True, ignore=ignored)


def _digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.blake2b(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }


def _compare(one: _Copy, other: _Copy) -> Iterator[Difference]:
    first, second = one.result, other.result
    if first.run.state_name is not second.run.state_name:
        yield Difference("the run's end", _end(first), _end(second))
    limit = _first_failed(first.tasks)
    yield from _compare_outputs(first, second, limit)
    if limit is None:
        yield from _compare_values(first.fingerprints, second.fingerprints)
        yield from _compare_files(one.files, other.files)


def _end(result: RunResult) -> str:
    return f"{result.run.state_name} {result.run.state_message}".strip()


def _first_failed(tasks: Sequence[TaskRun]) -> int | None:
    """The cell a serial run stops at: what comes after it is not compared."""
    failed = (StateName.FAILED, StateName.TIMED_OUT, StateName.CRASHED)
    return next((task.cell_number for task in tasks if task.state_name in failed), None)


def _suspect(found: Sequence[Difference], parallel: RunResult) -> str:
    """Which cells ran beside the first that differs: the missing edge comes from one of them."""
    cells = [item.cell for item in found if item.cell is not None]
    if not cells:
        return ""
    first = min(cells)
    tasks = {task.cell_number: task for task in parallel.tasks}
    start = tasks[first].start_time
    beside = [
        str(number)
        for number, task in tasks.items()
        if number < first and start and task.end_time and task.end_time > start
    ]
    if not beside:
        return f"cell {first} is the first that differs; no earlier cell ran beside it"
    return (
        f"cell {first} is the first that differs; it did not wait for cell "
        f"{', '.join(beside)}: a dependence on one of them is missing"
    )


def _compare_values(
    first: Mapping[str, Sequence[str]], second: Mapping[str, Sequence[str]]
) -> Iterator[Difference]:
    for name in sorted({*first, *second}):
        one, other = first.get(name), second.get(name)
        if one is None or other is None or one[:2] != other[:2]:
            yield Difference(f"variable {name}", _seen(one), _seen(other))


def _seen(described: Sequence[str] | None) -> str:
    return "not there" if described is None else f"{described[1]} {mask(described[2])}"


def _compare_outputs(
    first: RunResult, second: RunResult, limit: int | None
) -> Iterator[Difference]:
    code_one = [cell for cell in first.document["cells"] if cell["cell_type"] == "code"]
    code_two = [cell for cell in second.document["cells"] if cell["cell_type"] == "code"]
    for number, (one, other) in enumerate(zip(code_one, code_two, strict=False), start=1):
        if limit is not None and number > limit:
            return
        if one["execution_count"] != other["execution_count"]:
            counts = str(one["execution_count"]), str(other["execution_count"])
            yield Difference(f"count of cell {number}", *counts, cell=number)
        left, right = visible(one["outputs"]), visible(other["outputs"])
        if left != right:
            yield Difference(f"output of cell {number}", *_first_unlike(left, right), cell=number)


def _first_unlike(one: list[str], other: list[str]) -> tuple[str, str]:
    for left, right in zip(one, other, strict=False):
        if left != right:
            at = next(
                (i for i, (a, b) in enumerate(zip(left, right, strict=False)) if a != b),
                min(len(left), len(right)),
            )
            start = max(0, at - 40)
            return left[start : at + 80], right[start : at + 80]
    return f"{len(one)} outputs", f"{len(other)} outputs"


def visible(outputs: Sequence[Mapping[str, Any]]) -> list[str]:
    """Outputs as text to compare, with addresses and ids masked; streams of a kind as one."""
    found: list[str] = []
    streams: dict[str, str] = {}
    for output in outputs:
        kind = output["output_type"]
        if kind == "stream":
            streams[output["name"]] = streams.get(output["name"], "") + output["text"]
        elif kind == "error":
            words = f"error {output['ename']}: {output['evalue']}"
            found.append(mask("\n".join([words, *output.get("traceback", ())])))
        else:
            data = output["data"]
            found.append(mask(f"{kind} {sorted((k, str(v)) for k, v in data.items())}"))
    return found + [mask(f"{name}: {text}") for name, text in sorted(streams.items())]


def mask(text: str) -> str:
    """Hide what differs from process to process."""
    for pattern, stand_in in _MASKS:
        text = pattern.sub(stand_in, text)
    return text


def _compare_files(one: Mapping[str, str], other: Mapping[str, str]) -> Iterator[Difference]:
    for path in sorted({*one, *other}):
        if one.get(path) != other.get(path):
            words = [_change(files.get(path)) for files in (one, other)]
            yield Difference(f"file {path}", words[0], words[1])


def _change(digest: str | None) -> str:
    if digest is None:
        return "not written"
    return digest if digest == "deleted" else f"written ({digest[:8]})"
