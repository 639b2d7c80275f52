"""`orch-nb sweep` from the command line."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat

from tests.command_line import Bench, code

Write = Callable[..., Path]


def write(write_notebook: Write) -> None:
    write_notebook(
        code("alpha: float = 0.5\nseed: int = 0", "parameters"),
        "%%task prepare\nimport time\ntime.sleep(0.3)\nstamp = time.time_ns()",
        "%%task fit\nimport orch_nb\nscore = alpha * 10 + seed\n"
        "orch_nb.report(score=score, stamp=stamp)",
    )


def test_a_grid_runs_once_a_point_and_what_does_not_vary_runs_once(
    bench: Bench, write_notebook: Write
) -> None:
    write(write_notebook)
    done = bench.orch(
        *("sweep", "sales.ipynb", "-p", "alpha", "0.1,0.2", "-p", "seed", "0..1"),
        *("--sort", "-score", "--csv", "table.csv"),
    )
    assert done.code == 0, done.out + done.err
    with (bench.folder / "table.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["alpha"], row["seed"], row["score"]) for row in rows] == [
        ("0.2", "1", "3.0"),
        ("0.1", "1", "2.0"),
        ("0.2", "0", "2.0"),
        ("0.1", "0", "1.0"),
    ]
    assert len({row["stamp"] for row in rows}) == 1
    folder = bench.folder / "sales.sweep"
    assert {path.name for path in folder.glob("*.ipynb")} == {
        *("1.ipynb", "2.ipynb", "3.ipynb", "4.ipynb"),
        "summary.ipynb",
    }
    summary = nbformat.read(folder / "summary.ipynb", as_version=4)
    nbformat.validate(summary)
    assert summary.cells[2].outputs[0].data["image/svg+xml"].count("<circle") == 4
    assert len(bench.orch_json("runs", "--tag", "sweep")) == 4
    assert bench.left_behind() == []


def test_a_random_part_of_a_grid_and_the_rows_of_a_table(
    bench: Bench, write_notebook: Write
) -> None:
    write(write_notebook)
    command = ("sweep", "sales.ipynb", "-p", "alpha", "0..9", "-p", "seed", "0..9")
    some = bench.orch_json(*command, "--max", "2", "--random", "--seed", "3")
    assert len({json.dumps(run["parameters"]) for run in some}) == 2
    (bench.folder / "grid.csv").write_text("alpha,seed\n0.3,\n0.4,7\n", encoding="utf-8")
    rows = bench.orch_json("sweep", "sales.ipynb", "--from", "grid.csv")
    assert [(run["parameters"], run["metrics"]["score"]) for run in rows] == [
        ({"alpha": 0.3}, 3.0),
        ({"alpha": 0.4, "seed": 7}, 11.0),
    ]


def test_a_table_is_printed_and_written_also_where_it_cant_be_sorted(
    bench: Bench, write_notebook: Write
) -> None:
    write(write_notebook)
    arguments = ("-p", "seed", "3", "--sort", "accuracy", "--csv", "table.csv")
    done = bench.orch("sweep", "sales.ipynb", *arguments)
    assert done.code == 2
    assert "the runs have no 'accuracy'" in done.err
    assert "summary  sales.sweep/summary.ipynb" in done.out
    assert (bench.folder / "table.csv").exists()


def test_a_run_that_fails_does_not_end_the_sweep(bench: Bench, write_notebook: Write) -> None:
    write_notebook(code("n: int = 0", "parameters"), "%%task fit\nx = 1 / n")
    done = bench.orch("sweep", "sales.ipynb", "-p", "n", "0..2")
    assert done.code == 1
    assert "ZeroDivisionError" in done.out
    states = [run["state_name"] for run in bench.orch_json("runs")]
    assert sorted(states) == ["Completed", "Completed", "Failed"]


def test_what_can_not_be_swept_is_refused_before_anything_runs(
    bench: Bench, write_notebook: Write
) -> None:
    write(write_notebook)
    refusals: list[tuple[tuple[Any, ...], str]] = [
        (("-p", "alpha", "a,b"), "alpha"),
        (("-p", "beta", "1,2"), "beta"),
        ((), "nothing varies"),
        (("-p", "seed", "0..1", "-p", "seed", "2"), "given twice"),
        (("--from", "nowhere.csv"), "nowhere.csv"),
        (("-p", "seed", "0..1", "--csv", "no/folder.csv"), "no/folder.csv"),
    ]
    for arguments, words in refusals:
        refused = bench.orch("sweep", "sales.ipynb", *arguments)
        assert (refused.code, words in refused.err) == (2, True), refused.err
    assert bench.orch_json("runs") == []
