"""`@task` and `@flow`: the engine for plain functions, in modules, scripts and cells."""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, overload

from orch_nb.app.function_flows import run_flow, run_flow_async
from orch_nb.app.function_runs import FlowWork
from orch_nb.app.function_scopes import Scope, current_scope
from orch_nb.dynamic.arguments import replace_futures
from orch_nb.dynamic.calls import TaskWork
from orch_nb.dynamic.functions import digest_code, pickle_function, where_from
from orch_nb.dynamic.futures import FutureList, TaskFuture, futures_of
from orch_nb.dynamic.mapping import map_items
from orch_nb.dynamic.mapping import unmapped as unmapped  # a public name
from orch_nb.engine.retry import chance_of, retry_delays
from orch_nb.errors import FlowError, OptionError
from orch_nb.option_text import parse_mapping
from orch_nb.options import FlowOptions, TaskOptions

# Options of cells that say nothing about a function.
_OF_CELLS = frozenset(
    {
        "each",
        "needs",
        "in_order",
        "independent",
        "writes",
        "pause",
        "input",
        "pause_timeout",
        "unanswered",
    }
)
_OF_FUNCTION_FLOWS = frozenset(
    {
        "runner",
        "max_workers",
        "fail_fast",
        "timeout",
        "flow_retries",
        "flow_retry_delay",
        "limit",
    }
)
_ALIASES = {"retries": "flow_retries", "retry_delay": "flow_retry_delay"}


