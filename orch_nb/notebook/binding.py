"""Holds the parameter values that the user gave to what the notebook's parameters accept."""

from __future__ import annotations

import ast
import base64
import binascii
import difflib
import enum
import json
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any

from orch_nb.errors import ParameterError
from orch_nb.model import CellKind, Json, Parameter
from orch_nb.notebook.annotations import (
    ANY,
    Misfit,
    TypeForm,
    example,
    fit,
    from_text,
    parse_annotation,
    resolve,
)
from orch_nb.notebook.document import Notebook
from orch_nb.notebook.literals import json_value, plain_value, shell_text
from orch_nb.notebook.parameters import parameters_cell, read_parameters
from orch_nb.notebook.remote import is_remote, read_remote
from orch_nb.notebook.yaml_text import YamlError, load_yaml

_MOMENTS: dict[type | str, str] = {date: "2025-01-31", datetime: "2025-01-31T06:00"}


class ParameterSource(enum.StrEnum):
    """Where a value came from, as messages and the record say it."""

    TEXT = "-p"
    RAW = "-r"
    FILE = "-f"
    YAML = "-y"
    BASE64 = "-b"
    JSON = "--param-json"
    CALL = "call"  # a keyword of run_notebook
    KERNEL = "kernel"  # it held the value when the flow was started there
    DEFAULT = "default"
    INJECTED = "injected"  # by an earlier run, in the notebook


@dataclass(frozen=True, slots=True)
class GivenParameter:
    """One value as given: text for `-p` and `-r`, else a value; ``file`` for those of a file."""

    name: str
    value: Any
    source: ParameterSource
    file: str = ""

    @property
    def where(self) -> str:
        """How errors name it: ``-p years``, ``-f params.yaml, years``."""
        if self.file:
            return f"{self.source} {self.file}, {self.name}"
        return self.name if self.source is ParameterSource.CALL else f"{self.source} {self.name}"


@dataclass(frozen=True, slots=True)
class BoundParameters:
    """The parameters of one run.

    ``given`` are the values to inject (built-in types, dates and datetimes), in the order given;
    ``record`` all values in JSON, with the defaults that are literals, in the notebook's order;
    ``sources`` where each of them came from.
    """

    given: Mapping[str, Any] = field(default_factory=dict)
    record: Mapping[str, Json] = field(default_factory=dict)
    sources: Mapping[str, str] = field(default_factory=dict)


def collect_parameters(
    *,
    base64: Iterable[str] = (),
    files: Iterable[str] = (),
    yaml: Iterable[str] = (),
    json: Iterable[str] = (),
    texts: Iterable[tuple[str, str]] = (),
    raw: Iterable[tuple[str, str]] = (),
) -> tuple[GivenParameter, ...]:
    """The values of the command line's options in the order in which later ones win.

    That order is papermill's: `-b`, `-f`, `-y`, (`--param-json`), `-p`, `-r`. Raises
    ParameterError for a file that can't be read and text that is no mapping.
    """
    given: list[GivenParameter] = []
    for text in base64:
        given += _mapping(_decoded(text), ParameterSource.BASE64)
    for path in files:
        given += _mapping(_read_file(path), ParameterSource.FILE, path)
    for text in yaml:
        given += _mapping(text, ParameterSource.YAML)
    for text in json:
        given += _mapping(text, ParameterSource.JSON)
    given += [GivenParameter(name, value, ParameterSource.TEXT) for name, value in texts]
    given += [GivenParameter(name, value, ParameterSource.RAW) for name, value in raw]
    return tuple(given)


def bind_parameters(notebook: Notebook, given: Sequence[GivenParameter]) -> BoundParameters:
    """The given values as the notebook's annotations want them; later ones win.

    Raises ParameterError for a name the notebook does not have, a value that does not fit its
    annotation, and any value at all when there is no parameters cell. In other languages than
    Python neither names nor types are known, so all pass.
    """
    parameters = {parameter.name: parameter for parameter in read_parameters(notebook)}
    if given and parameters_cell(notebook) is None:
        name = given[0].name
        raise ParameterError(
            f"the notebook has no parameters cell, so {_cut(repr(name))} can't be set",
            where=notebook.where(),
            hint=f"give the cell that sets {_cut(name)} the tag 'parameters'",
        )
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for item in given:
        parameter = parameters.get(item.name)
        if parameter is None and notebook.is_python:
            raise _unknown(notebook, item.name, parameters)
        values[item.name] = _bind(item, parameter)
        sources[item.name] = str(item.source)
    defaults, injected = _defaults(notebook, parameters, replaced=bool(values))
    known = {**defaults, **values}
    names = [name for name in parameters if name in known]
    names += [name for name in known if name not in parameters]
    record = {name: json_value(known[name]) for name in names}
    for name in record:
        default = ParameterSource.INJECTED if name in injected else ParameterSource.DEFAULT
        sources.setdefault(name, str(default))
    return BoundParameters(values, record, {name: sources[name] for name in record})


def _bind(item: GivenParameter, parameter: Parameter | None) -> Any:
    form = parse_annotation(parameter.type) if parameter and parameter.declared else ANY
    inferred = None if parameter is None or parameter.declared else parameter.type
    try:
        if item.source is not ParameterSource.TEXT:
            return fit(plain_value(item.name, item.value), form)
        if inferred == "str":
            return resolve(item.value)
        return plain_value(item.name, from_text(item.value, form))
    except Misfit:
        raise _misfit(item, parameter, form) from None


