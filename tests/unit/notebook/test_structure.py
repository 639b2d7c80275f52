"""Any JSON at all becomes a valid notebook or one clear error."""

from __future__ import annotations

import copy
import json
import warnings
from collections.abc import Iterator
from typing import Any

import nbformat
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from orch_nb.errors import NotebookError, OrchError
from orch_nb.notebook import (
    Notebook,
    OutputWriter,
    bind_parameters,
    check_syntax,
    notebook_from_dict,
    read_notebook,
)
from tests.unit.notebook.samples import code, document, markdown

VALID: dict[str, Any] = document(
    markdown("# Sales ![](attachment:a.png)", tags=["intro"], name="title")
    | {"attachments": {"a.png": {"image/png": "aGk="}}},
    code("years: list[int] = [2022]  # which", tags=["parameters"]),
    code(["%%task load --retries 3\n", "x = 1"], collapsed=True, scrolled="auto")
    | {
        "execution_count": 3,
        "outputs": [
            {"output_type": "stream", "name": "stdout", "text": ["a\n", "b"]},
            {
                "output_type": "execute_result",
                "data": {"text/plain": ["1"], "application/json": {"a": 1}},
                "metadata": {"isolated": True},
                "execution_count": 3,
            },
            {"output_type": "error", "ename": "E", "evalue": "v", "traceback": ["t"]},
        ],
    },
    code("y = 2", tags=["task"], orch_nb={"name": "y", "retry_delay": ["2s", 5]})
    | {"outputs": [{"output_type": "display_data", "data": {"text/html": "<b>"}, "metadata": {}}]},
    code("z", jupyter={"source_hidden": True}, execution={"iopub.status.busy": "2026"}),
    {"cell_type": "raw", "metadata": {"format": "text/html"}, "source": "<b>"},
    "%%flow sales --runner inline",
    kernelspec={"name": "python3", "display_name": "Python 3", "language": "python"},
    language_info={
        "name": "python",
        "version": "3.11",
        "codemirror_mode": {"name": "ipython"},
        "file_extension": ".py",
        "mimetype": "text/x-python",
        "pygments_lexer": "ipython3",
    },
    papermill={"parameters": {"a": 1}},
    orch_nb={"flow": {"name": "sales"}},
    widgets={"application/vnd.jupyter.widget-state+json": {"state": {}}},
    title="Sales",
    authors=[{"name": "a"}],
)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path to every value inside a JSON value, itself included."""
    yield path
    if isinstance(value, dict):
        for key, item in value.items():
            yield from places(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from places(item, (*path, index))


def mutated(content: Any, path: tuple[Any, ...], new: Any) -> Any:
    """A copy with the value at the path replaced, or removed when ``new`` is Ellipsis."""
    if not path:
        return None if new is ... else new
    result = copy.deepcopy(content)
    parent = result
    for step in path[:-1]:
        parent = parent[step]
    if new is ...:
        del parent[path[-1]]
    else:
        parent[path[-1]] = new
    return result


def is_valid(content: dict[str, Any]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        nbformat.validate(copy.deepcopy(content))


def read_or_refuse(content: Any) -> Notebook | None:
    """What the reader makes of it; everything but an OrchError is the test's failure."""
    try:
        read = read_notebook("sales.ipynb", text=json.dumps(content))
        check_syntax(read)
        bind_parameters(read, ())
    except OrchError as error:
        shown = f"{error.message} {error.where} {error.hint}"
        problem = error.message if not error.where or not error.hint or len(shown) > 1000 else ""
    else:
        return read
    assert not problem
    return None


def test_the_sample_is_valid() -> None:
    is_valid(VALID)
    read = read_or_refuse(VALID)
    assert read is not None
    is_valid(dict(read.raw))


WRONG: tuple[Any, ...] = (..., None, 0, -1, 1.5, True, "", "x", [], [0], [None], {}, {"x": 0})


