"""Names and ids: unique, and easy to say or to sort."""

from __future__ import annotations

import random
import re
from datetime import UTC, datetime, timedelta, timezone
from itertools import islice

import pytest

from orch_nb.store import new_flow_run_id, new_task_run_id
from orch_nb.store.ids import first_id_at
from orch_nb.store.names import _ADJECTIVES, _ANIMALS, candidates
from orch_nb.store.times import micros, moment


def test_words_are_plain_and_listed_once() -> None:
    for words in (_ADJECTIVES.split(), _ANIMALS.split()):
        assert len(set(words)) == len(words) > 100
        assert all(re.fullmatch("[a-z]{2,11}", word) for word in words)


def test_candidates_are_pairs_and_then_pairs_with_growing_numbers() -> None:
    found = list(islice(candidates(chance=random.Random(1)), 12))
    assert all(re.fullmatch("[a-z]+-[a-z]+", name) for name in found[:4])
    assert all(re.fullmatch(r"[a-z]+-[a-z]+-\d+", name) for name in found[4:])
    assert len(found[11].rpartition("-")[2]) > 4


def test_a_wanted_name_comes_first_and_is_kept_before_the_number() -> None:
    wanted = list(islice(candidates("nightly run"), 3))
    assert wanted[0] == "nightly run"
    assert all(re.fullmatch(r"nightly run-\d+", name) for name in wanted[1:])


def test_ids_grow_and_tell_their_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orch_nb.store.ids._last", 0)  # another test may have moved the clock
    before = datetime.now(UTC) - timedelta(seconds=1)
    ids = [f() for _ in range(2000) for f in (new_flow_run_id, new_task_run_id)]
    assert ids == sorted(set(ids))
    assert all(re.fullmatch("[0-9a-f]{32}", id) for id in ids)
    assert first_id_at(before) < ids[0]
    assert first_id_at(datetime.now(UTC) + timedelta(minutes=1)) > ids[-1]


def test_times_are_whole_microseconds_of_any_zone() -> None:
    for when in (
        datetime(2026, 11, 23, 12, 0, 0, 1, tzinfo=UTC),
        datetime(1901, 1, 1, tzinfo=timezone(timedelta(hours=5, minutes=30))),
        datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
    ):
        assert moment(micros(when)) == when
    assert micros(None) is None
    assert moment(None) is None
    with pytest.raises(ValueError, match="time zone"):
        micros(datetime(2026, 1, 1))
