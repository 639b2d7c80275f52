"""Displays that one cell shows and others change end as after "Restart & Run All"."""

from __future__ import annotations

import pytest

from tests.guarantee.harness import Bench

IMPORTS = "import time\nfrom IPython.display import clear_output, display, update_display"
WAIT = "time.sleep(0.3)"

# Name → cells below the imports. What runs longest ends last, in another order than it stands.
NOTEBOOKS: dict[str, tuple[str, ...]] = {
    "the displaying cell ends after the updating one": (
        f"{WAIT}; display('a', display_id='d')",
        "update_display('b', display_id='d')",
    ),
    "two that update end in the other order": (
        "display('a', display_id='d')",
        f"{WAIT}; update_display('first', display_id='d')",
        "time.sleep(0.1); update_display('second', display_id='d')",
    ),
    "an update above the display": (
        f"{WAIT}; update_display('early', display_id='d')",
        "display('late', display_id='d')",
    ),
    "a handle that travels": (
        "h = display('a', display_id='d')",
        f"{WAIT}; h.update('x1')",
        "h.update('x2')",
        "h.display('x3')",
        "h.update('x4')",
    ),
    "one id shown in several cells": (
        f"{WAIT}; display('a', display_id='d')",
        "display('b', display_id='d')",
        "time.sleep(0.2); display('c', display_id='d'); update_display('e', display_id='d')",
    ),
    "a cleared output": (
        "display('a', display_id='d'); print(1)",
        f"{WAIT}; print('x'); clear_output(); update_display('z', display_id='d')",
        "print('x'); clear_output(wait=True); print(2)",
    ),
    "a failure between the display and the update": (
        "display('a', display_id='d')",
        f"{WAIT}; 1 / 0",
        "update_display('z', display_id='d')",
    ),
    "an update from a thread": (
        "import threading; display('a', display_id='d')",
        f"t = threading.Thread(target=update_display, args=('t',), kwargs={{'display_id': 'd'}})\n"
        f"t.start(); t.join(); del t; {WAIT}",
        "update_display('u', display_id='d')",
    ),
    "progress bars as text": (
        "from tqdm import tqdm\nfor _ in tqdm(range(3), bar_format='{n}'): time.sleep(0.1)",
        "for _ in tqdm(range(2), bar_format='{n}'): time.sleep(0.05)",
    ),
}


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_displays_end_as_after_run_all(bench: Bench, name: str) -> None:
    found = bench.compare((IMPORTS, *NOTEBOOKS[name]))
    assert not found, "\n".join(found)


def test_widgets_end_as_after_run_all(bench: Bench) -> None:
    cells = (
        "import time\nimport ipywidgets as w\nfrom tqdm.notebook import tqdm",
        "s = w.IntSlider(); t = w.Text(); o = w.Output()",
        f"{WAIT}; beside = 1",
        "s.value = 3",
        f"{WAIT}\nwith o:\n    print('in')",
        "s.description = 'd'; t.value = 'hello'",
        "with o:\n    print('in too')",
        f"for i in tqdm(range(3), bar_format='{{n}}'): {WAIT}",
        "for i in tqdm(range(4), bar_format='{n}'): time.sleep(0.05)",
    )
    serial = bench.run(cells, serial=True)
    parallel = bench.run(cells)
    assert parallel.widgets == serial.widgets
    assert len(serial.widgets) > 10
