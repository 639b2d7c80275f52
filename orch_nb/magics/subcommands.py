"""`%flow graph`, `runs`, `pull`, `debug` and the others: what is asked about flows and runs."""

from __future__ import annotations

import types
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from orch_nb import app
from orch_nb.app.comparing import compare_runs
from orch_nb.app.debugging import Debugging, debug
from orch_nb.app.live_cells import find_cells
from orch_nb.app.past import Loaded
from orch_nb.app.plain import plain_line, plain_text
from orch_nb.app.pulling import pull
from orch_nb.durations import show_duration
from orch_nb.errors import OptionError
from orch_nb.magics.display import mark_of
from orch_nb.magics.flows import asking
from orch_nb.magics.session import KernelSession
from orch_nb.model import CellsMode, FlowRun
from orch_nb.option_text import split_words
from orch_nb.states import StateName

if TYPE_CHECKING:
    from orch_nb.graph.model import FlowGraph
    from orch_nb.notebook.document import Notebook

_INTO = "--into"
_COLUMNS = 100
_MOST_LOGS = 500


def answer(session: KernelSession, subcommand: str, text: str) -> None:
    """Print the answer, or bind what was asked for. Raises OrchError."""
    if subcommand == "deploy":
        _deploy(session, text)
        return
    words, into = _into(split_words(text, where=f"%flow {subcommand}"), subcommand)
    _ANSWERS[subcommand](session, words, into)


def _into(words: list[str], subcommand: str) -> tuple[list[str], str | None]:
    """The words without ``--into NAME``, and that name."""
    if _INTO not in words:
        return words, None
    place = words.index(_INTO)
    name = words[place + 1] if place + 1 < len(words) else ""
    if not name.isidentifier():
        raise OptionError(
            f"{_INTO} needs a variable's name", hint=f"%flow {subcommand} … {_INTO} old"
        )
    return words[:place] + words[place + 2 :], name


def _graph(session: KernelSession, words: list[str], into: str | None) -> None:
    from orch_nb.graph import render
    from orch_nb.graph import words as phrases

    notebook, graph = _load_graph(session)
    if len(words) == 2:
        print(phrases.why(graph, *(_number(notebook, word) for word in words)))
    elif len(words) == 1:
        print(phrases.explain(graph.node(_number(notebook, words[0])), graph))
    else:
        print(plain_text(render.as_text(graph, _COLUMNS, False, notebook.filename)))


def _check(session: KernelSession, words: list[str], into: str | None) -> None:
    from orch_nb.graph.check import find_problems

    notebook, graph = _load_graph(session)
    problems = find_problems(graph)
    for problem in problems:
        print(f"{problem.severity}: {plain_line(problem.message)}  --> {problem.cell.label}")
        if problem.hint:
            print(f"  hint: {plain_line(problem.hint)}")
    if not problems:
        print(f"{notebook.filename}: no problems")


def _load_graph(session: KernelSession) -> tuple[Notebook, FlowGraph]:
    from orch_nb.graph.build import build_graph

    notebook = find_cells(asking(session), whole=True).notebook
    return notebook, build_graph(notebook.cells, CellsMode(notebook.flow.options.cells))


def _number(notebook: Notebook, called: str) -> int:
    for cell in notebook.cells:
        if called in (str(cell.number), cell.name):
            return cell.number
    raise OptionError(f"no cell {called!r}", where=notebook.filename, hint="%flow graph shows all")


def _runs(session: KernelSession, words: list[str], into: str | None) -> None:
    found = app.runs(flow=words[0] if words else None)
    for run in found:
        when = run.start_time or run.scheduled_time
        moment = "" if when is None else when.astimezone().strftime("%Y-%m-%d %H:%M")
        _print_row(
            (run.name, 22), (run.flow, 18), (run.state_name, 12), mark=run.state_name, end=moment
        )
    if not found:
        print("no runs yet")


def _show(session: KernelSession, words: list[str], into: str | None) -> None:
    details = app.show(_one_run(words, "show"))
    run = details.run
    print(plain_line(f"{mark_of(run.state_name)} {run.flow} · {run.name} · {run.state_name}"))
    for name, value in run.parameters.items():
        source = run.parameter_sources.get(name, "cell")
        print(plain_line(f"  {name}={value!r} ({source})"))
    for task in details.tasks:
        took = "" if task.seconds is None else show_duration(task.seconds)
        why = f"{task.error_name}: {task.error_value}" if task.error_name else task.state_message
        place = f"cell {task.cell_number}"
        _print_row(
            (task.name, 20),
            (place, 9),
            (task.state_name, 15),
            (took, 8),
            mark=task.state_name,
            end=why,
        )
    for path in details.files:
        print(plain_line(f"  file {path}"))


def _print_row(*columns: tuple[str, int], mark: StateName | None = None, end: str = "") -> None:
    """One line of a table: each text on one line, and filled up to its width."""
    first = "" if mark is None else f"{mark_of(mark)} "
    cells = (f"{plain_line(text, 60):<{width}} " for text, width in columns)
    print((first + "".join(cells) + plain_line(end)).rstrip())


