"""Every task and flow option, defined once.

The dataclass fields are the definition: magics, `#|` lines, cell metadata, the CLI, the JSON
schema of the Lab form and the reference page are all derived from them. Reading and writing
the values is in `orch_nb.option_text`.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any


def option(
    default: Any, *, kind: str, help: str, choices: tuple[str, ...] = (), minimum: int = 0
) -> Any:
    """A dataclass field that carries its option's kind and help.

    ``kind`` is one of: flag, int and number (not below ``minimum``), str, duration (seconds as
    float, above 0), durations (tuple of seconds), names and paths (tuples of str, comma
    separated), counts and amounts (tuple of (name, whole number above 0) and (name, number)),
    choice, runner (a choice, or ``dask=PLACE``), loop (``NAME in EXPRESSION``).
    """
    return dataclasses.field(
        default=default,
        metadata={"kind": kind, "help": help, "choices": choices, "minimum": minimum},
    )


@dataclass(frozen=True, slots=True)
class TaskOptions:
    """Policies of one task: what may follow `%%task NAME`."""

    needs: tuple[str, ...] = option((), kind="names", help="tasks that must end well first")
    retries: int = option(0, kind="int", help="how often a failed attempt is tried again")
    retry_delay: tuple[float, ...] = option(
        (0.0,), kind="durations", help="wait before a retry; a list gives each retry its own"
    )
    retry_backoff: float | None = option(
        None,
        kind="number",
        minimum=1,
        help="each further wait is the last of --retry-delay (or 1s) times this, again and again",
    )
    retry_jitter: float = option(
        0.0, kind="number", help="each wait is longer by up to this share of it, at random (0.5)"
    )
    retry_max_delay: float | None = option(None, kind="duration", help="no wait is longer")
    retry_on: tuple[str, ...] = option(
        (),
        kind="names",
        help="retry after these errors only: class names, base classes count; TimedOut, Crashed",
    )
    timeout: float | None = option(None, kind="duration", help="longest time of one attempt")
    in_order: bool = option(
        False, kind="flag", help="effects wait until every earlier cell has ended well"
    )
    independent: bool = option(False, kind="flag", help="effects never wait for another cell")
    cache: bool = option(
        False, kind="flag", help="take the outcome of equal work on equal inputs, if there is one"
    )
    cache_ttl: float | None = option(
        None, kind="duration", help="an outcome that is older is not taken"
    )
    cache_extra: str | None = option(
        None, kind="str", help="a text that the outcome depends on, such as a version"
    )
    refresh: bool = option(False, kind="flag", help="run even if an outcome could be taken")
    writes: tuple[str, ...] = option(
        (), kind="paths", help="files, patterns or folders it writes: kept and brought back"
    )
    pause: str | None = option(
        None, kind="str", help="a question: the task waits until somebody answers it"
    )
    input: tuple[str, ...] = option(
        (), kind="names", help="what the answer gives, with types: amount:float,note:str"
    )
    pause_timeout: float | None = option(
        None, kind="duration", help="how long the task waits for its answer"
    )
    unanswered: str = option(
        "fail",
        kind="choice",
        choices=("fail", "continue"),
        help="what becomes of the task when nobody has answered in time",
    )
    uses: tuple[tuple[str, int], ...] = option(
        (), kind="counts", help="places it takes in limits that all runs share, such as db"
    )
    resources: tuple[tuple[str, float], ...] = option(
        (),
        kind="amounts",
        help="what it needs of this machine's resources, or of a Dask worker's: gpu=1,memory=2GB",
    )
    priority: int = option(
        0,
        kind="int",
        help="calls with more come first; on a Dask cluster cells, too, and before other flows'",
    )

    each: str | None = option(
        None, kind="loop", help="run once per item, all from the same inputs: model in models"
    )


@dataclass(frozen=True, slots=True)
class FlowOptions:
    """Defaults of one flow: what may follow `%%flow NAME`, and `orch-nb run`'s options."""

    runner: str = option(
        "local",
        kind="runner",
        choices=("inline", "local", "dask"),
        help="where task runs execute; dask=ADDRESS, a scheduler file, or module:make_cluster",
    )
    max_workers: int | None = option(
        None, kind="int", minimum=1, help="cells that run at once (default: one per core)"
    )
    cells: str = option(
        "auto",
        kind="choice",
        choices=("auto", "tagged", "all"),
        help="which cells are tasks: the tagged ones if any is tagged, else every plain cell",
    )
    exact: bool = option(
        False,
        kind="flag",
        help="libraries use as many threads as in a serial run, whatever runs beside: slower, and "
        "equal to the last digit",
    )
    fail_fast: bool = option(False, kind="flag", help="cancel what still runs when a task fails")
    allow_errors: bool = option(False, kind="flag", help="keep a failed cell's output and go on")
    timeout: float | None = option(None, kind="duration", help="longest time of the whole run")
    cache: bool = option(False, kind="flag", help="--cache for every task and plain cell")
    cache_ttl: float | None = option(
        None, kind="duration", help="outcomes that are older are not taken"
    )
    cache_extra: str | None = option(
        None, kind="str", help="a text that all outcomes depend on, such as a version"
    )
    refresh: bool = option(
        False, kind="flag", help="run all, and let what is cached be overwritten"
    )
    flow_retries: int = option(
        0, kind="int", help="how often a failed run is resumed; what is done is not run again"
    )
    flow_retry_delay: tuple[float, ...] = option(
        (0.0,), kind="durations", help="wait before a run is retried; a list gives each its own"
    )
    on_crash: str = option(
        "fail",
        kind="choice",
        choices=("fail", "resume"),
        help="what a crash does: end the run, or go on from what is done, up to three times",
    )
    keep: str = option(
        "auto",
        kind="choice",
        choices=("auto", "all"),
        help="which plain cells' values are kept: those quickly written, or all; tasks' always are",
    )
    limit: tuple[tuple[str, int], ...] = option(
        (), kind="counts", help="how many tasks of all runs may hold a name at once, such as db=4"
    )
    resources: tuple[tuple[str, float], ...] = option(
        (), kind="amounts", help="what this machine has for tasks: gpu=1,memory=8GB"
    )
    on_success: str | None = option(
        None,
        kind="str",
        help="shell command, or cell:NAME, for when the run is Completed; ORCH_NB_RUN_NAME, "
        "ORCH_NB_STATE … tell",
    )
    on_failure: str | None = option(
        None,
        kind="str",
        help="shell command, or cell:NAME, for when it is Failed, TimedOut or Crashed; also with "
        "ORCH_NB_ERROR",
    )


