"""What becomes of a cell's text before IPython compiles it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orch_nb.first_line import Form, find_first_line
from orch_nb.magics.transformer import CellTransformer


def transform(source: str, tasks: str = "run", autoawait: bool = True) -> str:
    session: Any = SimpleNamespace(
        settings=SimpleNamespace(tasks=tasks), shell=SimpleNamespace(autoawait=autoawait)
    )
    return "".join(CellTransformer(session)(source.splitlines(keepends=True)))


def test_the_task_line_becomes_a_comment_in_its_place() -> None:
    assert transform("%%task load --retries 3\nx = 1\ny = 2") == (
        "#%%task load --retries 3\nx = 1\ny = 2"
    )
    assert transform("%%setup\nx = 1") == "#%%setup\nx = 1"


def test_a_magic_below_comes_first() -> None:
    assert transform("%%task load\n\n%%time\nx = 1") == "%%time\nx = 1"


def test_a_task_with_nothing_below_is_no_code() -> None:
    assert transform("%%task load") == "#%%task load\n"


@pytest.mark.parametrize(
    "source",
    [
        "x = 1",
        "",
        "\n\n",
        "%time x",
        "#| label: fig\nx",
        "#| task load\nx = 1",
        "%flow graph",
        "%%html\n",
    ],
)
def test_other_cells_stay_as_they_are(source: str) -> None:
    assert transform(source) == source


def test_flows_are_awaited_where_that_works() -> None:
    assert transform("%%flow sales --fresh").startswith("await ")
    assert transform("%flow sales").startswith("await ")
    assert transform("%flow resume brave-otter").startswith("await ")
    assert ".flow_blocking(' sales'" in transform("%%flow sales", autoawait=False)
    assert transform("%%flow sales\nload()") == transform("%%flow sales")
    assert transform("#| flow sales") == transform("%%flow sales")


def test_bad_lines_complain_when_they_run() -> None:
    assert ".complain('task', ' load --nope')" in transform("%%task load --nope\nx = 1")
    assert ".complain('setup', ' now')" in transform("%%setup now\nx = 1")


def test_deferred_tasks_are_only_noted() -> None:
    assert ".note_deferred(' load')" in transform("%%task load\nx = 1", tasks="defer")
    assert ".note_deferred(' load')" in transform("#| task load\nx = 1", tasks="defer")
    assert transform("%%setup\nx = 1", tasks="defer") == "#%%setup\nx = 1"


@given(st.text(alphabet="%#| \n\tatskflow-'\"\\(){}é", max_size=60))
def test_any_text_is_taken(source: str) -> None:
    out = transform(source)
    said = find_first_line(source.splitlines(keepends=True))
    if said is None or (said.form is Form.COMMENT and said.word != "flow"):
        assert out == source


@given(
    st.text(max_size=40).filter(
        lambda text: not set(text) & set("\r\n\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029")
    )
)
def test_what_follows_a_magic_never_becomes_code(text: str) -> None:
    import ast

    for source in (f"%%task {text}\nx = 1", f"%%flow {text}", f"%%setup {text}\nx = 1"):
        tree = ast.parse(transform(source))
        names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        assert names <= {"x", "__import__"}
