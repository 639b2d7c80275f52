"""Runs a flow from a cell: attends it in the kernel's main thread and shows how it goes."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import orch_nb
from orch_nb.app.inline_flow import InlineFlow
from orch_nb.app.live import LiveFlow, LiveOutcome, LiveRequest
from orch_nb.app.live_cells import Asking
from orch_nb.app.live_unbound import who_binds
from orch_nb.browser import is_in_browser
from orch_nb.errors import FlowError, InputError, OptionError
from orch_nb.first_line import find_first_line
from orch_nb.magics.buttons import Buttons
from orch_nb.magics.display import Ending, LiveTable
from orch_nb.magics.live_panel import LivePanel
from orch_nb.magics.session import KernelSession
from orch_nb.magics.shell_cells import ShellCells
from orch_nb.model import TaskRun
from orch_nb.notebook.flow_line import FlowLine, parse_flow_line
from orch_nb.option_text import split_words
from orch_nb.options import FlowOptions
from orch_nb.states import StateName, StateType

_LOOK = 0.1  # seconds between looks at a run that says nothing; an interrupt is seen by then
_SOON = 0.02  # seconds between looks whether a run has begun
_SERVES_COMMS = 7  # the first ipykernel that hears its pages while a cell awaits
_MOST_NAMES = 12  # that a line lists
_BROKEN = (StateName.FAILED, StateName.TIMED_OUT, StateName.CRASHED)


class FlowInterrupt(KeyboardInterrupt):
    """The flow was cancelled by an interrupt; the cell ends as an interrupted one does."""

    def _render_traceback_(self) -> list[str]:
        return [f"KeyboardInterrupt: {self}"]


async def run(session: KernelSession, text: str, subcommand: str, where: str) -> None:
    """Run the flow that a line asks for, and wait for it unless it goes to the background."""
    attended = _begin(session, text, subcommand, where)
    if attended.in_background:
        return
    with attended.interrupts():
        while not attended.flow.is_over:
            await attended.flow.main.serve(_LOOK)
            attended.look()
    attended.end()


def run_blocking(session: KernelSession, text: str, subcommand: str, where: str) -> None:
    """As ``run``, without a loop."""
    attended = _begin(session, text, subcommand, where)
    if attended.in_background:
        return
    with attended.interrupts():
        while not attended.flow.is_over:
            attended.flow.main.serve_blocking(_LOOK)
            attended.look()
    attended.end()


def asking(session: KernelSession) -> Asking:
    """The cell that asks, and what is known of its kernel."""
    cell = session.cell
    return Asking(
        None if cell is None else cell.id,
        "" if cell is None else cell.source,
        tuple(session.runs_by_hand),
        session.namespace,
        None if cell is None else cell.page,
    )


class AttendedFlow:
    """A flow and the panel, or the table, that shows it."""

    def __init__(
        self, session: KernelSession, request: LiveRequest, shown: LivePanel | None = None
    ) -> None:
        self._session = session
        self._shown: LiveTable | LivePanel = shown or _new_display(session, self)
        self._asking = request.asking
        self._interrupts = 0
        self._settled = False
        kind = InlineFlow if is_in_browser() else LiveFlow
        self.flow = kind(request, ShellCells(session.shell), self._shown.hear)
        self.in_background = request.line.background
        self.resumes = request.resume is not None
        # A cell that runs in the kernel blocks it: what is new is shown before.
        self.flow.main.before = lambda: self._shown.refresh(at_once=True)

    def start(self) -> None:
        """Begin; see LiveFlow.start."""
        self.flow.start()

    def look(self) -> None:
        """Show what is new."""
        self._shown.refresh()

    @contextlib.contextmanager
    def interrupts(self) -> Iterator[None]:
        """While it is attended, an interrupt cancels the flow, and a second one kills it."""
        if threading.current_thread() is not threading.main_thread():
            yield  # of a subshell: signals are not its
            return
        before = signal.signal(signal.SIGINT, self._interrupt)
        try:
            yield
        except BaseException:
            self.flow.cancel(kill=True)
            raise
        finally:
            signal.signal(signal.SIGINT, before)

    def _interrupt(self, *_: object) -> None:
        self._interrupts += 1
        self.flow.cancel(kill=self._interrupts > 1)

    def cancel(self) -> None:
        """Cancel it, from anywhere."""
        self.flow.cancel()

    def end(self) -> None:
        """Bind the results, and say how it ended. Raises FlowError, FlowInterrupt."""
        outcome = self.flow.finish()
        self._session.runs_by_hand.extend(outcome.recorded)
        failed = _first_failed(outcome)
        own = None if self.resumes else _own_cell(outcome)
        lines = tuple(_lines(outcome, counts=not self.resumes))
        self._shown.refresh(Ending(lines, _outputs(outcome, own)))
        if own is not None and not self.in_background:
            _show_again(own["outputs"])
        run = outcome.result.run
        if self._interrupts or run.state_type is StateType.CANCELLED:
            if not self.in_background:
                raise FlowInterrupt(f"{run.name} was cancelled")
        elif run.state_type is not StateType.COMPLETED and not self.in_background:
            unbound = "" if failed is None else who_binds(failed, self._asking)
            raise FlowError(
                _failure(run.state_message, failed),
                where=None if failed is None else _place(failed),
                hint=unbound or _what_next(run.name),
            )

    # -- in the background

    def attend_apart(self) -> None:
        """Attend it while the kernel goes on, once it is shown: what is displayed from a thread
        lands in whatever cell runs by then."""
        self._session.flows.append(self)
        while not (self._shown.has_begun or self.flow.is_over):
            self.flow.main.serve_blocking(_SOON)
        self._shown.refresh(at_once=True)
        self.watch()

    def watch(self) -> None:
        """Attend it in a thread of its own, as far as that goes without the main thread."""
        loop = _running_loop()

        def work() -> None:
            while not self.flow.is_over:
                self.flow.main.serve_blocking(_LOOK)
                with contextlib.suppress(Exception):  # a front-end that went away
                    self._shown.refresh()
            if loop is not None and not loop.is_closed():
                loop.call_soon_threadsafe(self.settle)

        threading.Thread(target=work, name="orch_nb background", daemon=True).start()

    def settle(self) -> None:
        """Bind the results if the run is over and no cell runs; in the main thread."""
        watcher = self._session.watcher
        if self._settled or not self.flow.is_over or (watcher and not watcher.is_idle):
            return
        self._settled = True
        with contextlib.suppress(ValueError):
            self._session.flows.remove(self)
        self.end()


def _begin(session: KernelSession, text: str, subcommand: str, where: str) -> AttendedFlow:
    if subcommand:
        request = _resume_request(session, text, subcommand, where)
    else:
        request = LiveRequest(asking(session), parse_flow_line(text, where=where))
    attended = AttendedFlow(session, request)
    attended.start()
    if attended.in_background:
        attended.attend_apart()
    return attended


def _resume_request(session: KernelSession, text: str, subcommand: str, where: str) -> LiveRequest:
    words = split_words(text, where=where)[1:]
    if not words:
        raise OptionError(
            f"%flow {subcommand} needs the name of a run",
            where=where,
            hint="%flow runs  lists them",
        )
    line = FlowLine(None, FlowOptions())
    tasks = tuple(words[1:])
    if subcommand == "retry" and not tasks:
        from orch_nb import app

        details = app.show(words[0])
        tasks = tuple(task.name for task in details.tasks if task.state_name in _BROKEN)
        if not tasks:
            raise InputError(
                f"no task of {details.run.name} has failed",
                where=where,
                hint=f"name one: %flow retry {details.run.name} TASK",
            )
    return LiveRequest(asking(session), line, resume=words[0], tasks=tasks)


def _running_loop() -> Any:
    import asyncio

    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _new_display(session: KernelSession, attended: AttendedFlow) -> LiveTable | LivePanel:
    """The panel; the table where there are no widgets, or where the user prefers it."""
    kernel = getattr(session.shell, "kernel", None)
    has_comms = kernel is not None or is_in_browser()
    if not has_comms or not session.settings.panel or not orch_nb.panel.is_usable():
        return LiveTable(_display)
    serves = is_in_browser()
    # a page that tells its notebook follows the run through its server: it needs no still pictures
    follows = session.cell is not None and session.cell.page is not None
    if not serves and not follows:
        from ipykernel import version_info

        serves = version_info[0] >= _SERVES_COMMS
    buttons = Buttons(session, AttendedFlow)
    buttons.panel = LivePanel(buttons, serves_comms=serves, values=session.namespace)
    buttons.belong_to(attended)
    return buttons.panel


def _display(bundle: dict[str, str]) -> Callable[[dict[str, str]], None]:
    """Show a bundle; returns what replaces it."""
    from IPython.display import display

    handle = display(bundle, raw=True, display_id=True)

    def update(new: dict[str, str]) -> None:
        handle.update(new, raw=True)

    return update


def _lines(outcome: LiveOutcome, *, counts: bool) -> Iterator[str]:
    run, bound = outcome.result.run, outcome.bound
    tasks = outcome.result.tasks
    cached = sum(task.state_name is StateName.CACHED for task in tasks)
    ran = sum(task.state_name is StateName.COMPLETED for task in tasks)
    if cached and counts:  # of a resume, the plan tells
        more = "; --refresh runs all" if not ran else ""
        yield f"{cached} up to date, {ran} run{more}"
    if bound.names:
        yield f"in your kernel: {_listed(bound.names)}"
    if outcome.missing:
        yield f"missing: {_listed(outcome.missing)}"
    if bound.kept:
        yield f"kept your newer {_listed(bound.kept)} (%flow pull {run.name}.TASK has the flow's)"
    for name, why in bound.failed.items():
        yield f"not bound: {name}: {why}"
    if outcome.result.files:
        yield f"files written: {_listed(outcome.result.files)}"


def _listed(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return ", ".join(names[:_MOST_NAMES]) + more


def _outputs(
    outcome: LiveOutcome, but: Mapping[str, Any] | None
) -> tuple[tuple[str, tuple[Any, ...]], ...]:
    code = _code_cells(outcome)
    found = []
    for task in outcome.result.tasks:
        if task.is_call:
            continue
        cell = code[task.cell_number - 1]
        if cell["outputs"] and cell is not but:
            found.append((f"{task.name}, cell {task.cell_number}", tuple(cell["outputs"])))
    return tuple(found)


def _code_cells(outcome: LiveOutcome) -> list[Mapping[str, Any]]:
    return [cell for cell in outcome.result.document["cells"] if cell["cell_type"] == "code"]


def _own_cell(outcome: LiveOutcome) -> Mapping[str, Any] | None:
    """The cell that asked for the flow, if its body has shown something: the last one."""
    cell = _code_cells(outcome)[-1]
    said = find_first_line(cell["source"].split("\n"))
    return cell if said is not None and said.word == "flow" and cell["outputs"] else None


def _show_again(outputs: Iterable[Mapping[str, Any]]) -> None:
    """Show in this cell what the flow's body has shown."""
    from IPython.display import publish_display_data

    for output in outputs:
        if output["output_type"] == "stream":
            stream = sys.stderr if output["name"] == "stderr" else sys.stdout
            stream.write("".join(output["text"]))
        elif output["output_type"] in ("display_data", "execute_result"):
            publish_display_data(output["data"], output.get("metadata") or {})


def _first_failed(outcome: LiveOutcome) -> TaskRun | None:
    failed = [task for task in outcome.result.tasks if task.state_name in _BROKEN]
    return min(failed, key=lambda task: task.cell_number, default=None)


def _what_next(run: str) -> str:
    if is_in_browser():
        return "mend the cell, then run this one again: what is done stays done"
    return f"%flow debug {run}  loads its inputs, %flow resume {run}  goes on"


def _failure(message: str, failed: TaskRun | None) -> str:
    if failed is None:
        return message or "the flow did not end well"
    if failed.error_name is None:
        return f"{failed.name} {failed.state_name}: {failed.state_message}"
    return f"{failed.name} failed: {failed.error_name}: {failed.error_value}"


def _place(task: TaskRun) -> str:
    line = f", line {task.error_line}" if task.error_line else ""
    return f"cell {task.cell_number} '{task.name}'{line}"
