from __future__ import annotations

import base64
import json
import math
from datetime import UTC, date, datetime
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from papermill.cli import _resolve_type
from papermill.parameterize import parameterize_notebook
from papermill.translators import PythonTranslator

from orch_nb.errors import NotebookError, OrchError, ParameterError
from orch_nb.model import CellKind, Parameter
from orch_nb.notebook import (
    BoundParameters,
    GivenParameter,
    Notebook,
    ParameterSource,
    bind_parameters,
    collect_parameters,
    inject_parameters,
    read_parameters,
)
from orch_nb.notebook.annotations import resolve
from orch_nb.notebook.injection import python_cell
from orch_nb.notebook.literals import python_source
from tests.unit.notebook.samples import code, document, markdown, notebook

SOURCE = """\
from datetime import date
import datetime as dt
years: list[int] = [2022, 2023]  # which years
region = "EU"  # type: str where
alpha: float = 0.5
n = 3
label = "x"
mode: Literal["fast", "safe"] = "fast"
day: date = date(2025, 1, 1)
at: "dt.datetime" = dt.datetime.now()
limit: int | None = None
weights: dict[str, int] = {
    "a": 1,  # inner
}  # by name
pair: tuple[int, str] = (1, "a")
names: set[str] = {"a"}
frame: pd.DataFrame = None
flag: bool = False
required: int
a, b = -1, None
if n:
    deep = [1]
"""


def with_cell(source: str = SOURCE) -> Notebook:
    return notebook("%load_ext orch_nb", code(source, tags=["parameters"]), "print(years)")


def bound(*texts: tuple[str, str], **options: Any) -> BoundParameters:
    return bind_parameters(with_cell(), collect_parameters(texts=texts, **options))


def called(**values: Any) -> BoundParameters:
    given = [GivenParameter(name, value, ParameterSource.CALL) for name, value in values.items()]
    return bind_parameters(with_cell(), given)


def test_parameters_are_read_in_order_with_type_default_and_help() -> None:
    assert read_parameters(with_cell()) == (
        Parameter("years", "list[int]", "[2022, 2023]", "which years", True),
        Parameter("region", "str", '"EU"', "where", True),
        Parameter("alpha", "float", "0.5", "", True),
        Parameter("n", "int", "3"),
        Parameter("label", "str", '"x"'),
        Parameter("mode", 'Literal["fast", "safe"]', '"fast"', "", True),
        Parameter("day", "date", "date(2025, 1, 1)", "", True),
        Parameter("at", "dt.datetime", "dt.datetime.now()", "", True),
        Parameter("limit", "int | None", "None", "", True),
        Parameter("weights", "dict[str, int]", '{\n    "a": 1,  # inner\n}', "by name", True),
        Parameter("pair", "tuple[int, str]", '(1, "a")', "", True),
        Parameter("names", "set[str]", '{"a"}', "", True),
        Parameter("frame", "pd.DataFrame", "None", "", True),
        Parameter("flag", "bool", "False", "", True),
        Parameter("required", "int", "", "", True),
        Parameter("a", "int", "-1"),
        Parameter("b", None, "None"),
        Parameter("deep", "list", "[1]"),
    )


def test_names_types_and_help_are_papermill_s_where_it_sees_them() -> None:
    theirs = {
        p.name: (p.inferred_type_name, p.help)
        for p in PythonTranslator.inspect({"source": SOURCE})
        if p.inferred_type_name != "None"
    }
    ours = {p.name: (p.type, p.help) for p in read_parameters(with_cell())}
    assert theirs
    assert {name: ours[name] for name in theirs if name != "weights"} == {
        name: value for name, value in theirs.items() if name != "weights"
    }


