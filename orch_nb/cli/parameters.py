"""Parameters as papermill's options give them: pairs, files, YAML, base64, JSON."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TypeAlias

from orch_nb.errors import ParameterError

Given: TypeAlias = tuple[str, object, str]  # name, value or raw text, where it came from


def collect_parameters(
    *,
    base64_texts: Iterable[str] = (),
    files: Iterable[str] = (),
    yaml_texts: Iterable[str] = (),
    json_texts: Iterable[str] = (),
    pairs: Iterable[tuple[str, str]] = (),
    raw_pairs: Iterable[tuple[str, str]] = (),
) -> tuple[Given, ...]:
    """All given parameters, later ones winning, in papermill's order.

    Values of pairs stay text (``-p`` is typed later, by the notebook's own types; ``-r`` never).
    """
    given: list[Given] = []
    for text in base64_texts:
        given += _entries(_parse_yaml(_decode(text), "-b"), "-b")
    for path in files:
        source = f"-f {path}"
        given += _entries(_parse_yaml(_read(path, source), source), source)
    for text in yaml_texts:
        given += _entries(_parse_yaml(text, "-y"), "-y")
    for text in json_texts:
        given += _entries(_parse_json(text), "--param-json")
    given += [(name, value, "-p") for name, value in pairs]
    given += [(name, value, "-r") for name, value in raw_pairs]
    return tuple(given)


def _entries(values: object, source: str) -> Iterator[Given]:
    if values is None:
        return
    if not isinstance(values, Mapping):
        kind = type(values).__name__
        raise ParameterError(
            f"expected names with values, found a {kind}", where=source, hint="write  name: value"
        )
    for name, value in values.items():
        if not isinstance(name, str):
            raise ParameterError(f"{name!r} is no parameter name", where=source)
        yield name, value, source


def _parse_yaml(text: str | bytes, source: str) -> object:
    import yaml

    class Loader(yaml.SafeLoader):
        """Leaves dates as text, as papermill does: the notebook's types decide."""

    Loader.yaml_implicit_resolvers = {
        key: [pair for pair in pairs if pair[0] != "tag:yaml.org,2002:timestamp"]
        for key, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    try:
        return yaml.load(text, Loader=Loader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        place = f", line {mark.line + 1}" if mark is not None else ""
        problem = getattr(error, "problem", None) or str(error).split("\n", 1)[0]
        raise ParameterError(f"can't be read as YAML: {problem}", where=source + place) from error


def _parse_json(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ParameterError(
            f"can't be read as JSON: {error}",
            where="--param-json",
            hint="""--param-json '{"name": "value"}'""",
        ) from error


def _decode(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ParameterError(f"can't be read as base64: {error}", where="-b") from error


def _read(path: str, source: str) -> bytes:
    try:
        if "://" in path:
            import fsspec

            with fsspec.open(path, "rb") as remote:
                content = remote.read()
            return bytes(content)
        return Path(path).read_bytes()
    except (OSError, ValueError, ImportError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ParameterError(f"can't read the parameters file: {reason}", where=source) from error
