"""Reads a notebook from a file, a URL or text into a checked `Notebook`."""

from __future__ import annotations

import difflib
import json
import sys
import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from orch_nb.errors import NotebookError
from orch_nb.model import Cell
from orch_nb.notebook.cells import notebook_flow, read_cell
from orch_nb.notebook.document import PYTHON, Flow, Notebook
from orch_nb.notebook.last_cell import LastCell
from orch_nb.notebook.remote import is_remote, read_remote
from orch_nb.notebook.structure import normalise, source_ids
from orch_nb.option_text import LONGEST_NAME

_TEXT_FORMATS = {".py": "py", ".md": "md"}


def read_notebook(
    path: str | Path, *, text: str | None = None, until: LastCell | None = None
) -> Notebook:
    """Read and check a notebook.

    ``path`` is a file, a URL, or ``-`` for standard input; ``text``, when given, is taken as the
    file's content (an editor's unsaved one, say), and what stands below ``until`` is left out.
    ``.ipynb`` of any nbformat up to 4 is read, and `.py` (percent) and `.md` with the extra
    ``orch_nb[jupytext]``. Raises NotebookError for what is no usable notebook and OptionError for
    bad options in it.
    """
    shown = str(path)
    suffix = PurePosixPath(shown).suffix.lower()
    if text is None:
        text = _read_text(shown)
    if suffix in _TEXT_FORMATS:
        return notebook_from_dict(_from_jupytext(text, suffix, shown), path=shown, until=until)
    document, upgraded = _upgraded(_from_json(text, shown), shown)
    notebook = notebook_from_dict(document, path=shown, until=until)
    if not upgraded:
        return notebook
    return _with_notice(notebook, upgraded)


def notebook_from_dict(
    document: Mapping[str, Any], *, path: str | Path, until: LastCell | None = None
) -> Notebook:
    """The Notebook of an nbformat 4 document that is in memory; it is copied, never changed.

    ``path`` names it in messages. What stands below ``until`` is left out. Raises as
    `read_notebook` does.
    """
    shown = str(path)
    filename = PurePosixPath(shown).name or shown
    raw, notices = normalise(document, where=filename)
    if until is not None:
        raw = {**raw, "cells": until.cut(raw["cells"], filename)}
    code = [(index, cell) for index, cell in enumerate(raw["cells"]) if cell["cell_type"] == "code"]
    if not code:
        raise NotebookError(
            "the notebook has no code cells", where=filename, hint="there is nothing to run"
        )
    ids = [cell.get("id") for _, cell in code]
    hashed = source_ids([cell["source"] for _, cell in code])
    kernel, language = _kernel(raw["metadata"])
    read = [
        read_cell(
            cell,
            number=number,
            position=index,
            id=id or fallback,
            notebook=filename,
            is_python=language in PYTHON,
        )
        for number, ((index, cell), id, fallback) in enumerate(
            zip(code, ids, hashed, strict=True), start=1
        )
    ]
    cells = tuple(item.cell for item in read)
    _check_names(cells, filename)
    declared = [item.flow for item in read if item.flow is not None]
    of_notebook = notebook_flow(raw["metadata"], filename)
    all_notices = [*notices, *(item.notice for item in read if item.notice)]
    if len(set(declared)) > 1 and len({(flow.name, flow.options) for flow in declared}) > 1:
        all_notices.append(
            f"{len(declared)} cells declare a flow; the last, cell {declared[-1].cell}, counts"
        )
    stem = PurePosixPath(shown).stem if shown != "-" else "stdin"
    flow = declared[-1] if declared else of_notebook or Flow("")
    return Notebook(
        path=shown,
        name=stem,
        raw=raw,
        cells=cells,
        flow=replace(flow, name=flow.name or stem[:LONGEST_NAME]),
        kernel=kernel,
        language=language,
        notices=tuple(all_notices),
    )


def _read_text(path: str) -> str:
    if path == "-":
        return sys.stdin.read()
    try:
        if is_remote(path):
            return read_remote(path)
        file = Path(path)
        if file.is_dir():
            raise NotebookError("this is a folder, not a notebook", where=path, hint=_one_in(file))
        return file.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise NotebookError("there is no such file", where=path, hint=_like(Path(path))) from None
    except UnicodeDecodeError:
        raise NotebookError(
            "this is not a notebook: it is not UTF-8 text", where=path, hint="name an .ipynb file"
        ) from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        words = getattr(error, "strerror", None) or str(error)
        raise NotebookError(
            f"the file can't be read: {words}", where=_printable(path), hint="check the path"
        ) from None


