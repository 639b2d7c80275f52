"""A tagged cell reads as what it was tagged, wherever it says so."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orch_nb.app.tagging import CellText, tag_cell
from orch_nb.errors import OptionError
from orch_nb.model import CellKind
from orch_nb.notebook.cells import read_cell

FIRST = st.sampled_from(
    ["", "%%task old --retries 1\n", "#| echo: false\n#| task\n", "\n%%setup\n", "%%flow x\r\n"]
)
BODY = st.sampled_from(["", "x = 1", "x = 1\ny = '%%task'\n", "#| other\nx"])
KINDS = st.sampled_from([kind for kind in CellKind if kind is not CellKind.INJECTED])
TAGS = st.lists(st.sampled_from(["mine", "task", "setup", "skip", "parameters"]), max_size=3)
OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "name": st.sampled_from(["load", "two words", "-"[1:] + "é"]),
        "retries": st.integers(0, 9),
        "timeout": st.sampled_from(["5m", "2s"]),
        "uses": st.just({"db": 1}),
        "independent": st.booleans(),
    },
)


@given(first=FIRST, body=BODY, kind=KINDS, tags=TAGS, options=OPTIONS)
def test_it_reads_as_it_was_tagged(
    first: str, body: str, kind: CellKind, tags: list[str], options: dict[str, Any]
) -> None:
    given_options = options if kind is CellKind.TASK else {}
    made = tag_cell(CellText(first + body, {"tags": tags, "k": 1}), kind, given_options)
    raw = {"source": made.source, "metadata": dict(made.metadata)}
    read = read_cell(raw, number=1, position=0, id="c", notebook="n.ipynb").cell
    assert read.kind is kind
    assert made.metadata["k"] == 1
    assert ("mine" in tags) == ("mine" in made.metadata.get("tags", ()))
    if kind is CellKind.TASK:
        assert read.options.retries == options.get("retries", 0)
        assert read.options.timeout == {"5m": 300.0, "2s": 2.0, None: None}[options.get("timeout")]
        assert not options.get("name") or read.name == options["name"]
    again = tag_cell(made, kind, given_options)
    assert again == made


def test_options_that_do_not_fit_are_refused() -> None:
    cell = CellText("x = 1", {})
    with pytest.raises(OptionError, match="a setup cell has no options"):
        tag_cell(cell, CellKind.SETUP, {"retries": 1})
    with pytest.raises(OptionError, match="unknown option"):
        tag_cell(cell, CellKind.TASK, {"retriess": 1})
    with pytest.raises(OptionError, match="can't be tagged"):
        tag_cell(CellText("%flow graph", {}), CellKind.TASK, {})
