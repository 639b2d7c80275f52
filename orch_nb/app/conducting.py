"""While a flow's body, or a cell with `--each`, runs: its tasks as callables in its namespace.

This is called in the process that holds the notebook's values, which is forked for the calls
before the cell begins: a call reads what the cells above have made, and what it is given.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import logging
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from orch_nb.app.called_cells import EACH, END, call_id
from orch_nb.app.function_executors import choose_executor
from orch_nb.app.function_scopes import Scope, enter_scope
from orch_nb.app.sibling_modules import find_modules
from orch_nb.dynamic.arguments import replace_futures
from orch_nb.dynamic.calls import MappedCalls, TaskWork
from orch_nb.dynamic.cell_processes import fork_server, ship_cells
from orch_nb.dynamic.engine import Engine
from orch_nb.dynamic.executors import Setting
from orch_nb.dynamic.futures import FutureList, TaskFuture, futures_of
from orch_nb.dynamic.ledger import Ledger
from orch_nb.dynamic.mapping import map_items
from orch_nb.dynamic.processes import ProcessExecutor
from orch_nb.dynamic.records import CellRecord
from orch_nb.dynamic.shipped_cells import ShippedCells
from orch_nb.engine.retry import chance_of, retry_delays
from orch_nb.errors import FlowError, ParameterError
from orch_nb.execution.anatomy import Pinned
from orch_nb.execution.calls import Namespace
from orch_nb.execution.fingerprint import Fingerprinter
from orch_nb.execution.job import Job, SessionSpec
from orch_nb.execution.shell import CellShell
from orch_nb.model import FlowRunId
from orch_nb.option_text import parse_mapping
from orch_nb.options import TaskOptions
from orch_nb.results.location import open_results
from orch_nb.runners.dask_cluster import is_dask
from orch_nb.store import StoreWriter, open_store

_LOOP = "__loop__"  # tells a call which of its names is the item's


class CellTask:
    """A cell as a callable: names that it reads are given in place of what it would read."""

    def __init__(self, cell: Mapping[str, Any], scope: Scope, work: TaskWork, file: str) -> None:
        self._cell = cell
        self._scope = scope
        self._work = work
        self._where = f"{file}, {cell['label']}"

    def __call__(self, **given: Any) -> CellRecord:
        """Run the cell; gives a record with one attribute for each name that it bound."""
        record: CellRecord = self.submit(**given).result()
        return record

    def submit(self, *, wait_for: Any = None, **given: Any) -> TaskFuture:
        """Run it in the background; the future offers the same attributes as futures."""
        self._check(given)
        return self._scope.engine.submit(self._work, (), given, futures_of(wait_for))

    def map(self, *items: Any, wait_for: Any = None, **given: Any) -> FutureList:
        """Run it once for each item of what it is given, or of one list for its only open name."""
        if len(items) > 1 or (items and given):
            raise ParameterError(
                f"{self._cell['name']}.map() takes one list, or lists by name", where=self._where
            )
        if items:
            given = {self._open_name(): items[0]}
        self._check(given)
        return map_items(self._scope.engine, self._work, (), given, futures_of(wait_for))

    def __repr__(self) -> str:
        return f"<task {self._cell['name']}, {self._cell['label']}>"

    def _check(self, given: Iterable[str]) -> None:
        for name in given:
            if name not in self._cell["reads"]:
                known = ", ".join(self._cell["reads"]) or "nothing"
                raise ParameterError(
                    f"it reads no '{name}'", where=self._where, hint=f"it reads {known}"
                )

    def _open_name(self) -> str:
        names = [name for name in self._cell["reads"] if name not in self._scope.names]
        if len(names) != 1:
            shown = ", ".join(names or self._cell["reads"]) or "nothing"
            raise ParameterError(
                f"{self._cell['name']}.map() needs a name for its list",
                where=self._where,
                hint=f"such as {self._cell['name']}.map(name=[…]); it reads {shown}",
            )
        return str(names[0])


@contextlib.contextmanager
def conduct_cells(shell: CellShell, job: Job, spec: SessionSpec) -> Iterator[Job]:
    """While inside, the cells of ``job.calls`` are callables in the shell's namespace, and their
    runs are recorded with the run's. Gives the job, which does not read them."""
    calls = job.calls
    cells = {cell["number"]: cell for cell in calls["cells"]}
    Namespace.names = shell.user_ns
    shipped, why_not = _ship(shell, job, spec)
    forks = fork_server(shell, cells) if shipped is None else None
    with contextlib.ExitStack() as stack:
        if forks is not None:
            stack.callback(forks.close)
        store = stack.enter_context(open_store())
        writer = stack.enter_context(StoreWriter(store))
        location = open_results()
        run = store.get_run(calls["run"])
        ledger = Ledger(run, store, writer, store.keyring(), location, of_cells=True)
        ledger.read_earlier()
        if why_not:
            words = f"its tasks are called on this machine: {why_not}"
            ledger.log(None, logging.INFO, "orch_nb.dask", words)
        runner = "local" if calls["runner"] == "inline" else calls["runner"]
        choose = functools.partial(
            choose_executor, runner, calls["workers"] or None, spec.folder, run.flow
        )
        modules = functools.partial(find_modules, tuple(spec.sources.values()), Path(spec.folder))
        path = tuple(entry or spec.folder for entry in sys.path)
        setting = Setting(spec.folder, path, spec.results, spec.run, modules=modules)
        workers = calls["workers"] or os.cpu_count() or 1
        executor = choose() if forks is None else ProcessExecutor(workers, forks)
        engine = Engine(ledger, executor, replace(setting, cells=shipped))
        functions = Engine(ledger, choose(), setting)
        ledger.failed = engine.store_failed
        stack.callback(engine.close)
        stack.callback(functions.close)
        scope = Scope(run, engine, 1, None, names=frozenset(shell.variables()))
        own = _callables(calls, cells, scope, shell.user_ns)
        if calls.get("each"):
            own[END] = functools.partial(_unbind_missing, shell.user_ns, ledger)
        else:
            own[END] = functools.partial(_end, (engine, functions))
        shell.within(lambda: enter_scope(Scope(run, functions, 1, None)))
        try:
            with _bound(shell.user_ns, own):
                reads = tuple(name for name in job.reads if name not in own)
                yield replace(job, reads=reads)
        finally:
            shell.within(lambda: enter_scope(None))
            Namespace.names = None


