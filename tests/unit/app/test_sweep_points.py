"""Grids, samples and tables of parameters."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orch_nb.app.sweep_points import Axis, grid, parse_axis, table
from orch_nb.errors import InputError


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("0.1,0.2,0.5", ("0.1", "0.2", "0.5")),
        ("0..3", ("0", "1", "2", "3")),
        ("0..1..0.25", ("0", "0.25", "0.5", "0.75", "1")),
        ("8..10", ("8", "9", "10")),
        ("-2..0,7", ("-2", "-1", "0", "7")),
        ("[1,2],[3]", ("[1,2]", "[3]")),
        ("'a,b',c", ("'a,b'", "c")),
        ("a", ("a",)),
    ],
)
def test_values_as_they_are_written(text: str, values: tuple[str, ...]) -> None:
    assert parse_axis("x", text) == Axis("x", values)


@pytest.mark.parametrize("text", ["", ",", "3..1", "0..1..0", "0..99999999"])
def test_what_is_no_list_of_values_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        parse_axis("x", text)


def test_a_grid_has_every_combination_and_the_last_axis_is_fastest() -> None:
    axes = [Axis("a", ("1", "2")), Axis("b", ("x", "y"))]
    assert grid(axes) == [
        {"a": "1", "b": "x"},
        {"a": "1", "b": "y"},
        {"a": "2", "b": "x"},
        {"a": "2", "b": "y"},
    ]


@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 100), st.integers())
def test_a_sample_has_no_point_twice_and_is_the_same_for_the_same_seed(
    wide: int, high: int, most: int, seed: int
) -> None:
    axes = [Axis("a", tuple(map(str, range(wide)))), Axis("b", tuple(map(str, range(high))))]
    points = grid(axes, most, seed)
    assert points == grid(axes, most, seed)
    assert len(points) == min(most, wide * high)
    assert len({tuple(point.items()) for point in points}) == len(points)
    whole = grid(axes)
    assert [whole.index(point) for point in points] == sorted(map(whole.index, points))


def test_a_huge_grid_is_sampled_without_being_made() -> None:
    axes = [Axis(name, tuple(map(str, range(1000)))) for name in "abcdef"]
    assert len(grid(axes, 10, seed=1)) == 10
    with pytest.raises(InputError, match="--max"):
        grid(axes)


def test_a_parameter_given_twice_is_refused() -> None:
    with pytest.raises(InputError, match="given twice"):
        grid([Axis("a", ("1",)), Axis("a", ("2",))])


def test_a_table_gives_a_point_for_each_row_and_empty_fields_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "grid.csv"
    path.write_text("a,b\n1,x\n2,\n", encoding="utf-8")
    assert table(str(path)) == [{"a": "1", "b": "x"}, {"a": "2"}]
    assert table(str(path), most=1) == [{"a": "1", "b": "x"}]


@pytest.mark.parametrize("text", ["", "a,b\n", "a,b\n1\n", "a\n1,2\n"])
def test_a_table_that_can_not_be_meant_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "grid.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError):
        table(str(path))
