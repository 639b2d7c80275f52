"""Bad input: one clear message with notebook, cell and remedy; exit code 2; nothing written."""

from __future__ import annotations

import contextlib
import json
import re
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.command_line import Bench, code

PARAMETERS = {
    "cell_type": "code",
    "metadata": {"tags": ["parameters"]},
    "outputs": [],
    "execution_count": None,
    "source": "years: list[int] = [2022, 2023]\nregion = 'EU'",
}

Write = Callable[..., Path]


def refused(bench: Bench, *arguments: str) -> str:
    """Run a command that must be refused, leaving no trace; its message."""
    before = bench.files()
    ended = bench.orch(*arguments)
    assert ended.code == 2, (ended.code, ended.out, ended.err)
    assert ended.out == ""
    assert "Traceback" not in ended.err
    assert ended.err.startswith("error: ")
    assert len(re.findall(r"^error: ", ended.err, re.M)) == 1
    assert bench.files() == before
    assert bench.left_behind() == []
    return str(ended.err)


@pytest.mark.parametrize(
    "content",
    [b"", b"just text", b"\x89PNG\r\n\x1a\n\x00\x00", b"[1, 2, 3]", b"{}", b'"text"', b"null"],
    ids=["empty", "text", "binary", "a list", "an empty object", "a string", "null"],
)
def test_not_a_notebook(bench: Bench, content: bytes) -> None:
    (bench.folder / "sales.ipynb").write_bytes(content)
    assert "sales.ipynb" in refused(bench, "run", "sales.ipynb")


def test_truncated_json(bench: Bench, write_notebook: Write) -> None:
    path = write_notebook("print(1)", "print(2)")
    text = path.read_text()
    path.write_text(text[: len(text) // 2])
    message = refused(bench, "run", "sales.ipynb")
    assert "sales.ipynb" in message
    assert re.search(r"line \d+|ends|cut", message)


def put(document: dict[str, Any], place: tuple[str | int, ...], value: Any) -> None:
    target: Any = document
    for key in place[:-1]:
        target = target[key]
    target[place[-1]] = value


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("cells",), {"0": "x"}),
        (("cells",), "x"),
        (("cells", 1), "print(1)"),
        (("cells", 1), None),
        (("cells", 1, "cell_type"), 5),
        (("cells", 1, "cell_type"), "chart"),
        (("cells", 1, "source"), 5),
        (("cells", 1, "source"), {"a": 1}),
        (("cells", 1, "source"), ["ok", 7]),
        (("cells", 1, "metadata"), []),
        (("cells", 1, "metadata", "tags"), "task"),
        (("cells", 1, "metadata", "tags"), [1, None]),
        (("cells", 1, "metadata", "orch_nb"), "x"),
        (("cells", 1, "metadata", "orch_nb"), {"retries": "many"}),
        (("cells", 1, "metadata", "orch_nb"), {"name": 5}),
        (("cells", 1, "outputs"), "none"),
        (("cells", 1, "outputs"), [5]),
        (("cells", 1, "id"), 17),
        (("metadata",), []),
        (("metadata", "kernelspec"), "python3"),
        (("metadata", "kernelspec", "name"), 3),
        (("nbformat",), "four"),
        (("nbformat",), 99),
        (("nbformat_minor",), None),
    ],
)
def test_wrong_types_anywhere(
    bench: Bench, write_notebook: Write, place: tuple[str | int, ...], value: Any
) -> None:
    path = write_notebook("first = 1", code("second = 2", "task"))
    document = json.loads(path.read_text())
    put(document, place, value)
    path.write_text(json.dumps(document))
    message = refused(bench, "run", "sales.ipynb")
    assert "sales.ipynb" in message
    if place[:2] == ("cells", 1):
        assert re.search("cell 2|after cell 1", message)


def test_no_code_cells(bench: Bench, write_notebook: Write) -> None:
    write_notebook({"cell_type": "markdown", "metadata": {}, "source": "# Only words"})
    assert re.search(r"no code cell.*sales\.ipynb", refused(bench, "run", "sales.ipynb"), re.S)


