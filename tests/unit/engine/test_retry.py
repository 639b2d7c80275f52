"""Waits between attempts: lists, growth, jitter, caps; and which errors are tried again."""

from __future__ import annotations

import subprocess
import sys
import urllib.error

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orch_nb.engine.retry import (
    CRASHED,
    LONGEST,
    TIMED_OUT,
    chance_of,
    may_follow,
    next_delay,
    retry_delays,
)
from orch_nb.execution.outputs import type_names
from orch_nb.options import TaskOptions

seconds = st.floats(0, 10_000)
options = st.builds(
    TaskOptions,
    retries=st.integers(0, 60),
    retry_delay=st.lists(seconds, min_size=1, max_size=4).map(tuple),
    retry_backoff=st.none() | st.floats(1, 10**6),
    retry_jitter=st.floats(0, 10),
    retry_max_delay=st.none() | st.floats(0.001, 10**9),
)
chances = st.floats(0, 1, exclude_max=True)


def steady(attempt: int) -> float:
    return 0.0


@pytest.mark.parametrize(
    ("given_options", "delays"),
    [
        (TaskOptions(retries=3), (0, 0, 0)),
        (TaskOptions(retries=3, retry_delay=(2.0, 5.0)), (2, 5, 5)),
        (TaskOptions(retries=1, retry_delay=(2.0, 5.0)), (2,)),
        (TaskOptions(retries=4, retry_backoff=2), (1, 2, 4, 8)),
        (TaskOptions(retries=4, retry_delay=(3.0,), retry_backoff=10), (3, 30, 300, 3000)),
        (TaskOptions(retries=4, retry_delay=(1.0, 5.0), retry_backoff=2), (1, 5, 10, 20)),
        (TaskOptions(retries=4, retry_backoff=2, retry_max_delay=3), (1, 2, 3, 3)),
        (TaskOptions(retries=2, retry_delay=(9.0,), retry_max_delay=3), (3, 3)),
        (TaskOptions(retries=2, retry_delay=(9.0,), retry_backoff=1), (9, 9)),
    ],
)
def test_waits_are_those_of_the_options(
    given_options: TaskOptions, delays: tuple[float, ...]
) -> None:
    assert retry_delays(given_options, steady) == delays


@given(options, chances)
def test_waits_are_as_many_as_retries_and_never_over_the_cap(
    given_options: TaskOptions, chance: float
) -> None:
    delays = retry_delays(given_options, lambda attempt: chance)
    assert len(delays) == given_options.retries
    cap = given_options.retry_max_delay or LONGEST
    assert all(0 <= delay <= cap for delay in delays)


@given(options, chances)
def test_jitter_only_lengthens_and_by_no_more_than_its_share(
    given_options: TaskOptions, chance: float
) -> None:
    plain = retry_delays(given_options, steady)
    longer = retry_delays(given_options, lambda attempt: chance)
    for before, after in zip(plain, longer, strict=True):
        assert before <= after <= before * (1 + given_options.retry_jitter) * (1 + 1e-12)


@given(options)
def test_waits_never_shrink_after_the_list(given_options: TaskOptions) -> None:
    delays = retry_delays(given_options, steady)[len(given_options.retry_delay) - 1 :]
    assert list(delays) == sorted(delays)


@given(options, st.integers(1, 70), chances)
def test_one_decision_is_that_of_the_list(
    given_options: TaskOptions, attempt: int, chance: float
) -> None:
    delays = retry_delays(given_options, lambda attempt: chance)
    expected = delays[attempt - 1] if attempt <= given_options.retries else None
    assert next_delay(given_options, attempt, (), chance) == expected


def test_a_million_retries_are_known_at_once() -> None:
    many = TaskOptions(retries=1_000_000, retry_backoff=1.000_001)
    assert next_delay(many, 1_000_000, (), 0.5) is not None


@given(st.text(), st.text(), st.integers(1, 1000))
def test_chance_is_a_share(run: str, task: str, attempt: int) -> None:
    assert 0 <= chance_of(run, task)(attempt) < 1


def test_chance_is_the_same_in_another_process_and_differs_between_runs() -> None:
    code = "from orch_nb.engine.retry import chance_of; print(repr(chance_of('r', 't')(1)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert float(done.stdout) == chance_of("r", "t")(1)
    kinds = {chance_of(run, task)(n) for run in "ab" for task in "cd" for n in (1, 2)}
    assert len(kinds) == 8


@pytest.mark.parametrize(
    ("named", "retried"),
    [
        ((), True),
        (("HTTPError",), True),
        (("urllib.error.HTTPError",), True),
        (("URLError",), True),
        (("OSError",), True),
        (("Exception",), True),
        (("ValueError", "OSError"), True),
        (("ValueError",), False),
        (("requests.HTTPError",), False),
        (("httperror",), False),
        (("error.HTTPError",), False),
    ],
)
def test_errors_are_named_by_class_and_base_class(named: tuple[str, ...], retried: bool) -> None:
    names = type_names(urllib.error.HTTPError)
    assert may_follow(named, names) is retried
    limited = TaskOptions(retries=1, retry_on=named)
    assert next_delay(limited, 1, names, 0.0) == (0.0 if retried else None)


def test_what_raised_nothing_has_names_too() -> None:
    assert may_follow(("TimedOut",), TIMED_OUT)
    assert may_follow(("TimeoutError",), TIMED_OUT)
    assert may_follow(("Crashed",), CRASHED)
    assert not may_follow(("Exception",), CRASHED)


def test_a_hostile_class_still_has_names() -> None:
    class Meta(type):
        def mro(cls) -> list[type]:
            return [cls, Exception, BaseException, object]

    class Odd(Exception, metaclass=Meta):
        pass

    Odd.__module__ = None
    assert "Odd" in {name.rpartition(".")[2] for name in type_names(Odd)}
    assert "Exception" in type_names(Odd)
