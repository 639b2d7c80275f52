"""Runs cells in a CellShell: reads a list of sources as JSON, writes what each gave as JSON."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path

from orch_nb.execution.shell import CellShell


def main(sources: Path, results: Path) -> None:
    shell = CellShell()
    cells = []
    for count, source in enumerate(json.loads(sources.read_text()), 1):
        result = shell.run(source, count=count)
        for update in result.display_updates:
            for earlier in cells:
                for position in earlier["display_ids"].get(update["display_id"], ()):
                    earlier["outputs"][position]["data"] = update["data"]
                    earlier["outputs"][position]["metadata"] = update["metadata"]
        cells.append(dataclasses.asdict(dataclasses.replace(result, value=None)))
    shell.close()
    widgets = {}
    for cell in cells:
        widgets |= cell["widgets"]
    results.write_text(json.dumps({"cells": cells, "widgets": widgets}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