def test_a_syntax_error(bench: Bench, write_notebook: Write) -> None:
    write_notebook("ok = 1", "#| task load\nbroken = (1,\n")
    message = refused(bench, "run", "sales.ipynb")
    assert re.search(r"sales\.ipynb, cell 2 'load'", message)
    assert "line" in message


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("#| task load --retry 3", r"unknown option --retry +--> sales\.ipynb, cell 2 'load'"),
        ("%%task load --retry 3", r"hint: did you mean --retries 3 \?"),
        ("%%task load --timeout 5", r"'5' is not a duration"),
        ("%%task load --timeout soon", r"'soon' is not a duration"),
        ("%%task load --retries many", r"--retries many must be a whole number"),
        ("%%flow sales --runner locl", r"hint: did you mean --runner local \?"),
    ],
)
def test_a_bad_option_in_a_magic_line(
    bench: Bench, write_notebook: Write, line: str, expected: str
) -> None:
    write_notebook("ok = 1", f"{line}\nx = 1")
    message = refused(bench, "run", "sales.ipynb")
    assert re.search(expected, message)
    assert "sales.ipynb, cell 2" in message


def test_an_unknown_parameter_gets_the_nearest_name(bench: Bench, write_notebook: Write) -> None:
    write_notebook("import os", PARAMETERS, "print(years)")
    message = refused(bench, "run", "sales.ipynb", "-p", "year", "[2025]")
    assert re.search(r"no parameter 'year' +--> sales\.ipynb, cell 2\n", message)
    assert "hint: did you mean 'years' (list[int]) ?" in message


@pytest.mark.parametrize("value", ["2025", "[2025, 'x']", "yes", "{}", "None"])
def test_a_value_that_does_not_fit(bench: Bench, write_notebook: Write, value: str) -> None:
    write_notebook(PARAMETERS, "print(years)")
    message = refused(bench, "run", "sales.ipynb", "-p", "years", value)
    assert "is not a list[int]" in message
    assert "--> -p years" in message
    assert "hint: " in message


def test_a_parameter_without_a_parameters_cell(bench: Bench, write_notebook: Write) -> None:
    write_notebook("years = [2022]")
    message = refused(bench, "run", "sales.ipynb", "-p", "years", "[2025]")
    assert "parameters" in message
    assert "sales.ipynb" in message
    assert "hint: " in message


def test_two_tasks_of_one_name(bench: Bench, write_notebook: Write) -> None:
    write_notebook("%%task load\na = 1", "x = 1", "%%task load\nb = 1")
    message = refused(bench, "run", "sales.ipynb")
    assert "load" in message
    assert "sales.ipynb" in message
    assert re.search("cells? 1.*3", message)


def test_needing_a_task_that_is_not_there(bench: Bench, write_notebook: Write) -> None:
    write_notebook("%%task load\na = 1", "%%task report --needs laod\nb = 1")
    message = refused(bench, "run", "sales.ipynb")
    assert "laod" in message
    assert "sales.ipynb, cell 2 'report'" in message
    assert re.search("hint: .*load", message)


def test_a_cycle_of_needs(bench: Bench, write_notebook: Write) -> None:
    write_notebook("%%task a --needs b\nx = 1", "%%task b --needs a\ny = 1")
    message = refused(bench, "run", "sales.ipynb")
    assert "sales.ipynb" in message
    assert re.search("cell 1.*cell 2|'a'.*'b'", message, re.S)


def test_a_missing_kernel(bench: Bench, write_notebook: Write) -> None:
    spec = {"kernelspec": {"name": "no-such-kernel", "display_name": "None", "language": "R"}}
    write_notebook("1", metadata=spec)
    message = refused(bench, "run", "sales.ipynb")
    assert "no-such-kernel" in message
    assert "sales.ipynb" in message
    assert "hint: " in message


def test_a_missing_kernel_by_option(bench: Bench, write_notebook: Write) -> None:
    write_notebook("1")
    assert "no-such-kernel" in refused(bench, "run", "sales.ipynb", "-k", "no-such-kernel")


def test_a_missing_notebook_suggests_a_near_one(bench: Bench, write_notebook: Write) -> None:
    write_notebook("1")
    message = refused(bench, "run", "slaes.ipynb")
    assert "slaes.ipynb" in message
    assert "sales.ipynb" in message.replace("slaes.ipynb", "")


