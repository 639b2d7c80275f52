"""Reads task and flow options from a magic line or metadata, and writes them as both."""

from __future__ import annotations

import ast
import difflib
import keyword
import re
import shlex
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from orch_nb import amounts
from orch_nb.durations import format_duration, parse_duration
from orch_nb.errors import OptionError
from orch_nb.options import (
    CONFLICTS,
    DeployOptions,
    FlowOptions,
    LiveOptions,
    OptionSpec,
    TaskOptions,
    option_specs,
)

Options = TypeVar("Options", TaskOptions, FlowOptions, LiveOptions, DeployOptions)
Number = TypeVar("Number", int, float)

LONGEST_NAME = 100
_DERIVED_NAME = re.compile(r"cell-\d+", re.ASCII)
_WHOLE = re.compile(r"[+-]?\d{1,15}", re.ASCII)
_ELSEWHERE = {"--retry": "--retries", "retry": "retries"}  # how other tools call an option
_NUMBER = re.compile(r"\d{1,15}(?:\.\d{1,9})?", re.ASCII)
PAIRS = frozenset({"counts", "amounts"})
_TRUTH = {"true": True, "yes": True, "false": False, "no": False}


def parse_line(
    text: str, options: type[Options], *, where: str | None = None
) -> tuple[str | None, Options]:
    """The name and options of ``NAME --retries 3 --timeout=5m``; the name is None when absent.

    ``where`` names the notebook and cell in errors. Raises OptionError for an unknown,
    malformed or repeated option, and for a conflict.
    """
    words = split_words(text, where=where)
    names: list[str] = []
    given: dict[str, Any] = {}
    position = 0
    while position < len(words):
        word = words[position]
        position += 1
        if not word.startswith("-") or word == "-":
            names.append(word)
            continue
        flag, equals, value = word.partition("=")
        following = words[position] if position < len(words) else None
        spec = _find_spec(flag, options, value if equals else following, where)
        if spec.kind == "flag":
            _put(given, spec, parse_value(spec, value, where=where) if equals else True, where)
            continue
        if not equals:
            if following is None or following.startswith("--"):
                raise OptionError(
                    f"{spec.flag} needs a value", where=where, hint=f"write {_usage(spec)}"
                )
            value = following
            position += 1
            if spec.kind == "loop":  # NAME in EXPRESSION goes on to the next option
                while position < len(words) and not words[position].startswith("--"):
                    value += f" {words[position]}"
                    position += 1
        _put(given, spec, parse_value(spec, value, where=where), where)
    if len(names) > 1:
        raise OptionError(
            f"two names, {_short(names[0])} and {_short(names[1])}, where one is allowed",
            where=where,
            hint="options begin with --; a name with spaces needs quotation marks",
        )
    name = check_name(names[0], where=where) if names else None
    return name, _build(options, given, where)


def split_words(text: str, *, where: str | None = None) -> list[str]:
    """The words of a line; one with spaces stands in quotation marks. Raises OptionError."""
    try:
        return shlex.split(text)
    except ValueError:
        raise OptionError(
            f"a quotation mark in {_short(text.strip())} is not closed",
            where=where,
            hint="close it, or leave the quotation marks out",
        ) from None


def parse_mapping(
    mapping: Mapping[str, Any],
    options: type[Options],
    *,
    where: str | None = None,
    ignore: frozenset[str] = frozenset(),
) -> tuple[str | None, Options]:
    """The name and options of metadata such as ``{"name": "load", "retries": 3}``.

    Values may be native (numbers of seconds, lists) or as on a magic line (``"2s,5s"``); keys in
    ``ignore`` are passed over. Raises OptionError as `parse_line` does.
    """
    specs = {spec.field: spec for spec in option_specs(options)}
    name: str | None = None
    given: dict[str, Any] = {}
    for key, value in mapping.items():
        if key in ignore:
            continue
        if key == "name":
            if value is not None:
                name = check_name(value, where=where)
            continue
        spec = specs.get(key.replace("-", "_"))
        if spec is None:
            raise _unknown(key, _nearest(key, specs), list(specs), None, where)
        if value is not None:
            given[spec.field] = _native(spec, value, where)
    return name, _build(options, given, where)


