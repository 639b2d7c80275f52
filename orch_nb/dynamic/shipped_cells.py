"""What another machine needs to run calls of a notebook's cells: the values that these read,
shipped once for all calls.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True, slots=True)
class ShippedCells:
    """Cells that may be called, with the ``manifest`` of what they read, which lies among the
    results, and the sources of setup cells. A session that is opened with ``spec`` and given
    ``message`` is forked for their calls; ``preload`` names libraries that it is to have."""

    spec: Mapping[str, Any]
    cells: tuple[Mapping[str, Any], ...]
    manifest: Mapping[str, Any]
    setups: tuple[str, ...]
    preload: tuple[str, ...]

    @property
    def digest(self) -> str:
        """What the blob of their values is known by."""
        return str(self.manifest["digest"])

    @property
    def message(self) -> dict[str, Any]:
        """What the session is given."""
        return {
            "op": "serve calls",
            "server": "orch_nb.dynamic.cell_processes:serve_cells",
            "cells": list(self.cells),
            "manifest": self.manifest,
            "setups": self.setups,
        }

    def placed(self, folder: str, results: str) -> ShippedCells:
        """The same, for a machine that has its own folder and its own results."""
        return replace(self, spec={**self.spec, "folder": folder, "results": results})
