"""A command that asks the daemon to be run at once, before it has imported anything of its own.

Whatever is odd (no daemon, another one, a slow one) is no error: the command then runs as if
there were no daemons.
"""

from __future__ import annotations

import _socket  # see orch_nb.warm.messages
import os
import sys

from orch_nb.warm import identity
from orch_nb.warm.messages import MOST_DESCRIPTORS, Line, peer_of

TYPE_CHECKING = False  # as type checkers take it: a warm command waits for no import of typing
if TYPE_CHECKING:
    from collections.abc import Sequence

    from orch_nb.warm.messages import Message

# Commands that come to an end by themselves, and change nothing of the terminal.
_WORK = {"run", "sweep", "verify", "resume", "retry", "cancel", "graph", "check"}
_LOOK = {"runs", "show", "logs", "explain", "diff", "pull", "limits", "why", "workers"}
WARM_COMMANDS = frozenset(_WORK | _LOOK | {"deployments", "upcoming", "where"})
COLD = "--no-warm"
_PATIENCE = 1.0  # seconds for the daemon to say that it is there


def ask(arguments: Sequence[str]) -> None:
    """Have the command run by a warm daemon and end with its exit code.

    Returns, with nothing done, when the command is to run in this process.
    """
    if not arguments or arguments[0] not in WARM_COMMANDS or COLD in arguments:
        return
    if not identity.is_wanted():
        return
    try:
        line = _connect()
        if line is None:
            return
        try:
            if _is_welcome(line) and _introduce(line):
                # here: the command begins meanwhile
                from orch_nb.warm.following import follow

                follow(line)
        finally:
            line.close()
    except (OSError, ValueError, EOFError):
        return


def connect(path: str, seconds: float) -> Line | None:
    """A line to the daemon whose socket has that path; None without one that is ours."""
    sock = _socket.socket(_socket.AF_UNIX)
    sock.settimeout(seconds)
    try:
        sock.connect(path)
        if peer_of(sock)[1] == os.getuid():
            return Line(sock)
    except OSError:
        pass
    sock.close()
    return None


def _connect() -> Line | None:
    if not identity.is_private(identity.private_folder()):
        return None
    born = identity.standing()
    line = connect(f"{identity.address(born)}.sock", _PATIENCE)
    if line is not None:
        line.send({"what": "command", "standing": born})
    return line


def _is_welcome(line: Line) -> bool:
    """Whether the daemon is there, and wants the command. Descriptors that were sent to one that
    hangs would stay open for as long as it does: they are sent later."""
    answer = line.receive()
    return answer is not None and answer["op"] == "ready"


def _introduce(line: Line) -> bool:
    """Send all that the command has of its own; False when that can't be sent."""
    numbers = _open_descriptors()
    if numbers is None:
        return False
    folder = os.open(".", os.O_RDONLY | os.O_DIRECTORY)
    try:
        line.send(_request(numbers), [folder, *numbers])
    finally:
        os.close(folder)
    return True


def _open_descriptors() -> list[int] | None:
    """The descriptors that the command was started with, the standard ones first."""
    found = []
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208  # pathlib would be waited for
        try:
            if os.get_inheritable(int(name)):
                found.append(int(name))
        except OSError:
            continue  # it was the listing's own
    found.sort()
    return found if found[:3] == [0, 1, 2] and len(found) < MOST_DESCRIPTORS else None


def _request(numbers: list[int]) -> Message:
    import resource

    umask = os.umask(0)
    os.umask(umask)
    names = identity.limit_names()
    return {
        "op": "run",
        "arguments": [os.fsencode(word) for word in sys.argv],
        "environment": dict(os.environb),
        "umask": umask,
        "limits": {name: resource.getrlimit(getattr(resource, name)) for name in names},
        "descriptors": numbers,
    }
