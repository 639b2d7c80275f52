"""The example notebooks' outputs equal papermill's own run, cell for cell."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import nbformat
import pytest

from tests.command_line import EXAMPLES, Bench

NAMES = (
    "quickstart",
    "classification",
    "regression",
    "exploration",
    "parallel_and_equal",
    "scheduled_report",
    "decade",
)

# Lessons that run another notebook, or need our words: what their outputs must hold.
LESSONS = {
    "messy_to_flow": (
        "reads 'spots', set only below, in cell 3",
        "No problems.",
        "Completed",
        "sunspots: 70.3 a year",
    ),
    "caching": (
        "{'load': 'Cached', 'search': 'Cached', 'show': 'Completed'}",
        "{'load': 'Cached', 'search': 'Completed', 'show': 'Completed'}",
        "changed  input longest",
    ),
    "many_items": ("jan: +1.8 °C in a century (+0.9 to +2.7)", "sep 20.6 °C, mar 26.2 °C"),
    "flow_that_decides": ("11.00 years, after 5 rounds of 7",),
    "flow_of_notebooks": ("1960s: 0.77 ppm a year", "1990s: 1.52 ppm a year"),
    "dask": ("ppm a year", "Completed\nTrue\n"),
    "model_selection": ("3 neighbours", "accuracy=0.9865", "of the images it has never seen"),
}
# Lessons that also ask the kernel they are read in, as a reader of Jupyter has it.
KERNEL_LESSONS = {
    "when_things_fail": (
        "load     Completed       tried 2x",
        "slow     TimedOut",
        "report   UpstreamFailed",
        "its inputs, as they were: sea, seconds",
        "2 reused, 4 run",
        "Resuming by resume",
    ),
}
PATIENTS = ("messy", "fragile", "costly", "digits")

# All that may differ between two runs of these notebooks.
MASKS = (
    (re.compile(r"0x[0-9a-f]{6,16}"), "ADDRESS"),
    (re.compile(r"\b\d\d:\d\d:\d\d\b"), "TIME"),
)


def mask(value: Any) -> Any:
    """The value with addresses and times replaced."""
    if isinstance(value, str):
        for pattern, word in MASKS:
            value = pattern.sub(word, value)
        return value
    if isinstance(value, dict):
        return {key: mask(item) for key, item in value.items()}
    if isinstance(value, list):
        return [mask(item) for item in value]
    return value


def compare_form(output: Any) -> Any:
    """An output as it is compared: images by presence, the rest whole, after the masks."""
    form = dict(output)
    if "data" in form:
        form["data"] = {
            kind: "IMAGE" if kind.startswith("image/") else value
            for kind, value in form["data"].items()
        }
    return mask(form)


def joined(outputs: Iterable[Any]) -> list[Any]:
    """With a stream's pieces that follow each other as one: where a kernel cuts is a matter of
    time."""
    found: list[Any] = []
    for output in outputs:
        last = found[-1] if found else {}
        if output["output_type"] == "stream" and output["name"] == last.get("name"):
            last["text"] += output["text"]
        else:
            found.append(output)
    return found


def read_cells(path: Path) -> list[tuple[str, Any, list[Any]]]:
    """Source, execution count and outputs of each code cell."""
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    return [
        (cell.source, cell.execution_count, joined(map(compare_form, cell.outputs)))
        for cell in notebook.cells
        if cell.cell_type == "code"
    ]


def read_plain_cells(path: Path) -> list[tuple[str, Any, list[Any]]]:
    """The same without `%%flow` cells, which are a kernel's: they show their panel there."""
    return [cell for cell in read_cells(path) if not cell[0].startswith("%%flow")]


@pytest.fixture
def examples(bench: Bench) -> Path:
    """A copy of the examples, so that the tree stays as it is."""
    folder = Path(bench.folder) / "examples"
    shutil.copytree(EXAMPLES, folder, ignore=shutil.ignore_patterns("*.run.ipynb"))
    return folder


@pytest.mark.parametrize("name", NAMES)
def test_an_example_equals_papermills_own_run(bench: Bench, examples: Path, name: str) -> None:
    papermill = [sys.executable, "-m", "papermill", f"{name}.ipynb", "papermill.ipynb"]
    plain = bench.call([*papermill, "--no-progress-bar"], cwd=examples)
    assert plain.code == 0, plain.err
    ours = bench.orch("run", f"{name}.ipynb", "-o", "ours.ipynb", cwd=examples)
    assert ours.code == 0, ours.out + ours.err
    expected = read_plain_cells(examples / "papermill.ipynb")
    assert any(outputs for _, _, outputs in expected)
    assert read_plain_cells(examples / "ours.ipynb") == expected
    assert bench.left_behind() == []


@pytest.mark.parametrize("name", [*LESSONS, *KERNEL_LESSONS])
def test_a_lesson_shows_what_it_promises(bench: Bench, examples: Path, name: str) -> None:
    # a lesson's `!orch-nb` is the one of this environment
    bench.environ["PATH"] = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    bench.environ["DASK_TEMPORARY_DIRECTORY"] = str(bench.folder)  # Dask leaves its locks there
    if name in KERNEL_LESSONS:
        words = ["papermill", f"{name}.ipynb", f"{name}.run.ipynb", "--no-progress-bar"]
        ended = bench.call([sys.executable, "-m", *words], cwd=examples)
    else:
        ended = bench.orch("run", f"{name}.ipynb", cwd=examples)
    assert ended.code == 0, ended.out + ended.err
    cells = read_cells(examples / f"{name}.run.ipynb")
    text = "".join(output.get("text", "") for _, _, outputs in cells for output in outputs)
    wanted = (LESSONS | KERNEL_LESSONS)[name]
    assert [words for words in wanted if words not in text] == []
    assert bench.left_behind() == []


def test_the_examples_hold_no_outputs() -> None:
    for name in (*NAMES, *LESSONS, *KERNEL_LESSONS, *PATIENTS):
        notebook = nbformat.read(EXAMPLES / f"{name}.ipynb", as_version=4)
        cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
        assert [(c.outputs, c.execution_count) for c in cells] == [([], None)] * len(cells)


def test_the_exploration_is_unmodified() -> None:
    text = (EXAMPLES / "exploration.ipynb").read_text(encoding="utf-8")
    notebook = nbformat.reads(text, as_version=4)
    assert all(not cell.metadata for cell in notebook.cells)
    assert not any("task" in c.source for c in notebook.cells if c.cell_type == "code")


def test_papermill_with_our_engine_does_the_same_job(bench: Bench, examples: Path) -> None:
    parameters = ["-p", "resamples", "40", "-y", "decades: [1980, 1990]"]
    papermill = [sys.executable, "-m", "papermill", "quickstart.ipynb"]
    plain = bench.call([*papermill, "plain.ipynb", *parameters], cwd=examples)
    assert plain.code == 0, plain.err
    ours = bench.call([*papermill, "ours.ipynb", "--engine", "orch_nb", *parameters], cwd=examples)
    assert ours.code == 0, ours.err
    expected = read_plain_cells(examples / "plain.ipynb")
    assert read_plain_cells(examples / "ours.ipynb") == expected
    run, _ = bench.orch_json("runs")  # the other one is of the notebook's own flow
    assert run["state_name"] == "Completed"
    assert run["parameters"]["decades"] == [1980, 1990]
    assert bench.left_behind() == []
