"""Files that appear or change, here and on other file systems, start a deployment once each."""

from __future__ import annotations

import os
import threading
import time
from datetime import timedelta
from pathlib import Path

import fsspec
import pytest

from orch_nb.app.triggering import on_call, on_file, on_flow
from orch_nb.errors import OptionError, ParameterError
from orch_nb.service.path_news import PathNews
from orch_nb.service.triggers import TriggerWatch, start_by_token
from orch_nb.states import StateName
from orch_nb.store import RunQuery, Store
from orch_nb.store.trigger_rows import Trigger, TriggerKind, list_triggers, set_triggers
from tests.integration.service.conftest import START, Deploy
from tests.sample_runs import a_run


def add(store: Store, deploy: Deploy, trigger: Trigger, name: str = "d") -> TriggerWatch:
    deployment = deploy(name)
    store.write(lambda t: set_triggers(t, deployment.id, [trigger]))
    return TriggerWatch(store)


def look(store: Store, watch: TriggerWatch, monotonic: float = 0.0) -> int:
    """One look by each of two processes; how many runs there are then."""
    watch.step(START, monotonic)
    TriggerWatch(store).step(START, monotonic)
    return len(store.list_runs(RunQuery(limit=100)))


def test_files_that_appear_or_change(store: Store, deploy: Deploy, tmp_path: Path) -> None:
    (tmp_path / "old.csv").write_text("1")
    watch = add(store, deploy, on_file(str(tmp_path / "*.csv")))
    assert look(store, watch) == 0
    (tmp_path / "new.csv").write_text("1")
    (tmp_path / "new.txt").write_text("1")
    assert look(store, watch) == 1
    (tmp_path / "old.csv").write_text("12")
    assert look(store, watch) == 2
    (tmp_path / "old.csv").unlink()
    assert look(store, watch) == 2


def test_a_file_that_is_being_written_is_waited_for(
    store: Store, deploy: Deploy, tmp_path: Path
) -> None:
    file = tmp_path / "in.csv"
    watch = add(store, deploy, on_file(str(file)))
    for size in (1, 2):  # it appears, it changes
        for written in range(3):
            file.write_text(size * (written + 1) * "x")
            os.utime(file, (1.7e9, START.timestamp() + size * 60 + written))
            watch.step(START + timedelta(seconds=size * 60 + written + 0.5), 0.0)
            assert len(store.list_runs()) == size - 1
        for later in (3.5, 4.5):
            watch.step(START + timedelta(seconds=size * 60 + later), 0.0)
            assert len(store.list_runs()) == size


def test_a_path_on_another_file_system(store: Store, deploy: Deploy) -> None:
    files = fsspec.filesystem("memory")
    watch = add(store, deploy, on_file("memory://in/data.csv"))
    assert look(store, watch) == 0
    files.pipe("/in/data.csv", b"1")
    assert look(store, watch, 20.0) == 1
    assert look(store, watch, 40.0) == 1


def test_another_flow_s_state(store: Store, deploy: Deploy) -> None:
    before = a_run(flow="etl", state_name=StateName.COMPLETED)
    store.write(lambda t: t.create_flow_run(before, [], holder=None, by="test"))
    watch = add(store, deploy, on_flow("etl"))
    assert look(store, watch) == 1
    for flow, state in (
        ("etl", StateName.COMPLETED),
        ("etl", StateName.FAILED),
        ("x", StateName.COMPLETED),
    ):
        run = a_run(flow=flow, state_name=state)
        store.write(lambda t, run=run: t.create_flow_run(run, [], holder=None, by="test"))
    assert look(store, watch) == 1 + 3 + 1
    assert look(store, watch) == 5


def test_a_call_needs_the_token(store: Store, deploy: Deploy) -> None:
    add(store, deploy, on_call("right"))
    assert start_by_token(store, "d", "wrong", {}, key=None) is None
    assert start_by_token(store, "d", "", {}, key=None) is None
    assert start_by_token(store, "no such", "right", {}, key=None) is None
    first = start_by_token(store, "d", "right", {}, key="k")
    again = start_by_token(store, "d", "right", {}, key="k")
    assert first is not None
    assert again is not None
    assert (first[1], again[1], first[0].id == again[0].id) == (True, False, True)
    with pytest.raises(ParameterError, match="a call can't name a secret, as key does"):
        start_by_token(store, "d", "right", {"key": "secret:AWS_KEY"}, key=None)
    (trigger,) = list_triggers(store, kind=TriggerKind.HTTP)
    assert "right" not in str(trigger.spec)


def test_what_is_no_trigger_is_said() -> None:
    with pytest.raises(OptionError, match="names no flow's state"):
        on_flow("etl:Exploded")


def test_the_system_tells_of_a_change(tmp_path: Path) -> None:
    told = threading.Event()
    news = PathNews(told.set)
    news.follow([tmp_path, tmp_path / "not there"])
    try:
        deadline = time.monotonic() + 30
        while not told.is_set() and time.monotonic() < deadline:
            (tmp_path / "a").write_text(str(time.monotonic()))
            told.wait(0.3)
    finally:
        news.close()
    assert told.is_set()