def to_mapping(name: str | None, options: TaskOptions | FlowOptions) -> dict[str, Any]:
    """The metadata that says the same: the name if any, and every option not at its default."""
    mapping: dict[str, Any] = {} if name is None else {"name": name}
    for spec in option_specs(type(options)):
        value = getattr(options, spec.field)
        if value != spec.default:
            mapping[spec.field] = to_json_value(spec, value)
    return mapping


def to_line(name: str | None, options: TaskOptions | FlowOptions) -> str:
    """The text after `%%task` or `%%flow` that says the same."""
    words = [] if name is None else [shlex.quote(name)]
    for spec in option_specs(type(options)):
        value = getattr(options, spec.field)
        if value != spec.default:
            text = value_text(spec, value)
            if spec.kind == "flag":
                words.append(spec.flag)
            elif text.startswith("-"):  # or it would be taken for the next option
                words.append(shlex.quote(f"{spec.flag}={text}"))
            else:
                words += [spec.flag, shlex.quote(text)]
    return " ".join(words)


def to_json_value(spec: OptionSpec, value: Any) -> Any:
    """An option's value as JSON, so that `parse_mapping` reads the same."""
    match spec.kind:
        case "duration" | "durations":
            return value_text(spec, value)
        case "names" | "paths":
            return list(value)
        case "counts" | "amounts":
            return dict(value)
        case _:
            return value


def parse_value(spec: OptionSpec, text: str, *, where: str | None = None) -> Any:
    """The value that ``text`` gives the option. Raises OptionError when it does not fit."""
    text = text.strip()
    match spec.kind:
        case "flag":
            if text.lower() not in _TRUTH:
                raise _misfit(spec, text, "true or false", where)
            return _TRUTH[text.lower()]
        case "int":
            if not _WHOLE.fullmatch(text):
                raise _misfit(spec, text, "a whole number", where)
            return _at_least(spec, int(text), where)
        case "number":
            if not _NUMBER.fullmatch(text):
                raise _misfit(spec, text, "a number", where)
            return _at_least(spec, float(text), where)
        case "counts" | "amounts":
            return _pairs_from(spec, text, where)
        case "choice" | "runner":
            elsewhere = spec.kind == "runner" and text.startswith("dask=") and text != "dask="
            if text not in spec.choices and not elsewhere:
                near = difflib.get_close_matches(text[:40], spec.choices, n=1)
                hint = f"did you mean {spec.flag} {near[0]} ?" if near else f"write {_usage(spec)}"
                raise _misfit(spec, text, f"one of {', '.join(spec.choices)}", where, hint)
            return text
        case "duration":
            return _positive(spec, _duration(spec, text, where), where)
        case "durations":
            return tuple(_duration(spec, part, where) for part in text.split(","))
        case "loop":
            return _loop(spec, text, where)
        case "names":
            parts = [part.strip() for part in text.split(",")]
            return tuple(check_name(part, where=where) for part in parts if part)
        case "paths":
            return tuple(_path(spec, part.strip(), where) for part in text.split(","))
        case _:
            return text


def check_name(name: object, *, where: str | None = None) -> str:
    """The name if a task or flow may have it, else OptionError."""
    if not isinstance(name, str) or not name.strip():
        problem = "a name must be text"
    elif len(name) > LONGEST_NAME:
        problem = f"the name {_short(name)} is longer than {LONGEST_NAME} characters"
    elif not name.isprintable():
        problem = f"the name {_short(name)} holds a character that can't be shown"
    elif "," in name:
        problem = f"the name {_short(name)} holds a comma"
    elif name.startswith("-") or name != name.strip():
        problem = f"the name {_short(name)} begins or ends with a dash or space"
    else:
        return name
    raise OptionError(problem, where=where, hint="give it a short name such as load_sales")


def is_derived_name(name: str) -> bool:
    """Whether this is how a cell without a name is called (``cell-7``)."""
    return _DERIVED_NAME.fullmatch(name) is not None


def _build(options: type[Options], given: dict[str, Any], where: str | None) -> Options:
    for one, other in CONFLICTS[options]:
        if given.get(one) and given.get(other):
            flags = {spec.field: spec.flag for spec in option_specs(options)}
            raise OptionError(
                f"{flags[one]} and {flags[other]} contradict each other",
                where=where,
                hint="leave one of them out",
            )
    return options(**given)


