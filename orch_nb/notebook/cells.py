"""What each code cell is: its kind, name and options from its first line, tags and metadata."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from orch_nb.errors import NotebookError, OptionError
from orch_nb.first_line import Form, find_first_line
from orch_nb.model import Cell, CellKind
from orch_nb.notebook.document import Flow
from orch_nb.notebook.flow_line import parse_flow_line
from orch_nb.option_text import check_name, is_derived_name, parse_line, parse_mapping
from orch_nb.options import FlowOptions, TaskOptions

# What the writer notes in `metadata.orch_nb` of a cell: no options, passed over when read again.
RECORD_KEYS = frozenset(
    {"task", "state", "message", "attempts", "start", "seconds", "peak_memory", "where"}
)

_TAGGED = {
    "task": CellKind.TASK,
    "setup": CellKind.SETUP,
    "flow": CellKind.FLOW,
    "parameters": CellKind.PARAMETERS,
}


@dataclass(frozen=True, slots=True)
class _Said:
    """What one of the two places, the first line or tag and metadata, says of a cell."""

    kind: CellKind
    name: str | None = None
    options: TaskOptions | FlowOptions | None = None
    complete: bool = True  # a tag alone says only the kind
    schedule: str | None = None  # of a flow
    zone: str | None = None


@dataclass(frozen=True, slots=True)
class ReadCell:
    """A cell with what else was learned while reading it."""

    cell: Cell
    flow: Flow | None = None
    notice: str = ""


def read_cell(
    raw: Mapping[str, Any],
    *,
    number: int,
    position: int,
    id: str,
    notebook: str,
    is_python: bool = True,
) -> ReadCell:
    """The cell of a raw code cell; ``notebook`` names the file in errors.

    Raises OptionError for bad options, and where first line and metadata disagree.
    """
    where = f"{notebook}, cell {number}"
    metadata = raw["metadata"]
    tags: tuple[str, ...] = tuple(metadata.get("tags", ()))
    source: str = raw["source"]
    if "skip" in tags:
        return ReadCell(_cell(CellKind.SKIP, None, None, source, tags, number, position, id))
    line, source = _from_line(source, where, is_python)
    tagged, notice = _from_metadata(tags, metadata.get("orch_nb", {}), where)
    if line is not None and tagged is not None:
        _check_agreement(line, tagged, where)
    said = line or tagged or _Said(CellKind.PLAIN)
    if said is line and tagged is not None and said.name is None:
        said = replace(said, name=tagged.name, complete=True)
    name = said.name if said.kind is CellKind.TASK else None
    if name is not None and is_derived_name(name):
        raise OptionError(
            f"the name {name!r} is kept for cells without a name",
            where=where,
            hint="give it another name, or none",
        )
    options = said.options if isinstance(said.options, TaskOptions) else None
    cell = _cell(said.kind, name, options, source, tags, number, position, id)
    flow = None
    if isinstance(said.options, FlowOptions):
        flow = Flow(said.name or "", said.options, number, said.schedule, said.zone)
    return ReadCell(cell, flow, notice and f"cell {number} {notice}")


def notebook_flow(metadata: Mapping[str, Any], notebook: str) -> Flow | None:
    """The flow that the notebook's own metadata declares, ``orch_nb: {"flow": {…}}``."""
    declared = metadata.get("orch_nb", {}).get("flow")
    if declared is None:
        return None
    where = f"{notebook}, metadata.orch_nb.flow"
    if not isinstance(declared, Mapping):
        raise NotebookError(
            "the flow's options are not an object", where=where, hint='such as {"name": "sales"}'
        )
    name, options = parse_mapping(declared, FlowOptions, where=where)
    return Flow(name or "", options)


def _cell(
    kind: CellKind,
    name: str | None,
    options: TaskOptions | None,
    source: str,
    tags: tuple[str, ...],
    number: int,
    position: int,
    id: str,
) -> Cell:
    return Cell(
        number=number,
        position=position,
        id=id,
        name=name or f"cell-{number}",
        kind=kind,
        source=source,
        options=options or TaskOptions(),
        tags=tags,
        named=name is not None,
    )


