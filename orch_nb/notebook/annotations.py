"""Which values fit a parameter's annotation, and which value a text stands for under it.

An annotation is read from its source and never evaluated; what is not understood accepts
anything.
"""

from __future__ import annotations

import ast
import json
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

_PLAIN: dict[str, type] = {"int": int, "float": float, "bool": bool, "str": str}
_CONTAINERS: dict[str, type] = {
    "list": list,
    "dict": dict,
    "tuple": tuple,
    "set": set,
    "frozenset": frozenset,
    "sequence": list,
    "mapping": dict,
}
_ANY = frozenset({"any", "object"})


class Misfit(Exception):
    """A value that does not fit; the caller knows the parameter and words the error."""


@dataclass(frozen=True, slots=True)
class TypeForm:
    """A parsed annotation.

    ``base`` is a type, ``"literal"`` (``items`` holds the values), ``"union"`` (``items`` holds the
    members) or ``"any"``. For containers ``items`` holds the element's form, a dict's key and
    value, a tuple's positions (``repeat`` when it is ``tuple[T, ...]``).
    """

    base: type | str
    items: tuple[Any, ...] = ()
    repeat: bool = False


ANY = TypeForm("any")


def parse_annotation(source: str | None) -> TypeForm:
    """The form of an annotation's source; quoted ones are looked into."""
    if not source:
        return ANY
    try:
        return _form(ast.parse(source.strip(), mode="eval").body)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ANY


def fit(value: Any, form: TypeForm) -> Any:
    """The value as the type wants it: ISO text becomes a date, a list a tuple or set.

    An int fits float and stays an int; a bool is no number. Raises Misfit.
    """
    match form.base:
        case "any":
            return value
        case "literal":
            for choice in form.items:
                if type(choice) is type(value) and choice == value:
                    return value
            raise Misfit
        case "union":
            return _fit_union(value, form)
    if form.base is date or form.base is datetime:
        return _moment(value, form.base)
    if form.base is type(None) and value is None:
        return None
    if form.base in (int, float) and not isinstance(value, bool):
        if isinstance(value, int) or (form.base is float and isinstance(value, float)):
            return value
    elif form.base in (bool, str) and type(value) is form.base:
        return value
    elif form.base is dict and isinstance(value, dict):
        if not form.items:
            return value
        key, item = form.items
        return {_fit_key(k, key): fit(v, item) for k, v in value.items()}
    elif form.base in (list, tuple, set, frozenset):
        return _fit_items(value, form)
    raise Misfit


def from_text(text: str, form: TypeForm) -> Any:
    """The value that `-p NAME TEXT` means under the type. Raises Misfit.

    Without a known type it is papermill's: True, False, None, int, float, else the text; and
    a JSON or YAML list or object, and null.
    """
    match form.base:
        case "any":
            return guess(text)
        case "literal":
            for choice in form.items:
                if (choice == text) if isinstance(choice, str) else (repr(choice) == text.strip()):
                    return choice
            raise Misfit
        case "union":
            return _union_from_text(text, form)
    if form.base is str:
        return text
    if form.base is bool:
        truth = {"True": True, "true": True, "False": False, "false": False}
        if text.strip() in truth:
            return truth[text.strip()]
        raise Misfit
    if form.base in (date, datetime):
        return fit(text.strip(), form)
    if form.base is type(None):
        if text.strip() in ("None", "null"):
            return None
        raise Misfit
    if form.base in (int, float):
        return fit(resolve(text), form)
    return fit(_structured(text), form)


def resolve(text: str) -> Any:
    """papermill's meaning of a `-p` value: True, False, None, an int, a float, else the text."""
    words: dict[str, Any] = {"True": True, "False": False, "None": None}
    if text in words:
        return words[text]
    for number in (int, float):
        try:
            return number(text)
        except ValueError:
            continue
    return text


def guess(text: str) -> Any:
    """`resolve`, and null, and a list or object in JSON or YAML."""
    if text == "null":
        return None
    if text[:1] in ("[", "{"):
        try:
            return _structured(text)
        except Misfit:
            return text
    return resolve(text)


def example(value: Any, form: TypeForm) -> str | None:
    """Text that would fit, made from a value that did not: ``2025`` becomes ``[2025]``."""
    if form.base not in (list, tuple, set, frozenset) or form.items[1:]:
        return None
    item = form.items[0] if form.items else ANY
    try:
        inner = from_text(value, item) if isinstance(value, str) else fit(value, item)
        return json.dumps([inner], ensure_ascii=False, default=str)
    except (Misfit, TypeError, ValueError):
        return None


