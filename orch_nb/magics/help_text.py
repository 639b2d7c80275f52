"""What `%%task?`, `%%flow?` and `%flow?` show, from the definition of the options."""

from __future__ import annotations

from orch_nb.options import DeployOptions, FlowOptions, LiveOptions, TaskOptions, option_specs

TASK = """Make this cell a task of the notebook's flow: %%task [NAME] [options]

Run by hand it runs as any cell does; `%%flow` then knows it as done while its text and its inputs
stay as they are. In a flow it runs beside others, with these policies:

"""
SETUP = """Make this cell a setup cell: %%setup

It runs in the flow's own process and once in each worker process: connections, styles, imports.
"""
FLOW = """Run the cells above as a flow, as far as they are not up to date: %%flow [NAME] [options]

The results are bound here, as if the cells had been run one by one. Options:

"""
PARAMETER = ("-p NAME VALUE", "a parameter's value for this run")
SUBCOMMANDS: tuple[tuple[str, str], ...] = (
    ("[NAME] [options]", "run the flow, as %%flow does"),
    ("graph [CELL CELL]", "which cell waits for which; why the second waits for the first"),
    ("check", "what would make the notebook fail or wait"),
    ("runs", "the latest runs"),
    ("show RUN", "a run's tasks"),
    ("logs RUN [TASK]", "what a run, or one of its tasks, logged"),
    ("cancel [RUN]", "cancel a run; without a name, those in the background here"),
    ("resume RUN", "go on with a run that has failed, with the cells as they are now"),
    ("retry RUN", "run the failed tasks of a run again, and what needs them"),
    ("explain RUN TASK", "why a task was run, or was not"),
    ("pull RUN.TASK [--into NAME]", "bring what a task of a past run made into this kernel"),
    ("debug RUN [--into NAME]", "load a failed task's inputs and its source"),
    ("diff RUN RUN", "what differs between two runs"),
    ("deploy [NAME] [options]", "have the notebook, as it is saved, run by itself"),
)


def task_help() -> str:
    """For %%task."""
    return TASK + _rows(_option_rows(TaskOptions))


def flow_help() -> str:
    """For %%flow."""
    return FLOW + _rows([PARAMETER, *_option_rows(LiveOptions)])


def flow_line_help() -> str:
    """For %flow."""
    rows = [(f"%flow {usage}", text) for usage, text in SUBCOMMANDS]
    text = "Run the notebook's flow, or ask about its runs.\n\n" + _rows(rows)
    return f"{text}\nOptions of %flow deploy:\n\n" + _rows(
        [PARAMETER, *_option_rows(DeployOptions)]
    )


def _option_rows(options: type[TaskOptions] | type[FlowOptions]) -> list[tuple[str, str]]:
    specs = option_specs(options)
    return [(f"{spec.flag} {spec.placeholder}".strip(), spec.help) for spec in specs]


def _rows(rows: list[tuple[str, str]]) -> str:
    width = max(len(usage) for usage, _ in rows) + 2
    return "".join(f"  {usage:<{width}}{text}\n" for usage, text in rows)
