"""Mends what is safe to mend: tags and metadata that disagree with a cell's first line."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from typing import Any

from orch_nb.model import CellKind
from orch_nb.notebook.cells import RECORD_KEYS

_FIRST_LINE = re.compile(r"^(?:%%|#\|\s*)(task|flow|setup)\b")
_KINDS = frozenset(kind.value for kind in CellKind)
_OWN = "orch_nb"


def fix_document(raw: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """A mended copy of a notebook's document, and a sentence for each thing that was done."""
    document = copy.deepcopy(dict(raw))
    done: list[str] = []
    number = 0
    for cell in document.get("cells", []):
        if not isinstance(cell, dict) or cell.get("cell_type") != "code":
            continue
        number += 1
        kind = _said(cell.get("source", ""))
        if kind:
            done += [f"cell {number}: {words}" for words in _agree(cell, kind)]
    return document, done


def _said(source: Any) -> str:
    """The kind that a cell's first line gives it."""
    text = "".join(source) if isinstance(source, list) else str(source)
    for line in text.splitlines():
        if line.strip() and (match := _FIRST_LINE.match(line)):
            return match[1]
        if line.strip() and not line.startswith("#|"):
            break
    return ""


def _agree(cell: dict[str, Any], kind: str) -> list[str]:
    """Make a cell's tags and metadata follow its first line."""
    metadata = cell.get("metadata")
    if not isinstance(metadata, dict):
        return []
    done = []
    tags = metadata.get("tags")
    if isinstance(tags, list):
        wrong = [tag for tag in tags if tag in _KINDS and tag != kind]
        if wrong:
            metadata["tags"] = [tag for tag in tags if tag not in wrong]
            done.append(
                f"removed the tag {', '.join(map(repr, wrong))}: its first line says {kind}"
            )
    own = metadata.get(_OWN)
    if (
        isinstance(own, dict)
        and isinstance(metadata.get("tags"), list)
        and kind in metadata["tags"]
    ):
        kept = {key: value for key, value in own.items() if key in RECORD_KEYS}
        if kept == own:
            return done
        if kept:
            metadata[_OWN] = kept
        else:
            del metadata[_OWN]
        done.append("removed its metadata 'orch_nb': the first line says it all")
    return done
