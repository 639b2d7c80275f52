"""The main road through a notebook, in one kernel: Run All, fail, debug, mend, resume, all done.

The short one of these tests; `make test-long` has the others.
"""

from __future__ import annotations

import re
from typing import Any

BROKEN = "%%task triple\nt = [s * 3 for s in sales['all']]"
CELLS = {
    "p": "years: list[int] = [1, 2]",
    "a": "%%task load\nsales = [y * 10 for y in years]",
    "b": "%%task double\nd = [s * 2 for s in sales]",
    "c": "%%task triple\nt = [s * 3 for s in sales]",
    "u": "total = sum(d) + sum(t)",
    "f": "%%flow sales",
}


def test_from_run_all_through_a_failure_to_the_end(start: Any, saved: Any) -> None:
    saved.tags["p"] = ["parameters"]
    saved.save(**CELLS)
    kernel = start(saved.path)
    for name, source in saved.cells.items():
        ran = kernel.run(source, name)
        assert ran.status == "ok", ran.error
    assert "5 up to date, 0 run" in ran.table
    assert kernel.value("total") == "150"

    saved.save(c=BROKEN)
    kernel.run("years = [5]")
    failed = kernel.run("%%flow sales", "f")
    assert "missing: t, total" in failed.table
    found = re.search(r"TypeError.*\n.*%flow debug (\S+)", failed.error)
    assert found is not None, failed.error
    assert kernel.value("d") == "[100]"

    kernel.run("sales = None")
    debugged = kernel.run(f"%flow debug {found[1]}")
    assert "its inputs, as they were: sales" in debugged.text
    assert [payload["text"] for payload in debugged.payload] == [BROKEN]
    assert kernel.value("sales") == "[50]"
    assert kernel.run(CELLS["c"], "mended").status == "ok"
    resumed = kernel.run(f"%flow resume {found[1]}")
    assert resumed.status == "ok", resumed.error
    assert kernel.value("t, total") == "([150], 250)"
    saved.save(c=CELLS["c"])
    assert "5 up to date, 0 run" in kernel.run("%%flow sales", "f").table