def test_magics_in_the_parameters_cell_are_allowed() -> None:
    assert [p.name for p in read_parameters(with_cell("%time\nn = 1"))] == ["n"]
    assert read_parameters(notebook("1")) == ()
    with pytest.raises(NotebookError, match="syntax error"):
        read_parameters(with_cell("n = ("))


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("years", "[2025]", [2025]),
        ("years", "[]", []),
        ("region", "007", "007"),
        ("region", "[x]", "[x]"),
        ("alpha", "1", 1),
        ("alpha", "1e3", 1000.0),
        ("n", "5", 5),
        ("n", "0.5", 0.5),
        ("n", "[1, 2]", [1, 2]),
        ("n", "null", None),
        ("n", "None", None),
        ("n", "true", "true"),
        ("n", "True", True),
        ("label", "5", 5),
        ("label", "[1]", "[1]"),
        ("mode", "safe", "safe"),
        ("day", "2025-02-03", date(2025, 2, 3)),
        ("at", "2025-02-03", datetime(2025, 2, 3)),
        ("at", "2025-02-03T04:05:06+00:00", datetime(2025, 2, 3, 4, 5, 6, tzinfo=UTC)),
        ("limit", "5", 5),
        ("limit", "null", None),
        ("weights", '{"a": 2}', {"a": 2}),
        ("weights", "{a: 2, b: 3}", {"a": 2, "b": 3}),
        ("weights", "{'a': 2}", {"a": 2}),
        ("pair", '[1, "x"]', (1, "x")),
        ("pair", "(1, 'x')", (1, "x")),
        ("names", "[a, b]", {"a", "b"}),
        ("frame", "x.csv", "x.csv"),
        ("flag", "true", True),
        ("flag", "False", False),
        ("required", "7", 7),
        ("deep", "{a: [1]}", {"a": [1]}),
        ("deep", "[oops", "[oops"),
    ],
)
def test_texts_become_values(name: str, text: str, value: Any) -> None:
    got = bound((name, text)).given[name]
    assert (got, type(got)) == (value, type(value))


@pytest.mark.parametrize(
    ("name", "text", "message", "hint"),
    [
        ("years", "2025", "years='2025' is not a list[int]", "-p years '[2025]'"),
        ("years", "[a]", "years='[a]' is not a list[int]", "-p years '[2022, 2023]'"),
        ("years", "[true]", "years='[true]' is not a list[int]", "-p years '[2022, 2023]'"),
        ("alpha", "x", "alpha='x' is not a float", "-p alpha 0.5"),
        ("alpha", "True", "alpha='True' is not a float", "-p alpha 0.5"),
        ("mode", "slow", "mode='slow' is not one of 'fast', 'safe'", "-p mode fast"),
        ("day", "soon", "day='soon' is not a date", "-p day 2025-01-31"),
        ("limit", "x", "limit='x' is not an int | None", "-p limit null"),
        ("weights", "[1]", "weights='[1]' is not a dict[str, int]", "-p weights '{\"a\": 1}'"),
        ("pair", "[1]", "pair='[1]' is not a tuple[int, str]", "-p pair '[1, \"a\"]'"),
        ("flag", "1", "flag='1' is not a bool", "-p flag false"),
        ("required", "x", "required='x' is not an int", "give an int"),
        ("names", "x", "names='x' is not a set[str]", "-p names '[\"x\"]'"),
    ],
)
def test_what_does_not_fit(name: str, text: str, message: str, hint: str) -> None:
    with pytest.raises(ParameterError) as caught:
        bound((name, text))
    error = caught.value
    assert (error.message, error.where, error.hint) == (message, f"-p {name}", hint)


def test_an_unknown_name_suggests_the_nearest() -> None:
    with pytest.raises(ParameterError) as caught:
        bound(("year", "[2025]"))
    assert str(caught.value) == (
        "no parameter 'year'  --> sales.ipynb, cell 2\n  hint: did you mean 'years' (list[int]) ?"
    )
    with pytest.raises(ParameterError) as caught:
        bound(("zzz", "1"))
    assert str(caught.value.hint).startswith("it has 'years' (list[int]), 'region' (str)")


def test_values_without_a_parameters_cell() -> None:
    with pytest.raises(ParameterError) as caught:
        bind_parameters(notebook("years = 1"), collect_parameters(texts=[("years", "1")]))
    assert str(caught.value) == (
        "the notebook has no parameters cell, so 'years' can't be set  --> sales.ipynb\n"
        "  hint: give the cell that sets years the tag 'parameters'"
    )
    assert bind_parameters(notebook("1"), ()) == BoundParameters()


