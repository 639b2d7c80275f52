"""No input from people: `input()` and `getpass()` in a cell say what to do instead."""

from __future__ import annotations

import builtins
import contextlib
import getpass
from collections.abc import Iterator
from typing import Any, NoReturn

_NOBODY = (
    "was called, but a flow runs with nobody to ask: make the value a parameter of the notebook "
    "and give it when the run is started"
)


def _refuse_input(prompt: object = "", /) -> NoReturn:
    raise _stdin_error()(f"input() {_NOBODY}")


def _refuse_getpass(prompt: str = "", stream: Any = None, *, echo_char: Any = None) -> NoReturn:
    raise _stdin_error()(f"getpass() {_NOBODY}")


def _stdin_error() -> type[Exception]:
    from IPython.core.error import StdinNotImplementedError

    return StdinNotImplementedError  # type: ignore[no-any-return]


@contextlib.contextmanager
def no_input() -> Iterator[None]:
    """Refuse to ask anybody while the block runs."""
    kept = builtins.input, getpass.getpass
    builtins.input, getpass.getpass = _refuse_input, _refuse_getpass
    try:
        yield
    finally:
        builtins.input, getpass.getpass = kept
