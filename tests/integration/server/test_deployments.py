"""Deployments and schedules through the API, and the daemon that runs them."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from orch_nb.app.resident import DaemonLease, ServerLease, ServerWatch, Wish, is_wanted, set_wish
from orch_nb.store import open_store
from orch_nb.store.server_address import server_address
from tests.integration.server.conftest import notebook

Ask = Callable[..., Awaitable[Any]]
Save = Callable[..., Path]

WEEKDAYS = {"cron": "0 6 * * 1-5", "zone": "Europe/Madrid"}


async def test_messages_of_a_daemon_can_link_to_this_server(
    ask: Ask, jp_base_url: str, jp_http_port: int
) -> None:
    await ask("GET", "/upcoming")
    with open_store() as store:
        assert server_address(store) == f"http://localhost:{jp_http_port}{jp_base_url}"


async def test_a_deployment_from_its_beginning_to_its_end(ask: Ask, save: Save) -> None:
    save("daily.ipynb", notebook("n = 1", "print(n)", tags={1: ["parameters"]}))
    body = {
        "name": "report/daily",
        "path": "daily.ipynb",
        "schedules": [WEEKDAYS],
        "policy": {"catch_up": "all", "max_catch_up": 3, "overlap": "skip", "start_deadline": "1h"},
        "parameters": {"n": 5},
        "tags": ["nightly"],
        "options": {"max_workers": 2},
        "retain": "30d",
    }
    made = await ask("POST", "/deployments", body, status=201)
    assert made["version"] == 1
    assert made["sentences"] == ["At 06:00, Monday to Friday (Europe/Madrid)"]
    assert len(made["next_times"]) == 5
    assert made["path"] == "daily.ipynb"
    assert not made["changed"]
    save("daily.ipynb", notebook("n = 2", "print(n)", tags={1: ["parameters"]}))
    one = f"/deployments/{made['id']}"
    assert (await ask("GET", one))["changed"]
    del body["name"]
    assert (await ask("PUT", one, body))["version"] == 2
    versions = (await ask("GET", f"{one}/versions"))["versions"]
    assert [version["version"] for version in versions] == [2, 1]
    assert (await ask("POST", f"{one}/rollback", {"version": 1}))["version"] == 1
    assert (await ask("POST", f"{one}/pause"))["next_times"] == []
    assert (await ask("GET", "/upcoming"))["upcoming"] == []
    assert (await ask("POST", f"{one}/resume"))["paused"] is False
    soon = (await ask("GET", "/upcoming", limit=2))["upcoming"]
    assert [each["deployment"] for each in soon] == ["report/daily"] * 2
    run = await ask("POST", f"{one}/run", {"idempotency_key": "k"}, status=201)
    again = await ask("POST", f"{one}/run", {"idempotency_key": "k"}, status=201)
    assert run["id"] == again["id"]
    assert run["state_name"] == "Scheduled"
    status = await ask("GET", "/daemon")
    assert not status["runs"]
    assert status["sentence"].startswith("Schedules do not run")
    assert await ask("DELETE", one) == {"done": True}
    await ask("GET", one, status=404)


async def test_a_changed_notebook_is_deployed_anew_with_all_else_as_it_was(
    ask: Ask, save: Save
) -> None:
    path = save("monthly.ipynb", notebook("n = 1", "print(n)", tags={1: ["parameters"]}))
    (path.parent / "rules.txt").write_text("a")
    body = {
        "name": "monthly",
        "path": "monthly.ipynb",
        "schedules": [WEEKDAYS, {"every": "90m", "zone": "UTC"}],
        "policy": {"catch_up": "all", "max_catch_up": 3},
        "texts": {"n": "7"},
        "tags": ["nightly"],
        "options": {"max_workers": 2},
        "include": ["rules.txt"],
        "retain": "30d",
        "notify": [{"target": "json://127.0.0.1:1/", "states": "failed"}],
        "triggers": [{"flow": "other"}],
    }
    made = await ask("POST", "/deployments", body, status=201)
    save("monthly.ipynb", notebook("n = 2", "print(n + 1)", tags={1: ["parameters"]}))
    one = f"/deployments/{made['id']}"
    before = await ask("GET", one)
    assert before["changed"]
    again = await ask("POST", f"{one}/redeploy")
    after = await ask("GET", one)
    assert (again["version"], again["changed"]) == (2, False)
    moved = {"version", "changed", "updated", "files", "snapshot"}
    same = {key: value for key, value in before.items() if key not in moved}
    assert {key: after[key] for key in same} == same
    # and with what a form has changed
    told = [{"target": "json://127.0.0.1:2/", "states": "late"}]
    form = {"schedules": [WEEKDAYS], "policy": {"overlap": "skip"}, "texts": {"n": "8"}}
    await ask("POST", f"{one}/redeploy", {**form, "notify": told})
    last = await ask("GET", one)
    assert [len(last["schedules"]), last["parameters"][0][1], last["rules"][0]["target"]] == [
        1, "8", "json://127.0.0.1:2/"
    ]  # fmt: skip
    assert last["policy"] == {**before["policy"], "overlap": "skip"}
    kept = ("tags", "options", "cwd", "keep", "triggers")
    assert {key: last[key] for key in kept} == {key: before[key] for key in kept}


async def test_schedules_in_words_before_they_are_made(ask: Ask) -> None:
    found = await ask("POST", "/schedules/preview", {"schedules": [WEEKDAYS], "count": 2})
    assert found["schedules"][0]["sentence"] == "At 06:00, Monday to Friday"
    assert len(found["next_times"]) == 2
    wrong = {"schedules": [{"cron": "0 25 * * *"}]}
    refused = await ask("POST", "/schedules/preview", wrong, status=400)
    assert refused["message"] == "the hour of a cron schedule can't be '25'"
    both = {"schedules": [{"cron": "0 6 * * *", "every": "5m"}]}
    await ask("POST", "/schedules/preview", both, status=400)


async def test_a_call_s_token_is_told_once(ask: Ask, save: Save) -> None:
    save("call.ipynb", notebook("x = 1"))
    body = {"name": "call", "path": "call.ipynb", "triggers": [{"call": True}]}
    made = await ask("POST", "/deployments", body, status=201)
    assert len(made["token"]) > 20
    shown = await ask("GET", "/deployments/call")
    assert shown["token"] is None
    assert made["token"] not in json.dumps(shown)
    assert shown["triggers"] == [{"kind": "http"}]


def test_there_is_one_daemon_and_it_watches_the_servers() -> None:
    with open_store() as store:
        server, watch = ServerLease(store), ServerWatch(store)
        assert not watch.any_there()
        server.renew()
        server.renew()
        assert watch.any_there()
        first, second = DaemonLease(store), DaemonLease(store)
        assert first.take()
        assert not second.take(patience=1.0)
        first.give_back()
        assert second.take()
        second.give_back()
        server.give_back()
        assert not watch.any_there()


@pytest.fixture
def orphans() -> Iterator[list[int]]:
    """Process ids that are ended after the test."""
    found: list[int] = []
    yield found
    for pid in found:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


def daemon_pid() -> int | None:
    """The process that holds the daemon's lease."""
    with open_store() as store:
        held = store.leases("daemon")
    return int(held[0].holder.split("/")[1]) if held else None