@pytest.mark.parametrize("wrong", WRONG, ids=repr)
def test_one_wrong_value_anywhere(wrong: Any) -> None:
    for path in places(VALID):
        read = read_or_refuse(mutated(VALID, path, wrong))
        if read is not None:
            is_valid(dict(read.raw))
            is_valid(json.loads(OutputWriter(read, None).content()))


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 10**20)
    | st.floats(allow_nan=False)
    | st.text(st.characters(), max_size=6)
    | st.sampled_from(
        ["task", "parameters", "skip", "code", "markdown", "%%task x\n1", "(", "\ud800"]
    ),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["source", "metadata", "cell_type", "tags", "id", "name", "retries", "é"]
            ),
            inner,
            max_size=3,
        )
    ),
    max_leaves=6,
)
mutations = st.lists(
    st.tuples(st.sampled_from(sorted(places(VALID), key=repr)), json_values), min_size=1, max_size=3
)


@settings(deadline=None, max_examples=400)
@given(mutations, st.sampled_from([0, 1, 2, 4, 5, 9]))
@example([(("cells", 2, "source"), "%%task " + "x" * 10**5)], 5)
@example([(("cells", 2, "source"), "x = '\ud800\0'")], 5)
@example([(("cells", 0, "metadata", "name"), "two\nlines")], 5)
def test_wrong_types_anywhere(changes: list[tuple[tuple[Any, ...], Any]], minor: int) -> None:
    content: Any = copy.deepcopy(VALID)
    content["nbformat_minor"] = minor
    for path, new in changes:
        try:
            content = mutated(content, path, new)
        except (KeyError, IndexError, TypeError):
            continue  # an earlier change took that place away
    read = read_or_refuse(content)
    if read is not None and minor in (4, 5):
        is_valid(json.loads(OutputWriter(read, None).content()))


@settings(deadline=None)
@given(json_values)
def test_any_json_at_all(content: Any) -> None:
    read_or_refuse(content)


@settings(deadline=None)
@given(st.sampled_from([1, 2, 3]), mutations)
def test_any_old_format(major: int, changes: list[tuple[tuple[Any, ...], Any]]) -> None:
    cells = VALID["cells"]
    content: Any = {"nbformat": major, "nbformat_minor": 0, "metadata": {}, "cells": cells}
    content["worksheets"] = [{"cells": cells, "metadata": {}}]
    for path, new in changes:
        if path and path[0] == "cells":
            try:
                content["worksheets"][0]["cells"] = mutated(content, path, new)["cells"]
            except (KeyError, IndexError, TypeError):
                continue  # an earlier change took that place away
    read_or_refuse(content)


def test_the_message_says_where_and_what() -> None:
    with pytest.raises(NotebookError) as caught:
        notebook_from_dict(mutated(VALID, ("cells", 2, "source"), 5), path="a/sales.ipynb")
    assert str(caught.value) == (
        "not a valid notebook: the source of cell 2 is a whole number, not text  --> sales.ipynb\n"
        "  hint: open it in Jupyter and save it again, or restore an earlier version"
    )
    with pytest.raises(NotebookError, match="the tags of the markdown cell at the top is text"):
        notebook_from_dict(mutated(VALID, ("cells", 0, "metadata", "tags"), "x"), path="s.ipynb")
    with pytest.raises(NotebookError, match="the raw cell after cell 4"):
        notebook_from_dict(mutated(VALID, ("cells", 5, "metadata"), 1), path="s.ipynb")


def test_small_faults_are_mended_and_said() -> None:
    content = copy.deepcopy(VALID)
    content["cells"][2]["prompt_number"] = 3
    content["cells"][3]["metadata"]["tags"] = ["task", "task", "a,b", ""]
    content["extra"] = 1
    del content["metadata"]["kernelspec"]["name"]
    read = notebook_from_dict(content, path="s.ipynb")
    is_valid(dict(read.raw))
    assert read.cells[2].tags == ("task", "a", "b")
    assert len(read.notices) == 4


def test_a_thousand_cells_are_read_quickly() -> None:
    import time

    text = json.dumps(document(*[f"x{n} = {n}\n" * 10 for n in range(1000)]))
    start = time.perf_counter()
    read = read_notebook("sales.ipynb", text=text)
    assert len(read.cells) == 1000
    assert time.perf_counter() - start < 1
