"""Checks and tidies a document's structure, so that nothing later meets a wrong type.

What nbformat's schema for version 4 asks of the parts that are read or written again is asked here
without its slow import. Small faults that Jupyter forgives are mended with a notice; a wrong type
is a NotebookError.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from orch_nb.errors import NotebookError

_Expected = TypeVar("_Expected")

_HINT = "open it in Jupyter and save it again, or restore an earlier version"
_CELL_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}", re.ASCII)
_JSON_MIME = re.compile(r"application/(.*\+)?json")
_TOP_KEYS = ("cells", "metadata", "nbformat", "nbformat_minor")
_SHARED_KEYS = frozenset({"cell_type", "metadata", "source", "id"})
_CELL_KEYS = {
    "code": _SHARED_KEYS | {"outputs", "execution_count"},
    "markdown": _SHARED_KEYS | {"attachments"},
    "raw": _SHARED_KEYS | {"attachments"},
}
_OUTPUT_KEYS: dict[str, dict[str, tuple[type, ...]]] = {
    "stream": {"name": (str,), "text": (str, list)},
    "display_data": {"data": (dict,), "metadata": (dict,)},
    "execute_result": {
        "data": (dict,),
        "metadata": (dict,),
        "execution_count": (int, type(None)),
    },
    "error": {"ename": (str,), "evalue": (str,), "traceback": (list,)},
}
_LANGUAGE_INFO = ("name", "file_extension", "mimetype", "pygments_lexer", "version")
_KIND_WORDS: dict[type, str] = {
    dict: "an object",
    list: "a list",
    str: "text",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    type(None): "null",
}


def normalise(document: object, *, where: str) -> tuple[dict[str, Any], tuple[str, ...]]:
    """A checked nbformat 4 document with joined sources, and notices of what was mended.

    The result shares nothing with ``document``. Raises NotebookError.
    """
    try:
        return _Check(where).document(plain_copy(document))
    except RecursionError:
        raise NotebookError("the notebook is nested too deeply", where=where, hint=_HINT) from None


def source_ids(sources: list[str]) -> list[str]:
    """An id for each source: its hash, and which occurrence of the same source it is."""
    seen: Counter[str] = Counter()
    ids = []
    for source in sources:
        digest = hashlib.blake2b(source.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
        seen[digest] += 1
        ids.append(digest if seen[digest] == 1 else f"{digest}-{seen[digest]}")
    return ids


@dataclass
class _Check:
    where: str
    notices: list[str] = field(default_factory=list)

    def document(self, document: object) -> tuple[dict[str, Any], tuple[str, ...]]:
        top = self.expect(document, dict, "the notebook")
        if "nbformat" not in top and "cells" not in top:
            raise NotebookError(
                "this is JSON, but not a notebook", where=self.where, hint="name an .ipynb file"
            )
        major = self.expect(top.get("nbformat", 4), int, "nbformat")
        if major != 4:
            raise NotebookError(
                f"the notebook is in nbformat {major}; orch_nb reads up to nbformat 4",
                where=self.where,
                hint="save it as nbformat 4, or update orch_nb",
            )
        minor = self.expect(top.get("nbformat_minor", 4), int, "nbformat_minor")
        if not 0 <= minor < 1000:
            raise self.error("nbformat_minor", f"{minor}", "a small number")
        metadata = self.notebook_metadata(top.get("metadata", {}))
        cells = [
            self.cell(cell, label)
            for cell, label in self.labelled(self.expect(top.get("cells"), list, "cells"))
        ]
        self.ids(cells, needed=minor >= 5)
        if unknown := sorted(set(top) - set(_TOP_KEYS)):
            self.mended(f"unknown fields of the notebook ({_names(unknown)})")
        document = {
            "cells": cells,
            "metadata": metadata,
            "nbformat": 4,
            "nbformat_minor": minor,
        }
        return document, tuple(self.notices)

    def labelled(self, cells: list[Any]) -> list[tuple[Any, str]]:
        """Each cell with how messages name it: code cells by number, others by the one before."""
        labelled = []
        number = 0
        for cell in cells:
            kind = cell.get("cell_type") if isinstance(cell, dict) else None
            if kind == "code":
                number += 1
                label = f"cell {number}"
            else:
                noun = f"{kind} cell" if kind in ("markdown", "raw") else "cell"
                label = f"the {noun} after cell {number}" if number else f"the {noun} at the top"
            labelled.append((cell, label))
        return labelled

    def notebook_metadata(self, value: object) -> dict[str, Any]:
        metadata = self.expect(value, dict, "the notebook's metadata")
        for key in ("orig_nbformat", "orig_nbformat_minor", "signature"):
            metadata.pop(key, None)  # never stored in files
        for key in ("papermill", "orch_nb", "widgets", "kernelspec", "language_info"):
            if key in metadata:
                self.expect(metadata[key], dict, f"metadata.{key}")
        if "title" in metadata:
            self.expect(metadata["title"], str, "metadata.title")
        if "authors" in metadata:
            self.expect(metadata["authors"], list, "metadata.authors")
        self.kernel(metadata)
        return metadata

    def kernel(self, metadata: dict[str, Any]) -> None:
        spec = metadata.get("kernelspec")
        info = metadata.get("language_info")
        if spec is not None:
            for key in ("name", "display_name", "language"):
                if key in spec:
                    self.expect(spec[key], str, f"metadata.kernelspec.{key}")
            if "name" not in spec:
                del metadata["kernelspec"]
                self.mended("a kernelspec without a name")
            else:
                spec.setdefault("display_name", spec["name"])
        if info is not None:
            for key in _LANGUAGE_INFO:
                if key in info:
                    self.expect(info[key], str, f"metadata.language_info.{key}")
            mode = info.get("codemirror_mode", "")
            if not isinstance(mode, str | dict):
                raise self.error("metadata.language_info.codemirror_mode", _word(mode), "text")
            if "name" not in info:
                del metadata["language_info"]
                self.mended("a language_info without a name")

    def cell(self, value: object, label: str) -> dict[str, Any]:
        cell = self.expect(value, dict, label)
        kind = self.expect(cell.get("cell_type"), str, f"the cell_type of {label}")
        if kind not in _CELL_KEYS:
            raise NotebookError(
                f"{label} has the unknown type {kind[:40]!r}", where=self.where, hint=_HINT
            )
        cell["source"] = self.text(cell.get("source", ""), f"the source of {label}")
        cell["metadata"] = self.cell_metadata(cell.get("metadata", {}), label)
        if "id" in cell:
            self.expect(cell["id"], str, f"the id of {label}")
        if kind == "code":
            count = cell.get("execution_count")
            if count is not None and self.expect(count, int, f"execution_count of {label}") < 0:
                raise self.error(f"execution_count of {label}", "negative", "a count or null")
            cell["execution_count"] = count
            outputs = self.expect(cell.get("outputs", []), list, f"the outputs of {label}")
            cell["outputs"] = [self.output(output, label) for output in outputs]
        elif "attachments" in cell:
            files = self.expect(cell["attachments"], dict, f"the attachments of {label}")
            for bundle in files.values():
                self.bundle(bundle, f"an attachment of {label}")
        if unknown := sorted(set(cell) - _CELL_KEYS[kind]):
            for key in unknown:
                del cell[key]
            self.mended(f"unknown fields of {label} ({_names(unknown)})")
        return cell

    def cell_metadata(self, value: object, label: str) -> dict[str, Any]:
        metadata = self.expect(value, dict, f"the metadata of {label}")
        metadata.pop("trusted", None)  # never stored in files
        for key in ("jupyter", "papermill", "orch_nb", "execution"):
            if key in metadata:
                self.expect(metadata[key], dict, f"metadata.{key} of {label}")
        for key, moment in metadata.get("execution", {}).items():
            self.expect(moment, str, f"metadata.execution of {label}, {_names([key])},")
        if "format" in metadata:
            self.expect(metadata["format"], str, f"metadata.format of {label}")
        if "name" in metadata:
            name = self.expect(metadata["name"], str, f"metadata.name of {label}")
            if not name or "\n" in name:  # the schema wants one line that is not empty
                del metadata["name"]
                self.mended(f"metadata.name of {label}")
        if "collapsed" in metadata:
            self.expect(metadata["collapsed"], bool, f"metadata.collapsed of {label}")
        scrolled = metadata.get("scrolled", False)
        if not isinstance(scrolled, bool) and scrolled != "auto":
            raise self.error(f"metadata.scrolled of {label}", _word(scrolled), "true or false")
        if "tags" in metadata:
            metadata["tags"] = self.tags(metadata["tags"], label)
        return metadata

    def tags(self, value: object, label: str) -> list[str]:
        given = self.expect(value, list, f"the tags of {label}")
        for tag in given:
            self.expect(tag, str, f"a tag of {label}")
        tags = [part.strip() for tag in given for part in tag.split(",")]
        kept = list(dict.fromkeys(tag for tag in tags if tag))
        if kept != given:
            self.mended(f"repeated, empty or joined tags of {label}")
        return kept

    def output(self, value: object, label: str) -> dict[str, Any]:
        output = self.expect(value, dict, f"an output of {label}")
        kind = self.expect(output.get("output_type"), str, f"the output_type in {label}")
        if kind not in _OUTPUT_KEYS:
            raise NotebookError(
                f"an output of {label} has the unknown type {kind[:40]!r}",
                where=self.where,
                hint=_HINT,
            )
        kept: dict[str, Any] = {"output_type": kind}
        for key, types in _OUTPUT_KEYS[kind].items():
            missing: Any = None if type(None) in types else {} if key == "metadata" else ...
            kept[key] = output.get(key, missing)
            if isinstance(kept[key], bool) or not isinstance(kept[key], types):
                found = "missing" if kept[key] is ... else _word(kept[key])
                raise self.error(f"{key} of an output of {label}", found, _word_of(types[0]))
        if kind == "stream":
            kept["text"] = self.text(kept["text"], f"an output of {label}")
        elif kind == "error":
            for line in kept["traceback"]:
                self.expect(line, str, f"a traceback line of {label}")
        else:
            self.bundle(kept["data"], f"an output of {label}")
            if (kept.get("execution_count") or 0) < 0:
                raise self.error(f"execution_count of an output of {label}", "negative", "a count")
        return kept

    def bundle(self, value: object, what: str) -> None:
        bundle = self.expect(value, dict, what)
        for mime, data in bundle.items():
            if not _JSON_MIME.fullmatch(mime):
                bundle[mime] = self.text(data, f"the {_names([mime])} of {what}")

    def ids(self, cells: list[dict[str, Any]], *, needed: bool) -> None:
        """Give every cell of a 4.5 document a valid id of its own; older ones have none."""
        if not needed:
            for cell in cells:
                cell.pop("id", None)
            return
        fresh = source_ids([cell["source"] for cell in cells])
        taken: set[str] = set()
        invalid: list[int] = []
        for number, cell in enumerate(cells):
            if _CELL_ID.fullmatch(cell.get("id", "")) and cell["id"] not in taken:
                taken.add(cell["id"])
            else:
                invalid.append(number)
        for number in invalid:
            new = fresh[number]
            while new in taken:
                new += "x"
            if "id" in cells[number]:
                self.mended("a cell id that is malformed or used twice")
            cells[number]["id"] = new
            taken.add(new)

    def text(self, value: object, what: str) -> str:
        if isinstance(value, list):
            if not all(isinstance(line, str) for line in value):
                raise self.error(what, "a list with other things than text", "text")
            return "".join(value)
        return self.expect(value, str, what)

    def expect(self, value: object, kind: type[_Expected], what: str) -> _Expected:
        """The value if it is of the kind, else NotebookError; true and false are no numbers."""
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise self.error(what, _word(value), _word_of(kind))
        return value

    def error(self, what: str, found: str, wanted: str) -> NotebookError:
        return NotebookError(
            f"not a valid notebook: {what} is {found}, not {wanted}", where=self.where, hint=_HINT
        )

    def mended(self, what: str) -> None:
        notice = f"not quite a valid notebook: {what} left out or mended"
        if notice not in self.notices:
            self.notices.append(notice)


def plain_copy(value: object) -> Any:
    """A deep copy made of plain dicts and lists."""
    if type(value) is str:
        return value
    if isinstance(value, dict | Mapping):
        return {str(key): plain_copy(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain_copy(item) for item in value]
    return value


def _word(value: object) -> str:
    return _word_of(type(value))


def _word_of(kind: type) -> str:
    return _KIND_WORDS.get(kind, "something else")


def _names(keys: list[str]) -> str:
    shown = ", ".join(repr(key[:40]) for key in keys[:3])
    return shown + (" …" if len(keys) > 3 else "")
