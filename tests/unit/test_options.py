from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import jsonschema
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from orch_nb.durations import format_duration, parse_duration, show_duration
from orch_nb.errors import OptionError, OrchError
from orch_nb.option_schema import json_schema, reference_rows
from orch_nb.option_text import parse_line, parse_mapping, parse_value, to_line, to_mapping
from orch_nb.options import CONFLICTS, FlowOptions, TaskOptions, option_specs


def text_of(error: OrchError) -> tuple[str, str | None]:
    return error.message, error.hint


def refusal(parse: Callable[[], object]) -> OptionError | None:
    """The OptionError that parsing ends with, if any; every other error is the test's failure."""
    try:
        parse()
    except OptionError as error:
        return error
    return None


def test_a_full_task_line() -> None:
    line = "load --retries 3 --retry-delay 2s,5s --timeout=5m --needs a,b --in-order"
    assert parse_line(line, TaskOptions) == (
        "load",
        TaskOptions(
            needs=("a", "b"), retries=3, retry_delay=(2.0, 5.0), timeout=300.0, in_order=True
        ),
    )


def test_a_full_flow_line() -> None:
    line = "sales --runner inline --max-workers=4 --cells all --fail-fast --timeout 1h30m"
    assert parse_line(line, FlowOptions) == (
        "sales",
        FlowOptions(runner="inline", max_workers=4, cells="all", fail_fast=True, timeout=5400.0),
    )


@pytest.mark.parametrize("line", ["", "   ", "\t"])
def test_nothing_said_means_defaults(line: str) -> None:
    assert parse_line(line, TaskOptions) == (None, TaskOptions())


def test_quotes_spaces_underscores_and_repeated_names() -> None:
    assert parse_line("'load sales' --needs a --needs b,c --retry_delay 1s", TaskOptions) == (
        "load sales",
        TaskOptions(needs=("a", "b", "c"), retry_delay=(1.0,)),
    )


@pytest.mark.parametrize(
    ("line", "message", "hint"),
    [
        ("load --retry 3", "unknown option --retry", "did you mean --retries 3 ?"),
        ("load --retry=3", "unknown option --retry", "did you mean --retries 3 ?"),
        ("--retry", "unknown option --retry", "did you mean --retries 3 ?"),
        ("--inorder", "unknown option --inorder", "did you mean --in-order ?"),
        (
            "--zzz",
            "unknown option --zzz",
            "known are --needs, --retries, --retry-delay, --retry-backoff, --retry-jitter, "
            "--retry-max-delay, --retry-on, --timeout, --in-order, --independent, --cache, "
            "--cache-ttl, --cache-extra, --refresh, --writes, --pause, --input, "
            "--pause-timeout, --unanswered, --uses, --resources, --priority, --each",
        ),
        ("-r 3", "unknown option -r", None),
        ("--retries", "--retries needs a value", "write --retries 3"),
        ("--retries --in-order", "--retries needs a value", "write --retries 3"),
        ("--retries x", "--retries x must be a whole number", "write --retries 3"),
        ("--retries ''", "--retries '' must be a whole number", "write --retries 3"),
        ("--retries -1", "--retries -1 must be 0 or more", "write --retries 3"),
        ("--retries 9999999999999999", None, "write --retries 3"),
        ("--retries ٣", None, "write --retries 3"),
        (
            "--timeout 5",
            "--timeout: '5' is not a duration",
            "did you mean 5s ? (units: ms s m h d)",
        ),
        (
            "--timeout 5x",
            "--timeout: '5x' is not a duration",
            "write it like 250ms, 2s, 5m, 1h30m or 1d",
        ),
        ("--timeout 0s", "--timeout 0s must be longer than nothing", "write --timeout 5m"),
        ("--retry-delay 2s,", "--retry-delay: '' is not a duration", None),
        (
            "--in-order --independent",
            "--in-order and --independent contradict each other",
            "leave one of them out",
        ),
        (
            "--retries 1 --retries 2",
            "--retries is given twice, with different values",
            "leave one of them out",
        ),
        ("a b", "two names, 'a' and 'b', where one is allowed", None),
        ("'a", 'a quotation mark in "\'a" is not closed', None),
        ("a,b", "the name 'a,b' holds a comma", None),
        ("x" * 101, None, "give it a short name such as load_sales"),
        ("'a\tb'", "the name 'a\\tb' holds a character that can't be shown", None),
        ("a\0b", "the name 'a\\x00b' holds a character that can't be shown", None),
        ("--in-order=maybe", "--in-order maybe must be true or false", None),
    ],
)
def test_a_bad_task_line_says_what_is_wrong(
    line: str, message: str | None, hint: str | None
) -> None:
    with pytest.raises(OptionError) as caught:
        parse_line(line, TaskOptions, where="sales.ipynb, cell 3")
    assert caught.value.where == "sales.ipynb, cell 3"
    assert message in (None, caught.value.message)
    assert hint in (None, caught.value.hint)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("line", "message", "hint"),
    [
        (
            "--runner locl",
            "--runner locl must be one of inline, local, dask",
            "did you mean --runner local ?",
        ),
        (
            "--cells x",
            "--cells x must be one of auto, tagged, all",
            "write --cells auto|tagged|all",
        ),
        ("--max-workers 0", "--max-workers 0 must be 1 or more", "write --max-workers 3"),
        (
            "--fail-fast --allow-errors",
            "--fail-fast and --allow-errors contradict each other",
            "leave one of them out",
        ),
    ],
)
def test_a_bad_flow_line_says_what_is_wrong(line: str, message: str, hint: str) -> None:
    with pytest.raises(OptionError) as caught:
        parse_line(line, FlowOptions)
    assert text_of(caught.value) == (message, hint)