async def soon(found: Callable[[], Any], seconds: float = 60) -> Any:
    """What ``found`` gives, as soon as it is true."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = await asyncio.to_thread(found)
        if value:
            return value
        await asyncio.sleep(0.2)
    raise AssertionError("it did not come")


class TestWithDaemon:
    """A server that sees to its schedules."""

    @pytest.fixture
    def jp_server_config(self) -> dict[str, Any]:
        return {"ServerApp": {"jpserver_extensions": {"orch_nb.server": True}}}

    async def test_it_starts_with_the_first_schedule_and_ends_with_the_last_server(
        self, ask: Ask, until: Ask, save: Save, jp_serverapp: Any, orphans: list[int]
    ) -> None:
        await ask("GET", "/runs")
        assert (await ask("GET", "/daemon"))["sentence"] == "Nothing is scheduled"
        assert daemon_pid() is None
        save("tick.ipynb", notebook("x = 1"))
        body = {"name": "tick", "path": "tick.ipynb", "schedules": [{"every": "1s"}]}
        await ask("POST", "/deployments", body, status=201)
        orphans.append(await soon(daemon_pid))
        cursor = (await ask("GET", "/events"))["cursor"]
        done = False
        while not done:
            page = await ask("GET", "/events", cursor=cursor, wait=40)
            cursor = page["cursor"]
            done = any(one["new"] == "Completed" and not one["task"] for one in page["events"])
        status = await ask("GET", "/daemon")
        assert status["sentence"] == "Schedules run while this Jupyter server is up"
        await ask("POST", "/deployments/tick/pause")
        await jp_serverapp.extension_manager.stop_all_extensions()
        await soon(lambda: daemon_pid() is None)


def test_a_daemon_that_was_stopped_is_not_wanted(tmp_path: Path) -> None:
    path = tmp_path / "nb.ipynb"
    path.write_text(json.dumps(notebook("x = 1")), "utf-8")
    command = [sys.executable, "-m", "orch_nb.cli", "deploy", str(path), "--every", "1h"]
    subprocess.run(command, check=True, capture_output=True)
    with open_store() as store:
        assert is_wanted(store)
        set_wish(Wish.OFF)
        assert not is_wanted(store)
        set_wish(Wish.STAY)
        assert is_wanted(store)
