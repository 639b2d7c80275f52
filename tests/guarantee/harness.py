"""Runs notebooks serially and in parallel from one template process, and compares everything."""

# ruff: noqa: E501 - the sources of cells are as long as they are
from __future__ import annotations

import asyncio
import contextlib
import hashlib
import itertools
import json
import random
import re
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from orch_nb.app.output import RunOutput
from orch_nb.app.preparing import Prepared, prepare, setup_cells
from orch_nb.app.verifying import mask, visible
from orch_nb.engine.driver import Driver, DriveRequest
from orch_nb.engine.plan import Plan
from orch_nb.engine.recording import Recording
from orch_nb.execution.job import Outcome, SessionSpec, encode
from orch_nb.model import FlowRun, TaskRun
from orch_nb.notebook.reader import notebook_from_dict
from orch_nb.notebook.writer import OutputWriter
from orch_nb.options import FlowOptions
from orch_nb.results.signing import KeyRing
from orch_nb.runners.base import Collect
from orch_nb.runners.local import LocalRunner, Template
from orch_nb.states import StateName
from orch_nb.store import new_flow_run_id, new_task_run_id

LONGEST = 90.0  # seconds for one run
HEAVY, LIGHT = 1.0, 0.001  # expected seconds: worth a fork, and not

# The last cell of each notebook: what a comparison name by name can't see. Which variables
# share objects and memory, and the process-wide state.
PROBE = """
def _probe(space, seeded):
    import decimal, os, random, sys, warnings
    from orch_nb.execution.fingerprint import Fingerprinter
    hidden = set(get_ipython().user_ns_hidden) | {'_probe'}
    names = sorted(name for name in space if name not in hidden and name[0] != '_')
    print('names', *names)
    print('together', Fingerprinter(space).digest([(name, space[name]) for name in names])[:24])
    numpy, pandas = sys.modules.get('numpy'), sys.modules.get('pandas')
    if numpy:
        arrays = [name for name in names if type(space[name]) is numpy.ndarray]
        for i, one in enumerate(arrays):
            for other in arrays[i + 1:]:
                if numpy.may_share_memory(space[one], space[other]):
                    print(one, 'shares memory with', other)
        print('numpy', numpy.get_printoptions(), numpy.geterr())
        if 'numpy' in seeded:
            print(numpy.random.get_state()[1:])
    if pandas:
        print('pandas', pandas.get_option('display.max_rows'), pandas.get_option('display.precision'))
    if 'random' in seeded:
        print('random', hash(random.getstate()))
    print(sorted(item for item in os.environ.items() if item[0].startswith('GEN_')))
    print('rest', os.path.basename(os.getcwd()), decimal.getcontext(), len(warnings.filters), len(sys.path), sys.getrecursionlimit())
_probe(globals(), {seeded})
"""

_SEEDS = {"random": r"(?<!\.)random\.seed\(", "numpy": r"np\.random\.seed\("}
# Imported once, in the template: what cells import, and what libraries import when first used.
_LIBRARIES = (
    "numpy",
    "pandas",
    "pyarrow.compute",
    "pyarrow.pandas_compat",
    "pandas.io.formats.csvs",
    "pandas.io.formats.html",
    "pandas.io.formats.string",
    "stack_data",
    "pygments.lexers.python",
    "pygments.formatters.terminal256",
)


@dataclass(frozen=True, slots=True)
class Seen:
    """What one run gave: state, message, each cell's count and visible outputs, the files, and
    each variable's digest and type, the widgets' states without their random ids."""

    state: StateName
    message: str
    failed: int | None  # the first failed cell
    counts: tuple[int | None, ...]
    outputs: tuple[tuple[str, ...], ...]
    files: Mapping[str, str]
    values: Mapping[str, tuple[str, ...]]
    where: tuple[str, ...]  # where each cell ran, for those who read a failure
    learned: tuple[str, ...]
    widgets: tuple[str, ...]


class _Borrowed:
    """A template that a session does not end: many sessions share it."""

    def __init__(self, template: Template) -> None:
        self.sock: socket.socket = template.sock.dup()
        self._template = template

    @property
    def ended(self) -> bool:
        return self._template.ended

    def last_words(self) -> str:
        return self._template.last_words()

    def take_session(self) -> None:
        return None

    def hang_up(self) -> None:
        self.sock.close()


