"""Where home can't be forked, cells run on shipped inputs, with the same results."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.guarantee.harness import Bench, open_bench
from tests.guarantee.test_hazards import NOTEBOOKS, WAIT

CHOSEN = (
    "seeded random numbers in a fork",
    "alias through a container",
    "view of a view",
    "large array changed in place",
    "closure state",
    "class defined anew",
    "class changed later",
    "generator half consumed",
    "cache of calls",
    "unpicklable values",
    "methods that raise",
    "self-reference",
    "thread left alive",
    "folder changed",
    "file appended in order",
    "monkeypatched module",
    "decimal context",
    "figure used across cells",
    "results by number",
    "names deleted again",
    "failure in the middle",
)


@pytest.fixture(scope="module")
def forkless() -> Iterator[Bench]:
    """A bench whose home processes may not be forked."""
    with open_bench({"ORCH_NB_NO_FORK": "1"}) as found:
        yield found


@pytest.mark.parametrize("name", CHOSEN)
def test_shipped_inputs_give_the_same_results(forkless: Bench, name: str) -> None:
    found = forkless.compare(NOTEBOOKS[name])
    assert not found, "\n".join(found)


def test_cells_run_beside_each_other_on_what_was_shipped(forkless: Bench) -> None:
    cells = (
        "import os, time",
        "xs = [1]; box = {'xs': xs}; home = os.getpid()",
        f"{WAIT}; xs.append(2); one = os.getpid() == home",
        f"{WAIT}; y = 3; other = os.getpid() == home",
        "print(box['xs'], y, one, other)",
    )
    seen = forkless.run(cells)
    assert seen.outputs[4] == ("stdout: [1, 2] 3 False False\n",)
    assert not seen.learned


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        (
            (f"import threading; lock = threading.Lock(); {WAIT}", f"{WAIT}; x = lock.locked()"),
            "lock",
        ),
        ((f"import math; math.tau = 3; {WAIT}", f"{WAIT}; x = math.tau"), "module math"),
        ((f"{WAIT}; open('f.txt', 'w').write('1')", f"{WAIT}; x = 1"), "writes a file"),
    ],
)
def test_what_cant_be_shipped_runs_at_home_and_says_why(
    forkless: Bench, cells: tuple[str, ...], reason: str
) -> None:
    seen = forkless.run(("import time", f"{WAIT}; beside = 1", *cells, f"{WAIT}; z = 1", "z"))
    assert seen.state == "Completed", seen.message
    assert any(reason in where for where in seen.where), seen.where
    assert not seen.learned  # another run may be able to fork


def test_a_live_thread_does_not_make_the_rest_serial(bench: Bench) -> None:
    cells = (
        "import os, threading, time",
        "stop = threading.Event(); home = os.getpid()\n"
        "t = threading.Thread(target=stop.wait, daemon=True); t.start()",
        "data = [1, 2, 3]",
        f"a = sum(data); {WAIT}; one = os.getpid() == home",
        f"b = max(data); {WAIT}; other = os.getpid() == home",
        "print(a, b, one, other, t.is_alive()); stop.set(); t.join(); del t, stop",
    )
    seen = bench.run(cells)
    assert seen.outputs[5] == ("stdout: 6 3 False False True\n",)