def _unknown(notebook: Notebook, name: str, parameters: Mapping[str, Parameter]) -> ParameterError:
    near = difflib.get_close_matches(name[:100], parameters, n=1)
    if near:
        hint = f"did you mean {_described(parameters[near[0]])} ?"
    elif parameters:
        shown = [_described(parameter) for parameter in list(parameters.values())[:5]]
        hint = f"it has {', '.join(shown)}" + (" …" if len(parameters) > 5 else "")
    else:
        hint = "the parameters cell sets no names"
    cell = parameters_cell(notebook)
    return ParameterError(f"no parameter {_cut(repr(name))}", where=notebook.where(cell), hint=hint)


def _described(parameter: Parameter) -> str:
    shown = _cut(repr(parameter.name))
    return shown + (f" ({_cut(parameter.type)})" if parameter.type else "")


def _cut(text: str) -> str:
    """Text that a message can hold: one line, never long."""
    line = " ".join(text.split())
    return line if len(line) <= 60 else line[:59] + "…"


def _misfit(item: GivenParameter, parameter: Parameter | None, form: TypeForm) -> ParameterError:
    wanted = _cut((parameter and parameter.type) or "value")
    article = "an" if wanted[:1].lower() in "aeio" else "a"
    expected = f"not {article} {wanted}"
    if form.base == "literal":
        expected = f"not one of {_cut(', '.join(map(repr, form.items)))}"
    sample = example(item.value, form)
    if sample is None and form.base == "literal" and form.items:
        sample = shell_text(form.items[0])
    if sample is None and form.base in _MOMENTS:
        sample = _MOMENTS[form.base]
    if sample is None and parameter is not None and parameter.default:
        known, default = _literal(parameter.default)
        sample = shell_text(default) if known else None
    if sample is not None and len(sample) > 200:
        sample = None
    if item.source in (ParameterSource.TEXT, ParameterSource.RAW):
        hint = f"-p {item.name} {shlex.quote(sample)}" if sample is not None else None
    else:
        hint = f"such as {sample}" if sample is not None else None
    return ParameterError(
        f"{item.name}={_cut(repr(item.value))} is {expected}",
        where=item.where,
        hint=hint or f"give {article} {wanted}",
    )


def _defaults(
    notebook: Notebook, parameters: Mapping[str, Parameter], *, replaced: bool
) -> tuple[dict[str, Any], set[str]]:
    """The literal defaults; and the names whose value an earlier run injected and which stay."""
    defaults = {}
    for parameter in parameters.values():
        known, value = _literal(parameter.default)
        if known:
            defaults[parameter.name] = value
    injected: set[str] = set()
    cell = notebook.first(CellKind.INJECTED)
    if cell is not None and not replaced and notebook.is_python:
        tree = _parsed(cell.source)
        for statement in tree.body if tree else ():
            if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
                known, value = _literal(ast.unparse(statement.value))
                if known:
                    defaults[statement.targets[0].id] = value
                    injected.add(statement.targets[0].id)
    return defaults, injected


def _parsed(source: str) -> ast.Module | None:
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _literal(source: str) -> tuple[bool, Any]:
    """Whether the source is a literal that can be recorded, and its value."""
    try:
        value = ast.literal_eval(source)
        return True, plain_value("", value)
    except (ParameterError, ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
        return False, None


def _mapping(text: str, source: ParameterSource, file: str = "") -> list[GivenParameter]:
    where = f"{source} {file}".strip()
    try:
        value = _json(text) if source is ParameterSource.JSON else load_yaml(text)
    except YamlError as error:
        language = "JSON" if source is ParameterSource.JSON else "YAML"
        raise ParameterError(
            f"the parameters are not valid {language}: {error}",
            where=where,
            hint="""such as '{"years": [2025]}'""",
        ) from None
    if value is None:
        return []
    if not isinstance(value, dict) or not all(isinstance(name, str) for name in value):
        raise ParameterError(
            "the parameters are no mapping from names to values",
            where=where,
            hint="""such as '{"years": [2025]}'""",
        )
    return [GivenParameter(name, item, source, file) for name, item in value.items()]


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise YamlError(f"{error.msg}, column {error.colno}") from None
    except (ValueError, RecursionError):
        raise YamlError("too long a number or nested too deeply") from None


def _decoded(text: str) -> str:
    try:
        return base64.b64decode(text, validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        raise ParameterError(
            "the parameters are not YAML in base64",
            where=str(ParameterSource.BASE64),
            hint="make it with `base64 params.yaml`",
        ) from None


def _read_file(path: str) -> str:
    try:
        return read_remote(path) if is_remote(path) else Path(path).read_text("utf-8-sig")
    except UnicodeDecodeError:
        words = "it is not UTF-8 text"
    except (OSError, ValueError) as error:
        words = getattr(error, "strerror", None) or str(error)
    raise ParameterError(
        f"the parameters can't be read: {words}",
        where=f"{ParameterSource.FILE} {path if path.isprintable() else repr(path)}",
        hint="check the path",
    )
