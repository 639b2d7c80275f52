"""What a notification says, and to whom it may go."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from orch_nb.app.channels import check_address, send
from orch_nb.app.links import run_link
from orch_nb.app.secrets import find_secret
from orch_nb.errors import OptionError
from orch_nb.model import FlowRunId, TaskRun
from orch_nb.notebook.secret_text import secret_name
from orch_nb.states import StateName, StateType
from orch_nb.store import Store
from orch_nb.store.notices import NotifyRule
from orch_nb.store.queue_reading import deployed_run_of

__all__ = [
    "Message",
    "NotifyRule",
    "check_target",
    "deliver",
    "parse_states",
    "trial_message",
    "write_message",
]

# Their addresses hold no secret unless there is a password.
_PLAIN = frozenset({"json", "jsons", "xml", "xmls", "form", "forms", "mailto", "mailtos", "syslog"})
_WORDS = {
    "failed": (StateName.FAILED, StateName.TIMED_OUT),
    "crashed": (StateName.CRASHED,),
    "late": (StateName.LATE,),
    "completed": (StateName.COMPLETED,),
    "cancelled": (StateName.CANCELLED,),
}
_ANSI = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")


@dataclass(frozen=True, slots=True)
class Message:
    """A subject of one line, and a text."""

    subject: str
    text: str
    failed: bool = False


def parse_states(text: str) -> tuple[StateName, ...]:
    """The states of ``failed,crashed,late``. Raises OptionError for another word."""
    found: list[StateName] = []
    for word in text.split(","):
        states = _WORDS.get(word.strip().lower())
        if states is None:
            raise OptionError(
                f"nobody can be told of {word.strip()!r}", hint=f"there are {', '.join(_WORDS)}"
            )
        found += states
    return tuple(dict.fromkeys(found))


def check_target(target: str) -> str:
    """A target as it may be stored: an address without a secret in it, or ``secret:NAME``.

    Raises OptionError, which says what to do, for any other.
    """
    if secret_name(target) is not None:
        check_address(find_secret(str(secret_name(target))))
        return target
    parts = urlsplit(target)
    if parts.scheme.lower() not in _PLAIN or parts.password or "pass=" in parts.query:
        raise OptionError(
            f"the address of {parts.scheme or 'the channel'} holds a secret, which would be stored",
            hint="put it into a variable, and give --notify-to secret:VARIABLE",
        )
    check_address(target)
    return target


def deliver(target: str, message: Message) -> None:
    """Send a message. Raises OrchError when the channel is down or refuses it."""
    name = secret_name(target)
    address = target if name is None else find_secret(name)
    hides = name is not None
    send(address, message.subject, message.text, failed=message.failed, hides=hides)


def write_message(store: Store, run_id: FlowRunId, state: StateName) -> Message:
    """What to say of a run that entered a state. Raises NotFoundError when it is gone."""
    run = store.get_run(run_id)
    given = deployed_run_of(store, run_id)
    called = run.flow if given is None else given.deployment
    lines = [f"{called} / {run.name} is {state}"]
    if run.scheduled_time is not None:
        lines[0] += f" (due {run.scheduled_time:%Y-%m-%d %H:%M} UTC)"
    if state is StateName.LATE:
        lines.append("It has not started yet; nothing has failed.")
    failed = _first_failed(store, run_id)
    if failed is not None:
        line = f", line {failed.error_line}" if failed.error_line else ""
        said = _last_line(failed.error_value or "")
        place = f"cell {failed.cell_number}{line}"
        lines.append(f"{failed.name} ({place}): {failed.error_name}: {said}")
    elif run.state_message and state is run.state_name:
        lines.append(_last_line(run.state_message))
    if run.output:
        lines.append(f"output  {run.output}")
    if link := run_link(store, run_id):
        lines.append(f"link    {link}")
    command = "why" if state is StateName.LATE else "show"
    lines.append(f"more    orch-nb {command} {run.name}")
    bad = state in _WORDS["failed"] or state in _WORDS["crashed"]
    return Message(f"{called} is {state}", "\n".join(lines), bad)


def _first_failed(store: Store, run_id: FlowRunId) -> TaskRun | None:
    for task in store.task_runs(run_id):
        if task.state_type is StateType.FAILED and task.error_name:
            return task
    return None


def _last_line(text: str) -> str:
    lines = [line for line in _ANSI.sub("", text).splitlines() if line.strip()]
    return lines[-1].strip()[:500] if lines else ""


def trial_message(called: str) -> Message:
    """What `--test` sends."""
    return Message(f"orch_nb: a test for {called}", f"Notifications of {called} arrive here.")
