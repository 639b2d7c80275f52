"""The attempts at a task are counted, and kept, through retries, resumes and losses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.command_line import Bench, wait_until

Write = Callable[..., Path]

RUN = "brave-otter"
TASK = "%%task flaky --retries 1 --retry-delay 0s --timeout 1s\n"
BODY = """import os, time
print("tries", flush=True)
if os.path.exists("wait"):
    open("waits", "w").close()
    time.sleep(60)
if os.path.exists("die"):
    os.kill(os.getpid(), 9)
if not os.path.exists("well"):
    raise ValueError("not yet")
"""


def attempts(bench: Bench) -> list[tuple[int, str, str]]:
    """Number, error and text of each attempt on record."""
    told = bench.orch_json("show", RUN, "flaky")["attempts"]
    return [(one["number"], one["error"], one["text"].split("\n")[0]) for one in told]


def counted(bench: Bench) -> tuple[int, int]:
    """The attempt that the task is at, and the last that it may have."""
    task = bench.orch_json("show", RUN, "flaky")
    return task["attempt"], task["max_attempts"]


def test_attempts_are_counted_and_kept_through_resumes(bench: Bench, write_notebook: Write) -> None:
    first = write_notebook("before = 1", TASK + BODY).parent
    assert bench.orch("run", "sales.ipynb", "--name", RUN).code == 1
    assert counted(bench) == (2, 2)
    (first / "wait").touch()
    assert bench.orch("resume", RUN).code == 1
    assert counted(bench) == (4, 4)
    (first / "wait").unlink()
    (first / "die").touch()
    ended = bench.orch("resume", RUN)
    assert ended.code == 1
    assert "attempt 5 of 6" in ended.out
    assert counted(bench) == (6, 6)
    (first / "die").unlink()
    (first / "well").touch()
    assert bench.orch("resume", RUN).code == 0
    assert counted(bench) == (7, 8)
    assert bench.orch("retry", RUN, "flaky").code == 0
    assert counted(bench) == (8, 9)
    lost = "its process ended by SIGKILL (out of memory?)"
    assert attempts(bench) == [
        *((number, "ValueError: not yet", "tries") for number in (1, 2)),
        *((number, "took longer than 1s", "tries") for number in (3, 4)),
        *((number, lost, "tries") for number in (5, 6)),
        *((number, "", "tries") for number in (7, 8)),
    ]


def test_an_attempt_whose_driver_was_killed_is_on_record(
    bench: Bench, write_notebook: Write
) -> None:
    folder = write_notebook("before = 1", TASK.replace(" --timeout 1s", "") + BODY).parent
    (folder / "wait").touch()
    process = bench.start("run", "sales.ipynb", "--name", RUN)
    wait_until((folder / "waits").exists, 60, "the task")
    process.kill()
    process.communicate(timeout=30)
    (folder / "wait").unlink()
    (folder / "well").touch()
    assert bench.orch("resume", RUN).code == 0
    assert counted(bench) == (2, 3)
    (killed, went_on) = attempts(bench)
    assert (killed[0], killed[1][:36]) == (1, "its process ended without a word: it")
    assert went_on == (2, "", "tries")
