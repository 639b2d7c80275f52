"""Takes `%%task` off a cell, so that its body runs as any cell does, and makes `%%flow` awaited.

A flow's own body is no code of this kernel's: it runs where the tasks run that it calls. IPython's
own cell magics can't await, and are refused when nothing stands below them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from orch_nb.errors import OptionError
from orch_nb.first_line import FirstLine, Form, find_first_line
from orch_nb.settings import DEFER

if TYPE_CHECKING:
    from orch_nb.magics.session import KernelSession

_ENTRY = '__import__("orch_nb.magics.entry", fromlist=["entry"])'
# These take long and end in a run: the kernel's loop must stay free meanwhile.
AWAITED = frozenset({"resume", "retry"})


class CellTransformer:
    """A cleanup transformer: lines in, lines out. It only looks at text, and never raises."""

    has_side_effects = False

    def __init__(self, session: KernelSession) -> None:
        self._session = session

    def __call__(self, lines: list[str]) -> list[str]:
        said = find_first_line(lines)
        if said is None:
            return lines
        if said.word == "flow":
            return self._flow(said, lines)
        if said.form is Form.COMMENT and said.word == "setup":
            return lines
        if not _is_well_formed(said):
            return [f"{_ENTRY}.complain({said.word!r}, {said.text!r})\n"]
        if said.word == "task" and self._session.settings.tasks == DEFER:
            return [f"{_ENTRY}.note_deferred({said.text!r})\n"]
        if said.word == "task" and _loops(said):
            body = "".join(["\n" * (said.index + 1), *lines[said.index + 1 :]])
            return [f"{_ENTRY}.each({said.text!r}, {body!r})\n"]
        return lines if said.form is Form.COMMENT else _without_line(lines, said)

    def _flow(self, said: FirstLine, lines: list[str]) -> list[str]:
        if said.subcommand and said.subcommand not in AWAITED:
            return lines
        if not getattr(self._session.shell, "autoawait", True):
            return [f"{_ENTRY}.flow_blocking({said.text!r}, {said.subcommand!r})\n"]
        return [f"await {_ENTRY}.flow({said.text!r}, {said.subcommand!r})\n"]


def _is_well_formed(said: FirstLine) -> bool:
    """Whether the line can be read; the words for what is wrong come when the cell is run."""
    from orch_nb.option_text import parse_line
    from orch_nb.options import TaskOptions

    if said.word == "setup":
        return not said.text.strip()
    try:
        parse_line(said.text, TaskOptions)
    except OptionError:
        return False
    return True


def _loops(said: FirstLine) -> bool:
    """Whether the task runs once for each item."""
    from orch_nb.option_text import parse_line
    from orch_nb.options import TaskOptions

    return "--each" in said.text and parse_line(said.text, TaskOptions)[1].each is not None


def _without_line(lines: list[str], said: FirstLine) -> list[str]:
    """The lines with the magic's made a comment, so that tracebacks count as the cell does.

    Another cell magic has to come first, and counts for itself."""
    below = lines[said.index + 1 :]
    first = next((line for line in below if line.strip()), "")
    if first.startswith("%%"):
        start = below.index(first)
        return below[start:]
    return [*lines[: said.index], "#" + lines[said.index].rstrip("\r\n") + "\n", *below]
