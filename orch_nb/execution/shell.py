"""A shell that runs a notebook's cells in this process, with the outputs a kernel would give."""

from __future__ import annotations

import asyncio
import builtins
import contextvars
import os
import re
import sys
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from types import FrameType
from typing import Any, TypeVar

from orch_nb.execution.ambient import keeps_records
from orch_nb.execution.blame import describe_error
from orch_nb.execution.depth import CELL_DEPTH, call_at
from orch_nb.execution.history import SerialHistory
from orch_nb.execution.kernel import create_kernel_shell, create_loop
from orch_nb.execution.leftovers import Leftovers
from orch_nb.execution.outputs import CellResult, Sink
from orch_nb.execution.recorder import OutputRecorder, current_request
from orch_nb.execution.stdin import no_input
from orch_nb.execution.streams import (
    STREAMS,
    CapturedStream,
    capture_descriptors,
    flush_originals,
)
from orch_nb.execution.undisturbed import put_off_interrupt

T = TypeVar("T")

_AWAITS = re.compile(r"await|async")
_GRACE = 0.05  # seconds that an awaited task's KeyboardInterrupt has to reach the cell


class CellShell:
    """One per process, used in the main thread only.

    It takes over the standard streams, `__main__`, the current event loop and IPython's singleton
    until `close`. It opens no socket to anyone and starts no thread, so between cells the process
    may be forked; the child then calls `after_fork` before anything else. ``sink`` is called with
    an OutputEvent, at once, while a cell runs; it must not raise.
    """

    def __init__(self, sink: Sink | None = None) -> None:
        self._environment = dict(os.environ)
        self._path = list(sys.path)
        _add_working_folder(sys.path)
        self._streams = {name: getattr(sys, name) for name in STREAMS}
        self._sink = sink
        self._recorder = OutputRecorder(capture_descriptors(), sink)
        self._captured = [
            CapturedStream(name, self._recorder.write, self._recorder.flush) for name in STREAMS
        ]
        sys.stdout, sys.stderr = self._captured
        self._host = create_kernel_shell(self._recorder.message)
        self._history = SerialHistory(self._host.shell)
        self._loop = create_loop()
        asyncio.set_event_loop(self._loop)
        # all cells share one context, so that context variables last from cell to cell
        self._context = contextvars.copy_context()
        self._cell: asyncio.Task[Any] | None = None  # the cell, while one runs
        self._awaiting: asyncio.Future[Any] | None = None  # its coroutine, if it has one
        self._interrupted = False
        self._builtins = tuple((n, f) for n, f in vars(builtins).items() if n[0] != "_")
        self._leftovers = Leftovers()
        self._transformers = self._all_transformers()

    @property
    def shell(self) -> Any:
        """IPython's InteractiveShell."""
        return self._host.shell

    @property
    def user_ns(self) -> dict[str, Any]:
        """The notebook's variables, IPython's own names among them."""
        return self._host.shell.user_ns  # type: ignore[no-any-return]

    @property
    def hidden(self) -> frozenset[str]:
        """The names in `user_ns` that IPython put there and the notebook has not bound anew."""
        space = self.user_ns
        own = self._host.shell.user_ns_hidden
        return frozenset(n for n, value in own.items() if n in space and space[n] is value)

    def variables(self) -> dict[str, Any]:
        """Return the notebook's own variables: `user_ns` without what is `hidden`."""
        own = self._host.shell.user_ns_hidden  # `_i7` and its like: as many as there were cells
        return {
            name: value
            for name, value in self.user_ns.items()
            if not (name in own and own[name] is value) and name != "__warningregistry__"
        }

    @property
    def sink(self) -> Sink | None:
        """Who is told, while a cell runs, what it shows; may be set between cells."""
        return self._sink

    @sink.setter
    def sink(self, sink: Sink | None) -> None:
        self._sink = sink
        self._recorder.watch(sink)

    def within(self, function: Callable[[], T]) -> T:
        """Call ``function`` where cells run: with their context variables, and with the builtins
        by which a library that is loaded tells that it is in a notebook. Between cells only."""
        with self.shell.builtin_trap:
            return self._context.run(function)

    def why_here(self) -> str:
        """Why cells must run in this process and in no fork, in words: one above them has set what
        all of them use, and what comes of it can be seen here only."""
        streams = zip(STREAMS, self._captured, strict=True)
        found = [f"sys.{name} is redirected" for name, s in streams if getattr(sys, name) is not s]
        own = vars(builtins)
        found += [f"{name}() is replaced" for name, f in self._builtins if own.get(name) is not f]
        if keeps_records():
            found.append("a handler of the notebook's own keeps what is logged")
        return next(iter(found), "")

    @property
    def is_running(self) -> bool:
        """Whether a cell runs now."""
        return self._cell is not None

    def run(self, source: str, *, count: int, silent: bool = False) -> CellResult:
        """Run ``source`` as the cell with execution count ``count`` of a serial run.

        ``silent`` runs it without history, results and `In`/`Out`. Errors of the cell are part of
        the result and never raised.
        """
        if self._loop.is_running():
            raise RuntimeError("a cell is running in this shell")
        self._leftovers.begin(self._loop)
        request, process = uuid.uuid4().hex, os.getpid()
        self._interrupted = False
        if not silent:
            self._history.enter(count)
        self._recorder.begin(request)
        started = time.perf_counter()
        cell = self._execute(source, request, silent=silent)
        outcome = call_at(CELL_DEPTH, lambda: self._drive(cell))
        seconds = time.perf_counter() - started
        if os.getpid() != process:
            # the cell forked and let the child run on; its words went to the descriptors
            os._exit(0)
        flush_originals()
        outputs, display_ids, updates = self._recorder.end()
        if not silent:
            self._history.leave(count)
        error = describe_error(outcome, source, outputs, self._host)
        payloads = self._host.take_payloads()
        self._host.end_script_loop()
        self._leftovers.end_idle()
        widgets = self._recorder.widgets.touched()
        for model, shown in self._recorder.widgets.take_synced().items():
            self._host.sync_output_widget(model, shown)
        out = self.user_ns.get("_oh") or {}
        return CellResult(
            count=count,
            outputs=outputs,
            error=error,
            seconds=seconds,
            has_value=not silent and count in out,
            value=None if silent else out.get(count),
            interrupted=error is not None
            and (self._interrupted or error.name == KeyboardInterrupt.__name__),
            exit_requested=any(p.get("source") == "ask_exit" for p in payloads),
            display_ids=display_ids,
            display_updates=updates,
            widgets=widgets,
            payloads=tuple(payloads),
            leftover_tasks=self._leftovers.tasks(),
            leftover_threads=self._leftovers.threads(),
        )

    def preload(self, modules: Iterable[str]) -> tuple[str, ...]:
        """Import ``modules`` as a cell would, and leave no other trace; return those that failed,
        or showed something, which a cell that imports them later would not show again.

        Some libraries look, when imported, for names that IPython offers only to a running cell.
        """
        failed = []
        for module in modules:
            known = set(self.user_ns)
            source = f"__import__('importlib').import_module({module!r})"
            result = self.run(source, count=self._host.shell.execution_count, silent=True)
            if result.error or result.outputs:
                failed.append(module)
            for name in set(self.user_ns) - known:
                del self.user_ns[name]
        return tuple(failed)

    def set_sources(self, sources: Mapping[int, str]) -> None:
        """Tell the sources of the run's cells, by execution count, wherever they run.

        A cell finds in `In` and `_i` those before it, as in a serial run. All may be told at once.
        """
        self._history.set_sources(sources)

    def set_out(self, count: int, value: Any) -> None:
        """Tell what the last expression of cell ``count`` gave in another process.

        Cells after it find it in `Out` and `_`.
        """
        self._history.set_out(count, value)

    def handle_interrupt(self, signum: int, frame: FrameType | None) -> None:
        """Signal handler that ends the running cell as a kernel's interrupt does.

        Running code gets KeyboardInterrupt; a cell that awaits is cancelled. Does nothing between
        cells. Install it for the signal that the driver sends.
        """
        if self._cell is None:
            return
        self._interrupted = True
        if self._awaiting is not None and self._is_loop_waiting(frame):
            self._loop.call_soon_threadsafe(self._awaiting.cancel)
        elif not put_off_interrupt():
            raise KeyboardInterrupt

    def flush(self) -> None:
        """Write out what Python's own streams hold; before a fork, lest it be written twice."""
        flush_originals()

    def after_fork(self, sink: Sink | None = None) -> None:
        """In a child forked between cells: record here from now on, for ``sink``."""
        self._recorder.capture.renew()
        self._sink = sink
        self._recorder.after_fork(sink)
        for stream in self._captured:
            stream.adopt()
        for task in asyncio.all_tasks(self._loop):
            # it goes on in the parent; here it is neither run nor mourned
            task._log_destroy_pending = False  # type: ignore[attr-defined]
        self._loop.close()
        self._loop = create_loop()
        asyncio.set_event_loop(self._loop)

    def close(self) -> None:
        """Give the process back its streams, `__main__` and singletons. The shell is unusable."""
        self._host.close()
        flush_originals()
        for name, stream in self._streams.items():
            setattr(sys, name, stream)
        self._recorder.capture.close()
        asyncio.set_event_loop(None)
        self._loop.close()
        sys.path[:] = self._path
        for name in set(os.environ) - set(self._environment):
            del os.environ[name]
        os.environ.update(self._environment)

    async def _execute(self, source: str, request: str, *, silent: bool) -> Any:
        """Run the cell as IPythonKernel.do_execute does; return IPython's ExecutionResult."""
        current_request.set(request)
        self._host.start_request(request)
        shell = self._host.shell
        how = {"store_history": not silent, "silent": silent}
        if not _AWAITS.search(source) and self._all_transformers() == self._transformers:
            with no_input():
                return shell.run_cell(source, **how)  # it would not be made to await anything
        prepared: dict[str, Any] = {"preprocessing_exc_tuple": None}
        try:
            prepared["transformed_cell"] = shell.transform_cell(source)
        except Exception:
            # any error of an input transformer is the cell's, and IPython reports it
            prepared["transformed_cell"] = source
            prepared["preprocessing_exc_tuple"] = sys.exc_info()
        with no_input():
            if not shell.should_run_async(source, **prepared):
                return shell.run_cell(source, **how)
            result = None
            self._awaiting = asyncio.ensure_future(shell.run_cell_async(source, **how, **prepared))
            try:
                result = await self._awaiting
            finally:
                self._awaiting = None
                shell.events.trigger("post_execute")
                if not silent:
                    shell.events.trigger("post_run_cell", result)
            return result

    def _all_transformers(self) -> list[Any]:
        """What IPython lets change a cell's source before it is parsed."""
        shell = self._host.shell
        manager = shell.input_transformer_manager
        return [
            *manager.cleanup_transforms,
            *manager.line_transforms,
            *manager.token_transformers,
            *shell.input_transformers_post,
            *shell.prefilter_manager.transformers,
        ]

    def _drive(self, cell: Any) -> Any:
        """Run the loop until ``cell`` is done; return its result, or the error that ended it."""
        self._cell = self._loop.create_task(cell, context=self._context)
        try:
            while not self._cell.done():
                try:
                    self._loop.run_until_complete(self._cell)
                except (KeyboardInterrupt, SystemExit) as stop:
                    # raised by another task, or by an interrupt between two steps of the loop
                    if isinstance(stop, KeyboardInterrupt) and not self._cell.done():
                        self._loop.call_later(_GRACE, self._cell.cancel)
                except RuntimeError:
                    # the cell stopped the loop, which it does not own
                    if self._loop.is_closed():
                        raise
            return self._cell.exception() or self._cell.result()
        except asyncio.CancelledError:
            return KeyboardInterrupt()
        finally:
            self._cell = None

    def _is_loop_waiting(self, frame: FrameType | None) -> bool:
        """Whether ``frame`` is this loop's own wait for something to happen."""
        while frame is not None and frame.f_code.co_name == "select":
            frame = frame.f_back
        return frame is not None and frame.f_locals.get("self") is self._loop


def _add_working_folder(path: list[str]) -> None:
    """Let modules beside the notebook be imported, after the standard library's, as in a kernel."""
    if "" in path:
        return
    sites = ("site-packages", "dist-packages")
    first = next((i for i, entry in enumerate(path) if entry.endswith(sites)), len(path))
    path.insert(first, "")
