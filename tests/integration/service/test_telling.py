"""Notifications: a real mail server, a real webhook receiver; once each, again when one is down."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import Envelope

from orch_nb.app.links import run_link, without_secrets
from orch_nb.app.telling import check_target, deliver, parse_states, trial_message
from orch_nb.errors import InputError, OptionError, OrchError
from orch_nb.model import FlowRun
from orch_nb.service.notifications import Notifier
from orch_nb.states import StateName
from orch_nb.store import Store, new_holder
from orch_nb.store.notices import NotifyRule, add_rule, list_notifications, set_rules, take_pending
from orch_nb.store.queueing import mark_late, take_due
from orch_nb.store.server_address import note_server_address
from orch_nb.store.ticking import fire_due
from tests.integration.service.conftest import HOURLY, START, Deploy
from tests.sample_runs import a_run, tasks_of

HOUR = timedelta(hours=1)


@dataclass
class Mailbox:
    port: int = 0
    mails: list[str] = field(default_factory=list)

    async def handle_DATA(self, server: Any, session: Any, envelope: Envelope) -> str:
        content = envelope.content
        self.mails.append(content.decode() if isinstance(content, bytes) else str(content))
        return "250 OK"


@pytest.fixture
def unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def mailbox(unused_port: int) -> Iterator[Mailbox]:
    box = Mailbox()
    box.port = unused_port
    controller = Controller(box, hostname="127.0.0.1", port=box.port)
    controller.start()
    yield box
    controller.stop()


@dataclass
class Hook:
    url: str
    bodies: list[dict[str, Any]]
    down: bool = False


@pytest.fixture
def hook() -> Iterator[Hook]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if not made.down:
                made.bodies.append(json.loads(body))
            self.send_response(503 if made.down else 200)
            self.end_headers()

        def log_message(self, format: str, *arguments: object) -> None:
            """Nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    made = Hook(f"json://127.0.0.1:{server.server_address[1]}/hook", [])
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield made
    server.shutdown()
    server.server_close()
    thread.join()


def fail_a_run(store: Store, deploy: Deploy, target: str) -> FlowRun:
    """A deployment's run that fails in its second task."""
    deployment = deploy("report/daily", HOURLY)
    rule = NotifyRule((StateName.FAILED, StateName.LATE), target)
    store.write(lambda t: set_rules(t, deployment.id, [rule]))
    now = START + HOUR
    store.write(lambda t: fire_due(t, now, lead=0))
    (taken,) = store.write(
        lambda t: take_due(t, new_holder(), pool="default", limit=1, now=now, worker="w")
    )
    run = taken.run
    failed = replace(
        tasks_of(run, 1)[0],
        name="by_month",
        state_name=StateName.FAILED,
        error_name="KeyError",
        error_value="'month'",
        error_line=2,
    )
    store.write(lambda t: t.add_task_runs(run.id, [failed], epoch=run.epoch, by="test"))
    ended = replace(run, state_name=StateName.FAILED, state_message="by_month failed")
    store.write(lambda t: t.set_flow_state(ended, expected=run.state_name, by="test"))
    return ended


def test_a_webhook_is_told_once_with_the_cell_and_the_error(
    store: Store, deploy: Deploy, hook: Hook
) -> None:
    run = fail_a_run(store, deploy, hook.url)
    senders = [Notifier(store), Notifier(store)]
    for second in range(3):
        for sender in senders:
            sender.step(datetime.now(UTC) + timedelta(seconds=second), 0.0)
    (body,) = hook.bodies
    assert body["title"] == "report/daily is Failed"
    assert body["message"].splitlines() == [
        f"report/daily / {run.name} is Failed (due 2026-03-02 01:00 UTC)",
        "by_month (cell 1, line 2): KeyError: 'month'",
        f"more    orch-nb show {run.name}",
    ]
    (item,) = list_notifications(store, run.id)
    assert (item.status, item.attempts, item.error) == ("sent", 1, "")


