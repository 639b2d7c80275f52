from __future__ import annotations

import warnings

import pytest

from orch_nb.errors import NotebookError
from orch_nb.notebook import check_syntax
from tests.unit.notebook.samples import code, notebook


@pytest.mark.parametrize(
    "source",
    [
        "x = 1",
        "",
        "await load()",
        "async with a as b:\n    pass",
        "!ls\n%matplotlib inline\nx = !ls",
        "%%bash\nls (",
        "ls scripts/*.py",
        "timeit f(x)",
        "?print",
        "\n\n%%time\nx = (",
        "%%task load\n!ls\nx = 1",
        "print 'x'  # noqa\n".replace("print 'x'", "print('x')"),
    ],
)
def test_what_a_kernel_takes_is_taken(source: str) -> None:
    check_syntax(notebook(source))


@pytest.mark.parametrize(
    ("source", "message", "where", "hint"),
    [
        ("x = (1", "'(' was never closed", "cell 1, line 1", "correct `x = (1`"),
        ("%%task load\nfoo bar", "invalid syntax", "cell 1 'load', line 2", "correct `foo bar`"),
        ("\n\n!ls\ny = (", "'(' was never closed", "cell 1, line 4", "correct `y = (`"),
        ("print 1", None, "cell 1, line 1", "correct `print 1`"),
        ("x = 1\nls there", "invalid syntax", "cell 1, line 2", "correct `ls there`"),
        ("return 1", "'return' outside function", "cell 1, line 1", "correct `return 1`"),
        ("x = '\0'", "source code string cannot contain null bytes", None, None),
        ("x = '\ud800'", "the cell holds half of a surrogate pair", "cell 1", None),
        ("(" * 5000, None, None, None),
        ("-" * 100_000 + "1", "the cell is nested too deeply for Python", "cell 1", None),
        ("lambda:" * 50_000 + "1", None, None, None),
    ],
)
def test_syntax_errors_name_the_cell_and_line(
    source: str, message: str | None, where: str | None, hint: str | None
) -> None:
    with pytest.raises(NotebookError) as caught:
        check_syntax(notebook(source))
    error = caught.value
    assert error.message.startswith("syntax error: ")
    assert message is None or error.message == f"syntax error: {message}"
    assert where is None or error.where == f"sales.ipynb, {where}"
    assert hint is None or error.hint == hint
    assert len(str(error)) < 300


def test_cells_that_do_not_run_or_may_fail_are_left_alone() -> None:
    check_syntax(notebook("1", code("(", tags=["skip"]), code("(", tags=["raises-exception"])))


def test_where_errors_are_allowed_nothing_is_refused() -> None:
    check_syntax(notebook("print 1"), allow_errors=True)


def test_other_languages_are_left_alone() -> None:
    check_syntax(notebook("for x in *; do", kernelspec={"name": "bash"}))


def test_warnings_belong_to_the_run() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_syntax(notebook("x = '\\d'\nassert (1, 'x')"))
