"""Writes the reference pages at each build, from the code itself: a hook of mkdocs."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import click
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

import orch_nb
from orch_nb import errors, states
from orch_nb.app.calling import NotebookRun, Values
from orch_nb.cli.__main__ import build_group
from orch_nb.execution.context import RunContext
from orch_nb.option_schema import reference_rows
from orch_nb.options import FlowOptions, LiveOptions, TaskOptions
from orch_nb.server.openapi import openapi
from orch_nb.settings import OrchNb


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Called by mkdocs once it has listed the written pages: the generated ones are added."""
    pages = {
        "commands": write_commands(),
        "options": write_options(),
        "states": write_states(),
        "python": write_python(),
        "http": write_http(),
    }
    for name, text in pages.items():
        files.append(File.generated(config, f"reference/{name}.md", content=text))
    return files


def write_options() -> str:
    """The options of tasks, of flows, and of the kernel's settings."""
    given = {row[0] for row in reference_rows(FlowOptions)}
    live = [row for row in reference_rows(LiveOptions) if row[0] not in given]
    settings = [
        (f"%config OrchNb.{name} = {getattr(OrchNb(), name)!r}", "", trait.help)
        for name, trait in OrchNb.class_own_traits(config=True).items()
    ]
    parts = [
        "# Options",
        "Durations are `250ms`, `2s`, `5m`, `1h30m`, `1d`; what takes several values takes them "
        "separated by commas.",
        "## Of a task",
        "After `#| task NAME` or `%%task NAME`; in the metadata `orch_nb` of a cell with the tag "
        "`task`, with `_` for `-`.",
        _table(("option", "default", "what it does"), reference_rows(TaskOptions)),
        "## Of a flow",
        "After `%%flow NAME` or `#| flow NAME`, and options of `orch-nb run` and `orch-nb deploy`.",
        _table(("option", "default", "what it does"), reference_rows(FlowOptions)),
        "## Of a flow in a kernel",
        _table(("option", "default", "what it does"), live),
        "## Settings of a kernel",
        _table(("setting", "", "what it does"), settings),
    ]
    return "\n\n".join(parts) + "\n"


def write_commands() -> str:
    """Every command's help, as the terminal shows it."""
    parts = ["# Commands"]
    for path, command in _commands(build_group(), "orch-nb"):
        context = click.Context(command, info_name=path, max_content_width=88)
        parts += [f"## {path}", f"```text\n{command.get_help(context)}\n```"]
    return "\n\n".join(parts) + "\n"


def write_states() -> str:
    """The states' names, their types, and which may follow which."""
    names = [
        (f"`{name}`", f"`{kind}`", "yes" if kind.is_terminal else "")
        for name, kind in states.TYPE_OF.items()
    ]
    moves = [
        (f"`{kind}`", ", ".join(f"`{other}`" for other in states.StateType if other in following))
        for kind, following in states.TRANSITIONS.items()
    ]
    parts = [
        "# States",
        "What people read is the name; what the engine decides by is its type.",
        _table(("name", "type", "ended"), names),
        "## What may follow",
        "A run that has ended is left only by a resume, for `Resuming`. Any other change is "
        "refused.",
        _table(("from", "to"), moves),
    ]
    return "\n\n".join(parts) + "\n"


def write_python() -> str:
    """The public names of the package, with their docstrings."""
    parts = ["# Python", _prose(orch_nb), "## orch_nb.run"]
    parts += [_prose(RunContext), _fields(RunContext)]
    for name in ("run_notebook", "report"):
        thing = getattr(orch_nb, name)
        parts += [f"## orch_nb.{name}", _signature(name, thing), _prose(thing)]
    for record in (NotebookRun, Values):
        parts += [f"### {record.__name__}", _prose(record), _fields(record)]
    from orch_nb.panel import Panel

    parts += ["## orch_nb.panel", _prose(orch_nb.panel)]
    parts += ["### Panel", _prose(Panel)]
    parts += ["## Functions as tasks"]
    for name in ("task", "flow", "unmapped"):
        thing = getattr(orch_nb, name)
        parts += [f"### orch_nb.{name}", _signature(name, thing), _prose(thing)]
    tree = inspect.getdoc(errors) or ""
    _, _, drawn = tree.partition("::\n\n")
    parts += ["## Errors", _prose(errors.OrchError)]
    parts += [f"```text\n{inspect.cleandoc(drawn)}\n```"]
    return "\n\n".join(part for part in parts if part) + "\n"


def write_http() -> str:
    """The server's requests, from its own OpenAPI description."""
    described = openapi()
    (server,) = described["servers"]
    parts = [
        "# HTTP",
        f"Below `{server['url']}` of a Jupyter server; the whole description, with the shape of "
        f"each answer, is at `{server['url']}/openapi.json`. Requests carry the server's token. "
        "An answer that is none has a `message`, `where` and `hint`.",
    ]
    rows: dict[str, list[tuple[str, ...]]] = {}
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            (tag,) = operation["tags"]
            asked = [p["name"] for p in operation["parameters"] if p["in"] == "query"]
            body = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
            said = list(body.get("schema", {}).get("properties", ()))
            row = (f"`{method.upper()} {path}`", operation["summary"], _named(asked), _named(said))
            rows.setdefault(tag, []).append(row)
    for tag, found in rows.items():
        parts.append(f"## {tag.removeprefix('orch_nb').strip('_').capitalize() or 'The server'}")
        parts.append(_table(("request", "what it does", "query", "body"), found))
    return "\n\n".join(parts) + "\n"


def _named(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _commands(command: click.Command, path: str) -> Iterator[tuple[str, click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command, info_name=path)
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            if found is not None:
                yield from _commands(found, f"{path} {name}")


def _prose(thing: Any) -> str:
    return (inspect.getdoc(thing) or "").replace("``", "`")


def _signature(name: str, thing: Any) -> str:
    shown = str(inspect.signature(thing)).replace("'", "")  # annotations are texts
    return f"```python\n{name}{shown}\n```"


def _fields(record: type) -> str:
    rows = [
        (f"`{name}`", f"`{kind}`")
        for name, kind in inspect.get_annotations(record).items()
        if not name.startswith("_")
    ]
    return _table(("field", "type"), rows) if rows else ""


def _table(heads: tuple[str, ...], rows: Any) -> str:
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    for first, *rest in rows:
        cells = [first if first.startswith("`") else f"`{first}`", *rest]
        # within backquotes a bar does not end a cell, and a backslash would be shown
        shown = (cell if cell.startswith("`") else cell.replace("|", "\\|") for cell in cells)
        lines.append("| " + " | ".join(shown) + " |")
    return "\n".join(lines)
