"""A disk that runs full in the middle of a result, a state or an output notebook."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import nbformat
import pytest

from orch_nb.store import open_store
from tests.command_line import Bench, Ended, make_document

Fill = Callable[[Path], None]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of four megabytes; skips where it can't be mounted."""
    mounted = tmp_path / "small"
    mounted.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(mounted)]
    try:
        done = subprocess.run(command, capture_output=True)
    except FileNotFoundError:
        pytest.skip("there is no mount command")
    if done.returncode:
        pytest.skip("only root may mount a small file system")
    yield mounted
    subprocess.run(["umount", "--lazy", str(mounted)], check=True)


@pytest.fixture
def bench(tmp_path: Path, orch_home: Path) -> Iterator[Bench]:
    made = Bench(tmp_path, orch_home)
    yield made
    for process in made.processes():
        process.kill()


def run_cells(bench: Bench, *cells: str, name: str = "sales", folder: Path | None = None) -> Ended:
    return bench.orch("run", write_cells(bench, *cells, name=name, folder=folder), "--name", name)


def write_cells(bench: Bench, *cells: str, name: str, folder: Path | None = None) -> str:
    path = (folder or bench.folder) / f"{name}.ipynb"
    path.write_text(json.dumps(make_document(*cells)))
    return str(path)


def fill(disk: Path) -> Path:
    """Take all the room there is."""
    path = disk / "filler"
    with path.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            pass
    return path


# A cell that takes the room itself, so that it is the middle of the run.
FILL = """%%task fill
with open({path!r}, 'wb', buffering=0) as file:
    try:
        while True:
            file.write(bytes(4096))
    except OSError:
        pass
"""
AFTER = """%%task after --needs fill
import time
time.sleep(1)
print('after')
"""


def is_sound(bench: Bench) -> None:
    """The store opens, and every run in it has an end."""
    for run in bench.orch_json("runs"):
        details = bench.orch_json("show", run["name"])
        assert details["state_type"] in {"COMPLETED", "FAILED", "CRASHED"}
        ended = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}
        assert {task["state_type"] for task in details["tasks"]} <= ended
    assert bench.left_behind() == []


def test_a_result_without_room_is_not_kept_and_the_run_goes_on(
    bench: Bench, small_disk: Path
) -> None:
    bench.environ["ORCH_NB_RESULTS"] = str(small_disk)
    large = "%%task large\nx = b'x' * 8_000_000"
    ended = run_cells(bench, large, "%%task use\nprint(len(x))")
    assert ended.code == 0, ended.err
    said = ended.out + ended.err
    assert "not kept" in said
    assert "No space left" in said
    assert not list(small_disk.rglob("*.part"))
    is_sound(bench)
    (run,) = bench.orch_json("runs")
    with open_store(str(bench.home / "store.db")) as store:
        reasons = [r.reason for r in store.results(store.get_run(run["id"]).id) if not r.kept]
    assert any("8,0" in reason and "No space left" in reason for reason in reasons)


def test_a_state_without_room_ends_the_run_in_words(bench: Bench, small_disk: Path) -> None:
    store = small_disk / "store.db"
    bench.environ["ORCH_NB_STORE"] = str(store)
    assert run_cells(bench, "x = 1").code == 0
    chatty = "import logging\nfor n in range(300):\n    logging.warning('%s' % ('x' * 5000))\n"
    filled = small_disk / "filler"
    ended = run_cells(bench, FILL.format(path=str(filled)), AFTER + chatty, name="full")
    assert ended.code == 1, ended.out
    assert "the disk that holds the store is full" in ended.out + ended.err
    assert str(store) in ended.out + ended.err
    assert "Traceback" not in ended.err
    filled.unlink()
    is_sound(bench)
    assert run_cells(bench, "x = 2", name="again").code == 0
    states = {run["flow"]: run["state_type"] for run in bench.orch_json("runs")}
    assert states == {"sales": "COMPLETED", "full": "CRASHED", "again": "COMPLETED"}
    write_cells(bench, "%%task fill\nprint('room')", AFTER, name="full")
    resumed = bench.orch("resume", "full")
    assert resumed.code == 0, resumed.err
    is_sound(bench)


def test_a_store_that_can_not_begin_a_run_says_so(bench: Bench, small_disk: Path) -> None:
    bench.environ["ORCH_NB_STORE"] = str(small_disk / "store.db")
    assert run_cells(bench, "x = 1").code == 0
    filled = fill(small_disk)
    ended = run_cells(bench, *[f"y{n} = {n}  # {'x' * 20_000}" for n in range(60)], name="late")
    assert ended.code == 1, ended.out
    assert "the disk that holds the store is full" in ended.err
    assert str(small_disk / "store.db") in ended.err
    filled.unlink()
    is_sound(bench)
    assert run_cells(bench, "x = 2", name="again").code == 0


def test_an_output_notebook_without_room_fails_the_run_and_leaves_the_old_one(
    bench: Bench, small_disk: Path
) -> None:
    assert run_cells(bench, "print('first')", folder=small_disk).code == 0
    before = (small_disk / "sales.run.ipynb").read_bytes()
    large = "print('x' * 3_000_000)"
    filled = fill_but(small_disk, 1_000_000)
    ended = run_cells(bench, large, folder=small_disk)
    assert ended.code == 1, ended.out
    said = ended.out + ended.err
    assert "sales.run.ipynb" in said
    assert "there is no space left for the output" in said
    assert "Traceback" not in said
    assert {path.name for path in small_disk.iterdir()} == {
        "filler",
        "sales.ipynb",
        "sales.run.ipynb",
    }
    nbformat.validate(nbformat.read(small_disk / "sales.run.ipynb", as_version=4))
    assert (small_disk / "sales.run.ipynb").stat().st_size <= max(len(before), 1_000_000)
    is_sound(bench)
    failed = bench.orch_json("runs")[0]
    assert failed["state_type"] == "FAILED"
    filled.unlink()
    resumed = bench.orch("resume", failed["name"])
    assert resumed.code == 0, resumed.err
    document = nbformat.read(small_disk / "sales.run.ipynb", as_version=4)
    assert document.cells[-1].outputs[0]["text"] == "x" * 3_000_000 + "\n"


def fill_but(disk: Path, left: int) -> Path:
    """Take all the room but so many bytes."""
    path = fill(disk)
    os.truncate(path, path.stat().st_size - left)
    return path