def test_a_message_links_to_the_run_where_a_server_is_known(
    store: Store, deploy: Deploy, hook: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ORCH_NB_URL", raising=False)
    run = fail_a_run(store, deploy, hook.url)
    assert run_link(store, run.id) == ""
    for address in ("http://localhost:8889/", "http://localhost:8888/user/ana/"):
        note_server_address(store, without_secrets(f"{address}?token=abc"))
    Notifier(store).step(datetime.now(UTC), 0.0)
    (body,) = hook.bodies
    link = f"http://localhost:8888/user/ana/lab#orch-nb-run={run.id}"
    assert f"link    {link}" in body["message"].splitlines()
    monkeypatch.setenv("ORCH_NB_URL", "https://hub.example.org")
    assert run_link(store, run.id) == f"https://hub.example.org/lab#orch-nb-run={run.id}"
    assert without_secrets("http+unix://%2Fsock/") == ""


def test_a_channel_that_is_down_is_tried_again(store: Store, deploy: Deploy, hook: Hook) -> None:
    run = fail_a_run(store, deploy, hook.url)
    hook.down = True
    notifier, now = Notifier(store), datetime.now(UTC)
    for seconds in (0, 1, 11, 12):
        notifier.step(now + timedelta(seconds=seconds), 0.0)
    (item,) = list_notifications(store, run.id)
    assert (item.status, item.attempts) == ("pending", 2)
    assert "did not take the message" in item.error
    hook.down = False
    for seconds in (20, 42, 100):
        notifier.step(now + timedelta(seconds=seconds), 0.0)
    assert len(hook.bodies) == 1


def test_a_sender_that_died_does_not_make_a_second_message(
    store: Store, deploy: Deploy, hook: Hook
) -> None:
    run = fail_a_run(store, deploy, hook.url)
    notifier, now = Notifier(store, send=lambda target, message: None), datetime.now(UTC)
    notifier.step(now - timedelta(hours=1), 0.0)  # notes the event, due at that time
    store.write(lambda t: take_pending(t, now, patience=60.0))
    later = Notifier(store)
    for seconds in (1, 61, 200):
        later.step(now + timedelta(seconds=seconds), 0.0)
    assert hook.bodies == []
    assert list_notifications(store, run.id)[0].status in ("unknown", "sent")


def test_mail_arrives(store: Store, deploy: Deploy, mailbox: Mailbox) -> None:
    people = "from=orch@example.org&to=you@example.org"
    target = f"mailto://127.0.0.1:{mailbox.port}/?{people}&mode=insecure"
    fail_a_run(store, deploy, target)
    Notifier(store).step(datetime.now(UTC), 0.0)
    (mail,) = mailbox.mails
    assert "Subject: report/daily is Failed" in mail
    assert "KeyError" in mail


def test_late_runs_and_tagged_runs_are_told_of(store: Store, deploy: Deploy, hook: Hook) -> None:
    deployment = deploy("report/daily", HOURLY)
    rule = NotifyRule(parse_states("late"), hook.url)
    store.write(lambda t: set_rules(t, deployment.id, [rule]))
    store.write(lambda t: fire_due(t, START + HOUR, lead=0))
    store.write(lambda t: mark_late(t, START + HOUR, 15))
    tagged = NotifyRule((StateName.PENDING,), hook.url, tag="urgent")
    store.write(lambda t: add_rule(t, tagged))
    store.write(lambda t: t.create_flow_run(a_run(tags=("urgent",)), [], holder=None, by="test"))
    store.write(lambda t: t.create_flow_run(a_run(), [], holder=None, by="test"))
    Notifier(store).step(datetime.now(UTC), 0.0)
    titles = sorted(body["title"] for body in hook.bodies)
    assert titles == ["report/daily is Late", "sales is Pending"]


def test_nothing_of_a_secret_address_is_told(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, unused_port: int
) -> None:
    caplog.set_level("DEBUG")
    monkeypatch.setenv("CHANNEL", "slak://hunter2pass/x")
    with pytest.raises(InputError, match="no address that a message can be sent to"):
        deliver("secret:CHANNEL", trial_message("report"))
    monkeypatch.setenv("CHANNEL", f"json://me:hunter2pass@127.0.0.1:{unused_port}/tok-hunter2")
    with pytest.raises(OrchError) as error:
        deliver("secret:CHANNEL", trial_message("report"))
    assert str(error.value) == (
        "the channel did not take the message: "
        "A Connection error occurred sending JSON notification to ***."
    )
    with pytest.raises(
        OrchError, match=r"^127\.0\.0\.1 did not take .*: A Connection error occurred"
    ):
        deliver(f"json://127.0.0.1:{unused_port}/", trial_message("report"))
    assert "hunter2" not in caplog.text


def test_an_address_with_a_secret_is_not_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    assert check_target("mailto://example.org?from=a@example.org&to=b@example.org")
    for address in ("mailto://me:password@example.org", "slack://aaaaaaaaa/bbbbbbbbb/cccccccccccc"):
        with pytest.raises(OptionError, match="holds a secret"):
            check_target(address)
    with pytest.raises(InputError, match="there is no secret 'NO_SUCH_THING'"):
        check_target("secret:NO_SUCH_THING")
    monkeypatch.setenv("MAIL_TARGET", "mailto://me:password@example.org")
    assert check_target("secret:MAIL_TARGET") == "secret:MAIL_TARGET"
    with pytest.raises(OptionError, match="nobody can be told of 'exploded'"):
        parse_states("failed,exploded")