def test_later_options_win_in_papermill_s_order(tmp_path: Path) -> None:
    file = tmp_path / "params.yaml"
    file.write_text("alpha: 2.5\nn: 2\nlabel: 2024-01-01\nflag: true\nyears: [2]\nregion: f\n")
    got = bound(
        ("n", "5"),
        ("region", "p"),
        base64=[base64.b64encode(b"alpha: 1.5\nday: 2025-01-01").decode()],
        files=[str(file)],
        yaml=["years: [3]", ""],
        json=['{"years": [4]}'],
        raw=[("region", "r")],
    )
    assert got.given == {
        "alpha": 2.5,
        "day": date(2025, 1, 1),
        "n": 5,
        "label": "2024-01-01",
        "flag": True,
        "years": [4],
        "region": "r",
    }
    assert list(got.record.items())[:6] == [
        ("years", [4]),
        ("region", "r"),
        ("alpha", 2.5),
        ("n", 5),
        ("label", "2024-01-01"),
        ("mode", "fast"),
    ]
    assert got.record["day"] == "2025-01-01"
    assert got.record["pair"] == [1, "a"]
    assert dict(list(got.sources.items())[:6]) == {
        "years": "--param-json",
        "region": "-r",
        "alpha": "-f",
        "n": "-p",
        "label": "-f",
        "mode": "default",
    }
    assert json.dumps(dict(got.record))


@pytest.mark.parametrize(
    ("options", "where"),
    [
        ({"yaml": ["a: ["]}, "-y"),
        ({"yaml": ["[1]"]}, "-y"),
        ({"yaml": ["1: 2"]}, "-y"),
        ({"yaml": ["years: &a [*a]"]}, "-y"),
        ({"yaml": ["years: !!python/object:os.system x"]}, "-y"),
        ({"yaml": ["a: &a [x,x,x,x,x,x,x,x,x]\n" + "\n".join(
            f"{chr(98 + i)}: &{chr(98 + i)} [{','.join(['*' + chr(97 + i)] * 9)}]" for i in range(9)
        )]}, "-y"),
        ({"yaml": ["\0"]}, "-y"),
        ({"yaml": ["[" * 10_000]}, "-y"),
        ({"json": ["{"]}, "--param-json"),
        ({"json": ["[" * 100_000]}, "--param-json"),
        ({"json": ["9" * 10_000]}, "--param-json"),
        ({"json": ['{"years": "x"}']}, "--param-json years"),
        ({"base64": ["%%"]}, "-b"),
        ({"base64": ["gICA"]}, "-b"),
        ({"files": ["missing.yaml"]}, "-f missing.yaml"),
        ({"files": ["/"]}, "-f /"),
        ({"files": ["a\0b"]}, "-f 'a\\x00b'"),
        ({"raw": [("years", "[1]")]}, "-r years"),
    ],
)  # fmt: skip
def test_bad_sources_of_parameters(options: dict[str, Any], where: str) -> None:
    with pytest.raises(ParameterError) as caught:
        bound(**options)
    assert caught.value.where == where
    assert caught.value.hint
    assert len(str(caught.value)) < 400


def test_values_of_a_file_name_it(tmp_path: Path) -> None:
    file = tmp_path / "p.yaml"
    file.write_text("years: 5")
    with pytest.raises(ParameterError) as caught:
        bound(files=[str(file)])
    assert str(caught.value) == (
        f"years=5 is not a list[int]  --> -f {file}, years\n  hint: such as [5]"
    )


def test_values_from_python() -> None:
    got = called(n=np.int64(5), alpha=np.float32(0.5), region=PurePosixPath("a/b"), names={"x"})
    assert got.given == {"n": 5, "alpha": 0.5, "region": "a/b", "names": {"x"}}
    assert [type(value) for value in got.given.values()] == [int, float, str, set]
    when = called(at=pd.Timestamp("2025-02-03T04:05:06.000007"), day=np.datetime64("2025-02-03"))
    assert when.given == {"at": datetime(2025, 2, 3, 4, 5, 6, 7), "day": date(2025, 2, 3)}
    assert [type(value) for value in when.given.values()] == [datetime, date]
    assert called(flag=np.True_, region=np.str_("x")).given == {"flag": True, "region": "x"}
    loop: list[Any] = []
    loop.append(loop)
    for value in (object(), loop, {"a": np.zeros(3)}, b"x", math.sqrt):
        with pytest.raises(ParameterError):
            called(n=value)
    with pytest.raises(ParameterError, match="a ndarray can't be given as the parameter 'n'"):
        called(n=np.zeros(3))


