"""The JSON of notebooks as Jupyter writes it: one cell at a time, so that saves can reuse it."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from json.encoder import encode_basestring, encode_basestring_ascii
from math import isfinite
from typing import Any

_SPLIT_MIMES = frozenset({"application/javascript", "image/svg+xml"})


def encode_cell(cell: Mapping[str, Any]) -> bytes:
    """The cell's JSON, indented for its place in a notebook."""
    split = {**cell, "source": cell["source"].splitlines(True)}
    if "outputs" in cell:
        split["outputs"] = [_split_output(output) for output in cell["outputs"]]
    if "attachments" in cell:
        split["attachments"] = {
            name: _split_bundle(bundle) for name, bundle in cell["attachments"].items()
        }
    return _encode(split, depth=2)


def encode_notebook(cells: Sequence[bytes], metadata: Mapping[str, Any], minor: int) -> bytes:
    """The whole file, from its encoded cells; ends in a newline."""
    return b"".join(
        (
            b'{\n "cells": [',
            b",".join(b"\n  " + cell for cell in cells),
            b'\n ],\n "metadata": ' if cells else b'],\n "metadata": ',
            _encode(metadata, depth=1),
            b',\n "nbformat": 4,\n "nbformat_minor": ',
            str(minor).encode(),
            b"\n}\n",
        )
    )


def _encode(value: Mapping[str, Any], *, depth: int) -> bytes:
    try:
        text = _dumps(value, ascii=False)
    except TypeError:  # keys of several types can't be sorted
        value = _with_text_keys(value)
        text = _dumps(value, ascii=False)
    try:
        encoded = text.encode("utf-8")
    except UnicodeEncodeError:  # half a surrogate pair: JSON can say it, UTF-8 can't
        encoded = _dumps(value, ascii=True).encode("ascii")
    # a newline in JSON is always layout, never content
    return encoded.replace(b"\n", b"\n" + b" " * depth)


def _dumps(value: object, *, ascii: bool) -> str:
    try:
        return _lay_out(value, "\n", encode_basestring_ascii if ascii else encode_basestring)
    except _UnusualError:
        return _dumps_anything(value, ascii=ascii)


class _UnusualError(Exception):
    """A value that JSON has no type for, or a key that is no text."""


def _lay_out(value: object, newline: str, quote: Callable[[str], str]) -> str:
    """What `json.dumps` gives, which with an indent takes five times as long."""
    kind = type(value)
    if kind is str:
        return quote(value)  # type: ignore[arg-type]  # it is one
    if value is None or kind is bool:
        return _NAMED[value]  # type: ignore[index]  # None or a bool
    if kind is int or (kind is float and isfinite(value)):  # type: ignore[arg-type]  # a float
        return repr(value)
    inner = newline + " "
    if kind is dict:
        if not value:
            return "{}"
        items: dict[str, object] = value  # type: ignore[assignment]  # keys are looked at below
        if any(type(key) is not str for key in items):
            raise _UnusualError
        parts = [f"{quote(k)}: {_lay_out(items[k], inner, quote)}" for k in sorted(items)]
        return "{" + inner + ("," + inner).join(parts) + newline + "}"
    if kind is list or kind is tuple:
        if not value:
            return "[]"
        parts = [_lay_out(item, inner, quote) for item in value]  # type: ignore[attr-defined]
        return "[" + inner + ("," + inner).join(parts) + newline + "]"
    raise _UnusualError


_NAMED = {None: "null", True: "true", False: "false"}


def _dumps_anything(value: object, *, ascii: bool) -> str:
    return json.dumps(
        value,
        indent=1,
        sort_keys=True,
        ensure_ascii=ascii,
        separators=(",", ": "),
        default=_foreign,
    )


def _foreign(value: object) -> str:
    return base64.b64encode(value).decode("ascii") if isinstance(value, bytes) else repr(value)


def _with_text_keys(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _with_text_keys(item) for key, item in value.items()}
    return [_with_text_keys(item) for item in value] if isinstance(value, list | tuple) else value


def _split_output(output: Mapping[str, Any]) -> dict[str, Any]:
    if "data" in output:
        return {**output, "data": _split_bundle(output["data"])}
    if output["output_type"] == "stream":
        return {**output, "text": output["text"].splitlines(True)}
    return dict(output)


def _split_bundle(bundle: Mapping[str, Any]) -> dict[str, Any]:
    return {
        mime: data.splitlines(True)
        if isinstance(data, str) and (mime.startswith("text/") or mime in _SPLIT_MIMES)
        else data
        for mime, data in bundle.items()
    }
