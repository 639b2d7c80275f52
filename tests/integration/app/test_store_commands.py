"""`orch-nb limits`, `keep` and `clean` on a real store, as people and scripts see them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from rich.cells import cell_len

from orch_nb.cli.__main__ import run_command
from orch_nb.model import FlowRun
from orch_nb.states import StateName
from orch_nb.store import new_holder, open_store
from orch_nb.store.limits import acquire_places
from tests.sample_runs import a_run, tasks_of

Printed = pytest.CaptureFixture[str]


def record(name: str, flow: str = "sales", days: float = 40) -> FlowRun:
    ended = datetime.now(UTC) - timedelta(days=days)
    made = a_run(name=name, flow=flow, state_name=StateName.FAILED, end_time=ended)
    with open_store() as store:
        store.write(lambda t: t.create_flow_run(made, tasks_of(made, 2), holder=None, by="test"))
    return made


def orch(*arguments: str) -> int:
    return run_command(arguments)


def test_limits_are_set_listed_and_forgotten(capsys: Printed) -> None:
    assert orch("limits") == 0
    assert capsys.readouterr().out == "no limits yet; make one with  orch-nb limits db=4\n"
    assert orch("limits", "db=4", "api=1") == 0
    assert capsys.readouterr().out == "api  0 of 1\ndb   0 of 4\n"
    assert orch("limits", "--forget", "api", "--json") == 0
    assert json.loads(capsys.readouterr().out) == [{"name": "db", "size": 4, "holders": []}]
    assert orch("limits", "--forget", "api") == 2
    assert "there is no limit 'api'" in capsys.readouterr().err


@pytest.mark.parametrize("size", ["db", "db=0", "db=x", "=4", "db=1.5"])
def test_a_size_that_is_none_is_refused(capsys: Printed, size: str) -> None:
    assert orch("limits", "api=2", size) == 2
    assert capsys.readouterr().err.startswith("error: ")
    orch("limits", "--json")
    assert json.loads(capsys.readouterr().out) == []


def test_holders_are_named_within_80_columns(capsys: Printed) -> None:
    holders = [new_holder(f"brave-otter-{n} загрузка\x1b[31m") for n in range(9)]
    orch("limits", "a-limit-with-a-rather-long-name-of-its-own=9")
    capsys.readouterr()
    wanted = {"a-limit-with-a-rather-long-name-of-its-own": 1}
    with open_store() as store:
        for holder in holders:
            assert store.write(lambda t, holder=holder: acquire_places(t, wanted, holder))
    assert orch("limits") == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert cell_len(line) <= 80
    assert "9 of 9  brave-otter-0" in line
    assert "\x1b[31m" not in line


def test_cleaning_says_what_goes_and_a_kept_run_stays(capsys: Printed) -> None:
    record("brave-otter")
    record("calm-lynx", flow="stock")
    record("new-wren", days=1)
    assert orch("keep", "brave-otter", "--ascii") == 0
    assert capsys.readouterr().out.endswith("brave-otter is kept\n")
    expected = "would delete 1 run (0 values, 0 B); 1 kept run stay\n      1  stock\n"
    assert orch("clean", "--older-than", "30d", "--dry-run") == 0
    assert capsys.readouterr().out == expected.replace("run stay", "run stays")
    assert orch("keep", "brave-otter", "--undo", "--json") == 0
    assert json.loads(capsys.readouterr().out)["pinned"] is False
    assert orch("clean", "--older-than", "30d", "--json") == 0
    cleaned = json.loads(capsys.readouterr().out)
    assert {run["name"] for run in cleaned["runs"]} == {"brave-otter", "calm-lynx"}
    assert orch("clean", "--older-than", "30d") == 0
    assert capsys.readouterr().out == "no run is old enough\n"
    orch("runs", "--json")
    assert [run["name"] for run in json.loads(capsys.readouterr().out)] == ["new-wren"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "nothing says which runs are old"),
        (("--older-than", "30"), "'30' is not a duration"),
        (("--keep-last", "-1"), "-1"),
        (("--older-than", "999999999d"), None),
    ],
)
def test_bad_wishes_are_refused(
    capsys: Printed, arguments: tuple[str, ...], words: str | None
) -> None:
    record("brave-otter")
    assert orch("clean", *arguments) == (0 if words is None else 2)
    assert (words or "") in capsys.readouterr().err
    with open_store() as store:
        assert len(store.list_runs()) == 1
