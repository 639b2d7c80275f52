"""Run a flow of functions: its run in the store, its engine, its end."""

from __future__ import annotations

import contextlib
import functools
import sys
import threading
import time
from collections.abc import Awaitable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from orch_nb.app.function_executors import make_executor
from orch_nb.app.function_runs import FlowWork, create_run, find_left_child, reopen_run
from orch_nb.app.function_scopes import (
    Scope,
    begin_scope,
    current_scope,
    depth_within,
    end_scope,
)
from orch_nb.app.housekeeping import results_cap, tidy_quietly
from orch_nb.app.sibling_modules import find_modules
from orch_nb.durations import format_duration
from orch_nb.dynamic.arguments import replace_futures
from orch_nb.dynamic.engine import Engine
from orch_nb.dynamic.executors import Setting
from orch_nb.dynamic.ledger import Ledger, run_context
from orch_nb.errors import FlowError
from orch_nb.execution import observe
from orch_nb.model import FlowRun
from orch_nb.results.location import open_results
from orch_nb.states import StateName
from orch_nb.store import StoreWriter, open_store


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
        observe.act("runs a flow")
        parent = current_scope()
        depth = depth_within(parent, self._work.name)
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
            self._resume = find_left_child(self._store, parent, work, self._parameters)
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
        engine = Engine(
            self._ledger,
            make_executor(self._work),
            Setting(
                str(Path.cwd()),
                _search_path(self._work),
                str(self._location.staging),
                run_context(run),
                modules=functools.partial(_own_modules, self._work),
            ),
            cancel_requested=lambda: self._store.cancel_requested(run.id),
            fail_fast=options.fail_fast,
        )
        self._ledger.failed = engine.store_failed
        self._scope = Scope(run, engine, self._depth, self._parent)
        self._token = begin_scope(self._scope)
        if options.timeout is not None:
            words = f"the run took longer than {format_duration(options.timeout)}"
            why = (words, StateName.TIMED_OUT)
            self._timer = threading.Timer(options.timeout, self._scope.cancel, why)
            self._timer.daemon = True
            self._timer.start()

    def _claim(self, parent: Scope | None) -> FlowRun:
        if self._resume is not None:
            return reopen_run(self._store, self._resume, self._work, self._parameters)
        return create_run(self._store, self._work, self._parameters, parent)

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
        end_scope(self._scope, self._token)
        self._scope.engine.close()

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if not self._ended:
            self._end(StateName.CRASHED, f"{type(error).__name__}: {error}")
        self._stack.close()


def _search_path(work: FlowWork) -> tuple[str, ...]:
    own = str(Path(work.file).parent) if work.file else ""
    path = [entry or str(Path.cwd()) for entry in sys.path]
    return tuple(path if not own or own in path else [*path, own])


def _own_modules(work: FlowWork) -> Mapping[str, str]:
    """The modules that lie where the flow's own does, and that it uses: path → source."""
    file = Path(work.file)
    if not file.is_file():
        return {}
    inside = 0 if work.module == "__main__" else work.module.count(".")
    inside += file.name == "__init__.py"
    root = file.parents[min(inside, len(file.parents) - 1)]
    name = work.module.partition(".")[0]
    sources = [file.read_text(encoding="utf-8", errors="replace")]
    return find_modules([*sources, f"import {name}"], root)
