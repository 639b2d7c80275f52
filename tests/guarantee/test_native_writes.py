"""Files that native code and programs write, which Python knows nothing of."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from orch_nb.app.running import RunRequest, run
from orch_nb.engine.events import Notice
from tests.command_line import make_document
from tests.guarantee.harness import Bench

IMPORTS = "import ctypes, os, time"
WAIT = "time.sleep(0.3)"


def native(name: str, text: str) -> str:
    """Source that writes a file without an audit event."""
    calls = f"[c.write(fd := c.creat(b'{name}', 0o644), b'{text}', {len(text)}), c.close(fd)]"
    return f"wrote = (lambda c: {calls})(ctypes.CDLL(None))"


# A path that a cell makes up as it runs: the source does not name it.
NAME = "'d' + '.bin'"

NOTEBOOKS: dict[str, tuple[str, ...]] = {
    "read after a native write": (
        f"{WAIT}\n{native('d.bin', 'one')}",
        f"print(open({NAME}).read() if os.path.exists({NAME}) else 'nothing')",
    ),
    "listing after a native write": (
        f"{WAIT}\n{native('d.bin', 'one')}",
        "print(sorted(os.listdir('.')))",
    ),
    "native write in a folder below": (
        "os.makedirs('sub')",
        f"{WAIT}\n{native('sub/d.bin', 'one')}",
        f"print(os.path.exists('sub/' + {NAME}) and open('sub/' + {NAME}).read())",
    ),
    "read after a program's write": (
        f"{WAIT}; _ = os.system('echo one > d.bin')",
        f"print(open({NAME}).read())",
    ),
    "read after a program deleted": (
        "open('d.bin', 'w').close()",
        f"{WAIT}; _ = os.system('rm d.bin')",
        f"time.sleep(0.1); print(os.path.exists({NAME}))",
    ),
    "writers beside each other": (
        f"time.sleep(0.1)\n{native('a.bin', 'a')}\n{WAIT}; a = 1",
        f"open('b.bin', 'w').write('b'); {WAIT}",
        f"time.sleep(0.2); c = 1\n{native('c.bin', 'c')}",
        "print(sorted(os.listdir('.')))",
    ),
}


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_what_is_written_unseen_is_seen_afterwards(bench: Bench, name: str) -> None:
    found = bench.compare((IMPORTS, *NOTEBOOKS[name]))
    assert not found, "\n".join(found)


def test_a_write_of_another_cell_is_not_taken_for_ones_own(bench: Bench) -> None:
    seen = bench.run(
        (
            IMPORTS,
            f"{WAIT}; x = 1",
            f"open('b.txt', 'w').write('b'); {WAIT}",
            f"time.sleep(0.1)\n{native('c.bin', 'c')}\n{WAIT}; {WAIT}",
            "print(x, open('b' + '.txt').read())",
        )
    )
    assert seen.state == "Completed"
    assert not seen.learned


def test_a_native_write_under_a_reader_is_told_and_learned(tmp_path: Path) -> None:
    cells = (
        "import ctypes, os, time",
        native("d.bin", "old"),
        f"{WAIT}; {WAIT}; print(open({NAME}).read())",
        f"{WAIT}; wrote = [ctypes.CDLL(None).truncate(('d' + '.bin').encode(), 1)]\n"
        + native("e.bin", "x"),
    )
    path = tmp_path / "under.ipynb"
    path.write_text(json.dumps(make_document(*cells)))
    request = RunRequest(str(path), output=str(tmp_path / "out.ipynb"), options={"max_workers": 2})
    first, second = [], []
    run(request, first.append)
    ended = run(request, second.append)
    told = [event.text for event in first if isinstance(event, Notice) and "while" in event.text]
    assert len(told) == 1
    assert "cell 4 wrote" in told[0]
    assert "while cell 3 used it" in told[0]
    assert not [e for e in second if isinstance(e, Notice) and "while" in e.text]
    shown = [cell["outputs"] for cell in ended.document["cells"] if "source" in cell]
    assert shown[2][0]["text"] == "old\n"
