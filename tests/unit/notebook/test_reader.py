from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from orch_nb.errors import NotebookError, OptionError
from orch_nb.model import CellKind
from orch_nb.notebook import Flow, notebook_from_dict, read_notebook
from orch_nb.options import FlowOptions, TaskOptions
from tests.unit.notebook.samples import code, document, markdown, notebook


def test_a_notebook_end_to_end(tmp_path: Path) -> None:
    path = tmp_path / "sales.ipynb"
    content = document(
        markdown("# Sales"),
        "%load_ext orch_nb",
        code("years: list[int] = [2022]", tags=["parameters"]),
        code(["%%task load --retries 3 --timeout 5m\n", "sales = read(years)\n"]),
        "#| task by_region\nregions = sales",
        code("months = sales.count()", tags=["task"], orch_nb={"name": "by_month", "retries": 2}),
        code("%%setup\nimport db", tags=["other"]),
        code("broken(", tags=["skip", "task"]),
        "%%flow sales --runner inline --max-workers 4",
        kernelspec={"name": "python3", "display_name": "Python 3", "language": "python"},
    )
    path.write_text(json.dumps(content))
    read = read_notebook(path)
    assert [(c.number, c.position, c.id, c.label, c.kind, c.source) for c in read.cells] == [
        (1, 1, "id-1", "cell 1", CellKind.PLAIN, "%load_ext orch_nb"),
        (2, 2, "id-2", "cell 2", CellKind.PARAMETERS, "years: list[int] = [2022]"),
        (3, 3, "id-3", "cell 3 'load'", CellKind.TASK, "#\nsales = read(years)\n"),
        (
            4,
            4,
            "id-4",
            "cell 4 'by_region'",
            CellKind.TASK,
            "#| task by_region\nregions = sales",
        ),
        (5, 5, "id-5", "cell 5 'by_month'", CellKind.TASK, "months = sales.count()"),
        (6, 6, "id-6", "cell 6", CellKind.SETUP, "#\nimport db"),
        (7, 7, "id-7", "cell 7", CellKind.SKIP, "broken("),
        (8, 8, "id-8", "cell 8", CellKind.FLOW, ""),
    ]
    assert [c.options for c in read.cells][2:5] == [
        TaskOptions(retries=3, timeout=300.0),
        TaskOptions(),
        TaskOptions(retries=2),
    ]
    assert (read.path, read.name, read.filename) == (str(path), "sales", "sales.ipynb")
    assert (read.kernel, read.language, read.notices) == ("python3", "python", ())
    assert read.flow == Flow("sales", FlowOptions(runner="inline", max_workers=4), 8)
    assert read.where(read.cells[2], 2) == "sales.ipynb, cell 3 'load', line 2"
    assert read.raw["cells"][3]["source"].startswith("%%task load")


def test_lines_and_metadata_say_the_same() -> None:
    words = "task load --retries 3 --retry-delay 2s --needs a,b\nx"
    line = notebook(f"%%{words}").cells[0]
    comment = notebook(f"#| {words}").cells[0]
    given = {"name": "load", "retries": 3, "retry_delay": "2s", "needs": ["a", "b"]}
    tagged = notebook(code("x", tags=["task"], orch_nb=given)).cells[0]
    both = notebook(
        code(
            "%%task load --retries 3 --retry-delay 2s --needs a,b\nx", tags=["task"], orch_nb=given
        )
    ).cells[0]
    said = {(c.kind, c.name, c.named, c.options) for c in (line, comment, tagged, both)}
    assert len(said) == 1


def test_a_tag_alone_agrees_with_any_task_line() -> None:
    cell = notebook(code("%%task load --retries 3\nx", tags=["task"])).cells[0]
    assert (cell.name, cell.options.retries) == ("load", 3)


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        (
            code(
                "%%task load --retries 3\nx", tags=["task"], orch_nb={"name": "load", "retries": 2}
            ),
            "the first line and the cell's metadata disagree about this task",
        ),
        (
            code("%%task load\nx", tags=["setup"]),
            "the first line says 'task', the tag says 'setup'",
        ),
        (
            code("#| task load\nx", tags=["parameters"]),
            "the first line says 'task', the tag says 'parameters'",
        ),
    ],
)
def test_disagreement_names_the_cell_and_the_remedy(cell: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError) as caught:
        notebook("1", cell)
    assert caught.value.message == message
    assert str(caught.value.where).startswith("sales.ipynb, cell 2")
    assert "orch-nb check --fix" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("source", "blanked"),
    [
        ("%%task t\nx = 1", "#\nx = 1"),
        ("\n\n%%task t\nx = 1", "\n\n#\nx = 1"),
        ("%%task t\n%%time\nx = 1", "\n%%time\nx = 1"),
        ("%%task t\n\n  \n%%time\nx", "\n\n  \n%%time\nx"),
        ("%%task t\r\nx = 1", "#\nx = 1"),
        ("%%task", ""),
        ("%%task t\n\n", ""),
        ("%%task\tt\nx", "#\nx"),
    ],
)
def test_a_magic_line_is_blanked_and_lines_stay(source: str, blanked: str) -> None:
    cell = notebook(source).cells[0]
    assert (cell.kind, cell.source) == (CellKind.TASK, blanked)