def test_a_folder_for_a_path(bench: Bench) -> None:
    (bench.folder / "reports").mkdir()
    message = refused(bench, "run", "reports")
    assert "reports" in message
    assert "folder" in message


def test_an_output_below_a_file(bench: Bench, write_notebook: Write) -> None:
    write_notebook("print(1)")
    (bench.folder / "file").write_text("x")
    assert "file/out.ipynb" in refused(bench, "run", "sales.ipynb", "-o", "file/out.ipynb")


def test_an_output_that_is_a_folder(bench: Bench, write_notebook: Write) -> None:
    write_notebook("print(1)")
    (bench.folder / "out").mkdir()
    assert "out" in refused(bench, "run", "sales.ipynb", "-o", "out")


def test_an_unwritable_output(bench: Bench, write_notebook: Write) -> None:
    write_notebook("print(1)")
    # /proc refuses new files even to root
    assert "/proc/out.ipynb" in refused(bench, "run", "sales.ipynb", "-o", "/proc/out.ipynb")


@pytest.fixture
def full_disk(bench: Bench) -> Iterator[Path]:
    """A file system with no room left, where this user may mount one."""
    folder = Path(bench.folder) / "full"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        mounted = False
    if not mounted:
        pytest.skip("mounting a small file system needs root")
    try:
        with (folder / "filler").open("wb", buffering=0) as filler, contextlib.suppress(OSError):
            while filler.write(bytes(4096)):
                pass
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_full_output(bench: Bench, write_notebook: Write, full_disk: Path) -> None:
    write_notebook("print('x' * 10_000)")
    message = refused(bench, "run", "sales.ipynb", "-o", "full/out.ipynb")
    assert "full/out.ipynb" in message


def test_a_disk_that_fills_up_during_the_run(
    bench: Bench, write_notebook: Write, full_disk: Path
) -> None:
    (full_disk / "filler").write_bytes(bytes(131_072))  # room for a first save, not for the last
    write_notebook("print('x' * 100_000)", "%%task report\nprint('y' * 100_000)")
    ended = bench.orch("run", "sales.ipynb", "-o", "full/out.ipynb")
    assert ended.code == 1, (ended.out, ended.err)
    message = "error: there is no space left for the output (it needs 0.2 MB)"
    assert ended.err.splitlines()[:2] == [message, "  --> full/out.ipynb"]
    assert [path.name for path in full_disk.iterdir()] == ["filler"]
    (run,) = bench.orch_json("runs")
    assert run["state_name"] == "Failed"
    assert run["state_message"] == message.removeprefix("error: ")


def test_a_store_made_by_a_newer_version(bench: Bench, write_notebook: Write) -> None:
    write_notebook("print(1)")
    assert bench.orch("run", "sales.ipynb", "-o", "first.ipynb").code == 0
    (database,) = bench.home.glob("*.db")
    with contextlib.closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE orch_nb_version SET version_num = '9999'")
    for command in (("run", "sales.ipynb"), ("runs",)):
        message = refused(bench, *command)
        assert "newer" in message
        assert "hint: " in message


def test_a_refused_run_is_not_recorded(bench: Bench, write_notebook: Write) -> None:
    write_notebook("x = (")
    refused(bench, "run", "sales.ipynb")
    assert bench.orch_json("runs") == []


def test_a_cell_that_is_no_python_fails_like_any_where_errors_are_allowed(
    bench: Bench, write_notebook: Write
) -> None:
    write_notebook("x = [1]", "print 'old'", "x.append(2); print(x)")
    assert "cell 2, line 1" in refused(bench, "run", "sales.ipynb", "out.ipynb")
    ended = bench.orch("run", "sales.ipynb", "out.ipynb", "--allow-errors")
    assert ended.code == 0, ended.err
    _, failed, shown = json.loads((bench.folder / "out.ipynb").read_text())["cells"]
    assert [output["ename"] for output in failed["outputs"]] == ["SyntaxError"]
    assert "".join(shown["outputs"][0]["text"]) == "[1, 2]\n"
