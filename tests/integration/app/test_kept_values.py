"""Where a run's values go: local or remote, within a cap, and on a disk that is full."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import fsspec
import pytest

from orch_nb.app import RunRequest, RunResult, run
from orch_nb.engine.events import Event, Notice
from orch_nb.errors import InputError
from orch_nb.places import find_places
from orch_nb.states import StateName
from orch_nb.store import ResultRecord, open_store
from tests.command_line import make_document

pytestmark = pytest.mark.usefixtures("orch_home")

BIG = "import time\ntime.sleep(0.1)\n{} = b'{}' * 1_000_000"
Runs = Callable[..., RunResult]


@pytest.fixture
def run_cells(tmp_path: Path) -> Runs:
    """Runs a notebook of tagged cells, which are worth a process each."""

    def start(*cells: str, told: list[str] | None = None) -> RunResult:
        path = tmp_path / "sales.ipynb"
        path.write_text(json.dumps(make_document(*cells)))

        def listen(event: Event) -> None:
            if told is not None and isinstance(event, Notice):
                told.append(event.text)

        result = run(RunRequest(str(path), options={"max_workers": 2}), listen)
        assert result.run.state_name is StateName.COMPLETED
        return result

    return start


def two_tasks(letter: str) -> tuple[str, str, str]:
    one, two = (f"%%task {n}\n" + BIG.format(n, letter) for n in ("one", "two"))
    return one, two, "%%task both\nprint(len(one + two))"


def kept(result: RunResult) -> list[ResultRecord]:
    with open_store() as store:
        return [record for record in store.results(result.run.id) if record.kept]


def blobs() -> set[str]:
    return {path.stem for path in Path(find_places().results).rglob("*.blob")}


def test_local_values_are_there(run_cells: Runs) -> None:
    records = kept(run_cells(*two_tasks("a")))
    assert {"one", "two"} <= {name for record in records for name in record.names}
    assert {record.digest for record in records} <= blobs()


def test_remote_values_are_there(run_cells: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORCH_NB_RESULTS", "memory://kept-values/results")
    records = kept(run_cells(*two_tasks("b")))
    assert {"one", "two"} <= {name for record in records for name in record.names}
    found = fsspec.filesystem("memory").find("/kept-values/results")
    assert {record.digest for record in records} <= {Path(path).stem for path in found}


def test_a_remote_place_that_fails_does_not_fail_the_run(
    run_cells: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ORCH_NB_RESULTS", "memory://kept-values/broken")

    def refuse(*arguments: object, **options: object) -> None:
        raise PermissionError("the bucket is closed")

    monkeypatch.setattr(fsspec.filesystem("memory"), "put_file", refuse)
    told: list[str] = []
    assert kept(run_cells(*two_tasks("c"), told=told)) == []
    assert len([text for text in told if "not kept" in text and "bucket is closed" in text]) == 1


def test_the_least_recently_used_go_first(run_cells: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    first = run_cells(*two_tasks("d"))
    second = run_cells(*two_tasks("e"))
    before = {record.digest for record in kept(second)}
    monkeypatch.setenv("ORCH_NB_RESULTS_CAP", "4.5 MB")
    third = run_cells(*two_tasks("f"))
    assert not any({"one", "two"} & set(record.names) for record in kept(first))
    assert {record.digest for record in kept(third)} <= blobs()
    assert before <= blobs()
    with open_store() as store:
        gone = [record.reason for record in store.results(first.run.id) if record.reason]
    assert gone.count("it made room for newer values") == 2


@pytest.mark.parametrize("text", ["ten", "-1", "5 potatoes", "1e9"])
def test_a_cap_that_is_no_size(run_cells: Runs, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("ORCH_NB_RESULTS_CAP", text)
    with pytest.raises(InputError, match="is not a size"):
        run_cells("1")
