"""Old runs go with all that only they need; kept ones, and what others share, stay."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from orch_nb.app import RunRequest, RunResult, run
from orch_nb.app.cleaning import CleanRequest, clean, keep
from orch_nb.errors import InputError, NotFoundError
from orch_nb.places import find_places
from orch_nb.states import StateName
from orch_nb.store import new_holder, open_store
from orch_nb.store.retention import delete_ended
from tests.command_line import make_document
from tests.sample_runs import a_run, tasks_of

pytestmark = pytest.mark.usefixtures("orch_home")
Runs = Callable[..., RunResult]
MAKES = "%%task make\nimport time\ntime.sleep(0.1)\nx = {value!r} * 100_000"


@pytest.fixture
def run_cells(tmp_path: Path) -> Runs:
    def start(value: str, flow: str = "sales", fails: bool = False) -> RunResult:
        path = tmp_path / f"{flow}.ipynb"
        cells = [MAKES.format(value=value), "%%task use\nprint(len(x))"]
        path.write_text(json.dumps(make_document(*cells, *(["1 / 0"] if fails else []))))
        return run(RunRequest(str(path), options={"max_workers": 2}))

    return start


def blobs() -> set[str]:
    return {path.stem for path in Path(find_places().results).rglob("*.blob")}


def names() -> set[str]:
    with open_store() as store:
        return {found.name for found in store.list_runs()}


def later(days: float) -> datetime:
    return datetime.now(UTC) + timedelta(days=days)


AGE = CleanRequest(older_than=86400.0)


def test_old_runs_go_with_their_values_and_a_dry_run_says_the_same(run_cells: Runs) -> None:
    first = run_cells("a")
    assert clean(AGE).runs == ()
    would = clean(CleanRequest(older_than=86400.0, dry_run=True), later(2))
    assert [found.id for found in would.runs] == [first.run.id]
    assert would.values == len(blobs())
    assert would.size > 100_000
    done = clean(AGE, later(2))
    assert done == would
    assert blobs() == set()
    with open_store() as store:
        assert store.list_runs() == ()
        assert store.logs(first.run.id) == ()
        assert store.history(first.run.id) == ()
        assert store.results(first.run.id) == ()


def test_a_value_that_another_run_names_stays(run_cells: Runs) -> None:
    first = run_cells("same")
    second = run_cells("same")
    keep(second.run.name)
    done = clean(AGE, later(2))
    assert [found.id for found in done.runs] == [first.run.id]
    assert done.pinned == 1
    with open_store() as store:
        needed = {r.digest for r in store.results(second.run.id) if r.kept and r.digest}
    assert needed
    assert needed <= blobs()


def test_a_kept_run_stays_until_that_is_undone(run_cells: Runs) -> None:
    failed = run_cells("a", fails=True).run
    assert failed.state_name is StateName.FAILED
    assert keep(failed.id).pinned
    assert clean(AGE, later(2)).runs == ()
    assert not keep(failed.name, pinned=False).pinned
    assert len(clean(AGE, later(2)).runs) == 1
    with pytest.raises(NotFoundError):
        keep(failed.name)


def test_the_last_of_each_flow_stay(run_cells: Runs) -> None:
    for value in "abc":
        run_cells(value, "sales")
    run_cells("d", "stock")
    done = clean(CleanRequest(keep_last=1))
    assert [found.flow for found in done.runs] == ["sales", "sales"]
    assert clean(CleanRequest(keep_last=1)).runs == ()
    assert len(clean(CleanRequest(keep_last=0, flow="sales")).runs) == 1
    assert len(names()) == 1


def test_nothing_said_is_an_error() -> None:
    with pytest.raises(InputError, match="nothing says which runs are old"):
        clean(CleanRequest(flow="sales"))


def test_a_run_that_goes_on_or_was_resumed_meanwhile_stays() -> None:
    with open_store() as store:
        going = a_run(state_name=StateName.RUNNING)
        ended = a_run(state_name=StateName.FAILED)
        for made, holder in ((going, new_holder()), (ended, None)):
            store.write(
                lambda t, m=made, h=holder: t.create_flow_run(m, tasks_of(m, 2), holder=h, by="x")
            )
        seen = [store.get_run(going.id), store.get_run(ended.id)]
        store.write(lambda t: t.claim(ended.id, new_holder()))
        assert store.write(lambda t: delete_ended(t, seen)).runs == ()
        seen = [store.get_run(going.id), store.get_run(ended.id)]
        assert store.write(lambda t: delete_ended(t, seen)).runs == ()
        assert len(store.list_runs()) == 2


def test_an_abandoned_run_has_ended() -> None:
    import subprocess
    import sys

    code = "from orch_nb.store import new_holder; print(new_holder())"
    gone = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    with open_store() as store:
        left = a_run(state_name=StateName.RUNNING, start_time=datetime.now(UTC))
        holder = gone.stdout.strip()
        store.write(lambda t: t.create_flow_run(left, [], holder=holder, by="x"))
    assert len(clean(AGE, later(2)).runs) == 1


def test_a_thousand_runs_are_cleaned_at_once() -> None:
    with open_store() as store:
        made = [a_run(state_name=StateName.COMPLETED, flow=f"f{n % 3}") for n in range(1001)]
        operations = [
            lambda t, m=one: t.create_flow_run(m, [], holder=None, by="x") for one in made
        ]
        assert all(outcome.error is None for outcome in store.write_all(operations))
    done = clean(CleanRequest(keep_last=2))
    assert len(done.runs) == 995
    assert len(names()) == 6
