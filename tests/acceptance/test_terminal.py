"""The live view on a real terminal, 80 columns wide."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import termios
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.command_line import Bench, wait_until
from tests.terminal_screen import final_screen

Write = Callable[..., Path]
SIZE = (24, 80)


class Terminal:
    """A command on a pseudo-terminal; everything it sends is read at once and kept."""

    def __init__(self, bench: Bench, *arguments: str, **environ: str) -> None:
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", *SIZE, 0, 0))
        os.set_blocking(self._master, False)
        self.process = subprocess.Popen(
            bench.command(*arguments),
            cwd=bench.folder,
            env={**bench.environ, "TERM": "xterm-256color", **environ},
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
        )
        os.close(slave)
        self._sent = b""

    @property
    def sent(self) -> str:
        """All that was sent so far."""
        while True:
            try:
                self._sent += os.read(self._master, 65536) or b""
            except (BlockingIOError, OSError):
                return self._sent.decode("utf-8", "replace")

    def wait(self) -> str:
        """Everything sent until the command ended."""
        wait_until(lambda: bool(self.sent) and self.process.poll() is not None, 60, "the end")
        sent = self.sent
        os.close(self._master)
        return sent


@pytest.fixture
def two_branches(write_notebook: Write) -> Path:
    return write_notebook(
        "%%task load\nimport time\nbase = 1",
        "%%task slow\nfor step in range(15):\n    print('step', step)\n    time.sleep(0.1)\nbase",
        "%%task other\ntime.sleep(1)\nbase + 1",
    )


def test_a_run_redraws_what_runs_and_leaves_what_ended(bench: Bench, two_branches: Path) -> None:
    terminal = Terminal(bench, "run", "sales.ipynb", "--max-workers", "2", "--name", "calm-owl")
    sent = terminal.wait()
    assert terminal.process.returncode == 0, sent
    assert re.search(r"◐.*slow +cell 2 +\d\.\ds +step \d+", sent)
    assert re.search(r"0 waiting   1 done · 2 running · 0:0\d( of ~0:0\d)? · Ctrl-C cancels", sent)
    screen = final_screen(sent)
    assert screen[0] == "sales.ipynb · calm-owl · 3 tasks of 3 cells · local ×2"
    rows = sorted(re.sub(r" +\d+\.\ds.*", "", row) for row in screen[1:4])
    assert rows == ["✓ load    cell 1", "✓ other   cell 3", "✓ slow    cell 2"]
    assert re.fullmatch(r"✓ Completed in \d+\.\ds: 3 tasks", screen[4])
    assert screen[5:] == ["  output  sales.run.ipynb"]
    assert max(map(len, screen)) <= SIZE[1]
    assert "\x1b[38;" in sent


def test_no_color_and_ascii(bench: Bench, two_branches: Path) -> None:
    terminal = Terminal(bench, "run", "sales.ipynb", NO_COLOR="1", LC_ALL="C")
    sent = terminal.wait()
    assert "\x1b[38;" not in sent
    assert sent.isascii()
    assert final_screen(sent)[-2].startswith("ok Completed in ")


def test_ctrl_c_at_the_keyboard(bench: Bench, write_notebook: Write) -> None:
    write_notebook("%%task wait\nimport time\nopen('started', 'w').close()\ntime.sleep(60)")
    terminal = Terminal(bench, "run", "sales.ipynb")
    started = bench.folder / "started"
    wait_until(lambda: bool(terminal.sent) and started.exists(), 60, "the task")
    os.killpg(terminal.process.pid, signal.SIGINT)
    screen = final_screen(terminal.wait())
    assert terminal.process.returncode == 130
    assert any(row.startswith("□ Cancelled after ") for row in screen)
    assert bench.left_behind() == []
