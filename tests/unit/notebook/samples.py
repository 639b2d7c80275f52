"""Notebooks for these tests, built from sources."""

from __future__ import annotations

import json
from typing import Any

from orch_nb.notebook import Notebook, read_notebook


def code(source: str | list[str], **metadata: Any) -> dict[str, Any]:
    return {
        "cell_type": "code",
        "metadata": metadata,
        "source": source,
        "outputs": [],
        "execution_count": None,
    }


def document(*cells: dict[str, Any] | str, minor: int = 5, **metadata: Any) -> dict[str, Any]:
    """A document of the cells; a string is a code cell; ids are given where the format has them."""
    whole = [code(cell) if isinstance(cell, str) else dict(cell) for cell in cells]
    if minor >= 5:
        for number, cell in enumerate(whole):
            cell.setdefault("id", f"id-{number}")
    return {"nbformat": 4, "nbformat_minor": minor, "metadata": metadata, "cells": whole}


def notebook(*cells: dict[str, Any] | str, minor: int = 5, **metadata: Any) -> Notebook:
    return read_notebook("sales.ipynb", text=json.dumps(document(*cells, minor=minor, **metadata)))


def markdown(source: str, **metadata: Any) -> dict[str, Any]:
    return {"cell_type": "markdown", "metadata": metadata, "source": source}