def test_numbers_that_python_will_not_write_down() -> None:
    with pytest.raises(ParameterError, match="too long"):
        called(n=1 << 20_000)
    for text in ("[0x" + "f" * 5000 + "]", "[!!binary aGk=]"):
        with pytest.raises(ParameterError):
            bound(("n", text))
    with pytest.raises(ParameterError):
        bound(("required", "9" * 5000))


def test_messages_stay_short_whatever_the_notebook_says() -> None:
    long = "n" * 5000
    options = ", ".join(f"'{n}'" for n in range(5000))
    read = with_cell(f"{long}: Literal[{options}] = '0'\nother: list[{'x' * 5000}] = [{options}]")
    for name, text in ((long, "x"), ("other", "x"), ("z" * 5000, "1"), (long[:-1], "1")):
        with pytest.raises(ParameterError) as caught:
            bind_parameters(read, collect_parameters(texts=[(name, text)]))
        assert len(caught.value.message.replace(long, "")) < 400
    with pytest.raises(ParameterError) as caught:
        bind_parameters(notebook("1"), collect_parameters(texts=[(long, "1")]))
    assert len(str(caught.value)) < 400


def test_the_injected_cell_and_its_place() -> None:
    before = with_cell()
    after = inject_parameters(before, bound(("years", "[2025]"), ("day", "2025-02-03")))
    assert [cell.kind for cell in after.cells] == [
        CellKind.PLAIN,
        CellKind.PARAMETERS,
        CellKind.INJECTED,
        CellKind.PLAIN,
    ]
    assert after.cells[2].source == (
        '# Parameters\nyears = [2025]\nday = date.fromisoformat("2025-02-03")\n'
    )
    assert after.raw["metadata"]["papermill"]["parameters"] == {
        "years": [2025],
        "day": "2025-02-03",
    }
    assert len(before.cells) == 3
    assert inject_parameters(before, bound()) is before
    again = inject_parameters(after, bind_parameters(after, collect_parameters(texts=[("n", "1")])))
    assert again.cells[2].source == "# Parameters\nn = 1\n"
    assert again.cells[2].id == after.cells[2].id
    assert [cell.id for cell in again.cells] == [cell.id for cell in after.cells]


def test_what_an_earlier_run_injected_is_recorded() -> None:
    after = inject_parameters(with_cell(), bound(("n", "9"), ("region", "US")))
    kept = bind_parameters(after, ())
    assert (kept.record["n"], kept.sources["n"]) == (9, "injected")
    assert (kept.record["alpha"], kept.sources["alpha"]) == (0.5, "default")


def test_dates_keep_their_type_however_the_notebook_spells_them() -> None:
    source = (
        "import datetime\nimport datetime as dt\nfrom datetime import date\n"
        "a: dt.date = dt.date(2025, 1, 1)\nb: date = date.today()\n"
        "c: 'dt.datetime' = datetime.datetime.now()\nd: dt.date = None\n"
        "e: dt.datetime = datetime.date(2025, 1, 1)\nf: list[date] = []\n"
    )
    read = with_cell(source)
    texts = [(name, "2025-02-03") for name in "abcde"] + [("f", "[2025-02-03]")]
    values = bind_parameters(read, collect_parameters(texts=texts)).given
    injected = python_cell(values, {p.name: p for p in read_parameters(read)})
    namespace: dict[str, Any] = {}
    exec(source + injected, namespace)
    assert {name: namespace[name] for name in values} == values
    assert "dt.date.fromisoformat" in injected


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)


@settings(deadline=None)
@given(st.dictionaries(st.from_regex(r"[a-z_]{1,8}", fullmatch=True), json_values, max_size=4))
@example({"a": '"\\\n\ud800é\'"', "b": float("nan"), "c": -math.inf, "d": [{"": None}]})
def test_json_is_injected_to_the_letter_as_papermill_does(values: dict[str, Any]) -> None:
    theirs = super(PythonTranslator, PythonTranslator).codify.__func__(PythonTranslator, values)
    assert python_cell(values, {}) == theirs