def _logs(session: KernelSession, words: list[str], into: str | None) -> None:
    records = app.logs(_one_run(words, "logs"), words[1] if len(words) > 1 else None)
    shown = 0
    for record in records:
        clock = record.time.astimezone().strftime("%H:%M:%S")
        print(plain_text(f"{clock} {record.task or ''} {record.message}"))
        shown += 1
        if shown == _MOST_LOGS:
            print(f"… the first {_MOST_LOGS}; `orch-nb logs {words[0]}` prints all")
            return
    if not shown:
        print("nothing was logged")


def _cancel(session: KernelSession, words: list[str], into: str | None) -> None:
    if words:
        run = app.cancel(words[0])
        print(plain_line(f"{run.name} is {run.state_name}"))
        return
    for flow in session.flows:
        flow.cancel()
    count = len(session.flows)
    print("no flow runs in the background here" if not count else f"{count} asked to end")


def _explain(session: KernelSession, words: list[str], into: str | None) -> None:
    if len(words) != 2:
        raise OptionError("%flow explain needs a run and a task", hint="%flow explain RUN TASK")
    found = app.explain(*words)
    print(plain_line(f"{found.task.name}: {found.summary}", 1000))
    for field in found.fields:
        print(plain_line(f"  {field.verdict.value:<8} {field.label}  {field.detail}"))
    if found.why_not_kept:
        print(plain_line(f"not kept for later runs: {found.why_not_kept}", 1000))


def _pull(session: KernelSession, words: list[str], into: str | None) -> None:
    if len(words) != 1:
        raise OptionError("%flow pull needs one task of a run", hint="%flow pull RUN.TASK")
    pulled = pull(words[0], session.namespace)
    _bind(session, pulled.loaded, into)
    print(plain_line(f"from {pulled.run.name}, {pulled.task.name}: {_names(pulled.loaded, into)}"))
    _tell_missing(pulled.loaded, pulled.run)


def _debug(session: KernelSession, words: list[str], into: str | None) -> None:
    called = _one_run(words, "debug")
    found = load_failed(session, called, words[1] if len(words) > 1 else None, into)
    task, error = found.task, found.error
    print(
        plain_line(f"{task.name}, cell {task.cell_number} of {found.run.name}: {task.state_name}")
    )
    if error is not None:
        print("\n".join(error.traceback) or error.words)
    elif task.error_name or task.state_message:
        print(plain_line(f"{task.error_name or ''} {task.error_value or task.state_message}", 1000))
    if found.loaded.values:
        print(plain_line(f"its inputs, as they were: {_names(found.loaded, into)}", 500))
    if found.from_kernel:
        listed = ", ".join(found.from_kernel)
        print(plain_line(f"not on record, as your kernel holds them now: {listed}", 500))
    _tell_missing(found.loaded, found.run)
    print(plain_line(f"mend the cell below and run it, then: %flow resume {found.run.name}"))
    session.shell.set_next_input(found.source)


def load_failed(
    session: KernelSession, called: str, task: str | None, into: str | None
) -> Debugging:
    """Bring the inputs of a run's failed task into the kernel. Raises OrchError."""
    found = debug(called, task, session.namespace)
    for line in found.imports:
        session.shell.run_cell(line, store_history=False)
    _bind(session, found.loaded, into)
    return found


def _diff(session: KernelSession, words: list[str], into: str | None) -> None:
    if len(words) != 2:
        raise OptionError("%flow diff needs two runs", hint="%flow diff RUN RUN")
    found = compare_runs(*words)
    _print_row(("", 10), ("", 24), (found.one.name, 32), end=found.other.name)
    for d in found.differences:
        _print_row((d.aspect, 10), (d.name, 24), (d.one, 32), end=d.other)
    if not found.differences:
        print("no difference")


def _deploy(session: KernelSession, text: str) -> None:
    from orch_nb.app.live_deploying import deploy_from_kernel, told

    print(plain_text("\n".join(told(deploy_from_kernel(asking(session), text)))))


def _one_run(words: list[str], subcommand: str) -> str:
    if not words:
        raise OptionError(
            f"%flow {subcommand} needs the name of a run", hint="%flow runs  lists them"
        )
    return words[0]


def _bind(session: KernelSession, loaded: Loaded, into: str | None) -> None:
    if into is not None:
        session.namespace[into] = types.SimpleNamespace(**loaded.values)
    else:
        session.namespace.update(loaded.values)


def _names(loaded: Loaded, into: str | None) -> str:
    names: Iterable[str] = sorted(loaded.values)
    return ", ".join(names if into is None else (f"{into}.{name}" for name in names))


def _tell_missing(loaded: Loaded, run: FlowRun) -> None:
    for name, why in sorted(loaded.missing.items()):
        print(plain_line(f"not to be had: {name}: {why}", 300))
    if loaded.missing:
        print(plain_line(f"  %flow retry {run.name} TASK  makes them again"))


_ANSWERS: dict[str, Callable[[KernelSession, list[str], str | None], Any]] = {
    "graph": _graph,
    "check": _check,
    "runs": _runs,
    "show": _show,
    "logs": _logs,
    "cancel": _cancel,
    "explain": _explain,
    "pull": _pull,
    "debug": _debug,
    "diff": _diff,
}
