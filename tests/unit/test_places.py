"""Where things live, by environment."""

from __future__ import annotations

from pathlib import Path

import platformdirs
import pytest

from orch_nb.places import Places, find_places, store_url


def test_everything_is_under_the_home() -> None:
    assert find_places({"ORCH_NB_HOME": "/data/orch"}) == Places(
        home=Path("/data/orch"),
        store_url="sqlite:////data/orch/store.db",
        key_file=Path("/data/orch/store.key"),
        results="/data/orch/results",
        logs=Path("/data/orch/logs"),
    )


def test_without_a_home_it_is_the_users_data_folder() -> None:
    assert find_places({}).home == platformdirs.user_data_path("orch_nb", appauthor=False)


def test_the_store_and_the_results_can_be_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    given = {"ORCH_NB_HOME": "here", "ORCH_NB_STORE": "runs.db", "ORCH_NB_RESULTS": "s3://b/x"}
    places = find_places(given)
    assert places.home == tmp_path / "here"
    assert places.store_url == f"sqlite:///{tmp_path}/runs.db"
    assert places.results == "s3://b/x"
    assert places.key_file == tmp_path / "runs.key"
    assert store_url("postgresql://me@host/db") == "postgresql://me@host/db"


def test_empty_variables_count_as_not_set() -> None:
    given = {"ORCH_NB_HOME": "/h", "ORCH_NB_STORE": "", "ORCH_NB_RESULTS": ""}
    assert find_places(given) == find_places({"ORCH_NB_HOME": "/h"})


def test_a_key_that_is_a_row_or_given_has_no_file() -> None:
    home = {"ORCH_NB_HOME": "/h"}
    assert find_places(home | {"ORCH_NB_STORE": "postgresql://me@host/db"}).key_file is None
    assert find_places(home | {"ORCH_NB_KEY": "0123456789abcdef"}).key_file is None
