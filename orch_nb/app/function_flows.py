"""Run a flow of functions: its run in the store, its engine, its end; and go on with one."""

from __future__ import annotations

import contextlib
import contextvars
import importlib
import importlib.util
import json
import os
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from orch_nb.app.abandoned import settle_run
from orch_nb.app.destination import lasting_path
from orch_nb.app.housekeeping import results_cap, tidy_quietly
from orch_nb.durations import format_duration
from orch_nb.dynamic.arguments import replace_futures
from orch_nb.dynamic.calls import TaskWork
from orch_nb.dynamic.engine import Engine
from orch_nb.dynamic.executors import Executor, Setting
from orch_nb.dynamic.functions import IMPORTED_MAIN
from orch_nb.dynamic.ledger import Ledger, run_context
from orch_nb.errors import FlowError, InputError
from orch_nb.execution import context
from orch_nb.model import FlowRun, FlowRunId, Json
from orch_nb.options import FlowOptions
from orch_nb.results.location import open_results
from orch_nb.states import StateName, StateType
from orch_nb.store import Store, StoreWriter, Transaction, new_flow_run_id, new_holder, open_store
from orch_nb.store.limits import put_sizes

DEEPEST = 50  # flows within flows
FUNCTION = "function"  # what a run's request tells of a flow that is no notebook
_BY = "driver"

# Where calls of a flow may run, by the name of the runner; each is made with its slots.
EXECUTORS: dict[str, str] = {
    "local": "orch_nb.dynamic.processes:ProcessExecutor",
    "inline": "orch_nb.dynamic.executors:ThreadExecutor",
}


@dataclass(frozen=True, slots=True)
class FlowWork:
    """A flow of functions: what it does and where it is found."""

    name: str
    function: Callable[..., Any]
    options: FlowOptions
    tags: tuple[str, ...]
    module: str
    qualname: str
    file: str


class Part(Protocol):
    """What a flow started, and ends with it."""

    def cancel(self, reason: str, state: StateName) -> None:
        """End it."""


@dataclass(slots=True, eq=False)
class Scope:
    """A flow that runs: what tasks that are called in its body belong to."""

    run: FlowRun
    engine: Engine
    depth: int
    parent: Scope | None
    names: frozenset[str] = frozenset()  # that a notebook's cells above have bound
    works: dict[int, TaskWork] = field(default_factory=dict)
    children: list[Part] = field(default_factory=list)
    taken: set[FlowRunId] = field(default_factory=set)  # child runs that were gone on with

    def cancel(self, reason: str, state: StateName) -> None:
        """End the flow, and those that it started."""
        for child in list(self.children):
            child.cancel(reason, state)
        self.engine.cancel(reason, state)


_current: contextvars.ContextVar[Scope | None] = contextvars.ContextVar("scope", default=None)


def current_scope() -> Scope | None:
    """The flow whose body this is called from."""
    scope = _current.get()
    return scope if scope is not None and scope.engine.owner == os.getpid() else None


def run_flow(
    work: FlowWork,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    parameters: Mapping[str, Any],
    resume: str | None = None,
) -> Any:
    """Run a flow to its end and give what its body returns, with futures' values in place.

    Raises what the body raised, else the error of a task whose value nobody asked for.
    """
    with _Conduct(work, parameters, resume) as conduct:
        while True:
            try:
                return conduct.finish(work.function(*args, **kwargs))
            except BaseException as error:
                delay = conduct.failed(error)
                if delay is None:
                    raise
                time.sleep(delay)
            conduct.again()


async def run_flow_async(
    work: FlowWork,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    parameters: Mapping[str, Any],
    resume: str | None = None,
) -> Any:
    """As ``run_flow``, for a body that is a coroutine function."""
    import asyncio

    with _Conduct(work, parameters, resume) as conduct:
        while True:
            try:
                made: Awaitable[Any] = work.function(*args, **kwargs)
                value = await made
                return await asyncio.to_thread(conduct.finish, value)
            except BaseException as error:
                delay = await asyncio.to_thread(conduct.failed, error)
                if delay is None:
                    raise
                await asyncio.sleep(delay)
            conduct.again()


