"""Run a notebook for many sets of parameters, each as a run of its own, and compare them."""

from __future__ import annotations

import contextlib
import csv
import io
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from orch_nb.app.requests import Control, RunRequest
from orch_nb.app.running import run
from orch_nb.app.sweep_points import Point
from orch_nb.app.sweep_summary import write_summary
from orch_nb.errors import InputError, OrchError, OutputError
from orch_nb.execution.reporting import reports_in
from orch_nb.notebook.binding import GivenParameter, ParameterSource, bind_parameters
from orch_nb.notebook.output_file import check_writable
from orch_nb.notebook.reader import read_notebook
from orch_nb.runners.dask_cluster import DaskCluster, is_dask, is_factory, place_of
from orch_nb.states import TYPE_OF, StateName, StateType

_TAG = "sweep"


@dataclass(frozen=True, slots=True)
class SweepRequest:
    """What to sweep over. ``folder`` takes the runs' notebooks and the summary; ``at_once`` are
    the runs that go on together; ``options`` are FlowOptions fields for every run."""

    notebook: str
    points: tuple[Point, ...]
    folder: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    at_once: int | None = None


@dataclass(frozen=True, slots=True)
class SweptRun:
    """One run of a sweep: what it was given, what it declared, and how it ended."""

    number: int  # from 1
    name: str
    state: StateName
    parameters: Mapping[str, Any]
    metrics: Mapping[str, Any]
    seconds: float
    output: str
    error: str = ""

    @property
    def ok(self) -> bool:
        """Whether it is completed."""
        return TYPE_OF[self.state] is StateType.COMPLETED


@dataclass(frozen=True, slots=True)
class SweepResult:
    """All runs, in the order of the points; ``summary`` is the path of the summary notebook."""

    runs: tuple[SweptRun, ...]
    summary: str

    @property
    def columns(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The names of the parameters and of the metrics."""
        return (
            tuple(dict.fromkeys(name for run in self.runs for name in run.parameters)),
            tuple(dict.fromkeys(name for run in self.runs for name in run.metrics)),
        )

    def sorted_by(self, column: str) -> tuple[SweptRun, ...]:
        """The runs by a parameter or metric, the smallest first; ``-name``: the largest. Those
        that have none come last. Raises InputError for a column that is not there."""
        name = column.removeprefix("-")
        known = (*self.columns[0], *self.columns[1], "seconds")
        if name not in known:
            raise InputError(
                f"the runs have no '{name}'", where="--sort", hint=f"they have {', '.join(known)}"
            )
        having = [(value_of(run, name), run) for run in self.runs]
        numbers = [pair for pair in having if _is_number(pair[0])]
        others = [pair for pair in having if not _is_number(pair[0]) and pair[0] is not None]
        without = [run for value, run in having if value is None]
        backwards = column.startswith("-")
        numbers.sort(key=lambda pair: pair[0], reverse=backwards)
        others.sort(key=lambda pair: str(pair[0]), reverse=backwards)
        return (*(run for _, run in numbers), *(run for _, run in others), *without)

    def to_csv(self, runs: Sequence[SweptRun] | None = None) -> str:
        """A table with one line for each run."""
        parameters, metrics = self.columns
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["run", "state", *parameters, *metrics, "seconds", "output"])
        for swept in self.runs if runs is None else runs:
            row = [swept.name, swept.state.value]
            row += [swept.parameters.get(name, "") for name in parameters]
            row += [swept.metrics.get(name, "") for name in metrics]
            writer.writerow([*row, round(swept.seconds, 3), swept.output])
        return text.getvalue()


class SweepControl:
    """Cancels a sweep: the runs that go on are cancelled, and no other is begun."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: list[Control] = []
        self.cancelled = False

    def cancel(self, kill: bool = False) -> None:
        """End it; at once with ``kill``."""
        with self._lock:
            self.cancelled = True
            running = list(self._running)
        for control in running:
            control.cancel(kill)

    def begin(self) -> Control | None:
        """The control of a run that begins; None when none shall begin any more."""
        with self._lock:
            if self.cancelled:
                return None
            control = Control()
            self._running.append(control)
            return control

    def end(self, control: Control) -> None:
        """A run has ended."""
        with self._lock:
            self._running.remove(control)


def sweep(
    request: SweepRequest,
    ended: Callable[[SweptRun], None] = lambda run: None,
    control: SweepControl | None = None,
) -> SweepResult:
    """Run the notebook once for every point; a run that fails does not end the sweep.

    The first run goes ahead, and the others take from it, by the cache, what does not depend on
    their own parameters. ``ended`` is told of each run. Raises InputError, before anything is
    run, for parameters that the notebook does not have or that do not fit.
    """
    notebook = read_notebook(request.notebook)
    for point in request.points:
        bind_parameters(notebook, _given(point))
    folder = Path(request.folder or Path(request.notebook).with_name(f"{notebook.name}.sweep"))
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"the folder can't be made: {error.strerror}", where=str(folder), hint="give another -o"
        ) from None
    summary = folder / "summary.ipynb"
    check_writable(str(summary))
    first, *others = enumerate(request.points, 1)
    with _one_cluster(request) as shared:
        work = _Sweep(shared, folder, ended, control or SweepControl())
        runs = [work.run(first)]
        with ThreadPoolExecutor(work.at_once, thread_name_prefix="orch_nb sweep") as pool:
            runs += pool.map(work.run, others)
    result = SweepResult(tuple(run for run in runs if run is not None), str(summary))
    write_summary(summary, notebook.name, result)
    return result


