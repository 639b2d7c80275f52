"""The local runner, whose template, home and child are played by the test."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from orch_nb.execution.job import Channel, Job, Outcome, SessionSpec, to_message
from orch_nb.runners.base import Applied, Done, Report
from orch_nb.runners.local import LocalRunner


class PlayedTemplate:
    """One end of its socket; nothing is behind it but the test."""

    ended = False

    def __init__(self) -> None:
        self.sock, other = socket.socketpair()
        self.played = Channel(other)

    def last_words(self) -> str:
        return ""

    def take_session(self) -> None:
        return None

    def hang_up(self) -> None:
        self.sock.close()

    def close(self) -> None:
        self.hang_up()
        self.played.close()


@pytest.fixture
def template() -> Iterator[PlayedTemplate]:
    with contextlib.closing(PlayedTemplate()) as played:
        yield played


NOBODY = 2**22 + 1  # more than any process's number


def test_a_fork_that_ends_before_home_tells_of_it_may_still_become_home(
    template: PlayedTemplate, tmp_path: Path
) -> None:
    reports: list[Report] = []

    async def play(open_channels: contextlib.ExitStack) -> list[str]:
        def sent_with(parent: Channel) -> Channel:
            sock = socket.socket(fileno=parent.take_fd())
            return open_channels.enter_context(Channel(sock))

        runner = LocalRunner(template)
        spec = SessionSpec(str(tmp_path), str(tmp_path))
        opening = asyncio.ensure_future(runner.open(spec, reports.append))
        await asyncio.sleep(0)
        template.played.receive()
        home = sent_with(template.played)
        home.receive()
        home.send({"op": "opened", "pid": NOBODY, "language": {}})
        await opening
        runner.fork(Job(1, 1, "lock = threading.Lock()", 1))
        home.receive()
        child = sent_with(home)
        held = Outcome(1, 1, unshippable="'lock' can't be pickled")
        child.send({"op": "outcome", "outcome": to_message(held)})
        while not reports:
            await asyncio.sleep(0.001)
        home.send({"op": "forked", "cell": 1, "attempt": 1, "pid": NOBODY + 1})
        runner.promote(1, 1, [])
        child.receive()
        child.send({"op": "retired", "cell": 1, "reason": "", "pid": NOBODY + 1})
        while len(reports) < 2:
            await asyncio.sleep(0.001)
        runner.run_at_home(Job(2, 1, "1", 2))
        asked_home = [child.receive()["op"]]
        await runner.close()
        while (message := home.receive()) is not None:
            asked_home.append(message["op"])
        return asked_home

    with contextlib.ExitStack() as open_channels:
        asked = asyncio.run(play(open_channels))
    # A home that is to collect a child that lives waits until it ends: for ever, since that one
    # waits for its turn.
    assert asked == ["run"]
    assert isinstance(reports[0], Done)
    assert isinstance(reports[1], Applied)