def test_ipython_keeps_the_line_numbers_of_a_blanked_cell() -> None:
    from IPython.core.inputtransformer2 import TransformerManager

    source = notebook("%%task t\n!ls\n1/0").cells[0].source
    assert TransformerManager().transform_cell(source).split("\n")[2] == "1/0"
    timed = notebook("%%task t\n%%time\n1/0").cells[0].source
    assert "run_cell_magic('time'" in TransformerManager().transform_cell(timed)


@pytest.mark.parametrize(
    "source",
    [
        "x = 1\n%%task t",
        "  %%task t\nx",
        "%%tasks t\nx",
        "%%time\nx",
        "#| label: fig-1\nx",
        "#| task: yes\nx",
        "#| export\nx",
        "# %%task t",
        "%flow sales\nx = 1",
        "",
        "   \n ",
    ],
)
def test_what_only_looks_like_a_task_is_plain(source: str) -> None:
    cell = notebook(source).cells[0]
    assert (cell.kind, cell.source) == (CellKind.PLAIN, source)


def test_other_tools_comment_lines_may_stand_above_ours() -> None:
    assert notebook("#| label: fig\n#| task load\nx").cells[0].name == "load"


@pytest.mark.parametrize(
    ("cells", "flow"),
    [
        (["1"], Flow("sales")),
        (["%flow daily --cells all"], Flow("daily", FlowOptions(cells="all"), 1)),
        (["%flow graph"], Flow("sales")),
        (["%%flow\nload()"], Flow("sales", FlowOptions(), 1)),
        ([code("", tags=["flow"], orch_nb={"name": "daily"})], Flow("daily", FlowOptions(), 1)),
        (["%%flow a", "%%flow b"], Flow("b", FlowOptions(), 2)),
    ],
)
def test_the_flow_that_a_notebook_declares(cells: list[Any], flow: Flow) -> None:
    assert notebook(*cells).flow == flow


def test_two_flow_cells_give_a_notice() -> None:
    assert notebook("%%flow a", "%%flow b").notices == (
        "2 cells declare a flow; the last, cell 2, counts",
    )


def test_the_notebook_s_own_metadata_may_declare_the_flow() -> None:
    read = notebook("1", orch_nb={"flow": {"name": "daily", "runner": "inline"}, "run_id": "x"})
    assert read.flow == Flow("daily", FlowOptions(runner="inline"))


def test_the_record_of_an_earlier_run_is_no_option() -> None:
    record = {"task": "sun", "state": "Completed", "attempts": 1, "seconds": 1.0, "where": "fork"}
    cell = notebook(code("x", tags=["task"], orch_nb={"name": "load", **record})).cells[0]
    assert (cell.name, cell.options) == ("load", TaskOptions())
    assert notebook(code("%%task load\nx", tags=["task"], orch_nb=record)).cells[0].name == "load"


def test_options_without_a_tag_are_pointed_out() -> None:
    read = notebook("1", code("x", orch_nb={"retries": 3}))
    assert read.cells[1].kind is CellKind.PLAIN
    assert read.notices == ("cell 2 has options in its metadata but no tag 'task': not used",)


def test_cell_ids_come_from_the_source_where_the_file_has_none() -> None:
    first = notebook("x = 1", "y = 2", "x = 1", minor=4)
    again = notebook("new", "y = 2", "x = 1", minor=4)
    ids = [cell.id for cell in first.cells]
    assert len(set(ids)) == 3
    assert [cell.id for cell in again.cells][1:] == [ids[1], ids[0]]


def test_bad_ids_are_mended_in_the_raw_document() -> None:
    content = document("a", "b", "c", "d")
    for cell, id in zip(content["cells"], ("same", "same", "not valid!", "x" * 65), strict=True):
        cell["id"] = id
    read = notebook_from_dict(content, path="sales.ipynb")
    ids = [cell.id for cell in read.cells]
    assert len(set(ids)) == 4
    assert ids == [cell["id"] for cell in read.raw["cells"]]
    assert len(read.notices) == 1
    assert content["cells"][1]["id"] == "same"