def _form(node: ast.expr) -> TypeForm:
    if isinstance(node, ast.Constant):
        if node.value is None:
            return TypeForm(type(None))
        return parse_annotation(node.value) if isinstance(node.value, str) else ANY
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        return _union((_form(node.left), _form(node.right)))
    if isinstance(node, ast.Subscript):
        arguments = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        return _subscripted(_last_name(node.value).lower(), arguments)
    name = _last_name(node)
    if name in _PLAIN:
        return TypeForm(_PLAIN[name])
    if name in ("date", "datetime"):
        return TypeForm(date if name == "date" else datetime)
    if name == "None" or name == "NoneType":
        return TypeForm(type(None))
    return TypeForm(_CONTAINERS[name.lower()]) if name.lower() in _CONTAINERS else ANY


def _subscripted(name: str, arguments: list[ast.expr]) -> TypeForm:
    if name == "optional" and len(arguments) == 1:
        return _union((_form(arguments[0]), TypeForm(type(None))))
    if name == "union":
        return _union(tuple(_form(argument) for argument in arguments))
    if name == "literal":
        try:
            return TypeForm("literal", tuple(ast.literal_eval(argument) for argument in arguments))
        except ValueError:
            return ANY
    if name in ("annotated", "final") and arguments:
        return _form(arguments[0])
    if name not in _CONTAINERS:
        return ANY
    base = _CONTAINERS[name]
    if base is dict:
        return TypeForm(dict, tuple(map(_form, arguments)) if len(arguments) == 2 else ())
    if base is tuple:
        if not arguments:
            return TypeForm(tuple)
        dots = isinstance(arguments[-1], ast.Constant) and arguments[-1].value is ...
        items = tuple(map(_form, arguments[:-1] if dots else arguments))
        return TypeForm(tuple, items, repeat=dots)
    return TypeForm(base, (_form(arguments[0]),), repeat=True) if len(arguments) == 1 else ANY


def _union(members: tuple[TypeForm, ...]) -> TypeForm:
    flat: list[TypeForm] = []
    for member in members:
        flat.extend(member.items if member.base == "union" else (member,))
    return ANY if any(member.base == "any" for member in flat) else TypeForm("union", tuple(flat))


def _last_name(node: ast.expr) -> str:
    if isinstance(node, ast.Name):
        return node.id
    return node.attr if isinstance(node, ast.Attribute) else ""


def _fit_union(value: Any, form: TypeForm) -> Any:
    """The member of the value's own type comes first, so that text stays text in `date | str`."""
    exact = [member for member in form.items if member.base is type(value)]
    rest = [member for member in form.items if member.base is not type(value)]
    for member in (*exact, *rest):
        try:
            return fit(value, member)
        except Misfit:
            continue
    raise Misfit


def _union_from_text(text: str, form: TypeForm) -> Any:
    """Text is the last resort, None the first: `5` is an int in `str | int`."""
    order = {type(None): 0, "literal": 1, str: 9}
    for member in sorted(form.items, key=lambda member: order.get(member.base, 5)):
        try:
            return from_text(text, member)
        except Misfit:
            continue
    raise Misfit


def _fit_key(key: Any, form: TypeForm) -> Any:
    """JSON has only text for keys: `{"1": …}` fits dict[int, …]."""
    try:
        return fit(key, form)
    except Misfit:
        if isinstance(key, str):
            return from_text(key, form)
        raise


def _fit_items(value: Any, form: TypeForm) -> Any:
    accepted = (list,) if form.base is list else (list, tuple, set, frozenset)
    if not isinstance(value, accepted):
        raise Misfit
    items = list(value)
    if form.base is tuple and form.items and not form.repeat:
        if len(items) != len(form.items):
            raise Misfit
        fitted = [fit(item, member) for item, member in zip(items, form.items, strict=True)]
    elif form.items:
        fitted = [fit(item, form.items[0]) for item in items]
    else:
        fitted = items
    try:
        return form.base(fitted)  # type: ignore[operator]
    except TypeError:  # a set of lists
        raise Misfit from None


def _moment(value: Any, base: type) -> date:
    if base is datetime:
        if isinstance(value, datetime):
            return value
        if isinstance(value, date):
            return datetime(value.year, value.month, value.day)
    elif isinstance(value, date) and not isinstance(value, datetime):
        return value
    if not isinstance(value, str):
        raise Misfit
    try:
        return datetime.fromisoformat(value) if base is datetime else date.fromisoformat(value)
    except ValueError:
        raise Misfit from None


def _structured(text: str) -> Any:
    """A list or object written as JSON, YAML or a Python literal. Raises Misfit."""
    text = text.strip()
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
        pass
    from orch_nb.notebook.yaml_text import YamlError, load_yaml

    try:
        return load_yaml(text)
    except YamlError:
        raise Misfit from None