@contextlib.contextmanager
def _one_cluster(request: SweepRequest) -> Iterator[SweepRequest]:
    """While inside, runs whose Dask cluster would be started for each of them share one."""
    runner = str(request.options.get("runner", ""))
    place = place_of(runner)
    if not is_dask(runner) or (place and not is_factory(place)):
        yield request
        return
    workers = request.options.get("max_workers") or os.cpu_count() or 1
    cluster = DaskCluster(place, workers, str(Path(request.notebook).parent))
    try:
        yield replace(request, options={**request.options, "runner": f"dask={cluster.address}"})
    finally:
        cluster.close()


class _Sweep:
    def __init__(
        self,
        request: SweepRequest,
        folder: Path,
        ended: Callable[[SweptRun], None],
        control: SweepControl,
    ) -> None:
        cores = os.cpu_count() or 1
        self.at_once = max(1, min(request.at_once or cores, len(request.points)))
        self._request = request
        self._folder = folder
        self._ended = ended
        self._control = control
        self._width = len(str(len(request.points)))
        self._options = {
            "cache": True,
            "max_workers": max(1, cores // self.at_once),
            **request.options,
        }

    def run(self, numbered: tuple[int, Point]) -> SweptRun | None:
        """Run one point; None when the sweep was cancelled before."""
        number, point = numbered
        control = self._control.begin()
        if control is None:
            return None
        output = str(self._folder / f"{number:0{self._width}}.ipynb")
        request = RunRequest(
            self._request.notebook,
            output,
            parameters=_given(point),
            options=self._options,
            tags=(_TAG, *self._request.tags),
        )
        try:
            swept = self._swept(number, point, request, control)
        finally:
            self._control.end(control)
        self._ended(swept)
        return swept

    def _swept(self, number: int, point: Point, request: RunRequest, control: Control) -> SweptRun:
        output = request.output or ""
        try:
            done = run(request, control=control)
        except OrchError as error:
            return SweptRun(
                number, "", StateName.FAILED, dict(point), {}, 0.0, output, error.message
            )
        cells = done.document["cells"]
        outputs = [shown for cell in cells for shown in cell.get("outputs", ())]
        given = {name: done.run.parameters.get(name, text) for name, text in point.items()}
        return SweptRun(
            number,
            done.run.name,
            done.run.state_name,
            given,
            reports_in(outputs),
            done.seconds,
            output,
            done.run.state_message,
        )


def value_of(run: SweptRun, column: str) -> Any:
    """A run's metric, parameter, or seconds."""
    if column in run.metrics:
        return run.metrics[column]
    if column in run.parameters:
        return run.parameters[column]
    return run.seconds if column == "seconds" else None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _given(point: Point) -> tuple[GivenParameter, ...]:
    return tuple(GivenParameter(name, text, ParameterSource.TEXT) for name, text in point.items())