def _put(given: dict[str, Any], spec: OptionSpec, value: Any, where: str | None) -> None:
    if spec.field not in given:
        given[spec.field] = value
    elif spec.kind in {"names", "paths"}:
        given[spec.field] += value
    elif spec.kind in PAIRS:
        given[spec.field] = merge_pairs(spec, [given[spec.field], value], where=where)
    elif given[spec.field] != value:
        raise OptionError(
            f"{spec.flag} is given twice, with different values",
            where=where,
            hint="leave one of them out",
        )


def _find_spec(
    flag: str, options: type[Options], value: str | None, where: str | None
) -> OptionSpec:
    specs = {spec.flag: spec for spec in option_specs(options)}
    spec = specs.get(flag) or specs.get(flag.replace("_", "-"))
    if spec is not None:
        return spec
    near = _nearest(flag, specs)
    shown = near
    if near and specs[near].kind != "flag":
        taken = value is not None and not value.startswith("--") and value
        shown = f"{near} {_bare(value)}" if taken and value else _usage(specs[near])
    raise _unknown(flag, shown, list(specs), near, where)


def _unknown(
    given: str, shown: str | None, known: Sequence[str], near: str | None, where: str | None
) -> OptionError:
    hint = f"did you mean {shown} ?" if shown else f"known are {', '.join(known)}"
    return OptionError(f"unknown option {_bare(given)}", where=where, hint=hint)


def _nearest(word: str, known: Mapping[str, object]) -> str | None:
    if _ELSEWHERE.get(word) in known:
        return _ELSEWHERE[word]
    near = difflib.get_close_matches(word[:60].lower().replace("_", "-"), known, n=1, cutoff=0.6)
    return near[0] if near else None


def _native(spec: OptionSpec, value: Any, where: str | None) -> Any:
    """The option's value from a JSON value."""
    if isinstance(value, str):
        return parse_value(spec, value, where=where)
    number = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e15
    items = list(value) if isinstance(value, list | tuple) else None
    match spec.kind:
        case "flag" if isinstance(value, bool):
            return value
        case "int" if number and float(value).is_integer():
            return _at_least(spec, int(value), where)
        case "duration" if number:
            return _positive(spec, _duration(spec, value, where), where)
        case "durations" if number:
            return (_duration(spec, value, where),)
        case "durations" if items:
            return tuple(_duration(spec, item, where) for item in items)
        case "names" if items is not None:
            return tuple(check_name(item, where=where) for item in items)
        case "paths" if items is not None:
            return tuple(_path(spec, item, where) for item in items)
        case "number" if number:
            return _at_least(spec, round(float(value), 9), where)
        case "counts" | "amounts" if isinstance(value, Mapping):
            return _pairs(spec, list(value.items()), where)
        case "counts" | "amounts" if items is not None and all(map(_is_pair, items)):
            return _pairs(spec, items, where)
        case "counts" | "amounts" if items and all(isinstance(item, str) for item in items):
            return _pairs_from(spec, ",".join(items), where)
    wanted = {
        "flag": "true or false",
        "int": "a whole number",
        "duration": "a duration",
        "durations": "a duration or a list of durations",
        "names": "a list of names",
        "paths": "a list of paths",
        "number": "a number",
        "counts": "names with whole numbers",
        "amounts": "names with amounts",
        "loop": "a name, 'in', and what to go through",
        "choice": f"one of {', '.join(spec.choices)}",
    }
    raise _misfit(spec, value, wanted.get(spec.kind, "text"), where)


def _duration(spec: OptionSpec, value: Any, where: str | None) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        if 0 <= value < 1e15:
            return float(value)
        raise _misfit(spec, value, "a duration", where)
    try:
        return parse_duration(value if isinstance(value, str) else repr(value))
    except OptionError as error:
        raise OptionError(f"{spec.flag}: {error.message}", where=where, hint=error.hint) from None


def _positive(spec: OptionSpec, seconds: float, where: str | None) -> float:
    if seconds <= 0:
        raise _misfit(spec, f"{seconds:g}s", "longer than nothing", where)
    return seconds


def _at_least(spec: OptionSpec, number: Number, where: str | None) -> Number:
    if number < spec.minimum:
        raise _misfit(spec, number, f"{spec.minimum} or more", where)
    return number