def enter_scope(scope: Scope | None) -> None:
    """Let tasks that are called in this context, from now on, belong to a flow; or to none."""
    _current.set(scope)


class _Conduct:
    """One flow run from its record to its end."""

    def __init__(self, work: FlowWork, parameters: Mapping[str, Any], resume: str | None) -> None:
        self._work = work
        self._parameters = parameters
        self._resume = resume
        self._stack = contextlib.ExitStack()
        self._retries = 0
        self._ended = False
        self._timer: threading.Timer | None = None

    def __enter__(self) -> _Conduct:
        parent = current_scope()
        depth = 1 if parent is None else parent.depth + 1
        if depth > DEEPEST:
            raise FlowError(
                f"flow '{self._work.name}' is {depth} flows deep, and {DEEPEST} is the limit",
                hint="does it call itself without an end?",
            )
        try:
            self._open(parent, depth)
        except BaseException:
            self._stack.close()
            raise
        return self

    def _open(self, parent: Scope | None, depth: int) -> None:
        work = self._work
        self._store = self._stack.enter_context(open_store())
        self._writer = self._stack.enter_context(StoreWriter(self._store))
        self._location = open_results()
        self._cap = results_cap()
        if self._resume is None and parent is not None and parent.run.attempt > 1:
            self._resume = _left_child(self._store, parent, work, self._parameters)
        run = self._claim(parent)
        self._ledger = Ledger(run, self._store, self._writer, self._store.keyring(), self._location)
        if run.attempt > 1 or self._resume is not None:
            self._ledger.read_earlier()
        self._ledger.set_run_state(StateName.RUNNING)
        self._parent = parent
        self._depth = depth
        self._begin()

    def _begin(self) -> None:
        run, options = self._ledger.run, self._work.options
        workers = options.max_workers or os.cpu_count() or 1
        engine = Engine(
            self._ledger,
            make_executor(options.runner, workers),
            Setting(
                str(Path.cwd()),
                _search_path(self._work),
                str(self._location.staging),
                run_context(run),
            ),
            cancel_requested=lambda: self._store.cancel_requested(run.id),
            fail_fast=options.fail_fast,
        )
        self._ledger.failed = engine.store_failed
        self._scope = Scope(run, engine, self._depth, self._parent)
        if self._parent is not None:
            self._parent.children.append(self._scope)
        self._token = _current.set(self._scope)
        if options.timeout is not None:
            words = f"the run took longer than {format_duration(options.timeout)}"
            why = (words, StateName.TIMED_OUT)
            self._timer = threading.Timer(options.timeout, self._scope.cancel, why)
            self._timer.daemon = True
            self._timer.start()

    def _claim(self, parent: Scope | None) -> FlowRun:
        work = self._work
        if self._resume is not None:
            return _reopen(self._store, self._resume, work, self._parameters)
        plain = _as_json(self._parameters)
        above = parent.run.id if parent is not None else context.current.id
        run = FlowRun(
            id=new_flow_run_id(),
            name="",
            flow=work.name,
            notebook=lasting_path(work.file) if work.file else work.module,
            state_name=StateName.PENDING,
            parameters={name: _shown(value) for name, value in self._parameters.items()},
            parameter_sources=dict.fromkeys(self._parameters, "call"),
            tags=work.tags,
            options=work.options,
            request={
                "kind": FUNCTION,
                "module": work.module,
                "name": work.qualname,
                "arguments": plain,
                "cwd": str(Path.cwd()),
            },
            scheduled_time=datetime.now(UTC),
            parent_run=FlowRunId(above) if above else None,
        )

        def create(transaction: Transaction) -> FlowRun:
            put_sizes(transaction, dict(work.options.limit))
            return transaction.create_flow_run(run, [], holder=new_holder(), by=_BY)

        return self._writer.submit(create).result()

    def finish(self, value: Any) -> Any:
        """The body has returned: wait for what it submitted, and end the run well."""
        engine = self._scope.engine
        value = replace_futures(value, lambda future: future.result())
        engine.drain()
        engine.check()
        unseen = next((f for f in engine.failures if not f.seen), None)
        if unseen is not None:
            raise unseen.why()
        self._end(StateName.COMPLETED)
        return value

    def failed(self, error: BaseException) -> float | None:
        """The body, or a task, has failed: end the run, unless it is tried once more after the
        seconds that are returned."""
        engine, options = self._scope.engine, self._work.options
        message = f"{type(error).__name__}: {error}"
        if isinstance(error, KeyboardInterrupt | GeneratorExit) or engine.cancelled is not None:
            self._scope.cancel("cancelled by the user", StateName.CANCELLED)
            with contextlib.suppress(BaseException):
                engine.drain()
            why = engine.cancelled
            state = StateName.CANCELLED if why is None else why.state
            self._end(state, "" if why is None else why.reason)
            if state is StateName.TIMED_OUT and why is not None:
                raise FlowError(f"flow '{self._work.name}': {why.reason}") from None
            return None
        try:
            engine.drain()  # what else it submitted finishes, and serves a resume
        except BaseException as broken:
            message = f"{type(broken).__name__}: {broken}"
            self._end(StateName.CRASHED, message)
            return None
        if self._retries >= options.flow_retries:
            self._end(StateName.FAILED, message)
            return None
        delays = options.flow_retry_delay
        delay = delays[min(self._retries, len(delays) - 1)]
        self._retries += 1
        self._close_engine()
        self._ledger.set_run_state(StateName.AWAITING_RETRY, message)
        return delay

    def again(self) -> None:
        """The next attempt begins: what is done is not done again."""
        ledger = self._ledger
        ledger.writer.flush()
        ledger.run = replace(ledger.run, attempt=ledger.run.attempt + 1)
        ledger.forget()
        ledger.read_earlier()
        ledger.set_run_state(StateName.RUNNING)
        self._begin()

    def _end(self, state: StateName, message: str = "") -> None:
        self._ended = True
        self._close_engine()
        with contextlib.suppress(Exception):  # the error that ended the run is the one to tell
            self._ledger.set_run_state(state, message)
            self._ledger.close()
            if self._parent is None:
                tidy_quietly(self._store, self._location, self._cap)

    def _close_engine(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        with contextlib.suppress(ValueError):  # another context's, for a generator
            _current.reset(self._token)
        if self._parent is not None:
            self._parent.children.remove(self._scope)
        self._scope.engine.close()

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if not self._ended:
            self._end(StateName.CRASHED, f"{type(error).__name__}: {error}")
        self._stack.close()


def make_executor(runner: str, workers: int) -> Executor:
    """The executor of a runner's name."""
    if runner not in EXECUTORS:
        known = ", ".join(EXECUTORS)
        raise InputError(f"a flow of functions can't run on '{runner}'", hint=f"choose of {known}")
    module, _, name = EXECUTORS[runner].partition(":")
    made: Executor = getattr(importlib.import_module(module), name)(workers)
    return made


def is_function_flow(called: str) -> bool:
    """Whether the run of that name or id is one of a flow of functions, and of no notebook."""
    with open_store() as store:
        return bool(store.get_run(called).request.get("kind") == FUNCTION)


def resume_functions(called: str) -> FlowRun:
    """Go on with a recorded flow of functions, whose module is imported for it; the run as it has
    ended. What its body raises is told in the run's state.

    Raises InputError where that can't be done from outside of the program that it is part of.
    """
    with open_store() as store:
        run = settle_run(store, store.get_run(called))
    check_ended(run)
    begin = run.attempt
    try:
        _call_again(run)
    except Exception:
        with open_store() as store:
            ended = store.get_run(run.id)
        if ended.attempt == begin:
            raise  # it never began
        return ended
    with open_store() as store:
        return store.get_run(run.id)


def check_ended(run: FlowRun) -> None:
    """Raise InputError for a run that can't be gone on with."""
    if not run.state_type.is_terminal:
        hint = f"orch-nb cancel {run.name}  ends it"
        raise InputError(f"run {run.name} is {run.state_name}: it has not ended", hint=hint)
    if run.state_type is StateType.COMPLETED and run.parent_run is None:
        raise InputError(f"run {run.name} is {run.state_name}: nothing is left to run")


def _call_again(run: FlowRun) -> Any:
    request = run.request
    arguments = request.get("arguments")
    hint = f"in Python:  {request.get('name')}.resume({run.name!r}, …)  with its arguments"
    if arguments is None:
        raise InputError(f"the arguments of run {run.name} are no plain values", hint=hint)
    found: Any = _import(run, hint)
    for part in str(request["name"]).split("."):
        found = getattr(found, part, None)
    if not hasattr(found, "resume"):
        words = f"{request['module']} has no flow {request['name']!r} any more"
        raise InputError(words, where=run.notebook, hint=hint)
    return found.resume(run.name, **arguments)


def _import(run: FlowRun, hint: str) -> Any:
    module, path = str(run.request["module"]), Path(run.notebook)
    cwd = str(run.request.get("cwd") or "")
    for folder in (cwd, str(path.parent) if path.suffix == ".py" else ""):
        if folder and folder not in sys.path:
            sys.path.insert(0, folder)
    if cwd and Path(cwd).is_dir():
        os.chdir(cwd)
    if module != "__main__":
        try:
            return importlib.import_module(module)
        except ImportError as error:
            raise InputError(f"{module} can't be imported: {error}", hint=hint) from None
    if path.suffix != ".py" or not path.is_file():
        raise InputError(f"run {run.name} was started in no file that is there now", hint=hint)
    import cloudpickle

    spec = importlib.util.spec_from_file_location(IMPORTED_MAIN, path)
    if spec is None or spec.loader is None:
        raise InputError(f"{path} can't be imported", hint=hint)
    made = importlib.util.module_from_spec(spec)
    sys.modules[IMPORTED_MAIN] = made
    cloudpickle.register_pickle_by_value(made)  # a worker can't import it by that name
    spec.loader.exec_module(made)
    return made


def _reopen(store: Store, called: str, work: FlowWork, parameters: Mapping[str, Any]) -> FlowRun:
    run = settle_run(store, store.get_run(called))
    if run.request.get("kind") != FUNCTION or run.flow != work.name:
        raise InputError(f"run {run.name} is one of flow '{run.flow}', not of '{work.name}'")
    check_ended(run)

    def reopen(transaction: Transaction) -> FlowRun:
        epoch = transaction.claim(run.id, new_holder())
        record = replace(
            run,
            state_name=StateName.RESUMING,
            state_message="",
            attempt=run.attempt + 1,
            parameters={name: _shown(value) for name, value in parameters.items()},
            options=work.options,
            start_time=None,
            end_time=None,
            epoch=epoch,
        )
        transaction.set_flow_state(record, expected=run.state_name, by="resume")
        return record

    return store.write(reopen)


def _left_child(
    store: Store, parent: Scope, work: FlowWork, parameters: Mapping[str, Any]
) -> str | None:
    """The run of the same subflow in an earlier attempt of its parent."""
    shown = {name: _shown(value) for name, value in parameters.items()}
    for run in store.child_runs(parent.run.id):
        fits = run.flow == work.name and dict(run.parameters) == shown
        if fits and run.id not in parent.taken:
            parent.taken.add(run.id)
            if settle_run(store, run).state_type.is_terminal:
                return run.name
    return None


def _as_json(parameters: Mapping[str, Any]) -> Json:
    """The arguments as plain values; None when they are not."""
    try:
        plain = json.loads(json.dumps(dict(parameters), allow_nan=False))
    except (TypeError, ValueError, RecursionError):
        return None
    same = plain == dict(parameters) and repr(plain) == repr(dict(parameters))
    return plain if same else None


def _shown(value: Any) -> Json:
    """A value as a run's record shows it."""
    try:
        plain: Json = json.loads(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError, RecursionError):
        text = repr(value)
        return text if len(text) <= 200 else f"{text[:199]}…"
    return plain


def _search_path(work: FlowWork) -> tuple[str, ...]:
    own = str(Path(work.file).parent) if work.file else ""
    path = [entry or str(Path.cwd()) for entry in sys.path]
    return tuple(path if not own or own in path else [*path, own])
