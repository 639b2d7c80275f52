"""The notebook as it stands in a page, which JupyterLab's extension tells before a flow's cell."""

from __future__ import annotations

import json
from typing import Any


def cell(name: str, source: str) -> dict[str, Any]:
    """A code cell as a front-end holds it."""
    return {
        "cell_type": "code",
        "id": name,
        "metadata": {},
        "source": source,
        "outputs": [],
        "execution_count": None,
    }


def test_a_flow_takes_the_cells_of_the_page_that_were_never_saved(start: Any, saved: Any) -> None:
    saved.save(a="%%task load\nx = 1", f="%%flow")
    kernel = start(saved.path)
    cells = [
        cell("a", "%%task load\nx = 2"),
        cell("b", "%%task new\ny = 'é𝛼'"),
        cell("f", "%%flow"),
    ]
    page = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    told = json.dumps({"cell_id": "f", "document": page})
    code = f"__import__('orch_nb.magics.page', fromlist=['take']).take({told!r})"
    kernel.client.execute("%load_ext orch_nb", silent=True)
    kernel.client.execute(code, silent=True, store_history=False, stop_on_error=False)
    ran = kernel.run("%%flow", "f")
    assert "as they are in the page" in ran.table
    assert kernel.value("(x, y)") == "(2, 'é𝛼')"
    # what a page has told is of one run of the cell
    assert "as saved at" in kernel.run("%%flow", "f").table