class Task:
    """A function as a task; made by `task`.

    In a flow's body, calling it runs it at once; `.submit` runs it in the background and gives a
    future; `.map` does so for each item. Outside of a flow, a call is a plain call.
    """

    def __init__(self, function: Callable[..., Any], name: str, options: TaskOptions) -> None:
        functools.update_wrapper(self, function)
        self.__wrapped_task__ = function
        self.name = name
        self.options = options

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run it and return its value. An async task is awaited where a loop runs."""
        scope = current_scope()
        if scope is None:
            return self.__wrapped_task__(*args, **kwargs)
        is_async = inspect.iscoroutinefunction(self.__wrapped_task__)
        if is_async and _loop_runs():
            return self.submit(*args, **kwargs)
        work = self._work(scope)
        if self.options.timeout is not None:
            return self.submit(*args, **kwargs).result()  # only a process can be stopped
        return scope.engine.run_here(work, args, kwargs)

    def submit(self, *args: Any, wait_for: Any = None, **kwargs: Any) -> TaskFuture:
        """Run it in the background once ``wait_for`` and all futures among its arguments have
        ended well. Raises FlowError outside of a flow."""
        scope = self._scope("submit")
        inspect.signature(self.__wrapped_task__).bind(*args, **kwargs)
        return scope.engine.submit(self._work(scope), args, kwargs, futures_of(wait_for))

    def map(self, *args: Any, wait_for: Any = None, **kwargs: Any) -> FutureList:
        """Run it once for each item of its arguments, which have one length; text, bytes, dicts
        and what stands in `unmapped` are given to each call as they are."""
        scope = self._scope("map")
        inspect.signature(self.__wrapped_task__).bind(*args, **kwargs)
        work = self._work(scope)
        return map_items(scope.engine, work, args, kwargs, futures_of(wait_for))

    def with_options(self, **options: Any) -> Task:
        """The same function with other options: ``retries``, ``timeout``, ``cache`` …"""
        name = options.pop("name", self.name)
        merged = _task_options(name, options, self.options)
        return Task(self.__wrapped_task__, name, merged)

    def __get__(self, owner: Any, kind: type | None = None) -> Any:
        return self if owner is None else functools.partial(self, owner)

    def __reduce__(self) -> Any:
        return Task, (self.__wrapped_task__, self.name, self.options)

    def __repr__(self) -> str:
        return f"<task {self.name}>"

    def _scope(self, verb: str) -> Scope:
        scope = current_scope()
        if scope is None:
            raise FlowError(
                f"{self.name}.{verb}() is called outside of a flow",
                where=f"task '{self.name}'",
                hint="call it in a function that is decorated with @flow",
            )
        return scope

    def _work(self, scope: Scope) -> TaskWork:
        work = scope.works.get(id(self))
        if work is None:
            function = self.__wrapped_task__
            work = scope.works[id(self)] = TaskWork(
                name=self.name,
                number=len(scope.works) + 1,
                where_from=where_from(function),
                function=function,
                options=self.options,
                delays=retry_delays(self.options, chance_of(scope.run.id, self.name)),
                blob=functools.cache(functools.partial(pickle_function, function, self)),
                code=functools.cache(functools.partial(digest_code, function)),
                keeper=self,
            )
            scope.engine.check_options(work)
        return work


class Flow:
    """A function as a flow; made by `flow`. A call is a flow run; within another flow's body, a
    subflow's. What it returns is returned, with the values of futures in their places."""

    def __init__(
        self,
        function: Callable[..., Any],
        name: str,
        options: FlowOptions,
        tags: tuple[str, ...],
    ) -> None:
        functools.update_wrapper(self, function)
        self.__wrapped_flow__ = function
        self.name = name
        self.options = options
        self.tags = tags

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run it; a coroutine function's flow is awaited."""
        return self._run(None, args, kwargs)

    def resume(self, run: str, *args: Any, **kwargs: Any) -> Any:
        """Go on with a run of this flow, by name or id: the body runs again, and what its tasks
        have done is not done again. Raises InputError for a run that has not ended."""
        return self._run(run, args, kwargs)

    def with_options(self, **options: Any) -> Flow:
        """The same function with other options: ``runner``, ``max_workers``, ``retries`` …"""
        name = options.pop("name", self.name)
        tags = tuple(options.pop("tags", self.tags))
        return Flow(self.__wrapped_flow__, name, _flow_options(name, options, self.options), tags)

    def __reduce__(self) -> Any:
        return Flow, (self.__wrapped_flow__, self.name, self.options, self.tags)

    def __repr__(self) -> str:
        return f"<flow {self.name}>"

    def _run(self, run: str | None, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        function = self.__wrapped_flow__
        args = replace_futures(args, lambda future: future.result())
        kwargs = replace_futures(kwargs, lambda future: future.result())
        bound = inspect.signature(function).bind(*args, **kwargs)
        bound.apply_defaults()
        module, _, qualname = where_from(function).partition(":")
        try:
            file = inspect.getsourcefile(function) or ""
        except TypeError:
            file = ""
        work = FlowWork(self.name, function, self.options, self.tags, module, qualname, file)
        start = run_flow_async if inspect.iscoroutinefunction(function) else run_flow
        return start(work, args, kwargs, _flat(bound), run)


@overload
def task(function: Callable[..., Any], /) -> Task: ...


@overload
def task(**options: Any) -> Callable[[Callable[..., Any]], Task]: ...


def task(
    function: Callable[..., Any] | None = None, /, **options: Any
) -> Task | Callable[[Callable[..., Any]], Task]:
    """Make a function a task: ``@task``, or ``@task(retries=3, timeout="5m", cache=True)``.

    The options are those of `%%task` that concern a function, and ``name``. Raises OptionError.
    """
    if function is None:
        return lambda function: _make_task(function, options)
    return _make_task(function, options)


def _make_task(function: Callable[..., Any], given: Mapping[str, Any]) -> Task:
    options = dict(given)
    name = options.pop("name", None) or function.__name__
    return Task(function, name, _task_options(name, options, TaskOptions()))


@overload
def flow(function: Callable[..., Any], /) -> Flow: ...


@overload
def flow(**options: Any) -> Callable[[Callable[..., Any]], Flow]: ...


def flow(
    function: Callable[..., Any] | None = None, /, **options: Any
) -> Flow | Callable[[Callable[..., Any]], Flow]:
    """Make a function a flow: ``@flow``, or ``@flow(runner="inline", max_workers=4)``.

    The options are those of `%%flow` that concern a function, ``name`` and ``tags``. Raises
    OptionError.
    """
    if function is None:
        return lambda function: _make_flow(function, options)
    return _make_flow(function, options)


def _make_flow(function: Callable[..., Any], given: Mapping[str, Any]) -> Flow:
    options = dict(given)
    name = options.pop("name", None) or function.__name__
    tags = tuple(options.pop("tags", ()))
    return Flow(function, name, _flow_options(name, options, FlowOptions()), tags)


def _task_options(name: str, given: Mapping[str, Any], base: TaskOptions) -> TaskOptions:
    where = f"task '{name}'"
    for option in given:
        if option in _OF_CELLS:
            raise OptionError(f"{option} is an option of cells, not of functions", where=where)
    _, parsed = parse_mapping(given, TaskOptions, where=where)
    own = asdict(parsed)
    merged = asdict(base) | {option: own[option] for option in given}
    return TaskOptions(**merged)


def _flow_options(name: str, given: Mapping[str, Any], base: FlowOptions) -> FlowOptions:
    where = f"flow '{name}'"
    given = {_ALIASES.get(option, option): value for option, value in given.items()}
    _, parsed = parse_mapping(given, FlowOptions, where=where)
    for option in given:
        if option not in _OF_FUNCTION_FLOWS:
            words = f"{option} is an option of notebooks, not of functions"
            raise OptionError(words, where=where)
    own = asdict(parsed)
    return FlowOptions(**(asdict(base) | {option: own[option] for option in given}))


def _flat(bound: inspect.BoundArguments) -> dict[str, Any]:
    """The arguments by name, those of ``**kwargs`` among them."""
    found: dict[str, Any] = {}
    for name, value in bound.arguments.items():
        kind = bound.signature.parameters[name].kind
        if kind is inspect.Parameter.VAR_KEYWORD:
            found |= value
        elif kind is not inspect.Parameter.VAR_POSITIONAL or value:
            found[name] = value
    return found


def _loop_runs() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