def _ship(shell: CellShell, job: Job, spec: SessionSpec) -> tuple[ShippedCells | None, str]:
    """What a cluster needs to run the calls; or why it can't, empty where none is asked for."""
    calls = job.calls
    if not is_dask(calls["runner"]):
        return None, ""
    try:
        shipped = ship_cells(
            shell, job, spec, calls["cells"], setups=calls["setups"], preload=calls["preload"]
        )
    except Pinned as pin:
        return None, str(pin.args[0])
    return shipped, ""


def _callables(
    calls: Mapping[str, Any],
    cells: Mapping[int, Mapping[str, Any]],
    scope: Scope,
    namespace: Mapping[str, Any],
) -> dict[str, Any]:
    loop = calls.get("each")
    own: dict[str, Any] = {}
    for cell in cells.values():
        work = _work(cell, scope.run.id, namespace)
        scope.engine.check_options(work)
        if loop:
            own[EACH] = functools.partial(_each, scope.engine, work, cell, loop)
        else:
            own[cell["name"]] = CellTask(cell, scope, work, calls["filename"])
    return own


@contextlib.contextmanager
def _bound(namespace: dict[str, Any], own: Mapping[str, Any]) -> Iterator[None]:
    """While inside, the namespace holds these names; those that are bound anew stay."""
    before = {name: namespace[name] for name in own if name in namespace}
    namespace.update(own)
    try:
        yield
    finally:
        for name, value in own.items():
            if namespace.get(name) is value:
                del namespace[name]
        for name, value in before.items():
            namespace.setdefault(name, value)


def _work(cell: Mapping[str, Any], run: FlowRunId, namespace: Mapping[str, Any]) -> TaskWork:
    _, options = parse_mapping(cell["options"], TaskOptions)
    digest = hashlib.sha256(cell["source"].encode("utf-8", "surrogatepass")).hexdigest()
    known: dict[str, str] = {}

    def salt(given: frozenset[str]) -> str:
        """What the cell reads of the values above."""
        for name in cell["reads"]:
            if name not in known and name in namespace:
                known[name] = _digest(namespace, name)
        return "".join(known.get(name, "") for name in cell["reads"] if name not in given)

    return TaskWork(
        name=cell["name"],
        number=cell["number"],
        where_from=call_id(digest),
        function=_not_here,
        options=options,
        delays=retry_delays(options, chance_of(run, cell["name"])),
        blob=lambda: json.dumps(cell["number"]).encode(),
        code=lambda: digest,
        salt=salt,
    )


def _digest(namespace: Mapping[str, Any], name: str) -> str:
    try:
        return Fingerprinter(dict(namespace)).digest(namespace[name])[:16]
    except Exception:  # the value's own code runs here
        return ""


def _not_here(**given: Any) -> Any:
    raise FlowError("what a task is given, or gives, can't be sent to another process")


def _end(engines: tuple[Engine, ...], value: Any, reads: Callable[[], Any]) -> Any:
    """The body has come to its end: wait for what it submitted, and see that nothing failed.
    ``reads`` only names what the tasks read."""
    found = replace_futures(value, lambda future: future.result())
    for engine in engines:
        engine.drain()
        engine.check()
    failures = [future for engine in engines for future in engine.failures]
    unseen = next((future for future in failures if not future.seen), None)
    if unseen is not None:
        raise unseen.why()
    return found


def _each(
    engine: Engine,
    work: TaskWork,
    cell: Mapping[str, Any],
    loop: str,
    items: Iterable[Any],
    reads: Callable[[], Any],
) -> tuple[list[Any], ...]:
    """Run the cell for each item, and gather what it binds, in the order of its names; of a name
    that not every item has bound, or that can't leave its process, a `_Missing` says so."""
    given = list(items)
    futures = FutureList(TaskFuture(work.label(index)) for index in range(len(given)))

    def pick(index: int) -> tuple[tuple[Any, ...], dict[str, Any]]:
        return (), {loop: given[index], _LOOP: loop}

    engine.map(MappedCalls(work, enumerate(futures), pick))
    futures.wait()
    failed = next((future for future in futures if future.has_failed), None)
    if failed is not None:
        raise failed.why()
    records = futures.result()
    found: list[Any] = []
    for name in cell["binds"]:
        if name != loop:
            missing = next((record for record in records if name not in record), None)
            if missing is None:
                found.append([record[name] for record in records])
            else:
                found.append(_Missing(name, CellRecord.why_not(missing, name)))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class _Missing:
    """Stands for a name that is to stay unbound."""

    name: str
    reason: str


def _unbind_missing(namespace: dict[str, Any], ledger: Ledger) -> None:
    """Leave names unbound that have no list, and log why."""
    for name, value in list(namespace.items()):
        if type(value) is _Missing:
            del namespace[name]
            if value.reason:
                words = f"'{name}' is not gathered: it {value.reason}"
                ledger.log(None, logging.INFO, "orch_nb.task", words)