def _one_in(folder: Path) -> str:
    """A hint that names a notebook of the folder."""
    found = _notebooks(folder)
    return f"name a notebook in it, such as {folder / found[0]}" if found else "name a file"


def _like(path: Path) -> str:
    """A hint that names the notebook whose name is nearest."""
    near = difflib.get_close_matches(path.name[:100], _notebooks(path.parent), n=1)
    if near:
        return f"did you mean {path.parent / near[0]} ?"
    return "check the path; it is taken from the folder you are in"


def _notebooks(folder: Path) -> list[str]:
    try:
        return sorted(file.name for file in folder.glob("*.ipynb"))
    except (OSError, ValueError):
        return []


def _from_json(text: str, path: str) -> object:
    if not text.strip():
        raise NotebookError("the file is empty, not a notebook", where=path, hint="check the path")
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        if not text.lstrip().startswith(("{", "[")):
            hint = "name an .ipynb file"
            raise NotebookError("this is not a notebook", where=path, hint=hint) from None
        hint = "restore an earlier version, or open it in an editor there"
        if "\n<<<<<<<" in text:
            hint = "it holds merge conflicts (<<<<<<<): resolve them first"
        place = f"line {error.lineno}"
        if not text[error.pos :].strip() or error.msg.startswith("Unterminated string"):
            raise NotebookError(
                f"the notebook is cut short: its JSON ends in the middle, at {place}",
                where=path,
                hint=hint,
            ) from None
        raise NotebookError(
            f"the notebook is not valid JSON: {error.msg}, {place}", where=path, hint=hint
        ) from None
    except (ValueError, RecursionError):
        # a number of thousands of digits, or brackets nested beyond all sense
        raise NotebookError(
            "the notebook's JSON can't be read: too long a number or nested too deeply",
            where=path,
            hint="restore an earlier version",
        ) from None


def _upgraded(document: object, path: str) -> tuple[Any, str]:
    """The document in nbformat 4, and a notice when it was in an older one."""
    if not isinstance(document, dict):
        return document, ""
    major = document.get("nbformat", 4 if "cells" in document else None)
    if not isinstance(major, int) or isinstance(major, bool) or major >= 4 or major < 1:
        return document, ""
    import nbformat
    from nbformat import reader

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about ids, which are made below
            upgraded = nbformat.convert(reader.reads(json.dumps(document)), 4)
    except Exception as error:  # a converter over a file that may hold anything
        raise NotebookError(
            f"the notebook is in nbformat {major} and can't be upgraded ({type(error).__name__})",
            where=path,
            hint="open it in Jupyter and save it again",
        ) from None
    for cell in upgraded.get("cells", []):
        cell.pop("id", None)  # random at each conversion; ours follow from the source
    return upgraded, f"upgraded from nbformat {major}; save it in Jupyter to keep that"


def _from_jupytext(text: str, suffix: str, path: str) -> Any:
    try:
        import jupytext
    except ImportError:
        raise NotebookError(
            f"reading a notebook kept as {suffix} needs jupytext",
            where=path,
            hint="pip install 'orch_nb[jupytext]'",
        ) from None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about ids, which are made anew
            document = jupytext.reads(text, fmt=_TEXT_FORMATS[suffix])
    except Exception as error:  # a foreign parser over a file that may hold anything
        raise NotebookError(
            f"jupytext can't read this as a notebook ({type(error).__name__})",
            where=path,
            hint="a .py notebook has its cells below `# %%` lines",
        ) from None
    for cell in document["cells"]:
        cell.pop("id", None)  # random at each read; ours follow from the source
    return document


def _with_notice(notebook: Notebook, notice: str) -> Notebook:
    return replace(notebook, notices=(notice, *notebook.notices))


def _check_names(cells: tuple[Cell, ...], filename: str) -> None:
    first: dict[str, Cell] = {}
    for cell in cells:
        if cell.named and (other := first.setdefault(cell.name, cell)) is not cell:
            raise NotebookError(
                f"two tasks have the name '{cell.name}': cells {other.number} and {cell.number}",
                where=f"{filename}, {cell.label}",
                hint="rename one of them",
            )


def _kernel(metadata: Mapping[str, Any]) -> tuple[str | None, str]:
    spec = metadata.get("kernelspec", {})
    kernel = spec.get("name") or None
    language = metadata.get("language_info", {}).get("name") or spec.get("language")
    if not language:
        language = "python" if kernel is None or kernel.startswith("python") else kernel
    return kernel, language.lower()


def _printable(path: str) -> str:
    return path if path.isprintable() else repr(path)