def merge_pairs(
    spec: OptionSpec, values: Sequence[amounts.Amounts], *, where: str | None = None
) -> amounts.Amounts:
    """Several values of one option of names with amounts, as one value."""
    return _pairs(spec, [pair for value in values for pair in value], where)


def _is_pair(item: Any) -> bool:
    return isinstance(item, list | tuple) and len(item) == 2 and isinstance(item[0], str)


def _pairs_from(spec: OptionSpec, text: str, where: str | None) -> amounts.Amounts:
    try:
        pairs = amounts.parse_amounts(text)
    except OptionError as error:
        message = f"{spec.flag}: {error.message}"
        raise OptionError(message, where=where, hint=f"write {_usage(spec)}") from None
    return _pairs(spec, pairs, where)


def _pairs(spec: OptionSpec, pairs: Sequence[Any], where: str | None) -> amounts.Amounts:
    """Pairs as options keep them: each name once, counts as whole numbers above 0."""
    found: dict[str, float] = {}
    for name, amount in pairs:
        check_name(name, where=where)
        fits = isinstance(amount, int | float) and not isinstance(amount, bool)
        fits = fits and 0 <= amount < amounts.MOST
        if spec.kind == "counts":
            if not fits or amount < 1 or not float(amount).is_integer():
                shown = f"{name}={amount:g}" if fits else f"{name}={amount}"
                raise _misfit(spec, shown, "a whole number above 0", where)
            amount = int(amount)
        elif not fits:
            raise _misfit(spec, f"{name}={amount}", "a number", where)
        else:
            amount = round(float(amount), 9)
        try:
            amounts.put_amount(found, name, amount)
        except OptionError as error:
            message = f"{spec.flag}: {error.message}"
            raise OptionError(message, where=where, hint="leave one of them out") from None
    return tuple(found.items())


def _loop(spec: OptionSpec, text: str, where: str | None) -> str:
    """``NAME in EXPRESSION`` with one space between, if that is what it is."""
    name, _, items = (part.strip() for part in text.partition(" in "))
    try:
        ast.parse(items, mode="eval")
    except (SyntaxError, ValueError):
        items = ""
    if not (name.isidentifier() and items) or keyword.iskeyword(name):
        raise _misfit(spec, text, "a name, 'in', and what to go through", where)
    return f"{name} in {items}"


def _path(spec: OptionSpec, path: object, where: str | None) -> str:
    """A path in the run's folder, or an absolute one."""
    fits = isinstance(path, str) and path.isprintable() and path.strip(" .") and "," not in path
    if not isinstance(path, str) or not fits:
        raise _misfit(spec, path, "paths", where)
    if "://" in path or ".." in path.split("/"):
        raise _misfit(spec, path, "paths of local files in the run's folder", where)
    return path


def _misfit(
    spec: OptionSpec, value: object, wanted: str, where: str | None, hint: str | None = None
) -> OptionError:
    shown = _bare(value) if isinstance(value, str) else _short(value)
    return OptionError(
        f"{spec.flag} {shown} must be {wanted}", where=where, hint=hint or f"write {_usage(spec)}"
    )


def _usage(spec: OptionSpec) -> str:
    example = {
        "int": str(max(spec.minimum, 3)),
        "duration": "5m",
        "durations": "2s,5s",
        "number": str(max(spec.minimum, 2)),
        "counts": "db=4",
        "amounts": "gpu=1,memory=8GB",
        "loop": "model in models",
    }
    return f"{spec.flag} {example.get(spec.kind, spec.placeholder)}".strip()


def value_text(spec: OptionSpec, value: Any) -> str:
    match spec.kind:
        case "duration":
            return format_duration(value)
        case "durations":
            return ",".join(format_duration(seconds) for seconds in value)
        case "names" | "paths":
            return ",".join(value)
        case "number":
            return amounts.format_number(value)
        case "counts":
            return ",".join(f"{name}={count}" for name, count in value)
        case "amounts":
            return amounts.format_amounts(value)
        case _:
            return str(value)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:59] + "…"


def _bare(text: str) -> str:
    """The word itself where it is plain, else its repr, never long."""
    return text if text.isprintable() and 0 < len(text) <= 60 else _short(text)
