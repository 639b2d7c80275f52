"""Notebooks and parameter files at URLs, through papermill's handlers."""

from __future__ import annotations

import re
from typing import Any

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


def is_remote(path: str) -> bool:
    """Whether the path has a scheme, such as ``s3://``."""
    return _SCHEME.match(path) is not None


def read_remote(path: str) -> str:
    """The text at a URL. Raises OSError in words, whatever the handler raised."""
    try:
        with _opened(path, "r") as source:
            content = source.read()
    except Exception as error:  # each handler has errors of its own
        raise OSError(_first_line(error)) from error
    return content.decode() if isinstance(content, bytes) else str(content)


def write_remote(path: str, text: str) -> None:
    """Write text to a URL. Raises OSError in words, whatever the handler raised."""
    try:
        with _opened(path, "w") as target:
            target.write(text)
    except Exception as error:  # each handler has errors of its own
        raise OSError(_first_line(error)) from error


class _Handled:
    """A papermill handler with the face of an open file."""

    def __init__(self, handler: Any, path: str) -> None:
        self._handler = handler
        self._path = path

    def __enter__(self) -> _Handled:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def read(self) -> Any:
        return self._handler.read(self._path)

    def write(self, text: str) -> None:
        self._handler.write(text, self._path)


def _opened(path: str, mode: str) -> Any:
    """papermill's handler of the scheme if it has one, else an fsspec file."""
    from papermill.iorw import LocalHandler, papermill_io

    handler = papermill_io.get_handler(path)
    if isinstance(handler, LocalHandler):  # papermill's answer to a scheme it does not know
        import fsspec

        return fsspec.open(path, mode, encoding="utf-8")
    return _Handled(handler, path)


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:200]}" if lines else type(error).__name__
