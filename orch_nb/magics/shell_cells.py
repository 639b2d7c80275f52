"""A kernel's shell as a flow needs it: its variables, and a way to run a cell inside of a cell."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Collection, Iterator
from time import perf_counter
from typing import Any

from orch_nb.app.live_kernel import CellEnd
from orch_nb.execution.outputs import ErrorInfo, Output


class ShellCells:
    """See orch_nb.app.live_kernel.KernelShell."""

    def __init__(self, shell: Any) -> None:
        self._shell = shell

    @property
    def namespace(self) -> dict[str, Any]:
        """The notebook's variables, IPython's own names among them."""
        namespace: dict[str, Any] = self._shell.user_ns
        return namespace

    @property
    def hidden(self) -> Collection[str]:
        """Names that IPython put there, and its history."""
        own = self._shell.user_ns_hidden
        space = self.namespace
        hidden = {name for name, value in own.items() if name in space and space[name] is value}
        history = {
            n for n in space if (n[:1] == "_" and n.strip("_i").isdigit()) or not n.strip("_")
        }
        return hidden | history | {"_i", "_ii", "_iii", "_dh", "_ih", "_oh", "In", "Out"}

    async def run_cell(self, source: str) -> CellEnd:
        """Run a cell, capturing what it shows. An interrupt ends the cell."""
        from IPython.utils.capture import capture_output

        shell = self._shell
        errors: list[tuple[str, str, list[str]]] = []
        started = perf_counter()
        with capture_output() as captured, _interruptible(), _tracebacks(shell, errors):
            result = await shell.run_cell_async(
                source, store_history=False, transformed_cell=shell.transform_cell(source)
            )
            shell.events.trigger("post_execute")
            shell.events.trigger("post_run_cell", result)
        seconds = perf_counter() - started
        error = result.error_before_exec or result.error_in_exec
        outputs = _outputs(captured)
        info = None
        if error is not None:
            trace = tuple(errors[-1][2]) if errors else ()
            info = ErrorInfo(
                type(error).__name__, str(error), trace, _line(error, self.namespace), _code(error)
            )
            outputs.append(
                {
                    "output_type": "error",
                    "ename": info.name,
                    "evalue": info.value,
                    "traceback": list(trace),
                }
            )
        return CellEnd(tuple(outputs), info, seconds, isinstance(error, KeyboardInterrupt))


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    """Let an interrupt reach the code that runs, and not the flow around it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextlib.contextmanager
def _tracebacks(shell: Any, errors: list[tuple[str, str, list[str]]]) -> Iterator[None]:
    """Gather tracebacks in place of showing them."""

    def gather(etype: Any, evalue: Any, stb: list[str]) -> None:
        errors.append((etype.__name__, str(evalue), list(stb)))

    shell._showtraceback = gather  # on the instance: the class's own comes back when it is gone
    try:
        yield
    finally:
        del shell._showtraceback


def _outputs(captured: Any) -> list[Output]:
    outputs: list[Output] = []
    for name, text in (("stdout", captured.stdout), ("stderr", captured.stderr)):
        if text:
            outputs.append({"output_type": "stream", "name": name, "text": text})
    for rich in captured.outputs:
        outputs.append(
            {
                "output_type": "display_data",
                "data": dict(rich.data),
                "metadata": dict(rich.metadata or {}),
            }
        )
    return outputs


def _line(error: BaseException, namespace: dict[str, Any]) -> int | None:
    """The line of the cell's own code that is to blame."""
    if isinstance(error, SyntaxError):
        return error.lineno
    trace, line, file = error.__traceback__, None, None
    while trace is not None:
        frame = trace.tb_frame
        if frame.f_globals is namespace:
            file = file or frame.f_code.co_filename
            if frame.f_code.co_filename == file:
                line = trace.tb_lineno
        trace = trace.tb_next
    return line


def _code(error: BaseException) -> int | str | None:
    if not isinstance(error, SystemExit):
        return None
    return 0 if error.code is None else error.code
