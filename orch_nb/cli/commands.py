"""The table of commands. A command's module is imported only when the command is used."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Mapping
from dataclasses import dataclass

import click


@dataclass(frozen=True, slots=True)
class Entry:
    """Where a command is defined (``module:attribute``), and its line of help."""

    target: str
    help: str


COMMANDS: dict[str, Entry] = {
    "run": Entry("orch_nb.cli.run:run", "Run a notebook as a flow."),
    "sweep": Entry("orch_nb.cli.sweep:sweep", "Run a notebook over a grid of parameters."),
    "graph": Entry("orch_nb.cli.graph:graph", "Show which cell waits for which, and why."),
    "check": Entry("orch_nb.cli.check:check", "Find what would make a notebook fail or wait."),
    "verify": Entry("orch_nb.cli.verify:command", "Prove that parallel gives what serial gives."),
    "runs": Entry("orch_nb.cli.runs:runs", "List recorded runs, the newest first."),
    "show": Entry("orch_nb.cli.runs:show", "Show one run: its tasks, history and files."),
    "explain": Entry("orch_nb.cli.explain:explain", "Say why a task was, or was not, cached."),
    "diff": Entry("orch_nb.cli.compare:diff", "Say what differs between two runs."),
    "pull": Entry("orch_nb.cli.compare:pull", "Write what a task of a run made into a file."),
    "logs": Entry("orch_nb.cli.logs:logs", "Print what a run, or one of its tasks, logged."),
    "cancel": Entry("orch_nb.cli.runs:cancel", "Cancel a run."),
    "resume": Entry("orch_nb.cli.resume:resume", "Go on with a run that failed or crashed."),
    "retry": Entry("orch_nb.cli.resume:retry", "Run tasks of a run again, and what needs them."),
    "answer": Entry("orch_nb.cli.answer:answer", "Answer what a paused task asks."),
    "limits": Entry("orch_nb.cli.limits:limits", "List or set limits that all runs share."),
    "keep": Entry("orch_nb.cli.clean:keep", "Keep a run from ever being cleaned away."),
    "clean": Entry("orch_nb.cli.clean:clean", "Delete old runs and what is kept of them."),
    "deploy": Entry("orch_nb.cli.deploy:deploy", "Have a notebook run on its own."),
    "deployments": Entry("orch_nb.cli.deployment:deployments", "List deployments."),
    "deployment": Entry("orch_nb.cli.deployment:deployment", "Show, pause, run … a deployment."),
    "upcoming": Entry("orch_nb.cli.deployment:upcoming", "List the next scheduled runs."),
    "backfill": Entry("orch_nb.cli.backfill:backfill", "Run a deployment for past times."),
    "why": Entry("orch_nb.cli.why:why", "Say what a run waits for."),
    "notify": Entry("orch_nb.cli.notify:notify", "Tell somebody of runs, by their tag."),
    "start": Entry("orch_nb.cli.service:start", "Run deployments: scheduler and worker."),
    "serve": Entry("orch_nb.cli.deploy:serve", "Deploy a notebook, and run it from here."),
    "scheduler": Entry("orch_nb.cli.service:scheduler", "Run a scheduler alone."),
    "worker": Entry("orch_nb.cli.service:worker", "Run a worker alone."),
    "workers": Entry("orch_nb.cli.service:workers", "List who works, and who was lost."),
    "warm": Entry("orch_nb.cli.warm:warm", "Show or stop what makes runs begin at once."),
    "where": Entry("orch_nb.cli.environment:where", "Print where orch_nb keeps things."),
    "doctor": Entry("orch_nb.cli.environment:doctor", "Check what works here, and what is off."),
}


class LazyGroup(click.Group):
    """A group that lists its commands from a table without importing them."""

    def __init__(self, entries: Mapping[str, Entry], **options: object) -> None:
        super().__init__(**options)  # type: ignore[arg-type]  # click's own options, passed on
        self._entries = entries

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self._entries)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        entry = self._entries.get(cmd_name)
        if entry is None:
            return None
        module, _, attribute = entry.target.partition(":")
        command = getattr(importlib.import_module(module), attribute)
        if not isinstance(command, click.Command):
            raise TypeError(f"{entry.target} is no click command")
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in self._entries and not args[0].startswith("-"):
            raise click.UsageError(f"no command {args[0]!r}{self._suggest(args[0])}", ctx=ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.help) for name, entry in self._entries.items()])

    def _suggest(self, name: str) -> str:
        near = difflib.get_close_matches(name, self._entries, n=1)
        if not near and name.endswith(".ipynb"):
            return f"\ndid you mean  orch-nb run {name} ?"
        return f"\ndid you mean {near[0]} ?" if near else ""
