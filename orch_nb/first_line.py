"""The line of a cell that says what the cell is: `%%task load`, `#| task load`, `%flow sales`."""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass

# `%flow graph` asks about a flow, it declares none.
SUBCOMMANDS = frozenset(
    {
        "cancel",
        "check",
        "debug",
        "deploy",
        "diff",
        "explain",
        "graph",
        "logs",
        "pull",
        "resume",
        "retry",
        "runs",
        "show",
    }
)

_MAGIC = re.compile(r"%%(task|setup|flow)(?=\s|$)(.*)")
_COMMENT = re.compile(r"#\|\s*(task|setup|flow)(?=\s|$)(.*)")
_LINE = re.compile(r"%(flow)(?=\s|$)(.*)")


class Form(enum.Enum):
    """How a cell says what it is."""

    MAGIC = "%%"
    COMMENT = "#|"
    LINE = "%"  # a line magic that is all that the cell holds


@dataclass(frozen=True, slots=True)
class FirstLine:
    """What was said: ``word`` is task, setup or flow; ``text`` what follows it on the line;
    ``index`` the line's place in the cell, from 0."""

    index: int
    form: Form
    word: str
    text: str

    @property
    def subcommand(self) -> str:
        """The subcommand of `%flow`, or ""."""
        words = self.text.split(maxsplit=1)
        is_one = self.form is Form.LINE and words and words[0] in SUBCOMMANDS
        return words[0] if is_one else ""


def find_first_line(lines: list[str]) -> FirstLine | None:
    """What the cell with these lines says it is; None when it says nothing."""
    for index, line in enumerate(lines):
        if not line.strip():
            continue
        text = line.rstrip("\r\n")
        if match := _MAGIC.fullmatch(text):
            return FirstLine(index, Form.MAGIC, match[1], match[2])
        if match := _COMMENT.fullmatch(text):
            return FirstLine(index, Form.COMMENT, match[1], match[2])
        if text.startswith("#|"):
            continue  # another tool's line; ours may stand below it
        if (match := _LINE.fullmatch(text)) and not "".join(lines[index + 1 :]).strip():
            return FirstLine(index, Form.LINE, match[1], match[2])
        return None
    return None