def test_metadata_takes_native_values_and_text_alike() -> None:
    native = {
        "name": "load",
        "retries": 3,
        "retry_delay": [2, "5s"],
        "timeout": 300,
        "needs": ["a"],
    }
    text = {"name": "load", "retries": "3", "retry-delay": "2s,5s", "timeout": "5m", "needs": "a"}
    expected = (
        "load",
        TaskOptions(needs=("a",), retries=3, retry_delay=(2.0, 5.0), timeout=300.0),
    )
    assert parse_mapping(native, TaskOptions) == expected
    assert parse_mapping(text, TaskOptions) == expected
    assert parse_mapping({"retries": None, "name": None}, TaskOptions) == (None, TaskOptions())


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ({"retry": 3}, "unknown option retry"),
        ({"retries": 2.5}, "--retries 2.5 must be a whole number"),
        ({"retries": True}, "--retries True must be a whole number"),
        ({"retries": float("nan")}, "--retries nan must be a whole number"),
        ({"retries": 1e300}, "--retries 1e+300 must be a whole number"),
        ({"timeout": float("inf")}, "--timeout inf must be a duration"),
        ({"timeout": -1}, "--timeout -1 must be a duration"),
        ({"timeout": []}, "--timeout [] must be a duration"),
        ({"retry_delay": {}}, "--retry-delay {} must be a duration or a list of durations"),
        ({"retry_delay": [[]]}, "--retry-delay: '[]' is not a duration"),
        ({"needs": [1]}, "a name must be text"),
        ({"needs": 7}, "--needs 7 must be a list of names"),
        ({"in_order": 1}, "--in-order 1 must be true or false"),
        ({"name": 5}, "a name must be text"),
        ({"name": ""}, "a name must be text"),
        ({"name": "\ud800"}, "the name '\\ud800' holds a character that can't be shown"),
    ],
)
def test_bad_metadata_says_what_is_wrong(mapping: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError) as caught:
        parse_mapping(mapping, TaskOptions)
    assert caught.value.message == message