def _from_line(source: str, where: str, is_python: bool) -> tuple[_Said | None, str]:
    """What the cell's first line says, and the source with a magic line blanked."""
    lines = source.split("\n")
    said = find_first_line(lines)
    if said is None:
        return None, source
    if said.subcommand:
        return _Said(CellKind.FLOW), ""
    if said.form is Form.MAGIC:
        source = _blanked(lines, said.index, is_python)
    elif said.form is Form.LINE:
        source = ""
    return _parse_said(said.word, said.text, where), source


def _blanked(lines: list[str], index: int, is_python: bool) -> str:
    """The source without the magic line, every other line where it was.

    IPython drops empty lines at the top, which would shift the line numbers of tracebacks, so a
    bare ``#`` stands in; not before another cell magic, which has to come first.
    """
    below = "\n".join(lines[index + 1 :])
    first = below.lstrip()
    stand_in = "" if first.startswith("%%") or not is_python else "#"
    return "\n".join([*lines[:index], stand_in, *lines[index + 1 :]]) if first else ""


def _parse_said(word: str, text: str, where: str) -> _Said:
    kind = CellKind(word)
    if kind is CellKind.SETUP:
        if text.strip():
            raise OptionError(
                f"setup takes no name or options, but {text.strip()[:40]!r} follows it",
                where=where,
                hint="write %%setup alone on its line",
            )
        return _Said(kind)
    if kind is CellKind.FLOW:
        flow = parse_flow_line(text, where=where)
        return _Said(kind, flow.name, flow.options, schedule=flow.schedule, zone=flow.zone)
    name, options = parse_line(text, TaskOptions, where=_named(where, text))
    return _Said(kind, name, options)


def _named(where: str, text: str) -> str:
    """The place with the task's name, when its line begins with a plain one."""
    first = re.match(r"\s*([\w.-]{1,60})(?=\s|$)", text)
    return f"{where} '{first[1]}'" if first and not first[1].startswith("-") else where


def _from_metadata(
    tags: tuple[str, ...], mapping: Mapping[str, Any], where: str
) -> tuple[_Said | None, str]:
    """What tags and metadata say, and a notice about metadata that counts for nothing."""
    if CellKind.INJECTED.value in tags:
        return _Said(CellKind.INJECTED), ""
    kinds = [kind for tag, kind in _TAGGED.items() if tag in tags]
    if len(kinds) > 1:
        raise OptionError(
            f"the tags '{kinds[0]}' and '{kinds[1]}' contradict each other",
            where=where,
            hint="remove one of them",
        )
    given = {key: value for key, value in mapping.items() if key not in RECORD_KEYS}
    if not kinds:
        return None, "has options in its metadata but no tag 'task': not used" if given else ""
    kind = kinds[0]
    if kind is CellKind.TASK:
        task_name = given.get("name")
        shown = f"{where} '{task_name}'" if isinstance(task_name, str) else where
        if isinstance(task_name, str):
            check_name(task_name, where=where)
        name, options = parse_mapping(given, TaskOptions, where=shown)
        return _Said(kind, name, options, complete=bool(given)), ""
    if kind is CellKind.FLOW:
        name, flow_options = parse_mapping(given, FlowOptions, where=where)
        return _Said(kind, name, flow_options, complete=bool(given)), ""
    return _Said(kind), ""


def _check_agreement(line: _Said, tagged: _Said, where: str) -> None:
    hint = "orch-nb check --fix makes the metadata follow the first line"
    if line.kind is not tagged.kind:
        raise OptionError(
            f"the first line says '{line.kind}', the tag says '{tagged.kind}'",
            where=where,
            hint=hint,
        )
    if tagged.complete and (line.name, line.options) != (tagged.name, tagged.options):
        raise OptionError(
            f"the first line and the cell's metadata disagree about this {line.kind}",
            where=where if line.name is None else f"{where} '{line.name}'",
            hint=hint,
        )