class _NoStore:
    """Takes the store's operations and keeps nothing."""

    def submit(self, operation: Callable[[Any], Any], *, hurried: bool = True) -> Future[None]:
        done: Future[None] = Future()
        done.set_result(None)
        return done


class Bench:
    """Runs notebooks in one folder, one after the other, from one template."""

    def __init__(self, template: Template, place: Path, files: Mapping[str, str] = {}) -> None:
        self._template = template
        self._stage = place / "folder"  # the same for each run: what prints it prints the same
        self._results = place / "results"
        self._files = files
        self.runs = 0

    def compare(
        self,
        sources: Sequence[str],
        *,
        weight: Callable[[int], float | None] = lambda number: HEAVY,
        workers: int = 4,
        cells: str = "all",
    ) -> list[str]:
        """The differences of a serial and a parallel run of these cells, in words.

        ``weight`` gives the seconds that a cell is expected to take, by number; None leaves it
        to the analysis.
        """
        serial = self.run(sources, serial=True, cells=cells)
        parallel = self.run(sources, weight=weight, workers=workers, cells=cells)
        return differences(serial, parallel)

    def run(
        self,
        sources: Sequence[str],
        *,
        serial: bool = False,
        weight: Callable[[int], float | None] = lambda number: HEAVY,
        workers: int = 4,
        cells: str = "all",
        threads: int = 1,
    ) -> Seen:
        """Run the cells, with the probe behind them, in an empty folder.

        As `verify` has it, libraries get one thread: sums depend on how many there are.
        """
        self.runs += 1
        text = "\n".join(sources)
        seeded = {name for name in ("random", "numpy") if re.search(_SEEDS[name], text)}
        probe = PROBE.replace("{seeded}", repr(sorted(seeded)))
        prepared = _prepare([*sources, probe], serial=serial, workers=workers, cells=cells)
        if not serial:
            numbers = [node.cell.number for node in prepared.graph.nodes]
            expected = {n: w for n in numbers if (w := weight(n)) is not None}
            prepared = replace(prepared, plan=replace(prepared.plan, expected=expected))
        for folder in (self._stage, self._results):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
        for name, text in self._files.items():
            (self._stage / name).write_text(text)
        seen = _Session(self._template, prepared, self._stage, self._results, threads).run()
        if seen.failed is None and seen.state is not StateName.COMPLETED:
            raise RuntimeError(f"the run itself ended badly: {seen.state} {seen.message}")
        return seen


@contextlib.contextmanager
def open_bench(environment: Mapping[str, str] | None = None) -> Iterator[Bench]:
    """A bench with a template of its own, with variables of its own."""
    template = Template(environment=environment)
    template.sock.sendall(encode({"op": "preload", "modules": _LIBRARIES}))
    try:
        with tempfile.TemporaryDirectory(prefix="orch_nb-guarantee-") as place:
            yield Bench(template, Path(place))
    finally:
        template.close()


def mixed(seed: int) -> Callable[[int], float | None]:
    """Weights of which some are light, some heavy, and some left to the analysis."""
    chance = random.Random(seed)
    weights = [chance.choice((HEAVY, HEAVY, LIGHT, None)) for _ in range(200)]
    return lambda number: weights[number % len(weights)]


def _prepare(sources: Sequence[str], *, serial: bool, workers: int, cells: str) -> Prepared:
    document = {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": {},
        "cells": [
            {
                "cell_type": "code",
                "id": f"cell-{number}",
                "source": source,
                "metadata": {},
                "outputs": [],
                "execution_count": None,
            }
            for number, source in enumerate(sources)
        ],
    }
    notebook = notebook_from_dict(document, path="generated.ipynb")
    options = FlowOptions(cells=cells, runner="inline" if serial else "local")
    return prepare(notebook, options, parameters={}, workers=workers, hints={})


