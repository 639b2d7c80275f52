"""Why a cell failed: an ErrorInfo from what IPython's shell told."""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from typing import Any

from orch_nb.execution.kernel import KernelShell
from orch_nb.execution.outputs import ErrorInfo, Output, type_names

_MAGIC_BODIES = ("<timed exec>", "<timed eval>")  # what `%%time` compiles


def describe_error(
    outcome: Any, source: str, outputs: Sequence[Output], host: KernelShell
) -> ErrorInfo | None:
    """Return why the cell ``source`` failed, or None if it did not.

    ``outcome`` is IPython's ExecutionResult, or the exception that kept it from giving one.
    """
    if isinstance(outcome, BaseException):
        error: BaseException | None = outcome
    else:
        error = outcome.error_before_exec or outcome.error_in_exec
    if error is None:
        return _display_error(outputs, host)
    return ErrorInfo(
        name=type(error).__name__,
        value=_text(error),
        traceback=tuple(getattr(host.shell, "_last_traceback", None) or ()),
        line=_line_in_cell(error, host.files.named, source),
        exit_code=_exit_code(error),
        types=type_names(type(error)),
    )


def _display_error(outputs: Sequence[Output], host: KernelShell) -> ErrorInfo | None:
    """Return the error of formatting the cell's result, which newer kernels count as its own."""
    if not getattr(host.shell, "_last_traceback_during_displayhook", False):
        return None
    for output in reversed(outputs):
        if output["output_type"] == "error":
            told = tuple(output["traceback"])
            return ErrorInfo(output["ename"], output["evalue"], told)
    return None


def _line_in_cell(error: BaseException, files: Sequence[str], source: str) -> int | None:
    """Return the last line of the cell that ``error`` came through, from 1.

    ``files`` are the names that the cell, and then what its magics ran, were compiled as.
    """
    lines = source.splitlines()
    # IPython drops blank lines at the top before it counts
    skipped = next((n for n, text in enumerate(lines) if text.strip()), 0)
    # the body of a cell magic starts below the magic's line
    first = dict.fromkeys((*files[1:], *_MAGIC_BODIES), skipped + 1) | dict.fromkeys(
        files[:1], skipped
    )
    places = [(f.filename, f.lineno) for f in traceback.extract_tb(error.__traceback__)]
    if isinstance(error, SyntaxError):
        places.append((error.filename or "", error.lineno))
    inside = [first[file] + line for file, line in places if line and file in first]
    return inside[-1] if inside else None


def _exit_code(error: BaseException) -> int | str | None:
    if not isinstance(error, SystemExit):
        return None
    if error.code is None:
        return 0
    return error.code if isinstance(error.code, int) else str(error.code)


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception as broken:
        # a notebook's own exception class may not know how to print itself
        return f"<unprintable {type(error).__name__}: {type(broken).__name__}>"
