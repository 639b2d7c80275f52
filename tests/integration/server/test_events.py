"""The event stream: nothing is missed, nothing comes twice, whatever is cut off."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from orch_nb.states import StateName
from orch_nb.store import open_store
from tests.integration.server.conftest import notebook
from tests.sample_runs import a_run

Ask = Callable[..., Awaitable[Any]]


async def told(socket: Any, *, seconds: float = 20) -> Any:
    """The next message of a websocket, None at its end."""
    text = await asyncio.wait_for(socket.read_message(), seconds)
    return None if text is None else json.loads(text)


def happen(times: int) -> list[str]:
    """So many new runs in the store; their ids."""
    runs = [a_run() for _ in range(times)]
    with open_store() as store:
        for run in runs:
            store.write(lambda t, run=run: t.create_flow_run(run, [], holder=None, by="test"))
    return [run.id for run in runs]


async def changes(socket: Any, count: int) -> list[Any]:
    """The next changes of flow runs that the socket tells of."""
    found: list[Any] = []
    while len(found) < count:
        message = await told(socket)
        if message["type"] == "change" and message["task"] is None:
            found.append(message)
    return found


async def test_each_change_comes_once_to_clients_that_come_and_go(
    ask: Ask, jp_ws_fetch: Any
) -> None:
    begin = (await ask("GET", "/events"))["cursor"]
    first = await asyncio.to_thread(happen, 3)
    socket = await jp_ws_fetch("orch-nb", "api", "events", "stream", params={"cursor": begin})
    assert (await told(socket)) == {"type": "hello", "cursor": begin, "reset": False}
    got = await changes(socket, 2)  # and cut off in the middle
    socket.close()
    second = await asyncio.to_thread(happen, 2)
    again = {"cursor": got[-1]["cursor"]}
    socket = await jp_ws_fetch("orch-nb", "api", "events", "stream", params=again)
    await told(socket)
    got += await changes(socket, 3)
    socket.close()
    assert [one["run"] for one in got] == [*first, *second]
    cursors = [one["cursor"] for one in got]
    assert cursors == sorted(set(cursors))
    whole = await ask("GET", "/events", cursor=begin)
    assert [one["run"] for one in whole["events"] if one["task"] is None] == [*first, *second]


async def test_pages_of_events_join_without_a_gap(ask: Ask) -> None:
    cursor = (await ask("GET", "/events"))["cursor"]
    runs = await asyncio.to_thread(happen, 5)
    found = []
    while page := (await ask("GET", "/events", cursor=cursor, limit=2, wait=1))["events"]:
        found += [one["run"] for one in page if one["task"] is None]
        cursor = page[-1]["cursor"]
    assert found == runs


async def test_a_wait_ends_with_the_first_event(ask: Ask) -> None:
    cursor = (await ask("GET", "/events"))["cursor"]
    waiting = asyncio.ensure_future(ask("GET", "/events", cursor=cursor, wait=30))
    (run,) = await asyncio.to_thread(happen, 1)
    page = await asyncio.wait_for(waiting, 20)
    assert page["events"][0]["run"] == run
    assert page["events"][0]["new"] == StateName.PENDING


async def test_a_cursor_of_another_store_is_told_so(ask: Ask, jp_ws_fetch: Any) -> None:
    page = await ask("GET", "/events", cursor=10**9)
    assert page["reset"]
    socket = await jp_ws_fetch("orch-nb", "api", "events", "stream", params={"cursor": 10**9})
    assert (await told(socket))["reset"]
    socket.close()


async def test_a_watched_run_is_followed_to_its_end(
    ask: Ask, save: Callable[..., Path], jp_ws_fetch: Any
) -> None:
    source = "import logging\nlogging.getLogger('x').warning('hello')"
    save("watch.ipynb", notebook("a = 1", source))
    socket = await jp_ws_fetch("orch-nb", "api", "events", "stream")
    started = await ask("POST", "/runs", {"path": "watch.ipynb"}, status=201)
    for run in (started["id"], "nobody"):
        await socket.write_message(json.dumps({"type": "watch", "run": run}))
    await socket.write_message("no JSON at all")
    state, logs, errors, sequence = "", [], [], []
    while state != "Completed":
        message = await told(socket, seconds=60)
        if message["type"] == "error":
            errors.append(message["run"])
        if message["type"] != "run":
            continue
        view = message["message"]
        sequence.append(view["seq"])
        logs += [line["text"] for line in view.get("logs", ())]
        state = view.get("run", {}).get("state", state)
    socket.close()
    assert errors == ["nobody"]
    assert logs == ["hello"]
    assert sequence == list(range(len(sequence)))


async def test_a_new_deployment_is_told_of(
    ask: Ask, save: Callable[..., Path], jp_ws_fetch: Any
) -> None:
    save("daily.ipynb", notebook("x = 1"))
    socket = await jp_ws_fetch("orch-nb", "api", "events", "stream")
    await told(socket)
    await ask("POST", "/deployments", {"name": "daily", "path": "daily.ipynb"}, status=201)
    assert (await told(socket)) == {"type": "deployments"}
    socket.close()