plain_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(st.characters())
    | st.dates()
    | st.datetimes(timezones=st.none() | st.just(UTC)),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.frozensets(st.integers() | st.text(), max_size=3)
        | st.sets(st.integers() | st.text(), max_size=3)
        | st.dictionaries(st.text() | st.integers() | st.dates(), inner, max_size=3)
    ),
)


@settings(deadline=None)
@given(plain_values)
def test_source_gives_the_value_back(value: Any) -> None:
    again = eval(python_source(value))
    assert again == value
    assert type(again) is type(value)


@settings(deadline=None)
@given(st.text(max_size=12) | st.from_regex(r"-?[0-9_.e]{1,6}"))
@example("1_000")
@example("nan")
@example(" 5 ")
def test_untyped_texts_resolve_as_papermill_s(text: str) -> None:
    assert repr(resolve(text)) == repr(_resolve_type(text))


@settings(deadline=None)
@given(st.sampled_from(read_parameters(with_cell())), st.text(max_size=12) | json_values.map(str))
def test_any_text_is_bound_or_refused(parameter: Parameter, text: str) -> None:
    read = with_cell()
    for options in ({"texts": [(parameter.name, text)]}, {"raw": [(parameter.name, text)]}):
        try:
            got = bind_parameters(read, collect_parameters(**options))  # type: ignore[arg-type]
        except OrchError:
            continue
        json.dumps(dict(got.record), allow_nan=False)
        injected = inject_parameters(read, got)
        compile(injected.cells[2].source, "cell", "exec")


@settings(deadline=None)
@given(st.text(max_size=30), json_values)
@example("Literal[1" + "|1" * 50_000, 1)
@example("list[" * 5000, 1)
@example("dict[int]", {"a": 1})
@example("tuple[()]", [])
@example("Literal[[]]", [])
def test_any_annotation_accepts_or_refuses(annotation: str, value: Any) -> None:
    from orch_nb.notebook.annotations import Misfit, fit, parse_annotation

    form = parse_annotation(annotation)
    try:
        fit(value, form)
    except Misfit:
        assert form.base != "any"


def test_other_languages_are_left_to_papermill() -> None:
    read = notebook(code("n=1", tags=["parameters"]), kernelspec={"name": "ir", "language": "R"})
    got = bind_parameters(read, collect_parameters(texts=[("n", "5"), ("xs", "[1, 2]")]))
    assert got.given == {"n": 5, "xs": [1, 2]}
    assert inject_parameters(read, got).cells[1].source == "# Parameters\nn = 5\nxs = list(1, 2)\n"
    odd = notebook(code("n=1", tags=["parameters"]), kernelspec={"name": "brainfuck"})
    with pytest.raises(ParameterError, match="can't be written in brainfuck"):
        inject_parameters(odd, bind_parameters(odd, collect_parameters(texts=[("n", "5")])))


@pytest.mark.parametrize("injected", [False, True])
def test_the_cell_stands_where_papermill_puts_it(injected: bool) -> None:
    import nbformat

    cells = [markdown("a"), "x", code("n = 1", tags=["parameters"]), markdown("b"), "print(n)"]
    if injected:
        cells.append(code("n = 2", tags=["injected-parameters"]))
    content = document(*cells, kernelspec={"name": "python3", "display_name": "P"})
    content["metadata"]["language_info"] = {"name": "python"}
    node = nbformat.from_dict(json.loads(json.dumps(content)))
    node.metadata["papermill"] = {}
    for cell in node.cells:
        cell.metadata.setdefault("tags", [])
    theirs = parameterize_notebook(node, {"n": 5})
    from orch_nb.notebook import notebook_from_dict

    read = notebook_from_dict(content, path="sales.ipynb")
    given = collect_parameters(texts=[("n", "5")])
    ours = inject_parameters(read, bind_parameters(read, given))
    assert [cell["source"] for cell in ours.raw["cells"]] == [cell.source for cell in theirs.cells]