@pytest.mark.parametrize(
    ("line", "uses", "resources"),
    [
        ("--uses db", {"db": 1}, {}),
        ("--uses db,gpu=2 --uses api", {"db": 1, "gpu": 2, "api": 1}, {}),
        ("--resources memory=2GB,gpu", {}, {"memory": 2e9, "gpu": 1.0}),
        ("--resources memory=512MB --resources=gpu=0.5", {}, {"memory": 5.12e8, "gpu": 0.5}),
    ],
)
def test_names_with_amounts(line: str, uses: dict[str, int], resources: dict[str, float]) -> None:
    options = TaskOptions(uses=tuple(uses.items()), resources=tuple(resources.items()))
    assert parse_line(line, TaskOptions) == (None, options)
    assert parse_mapping({"uses": uses, "resources": resources}, TaskOptions) == (None, options)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("--uses db=0", "--uses db=0 must be a whole number above 0"),
        ("--uses db=1.5", "--uses db=1.5 must be a whole number above 0"),
        ("--uses db=", "--uses: '' is not an amount"),
        ("--uses =3", "a name must be text"),
        ("--uses db=1,db=2", "--uses: 'db' is given twice, with different amounts"),
        ("--uses db --uses db=2", "--uses: 'db' is given twice, with different amounts"),
        ("--resources memory=8gigs", "--resources: '8gigs' is not an amount"),
        ("--resources gpu=-1", "--resources: '-1' is not an amount"),
        ("--retry-backoff 0.5", "--retry-backoff 0.5 must be 1 or more"),
        ("--retry-jitter lots", "--retry-jitter lots must be a number"),
        ("--retry-jitter -1", "--retry-jitter -1 must be a number"),
    ],
)
def test_bad_names_with_amounts_and_numbers(line: str, message: str) -> None:
    with pytest.raises(OptionError) as caught:
        parse_line(line, TaskOptions)
    assert caught.value.message == message


names = st.text(
    st.characters(
        exclude_categories=("Cs", "Cc", "Zs", "Zl", "Zp", "Cf", "Co", "Cn"), exclude_characters=",-"
    ),
    min_size=1,
    max_size=20,
).filter(lambda name: name.strip() == name and name.isprintable())
milliseconds = st.integers(0, 10**11).map(lambda amount: amount / 1000)
numbers = st.integers(0, 10**6).map(lambda amount: amount / 1000)
pair_names = names.filter(lambda name: "=" not in name)
counts = st.dictionaries(pair_names, st.integers(1, 10**6), max_size=3).map(
    lambda pairs: tuple(pairs.items())
)
amounts = st.dictionaries(pair_names, numbers | st.integers(0, 10**14).map(float), max_size=3).map(
    lambda pairs: tuple(pairs.items())
)
task_options = st.builds(
    TaskOptions,
    needs=st.lists(names, max_size=3).map(tuple),
    retries=st.integers(0, 10**6),
    retry_delay=st.lists(milliseconds, min_size=1, max_size=3).map(tuple),
    timeout=st.none() | milliseconds.filter(bool),
    retry_backoff=st.none() | numbers.map(lambda factor: round(factor + 1, 3)),
    retry_jitter=numbers,
    retry_max_delay=st.none() | milliseconds.filter(bool),
    retry_on=st.lists(names, max_size=2).map(tuple),
    in_order=st.booleans(),
    independent=st.just(False),
    cache=st.booleans(),
    cache_ttl=st.none() | milliseconds.filter(bool),
    cache_extra=st.none() | st.text("ab '\"$|;-", min_size=1).filter(str.strip).map(str.strip),
    writes=st.lists(st.sampled_from(["a.csv", "out/", "my file", "*.png"]), max_size=2).map(tuple),
    uses=counts,
    resources=amounts,
)
flow_options = st.builds(
    FlowOptions,
    runner=st.sampled_from(["inline", "local"]),
    max_workers=st.none() | st.integers(1, 64),
    cells=st.sampled_from(["auto", "tagged", "all"]),
    fail_fast=st.booleans(),
    allow_errors=st.just(False),
    timeout=st.none() | milliseconds.filter(bool),
    flow_retries=st.integers(0, 100),
    flow_retry_delay=st.lists(milliseconds, min_size=1, max_size=3).map(tuple),
    limit=counts,
    resources=amounts,
    on_failure=st.none() | st.text("ab '\"$|;-", min_size=1).filter(str.strip).map(str.strip),
)


@settings(deadline=None)
@given(name=st.none() | names, options=task_options | flow_options)
def test_what_is_written_is_read_again(
    name: str | None, options: TaskOptions | FlowOptions
) -> None:
    kind: Any = type(options)
    assert parse_line(to_line(name, options), kind) == (name, options)
    mapping = json.loads(json.dumps(to_mapping(name, options)))
    assert parse_mapping(mapping, kind) == (name, options)


@settings(deadline=None)
@given(st.text(max_size=60))
@example("--retries=" + "9" * 5000)
@example("\ud800 --needs \ud800")
@example("--" + "r" * 100_000)
def test_any_line_gives_options_or_an_option_error(line: str) -> None:
    error = refusal(lambda: parse_line(line, TaskOptions))
    assert error is None or (len(str(error)) < 500 and error.hint)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=5,
)
keys = st.sampled_from(["name", *(spec.field for spec in option_specs(TaskOptions))]) | st.text(
    max_size=8
)