def test_the_input_is_never_changed() -> None:
    content = document(code(["a\n", "b"], tags=["x", "x"]), kernelspec={"name": "python3"})
    before = json.dumps(content)
    read = notebook_from_dict(content, path="sales.ipynb")
    assert json.dumps(content) == before
    assert read.raw["cells"][0]["source"] == "a\nb"


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ({}, (None, "python", True)),
        ({"kernelspec": {"name": "bash", "display_name": "Bash"}}, ("bash", "bash", False)),
        ({"kernelspec": {"name": "ir", "display_name": "R", "language": "R"}}, ("ir", "r", False)),
        (
            {"kernelspec": {"name": "env"}, "language_info": {"name": "python"}},
            ("env", "python", True),
        ),
        ({"kernelspec": {"name": "python3"}}, ("python3", "python", True)),
    ],
)
def test_kernel_and_language(metadata: dict[str, Any], expected: tuple[Any, ...]) -> None:
    read = notebook("1", **metadata)
    assert (read.kernel, read.language, read.is_python) == expected


def test_two_tasks_of_one_name() -> None:
    with pytest.raises(NotebookError) as caught:
        notebook("%%task load\nx", "1", "#| task load\ny")
    assert str(caught.value) == (
        "two tasks have the name 'load': cells 1 and 3  --> sales.ipynb, cell 3 'load'\n"
        "  hint: rename one of them"
    )


def test_an_unknown_option_reads_as_the_design_says() -> None:
    with pytest.raises(OptionError) as caught:
        notebook("1", "2", "%%task load --retry 3\nx")
    assert str(caught.value) == (
        "unknown option --retry  --> sales.ipynb, cell 3 'load'\n  hint: did you mean --retries 3 ?"
    )


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("%%task cell-7\nx", "the name 'cell-7' is kept for cells without a name"),
        ("%%setup x\ny", "setup takes no name or options, but 'x' follows it"),
        (code("x", tags=["task", "setup"]), "the tags 'task' and 'setup' contradict each other"),
        (code("x", tags=["task"], orch_nb={"name": "a" * 10**6}), None),
        ("%%task " + "a" * 10**6 + "\nx", None),
        ("%%task a\0b\nx", "the name 'a\\x00b' holds a character that can't be shown"),
        ("%%task \ud800\nx", "the name '\\ud800' holds a character that can't be shown"),
        ("%%task t --timeout 5\nx", "--timeout: '5' is not a duration"),
    ],
)
def test_bad_declarations(cell: dict[str, Any] | str, message: str | None) -> None:
    with pytest.raises(OptionError) as caught:
        notebook(cell)
    assert message in (None, caught.value.message)
    assert len(str(caught.value)) < 400
    assert str(caught.value).isprintable() or "\n" in str(caught.value)


GOOD = json.dumps(document("x = 1", code("y = 2", tags=["task"])))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the file is empty, not a notebook"),
        (" \n", "the file is empty, not a notebook"),
        ("hello", "this is not a notebook"),
        ("print(1)\n", "this is not a notebook"),
        (GOOD[:-40], "the notebook is cut short: its JSON ends in the middle, at line 1"),
        (GOOD[:1], "the notebook is cut short: its JSON ends in the middle, at line 1"),
        (
            GOOD.replace(",", ";", 1),
            "the notebook is not valid JSON: Expecting ',' delimiter, line 1",
        ),
        ("{}", "this is JSON, but not a notebook"),
        ('{"a": 1}', "this is JSON, but not a notebook"),
        ("[]", "not a valid notebook: the notebook is a list, not an object"),
        ("3", "not a valid notebook: the notebook is a whole number, not an object"),
        ('{"nbformat": 4}', "not a valid notebook: cells is null, not a list"),
        (
            '{"nbformat": 5, "cells": []}',
            "the notebook is in nbformat 5; orch_nb reads up to nbformat 4",
        ),
        ('{"nbformat": 3}', None),
        ('{"nbformat": 2, "worksheets": 7}', None),
        ('{"nbformat": 4, "cells": []}', "the notebook has no code cells"),
        (json.dumps(document(markdown("x"))), "the notebook has no code cells"),
        ("[" * 100_000, None),
        ('{"cells": [' + "[" * 100_000 + "]" * 100_000 + "]}", None),
        ('{"nbformat": ' + "9" * 10_000 + "}", None),
        ('{"nbformat": 1e400, "cells": []}', None),
    ],
)
def test_what_is_no_notebook(text: str, message: str | None) -> None:
    with pytest.raises(NotebookError) as caught:
        read_notebook("sales.ipynb", text=text)
    assert message in (None, caught.value.message)
    assert caught.value.where == "sales.ipynb"
    assert caught.value.hint


def test_merge_conflicts_are_recognised() -> None:
    text = GOOD.replace("}", "}\n<<<<<<< ours\n", 1)
    with pytest.raises(NotebookError) as caught:
        read_notebook("sales.ipynb", text=text)
    assert caught.value.hint == "it holds merge conflicts (<<<<<<<): resolve them first"