_SCHEDULE = "when it runs by itself: cron fields '0 6 * * 1-5', a time such as 15m, or an RRULE"
_ZONE = "the schedule's IANA time zone (default: this machine's)"


@dataclass(frozen=True, slots=True)
class LiveOptions(FlowOptions):
    """What may follow `%%flow NAME` in a kernel: FlowOptions, what only concerns the kernel, and
    the schedule that the flow is deployed with. Runs without a kernel pass over these."""

    fresh: bool = option(
        False, kind="flag", help="run every cell in a new session, and bring the results here"
    )
    background: bool = option(
        False, kind="flag", help="give the prompt back at once; names you change meanwhile stay"
    )
    schedule: str | None = option(None, kind="str", help=f"{_SCHEDULE}; %flow deploy sets it up")
    tz: str | None = option(None, kind="str", help=_ZONE)


@dataclass(frozen=True, slots=True)
class DeployOptions(FlowOptions):
    """What may follow `%flow deploy NAME`: FlowOptions of its runs, and when and how they come."""

    schedule: str | None = option(
        None, kind="str", help=f"{_SCHEDULE} (default: what %%flow declares)"
    )
    tz: str | None = option(None, kind="str", help=_ZONE)
    catch_up: str = option(
        "latest",
        kind="choice",
        choices=("skip", "latest", "all"),
        help="what runs after a downtime",
    )
    overlap: str = option(
        "queue",
        kind="choice",
        choices=("queue", "skip", "cancel-running", "allow"),
        help="while an earlier run has not ended",
    )
    tags: tuple[str, ...] = option((), kind="names", help="tags for its runs")
    include: tuple[str, ...] = option((), kind="paths", help="files that the snapshot holds too")
    follow: bool = option(False, kind="flag", help="run the file as it is then, no snapshot")
    paused: bool = option(False, kind="flag", help="don't let its schedule tick yet")


# Pairs of flags that say opposite things.
CONFLICTS: dict[type, tuple[tuple[str, str], ...]] = {
    TaskOptions: (("in_order", "independent"),),
    FlowOptions: (("fail_fast", "allow_errors"),),
    LiveOptions: (("fail_fast", "allow_errors"), ("fresh", "refresh")),
    DeployOptions: (("fail_fast", "allow_errors"), ("follow", "include")),
}


@dataclass(frozen=True, slots=True)
class OptionSpec:
    """One option as faces need it: ``field`` is its name in records and metadata."""

    field: str
    flag: str  # "--retry-delay"
    kind: str
    default: Any
    help: str
    choices: tuple[str, ...] = ()
    minimum: int = 0

    @property
    def placeholder(self) -> str:
        """What stands for the value in a reference: ``N``, ``2s,5s``, ``inline|local``."""
        shown = {
            "flag": "",
            "int": "N",
            "str": "TEXT",
            "duration": "TIME",
            "durations": "TIME[,TIME…]",
            "names": "NAME[,NAME…]",
            "paths": "PATH[,PATH…]",
            "number": "X",
            "counts": "NAME[=N][,…]",
            "amounts": "NAME=AMOUNT[,…]",
            "loop": "NAME in ITEMS",
        }
        if self.kind == "runner":
            return "|".join(self.choices) + "[=PLACE]"
        return "|".join(self.choices) if self.kind == "choice" else shown[self.kind]


def option_specs(options: type[TaskOptions] | type[FlowOptions]) -> tuple[OptionSpec, ...]:
    """The options of a task or of a flow, in the order of their fields."""
    return tuple(
        OptionSpec(
            field=field.name,
            flag="--" + field.name.replace("_", "-"),
            kind=field.metadata["kind"],
            default=field.default,
            help=field.metadata["help"],
            choices=field.metadata["choices"],
            minimum=field.metadata["minimum"],
        )
        for field in dataclasses.fields(options)
    )