@settings(deadline=None)
@given(st.dictionaries(keys, json_values, max_size=4))
def test_any_metadata_gives_options_or_an_option_error(mapping: dict[str, Any]) -> None:
    error = refusal(lambda: parse_mapping(mapping, TaskOptions))
    assert error is None or len(str(error)) < 500


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("250ms", 0.25),
        ("2s", 2),
        ("5m", 300),
        ("1h30m", 5400),
        ("1d", 86400),
        ("1.5s", 1.5),
        ("0s", 0),
        ("1m5ms", 60.005),
        (" 2s ", 2),
    ],
)
def test_durations_parse(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "s", "5", "-2s", "2 s", "2S", "30m1h", "1s1s", "٣s", "1e3s", "s" * 500]
)
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(OptionError):
        parse_duration(text)


@settings(deadline=None)
@given(milliseconds)
def test_durations_survive_writing(seconds: float) -> None:
    assert parse_duration(format_duration(seconds)) == seconds


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "0.0s"),
        (8.1, "8.1s"),
        (59.94, "59.9s"),
        (59.96, "1:00"),
        (130, "2:10"),
        (3730, "1:02:10"),
        (90_061, "25:01:01"),
        (-3, "0.0s"),
    ],
)
def test_durations_for_people(seconds: float, shown: str) -> None:
    assert show_duration(seconds) == shown


def test_expected_durations_are_marked() -> None:
    assert [show_duration(s, expected=True) for s in (5.9, 31, 59.6, 130)] == [
        "~6s",
        "~31s",
        "~1:00",
        "~2:10",
    ]


def test_specs_follow_the_fields() -> None:
    for options in (TaskOptions, FlowOptions):
        specs = option_specs(options)
        assert [spec.field for spec in specs] == [
            field.name for field in dataclasses.fields(options)
        ]
        assert all(spec.help and spec.flag == "--" + spec.field.replace("_", "-") for spec in specs)
        fields = {spec.field for spec in specs}
        assert all(set(pair) <= fields for pair in CONFLICTS[options])


def test_the_reference_has_a_row_for_each_option() -> None:
    assert [row[:2] for row in reference_rows(FlowOptions)] == [
        ("--runner inline|local|dask[=PLACE]", "local"),
        ("--max-workers N", ""),
        ("--cells auto|tagged|all", "auto"),
        ("--exact", ""),
        ("--fail-fast", ""),
        ("--allow-errors", ""),
        ("--timeout TIME", ""),
        ("--cache", ""),
        ("--cache-ttl TIME", ""),
        ("--cache-extra TEXT", ""),
        ("--refresh", ""),
        ("--flow-retries N", "0"),
        ("--flow-retry-delay TIME[,TIME…]", "0s"),
        ("--on-crash fail|resume", "fail"),
        ("--keep auto|all", "auto"),
        ("--limit NAME[=N][,…]", ""),
        ("--resources NAME=AMOUNT[,…]", ""),
        ("--on-success TEXT", ""),
        ("--on-failure TEXT", ""),
    ]


@settings(deadline=None)
@given(name=st.none() | names, options=task_options | flow_options)
def test_the_schema_accepts_what_is_written(
    name: str | None, options: TaskOptions | FlowOptions
) -> None:
    jsonschema.validate(to_mapping(name, options), json_schema(type(options)))


def test_the_schema_s_defaults_are_the_options_defaults() -> None:
    for options in (TaskOptions, FlowOptions):
        properties = json_schema(options)["properties"]
        defaults = {
            key: value["default"] for key, value in properties.items() if "default" in value
        }
        assert parse_mapping(defaults, options) == (None, options())


def test_each_spec_parses_its_own_text() -> None:
    specs = {spec.field: spec for spec in option_specs(FlowOptions)}
    assert parse_value(specs["max_workers"], "4") == 4
    assert parse_value(specs["timeout"], "5m") == 300.0
    assert parse_value(specs["runner"], "inline") == "inline"


def test_options_import_nothing_heavy() -> None:
    heavy = "{'IPython', 'nbformat', 'papermill', 'yaml', 'click', 'pandas', 'sqlalchemy'}"
    script = f"import sys, orch_nb.option_text; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