def test_a_folder_a_missing_file_and_a_bad_path(tmp_path: Path) -> None:
    (tmp_path / "sales.ipynb").write_text(GOOD)
    with pytest.raises(NotebookError, match="this is a folder, not a notebook") as folder:
        read_notebook(tmp_path)
    with pytest.raises(NotebookError, match="there is no such file") as missing:
        read_notebook(tmp_path / "sale.ipynb")
    assert folder.value.hint == f"name a notebook in it, such as {tmp_path / 'sales.ipynb'}"
    assert missing.value.hint == f"did you mean {tmp_path / 'sales.ipynb'} ?"
    for path in ("a\0b", "x" * 5000 + ".ipynb", str(tmp_path / "sales.ipynb" / "x.ipynb"), ""):
        with pytest.raises(NotebookError):
            read_notebook(path)


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / "sales.ipynb"
    path.write_bytes(b"\x80\x04\xff")
    with pytest.raises(NotebookError, match="not UTF-8"):
        read_notebook(path)
    path.write_bytes(b"\xef\xbb\xbf" + GOOD.encode())
    assert len(read_notebook(path).cells) == 2


def test_an_older_format_is_upgraded_with_a_notice() -> None:
    old = {
        "nbformat": 3,
        "nbformat_minor": 0,
        "metadata": {"name": "old"},
        "worksheets": [
            {
                "metadata": {},
                "cells": [
                    {"cell_type": "heading", "level": 1, "metadata": {}, "source": "Old"},
                    {
                        "cell_type": "code",
                        "collapsed": False,
                        "input": "#| task load\nx = 1",
                        "language": "python",
                        "metadata": {},
                        "outputs": [],
                        "prompt_number": 4,
                    },
                ],
            }
        ],
    }
    first, again = (read_notebook("old.ipynb", text=json.dumps(old)) for _ in range(2))
    assert first.notices[0] == "upgraded from nbformat 3; save it in Jupyter to keep that"
    assert first.cells == again.cells
    assert (first.cells[0].name, first.raw["nbformat"]) == ("load", 4)


PERCENT = """# %% [markdown]
# # Sales

# %% tags=["parameters"]
n: int = 1

# %%
# %%task load
x = n
"""
MARKDOWN = """# Sales

```python tags=["parameters"]
n: int = 1
```

```python
%%task load
x = n
```
"""


@pytest.mark.parametrize(("name", "text"), [("sales.py", PERCENT), ("sales.md", MARKDOWN)])
def test_text_notebooks_through_jupytext(tmp_path: Path, name: str, text: str) -> None:
    path = tmp_path / name
    path.write_text(text)
    first, again = read_notebook(path), read_notebook(path)
    assert first.cells == again.cells
    assert [(cell.kind, cell.label) for cell in first.cells] == [
        (CellKind.PARAMETERS, "cell 1"),
        (CellKind.TASK, "cell 2 'load'"),
    ]


def test_without_jupytext_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jupytext", None)
    with pytest.raises(NotebookError) as caught:
        read_notebook("sales.py", text=PERCENT)
    assert caught.value.hint == "pip install 'orch_nb[jupytext]'"


def test_a_notebook_from_a_url() -> None:
    import fsspec

    with fsspec.open("memory://sales.ipynb", "w") as file:
        file.write(GOOD)
    assert len(read_notebook("memory://sales.ipynb").cells) == 2
    with pytest.raises(NotebookError, match=r"there is no such file|can't be read"):
        read_notebook("memory://other.ipynb")
    with pytest.raises(NotebookError, match="can't be read"):
        read_notebook("nosuchscheme://other.ipynb")


def test_reading_a_v4_notebook_imports_nothing_heavy(tmp_path: Path) -> None:
    path = tmp_path / "sales.ipynb"
    path.write_text(GOOD)
    script = (
        "import sys\nfrom orch_nb.notebook import read_notebook, check_syntax, read_parameters\n"
        "n = read_notebook(sys.argv[1]); check_syntax(n); read_parameters(n)\n"
        "heavy = {'IPython', 'nbformat', 'papermill', 'yaml', 'fsspec', 'jupytext'}\n"
        "print(heavy & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "set()"


def test_where_the_cells_are() -> None:
    read = notebook(markdown("a"), "x", {"cell_type": "raw", "metadata": {}, "source": "r"}, "y")
    assert [(cell.number, cell.position) for cell in read.cells] == [(1, 1), (2, 3)]


def test_in_another_language_the_line_is_left_empty() -> None:
    cell = notebook("%%task t\nls", kernelspec={"name": "bash"}).cells[0]
    assert (cell.kind, cell.source) == (CellKind.TASK, "\nls")


def test_a_dash_reads_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(GOOD))
    read = read_notebook("-")
    assert (len(read.cells), read.name, read.flow.name) == (2, "stdin", "stdin")
