"""Tab completion of options, their values, subcommands and runs, in both kinds of completers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orch_nb.first_line import SUBCOMMANDS
from orch_nb.options import DeployOptions, FlowOptions, LiveOptions, TaskOptions, option_specs

if TYPE_CHECKING:
    from orch_nb.magics.session import KernelSession

_OF_A_RUN = frozenset({"show", "logs", "cancel", "resume", "retry", "explain", "debug", "diff"})


def complete_task(shell: Any, event: Any) -> list[str]:
    """For a line that begins with %%task."""
    return _options(TaskOptions, event.line.split(), event.symbol)


def complete_flow(shell: Any, event: Any) -> list[str]:
    """For a line that begins with %%flow or %flow."""
    words = event.line.split()
    first = words[1] if len(words) > 1 else ""
    if event.command == "%flow" and first in _OF_A_RUN:
        return [name for name in _run_names() if name not in words[:-1]]
    if event.command == "%flow" and first == "pull" and not event.symbol.startswith("-"):
        return _tasks_of(event.symbol)
    deploys = event.command == "%flow" and first == "deploy"
    found = _options(DeployOptions if deploys else LiveOptions, words, event.symbol)
    if event.command == "%flow" and len(words) <= 2 and not found:
        found = sorted(SUBCOMMANDS)
    return found


def add_completers(session: KernelSession) -> None:
    """Have IPython ask for our completions."""
    shell = session.shell
    shell.set_hook("complete_command", complete_task, str_key="%%task")
    shell.set_hook("complete_command", complete_flow, str_key="%%flow")
    shell.set_hook("complete_command", complete_flow, str_key="%flow")


def _options(
    options: type[TaskOptions] | type[FlowOptions], words: list[str], symbol: str
) -> list[str]:
    specs = option_specs(options)
    before = words[-2] if symbol and words and words[-1] == symbol else words[-1]
    for spec in specs:
        if spec.flag == before and spec.choices:
            return list(spec.choices)
    if symbol and not symbol.startswith("-"):
        return []
    return [spec.flag for spec in specs if spec.flag not in words or spec.flag == symbol]


def _tasks_of(symbol: str) -> list[str]:
    """`RUN.TASK` for a run that is named already, else the runs with their dots."""
    from orch_nb import app
    from orch_nb.errors import OrchError

    run, dot, _ = symbol.partition(".")
    if not dot:
        return [f"{name}." for name in _run_names()]
    try:
        return sorted({f"{run}.{task.name}" for task in app.show(run).tasks if not task.is_call})
    except OrchError:
        return []


def _run_names() -> list[str]:
    from orch_nb import app
    from orch_nb.errors import OrchError

    try:
        return [run.name for run in app.runs(limit=20)]
    except OrchError:
        return []
