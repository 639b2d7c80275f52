"""Makes a cell a task (or setup, flow, plain cell …) in its text or its tags: text in, text out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from orch_nb.errors import OptionError
from orch_nb.first_line import FirstLine, Form, find_first_line
from orch_nb.model import CellKind
from orch_nb.notebook.cells import RECORD_KEYS
from orch_nb.option_text import check_name, parse_mapping, to_line, to_mapping
from orch_nb.options import FlowOptions, TaskOptions

_OWN = "orch_nb"
_TAGS = frozenset({"task", "setup", "flow", "parameters", "skip"})
_ON_LINES = frozenset({CellKind.TASK, CellKind.SETUP, CellKind.FLOW})


@dataclass(frozen=True, slots=True)
class CellText:
    """What of a cell is read and written: its source and its metadata."""

    source: str
    metadata: Mapping[str, Any]


def tag_cell(cell: CellText, kind: CellKind, options: Mapping[str, Any]) -> CellText:
    """The cell as it is when it is of that kind, with these options (``name`` among them).

    A cell whose first line says what it is keeps saying it there; any other gets a tag, and
    metadata for its options. Raises OptionError for options that do not fit the kind.
    """
    if kind is CellKind.INJECTED:
        raise OptionError("injected parameters are written by a run", hint="tag it 'parameters'")
    if options and kind not in (CellKind.TASK, CellKind.FLOW):
        raise OptionError(f"a {kind} cell has no options", hint="give none")
    words, mapping = _said(kind, options)
    lines = cell.source.splitlines(keepends=True)
    first = find_first_line(lines)
    if first is not None and first.form is Form.LINE:
        raise OptionError(
            f"the cell is a %{first.word} command, which can't be tagged",
            hint="edit the command itself",
        )
    if first is not None and kind in _ON_LINES:
        return CellText(_with_line(lines, first, kind, words), _with_tag(cell.metadata, None, {}))
    source = cell.source if first is None else _without_line(lines, first)
    return CellText(source, _with_tag(cell.metadata, kind, mapping))


def _said(kind: CellKind, options: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """The options as text and as metadata, both checked."""
    given = {key: value for key, value in options.items() if value is not None}
    if kind is CellKind.TASK:
        name, task = parse_mapping(given, TaskOptions)
        words, mapping = to_line(name, task), to_mapping(name, task)
    elif kind is CellKind.FLOW:
        name, flow = parse_mapping(given, FlowOptions)
        words, mapping = to_line(name, flow), to_mapping(name, flow)
    else:
        return "", {}
    if name is not None:
        check_name(name)
    return words, mapping


def _with_line(lines: list[str], first: FirstLine, kind: CellKind, words: str) -> str:
    mark = "%%" if first.form is Form.MAGIC else "#| "
    ending = lines[first.index][len(lines[first.index].rstrip("\r\n")) :]
    lines[first.index] = f"{mark}{kind} {words}".rstrip() + ending
    return "".join(lines)


def _without_line(lines: list[str], first: FirstLine) -> str:
    return "".join(lines[: first.index] + lines[first.index + 1 :])


def _with_tag(
    metadata: Mapping[str, Any], kind: CellKind | None, mapping: Mapping[str, Any]
) -> dict[str, Any]:
    """The metadata with one tag of ours at most, and with options that say ``mapping``."""
    found = metadata.get("tags")
    tags = [tag for tag in found if tag not in _TAGS] if isinstance(found, list) else []
    if kind is not None and kind is not CellKind.PLAIN:
        tags.append(kind.value)
    own = metadata.get(_OWN)
    kept = {k: v for k, v in own.items() if k in RECORD_KEYS} if isinstance(own, dict) else {}
    changed = {key: value for key, value in metadata.items() if key not in ("tags", _OWN)}
    if tags:
        changed["tags"] = tags
    if kept or mapping:
        changed[_OWN] = {**mapping, **kept}
    return changed
