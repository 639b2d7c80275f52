"""The Python and TypeScript descriptions of what is sent are the same."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NotRequired, get_origin, get_type_hints

from orch_nb.app import view_schema
from orch_nb.panel.marks import LOOKS

VIEWS = Path(__file__).resolve().parents[3] / "labextension" / "src"
INTERFACE = re.compile(r"export interface (\w+) \{\n(.*?)\n\}", re.S)
FIELD = re.compile(r"^  (\w+)(\??):", re.M)
SHARED = re.findall(r"\nclass (\w+)\(TypedDict", Path(view_schema.__file__).read_text())


def fields_of(record: type) -> dict[str, bool]:
    """Each field, and whether it may be missing."""
    hints = get_type_hints(record, include_extras=True)
    return {field: get_origin(hint) is NotRequired for field, hint in hints.items()}


def test_each_record_has_the_same_fields_on_both_sides() -> None:
    text = (VIEWS / "schema.ts").read_text(encoding="utf-8")
    typescript = {
        name: {field: bool(mark) for field, mark in FIELD.findall(body)}
        for name, body in INTERFACE.findall(text)
    }
    python = {name: fields_of(getattr(view_schema, name)) for name in SHARED}
    assert {name: typescript[name] for name in SHARED} == python


def test_the_states_look_the_same_on_both_sides() -> None:
    text = (VIEWS / "model" / "states.ts").read_text(encoding="utf-8")
    found = re.findall(r"(\w+): look\(\s*'([^']+)',\s*'([^']+)',\s*'([^']+)'", text)
    typescript = {name: (word, role, phase) for name, word, role, phase in found}
    python = {str(name): (look.word, look.role, look.phase) for name, look in LOOKS.items()}
    assert typescript == python
