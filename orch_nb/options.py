"""Every task and flow option, defined once.

The dataclass fields are the definition: magics, `#|` lines, cell metadata, the CLI, the JSON
schema of the Lab form and the reference page are all derived from them.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any


def option(default: Any, *, kind: str, help: str, choices: tuple[str, ...] = ()) -> Any:
    """A dataclass field that carries its option's kind and help.

    ``kind`` is one of: flag, int, str, duration (seconds as float), durations (tuple of
    seconds), names (tuple of str, comma separated), choice.
    """
    return dataclasses.field(
        default=default, metadata={"kind": kind, "help": help, "choices": choices}
    )


@dataclass(frozen=True, slots=True)
class TaskOptions:
    """Policies of one task: what may follow `%%task NAME`."""

    needs: tuple[str, ...] = option((), kind="names", help="tasks that must end well first")
    retries: int = option(0, kind="int", help="how often a failed attempt is tried again")
    retry_delay: tuple[float, ...] = option(
        (0.0,), kind="durations", help="wait before a retry; a list gives each retry its own"
    )
    timeout: float | None = option(None, kind="duration", help="longest time of one attempt")
    in_order: bool = option(
        False, kind="flag", help="effects wait until every earlier cell has ended well"
    )
    independent: bool = option(False, kind="flag", help="effects never wait for another cell")


@dataclass(frozen=True, slots=True)
class FlowOptions:
    """Defaults of one flow: what may follow `%%flow NAME`, and `orch-nb run`'s options."""

    runner: str = option(
        "local", kind="choice", choices=("inline", "local"), help="where task runs execute"
    )
    max_workers: int | None = option(
        None, kind="int", help="cells that run at once (default: one per core)"
    )
    cells: str = option(
        "auto",
        kind="choice",
        choices=("auto", "tagged", "all"),
        help="which cells are tasks: the tagged ones if any is tagged, else every plain cell",
    )
    fail_fast: bool = option(False, kind="flag", help="cancel what still runs when a task fails")
    allow_errors: bool = option(False, kind="flag", help="keep a failed cell's output and go on")
    timeout: float | None = option(None, kind="duration", help="longest time of the whole run")