class _Session:
    """One run of one prepared notebook, without a store."""

    def __init__(
        self, template: Template, prepared: Prepared, folder: Path, results: Path, threads: int
    ) -> None:
        self._prepared = prepared
        self._folder = folder
        plan: Plan = prepared.plan
        record = FlowRun(new_flow_run_id(), "", "generated", "generated.ipynb", StateName.PENDING)
        record = replace(record, scheduled_time=datetime.now(UTC))
        tasks = {
            node.cell.number: TaskRun(
                new_task_run_id(),
                record.id,
                node.cell.name,
                node.cell.number,
                node.cell.id,
                node.cell.kind,
                StateName.PENDING,
            )
            for node in plan.graph.nodes
        }
        self._document = OutputWriter(prepared.notebook, None)
        self._recording = Recording(record, tasks, _NoStore(), KeyRing.create(), lambda event: None)
        self._output = RunOutput(self._document, self._recording)
        request = DriveRequest(
            spec=SessionSpec(
                folder=str(folder),
                results=str(results),
                sources={
                    str(prepared.counts[cell.number]): cell.source
                    for cell in prepared.notebook.cells
                    if cell.number in prepared.counts
                },
            ),
            counts=prepared.counts,
            setups=setup_cells(prepared.graph),
            timeout=LONGEST,
            keep_out=prepared.names_results,
            threads=threads,
            collect=Collect.FINGERPRINTS,
        )
        runner = LocalRunner(_Borrowed(template))
        self._driver = Driver(plan, request, runner, self._recording, self._output)

    def run(self) -> Seen:
        asyncio.run(self._drive())
        self._output.finish(self._recording.run)
        tasks = [self._recording.tasks[number] for number in sorted(self._recording.tasks)]
        bad = (StateName.FAILED, StateName.TIMED_OUT, StateName.CRASHED)
        failed = next((task.cell_number for task in tasks if task.state_name in bad), None)
        document = self._document.document()
        cells = [c for c in document["cells"] if "source" in c]
        code = [c for c in cells if c["cell_type"] == "code"][-len(tasks) :]
        values = self._driver.values
        return Seen(
            self._driver.state,
            self._driver.message,
            failed,
            tuple(cell["execution_count"] for cell in code),
            tuple(tuple(visible(cell["outputs"])) for cell in code),
            _digests(self._folder),
            {} if values is None else {k: tuple(v[:2]) for k, v in values.fingerprints.items()},
            tuple(f"{task.cell_number} {task.state_name} {task.where}" for task in tasks),
            tuple(f"{one.source}→{one.target} {one.reason}" for one in self._recording.learned),
            _models(document["metadata"].get("widgets", {})),
        )

    async def _drive(self) -> Mapping[int, Outcome]:
        self._driver.bind_loop()
        return await self._driver.drive()


def _models(widgets: Mapping[str, Any]) -> tuple[str, ...]:
    """Every widget model as text, in an order that does not depend on their random ids."""
    models = [model for bundle in widgets.values() for model in bundle["state"].values()]
    return tuple(sorted(mask(json.dumps(model, sort_keys=True)) for model in models))


def _digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): (
            hashlib.blake2b(path.read_bytes()).hexdigest() if path.is_file() else "folder"
        )
        for path in sorted(folder.rglob("*"))
        if "__pycache__" not in path.parts
    }


def differences(serial: Seen, parallel: Seen) -> list[str]:
    """What is not the same, in words; what lies behind a serial run's failure is left out."""
    found = []
    if (serial.state, serial.failed) != (parallel.state, parallel.failed):
        found.append(
            f"the end: {serial.state} {serial.message} | {parallel.state} {parallel.message}"
        )
    end = len(serial.outputs) if serial.failed is None else serial.failed
    for number in range(1, end + 1):
        one, other = serial.outputs[number - 1], parallel.outputs[number - 1]
        if one != other:
            found.append(f"cell {number} shows:\n  " + "\n  ".join(_unlike(one, other)))
        if serial.counts[number - 1] != parallel.counts[number - 1]:
            found.append(f"cell {number} has another count")
    if serial.failed is None and parallel.failed is None:
        for name in sorted({*serial.values, *parallel.values}):
            first, second = serial.values.get(name), parallel.values.get(name)
            if first != second:
                found.append(f"variable {name}: {first} | {second}")
    for path in sorted({*serial.files, *parallel.files}):
        if serial.files.get(path) != parallel.files.get(path):
            words = [(files.get(path) or "absent")[:8] for files in (serial.files, parallel.files)]
            found.append(f"file {path}: {words[0]} | {words[1]}")
    if found:
        found.append("where: " + "; ".join(parallel.where))
        found.append("learned: " + "; ".join(parallel.learned))
    return found


def _unlike(one: Sequence[str], other: Sequence[str]) -> Iterator[str]:
    """The first lines that differ, of both."""
    first, second = ("\n".join(texts).split("\n") for texts in (one, other))
    pairs = itertools.zip_longest(first, second, fillvalue="(nothing)")
    for left, right in itertools.islice(((a, b) for a, b in pairs if a != b), 3):
        yield f"{left[:300]}\n    | {right[:300]}"
