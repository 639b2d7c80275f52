"""What follows `%%flow`: the flow's name and options, and what only a kernel heeds."""

from __future__ import annotations

import dataclasses
import shlex
from dataclasses import dataclass

from orch_nb.errors import OptionError
from orch_nb.option_text import parse_line
from orch_nb.options import FlowOptions, LiveOptions


@dataclass(frozen=True, slots=True)
class FlowLine:
    """``parameters`` are the ``-p NAME VALUE`` pairs, as text."""

    name: str | None
    options: FlowOptions
    fresh: bool = False
    refresh: bool = False
    background: bool = False
    parameters: tuple[tuple[str, str], ...] = ()


def parse_flow_line(text: str, *, where: str | None = None) -> FlowLine:
    """Read ``sales --max-workers 4 --fresh -p years '[2025]'``. Raises OptionError."""
    parameters, rest = _without_parameters(text, where)
    name, live = parse_line(rest, LiveOptions, where=where)
    own = {field.name: getattr(live, field.name) for field in dataclasses.fields(FlowOptions)}
    return FlowLine(
        name, FlowOptions(**own), live.fresh, live.refresh, live.background, tuple(parameters)
    )


def _without_parameters(text: str, where: str | None) -> tuple[list[tuple[str, str]], str]:
    """The `-p` pairs, and the text without them."""
    if "-p" not in text:
        return [], text
    try:
        words = shlex.split(text)
    except ValueError:
        return [], text  # parse_line says what is wrong
    pairs, rest = [], []
    left = iter(words)
    for word in left:
        if word != "-p":
            rest.append(word)
            continue
        name, equals, value = next(left, "").partition("=")
        given: str | None = value if equals else next(left, None)
        if not name or given is None:
            raise OptionError(
                "-p needs a name and a value", where=where, hint="write -p years '[2025]'"
            )
        pairs.append((name, given))
    return pairs, shlex.join(rest)
