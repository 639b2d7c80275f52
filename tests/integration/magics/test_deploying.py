"""`%flow deploy`, and the schedule that a %%flow cell declares."""

from __future__ import annotations

from typing import Any

FLOW = "%%flow sales --schedule '0 6 * * 1-5' --tz Europe/Madrid"


def test_the_schedule_of_the_cell_is_set_up(start: Any, saved: Any) -> None:
    saved.tags["p"] = ["parameters"]
    saved.save(p="year = 2024", a="%%task load\nx = year", f=FLOW)
    kernel = start(saved.path)
    assert kernel.run(FLOW, "f").status == "ok"  # by hand it runs now
    deployed = kernel.run("%flow deploy -p year 2025 --paused")
    assert deployed.status == "ok", deployed.error
    assert deployed.text.splitlines()[:2] == [
        "sales · version 1 · paused",
        "  when  At 06:00, Monday to Friday (Europe/Madrid)",
    ]
    again = kernel.run("%flow deploy sales/often --schedule 15m --tz UTC --overlap skip")
    assert again.text.splitlines()[0] == "sales/often · version 1"
    assert "  when  Every 15m" in again.text
    assert "  next  " in again.text
    kernel.run("%%task load\nx = year + 1", "a")
    stale = kernel.run("%flow deploy").error.splitlines()
    assert stale[0].startswith("NotebookError: cell 2 'load' was run at")
    assert len(stale) == 2


def test_mistakes_are_told_with_their_place(start: Any, saved: Any) -> None:
    wrong = "%%flow sales --schedule '0 26 * * *'"
    saved.save(a="%%task load\nx = 1", f=wrong)
    kernel = start(saved.path)
    refused = kernel.run(wrong, "f").error.splitlines()
    assert "hour" in refused[0]
    assert "cell" in refused[0]
    assert len(refused) == 2
    saved.save(f="%%flow")
    for line, words in (
        ("--schedule 'at noon'", "'at noon'"),
        ("--schedule '0 6 * * *' --tz Madrid", "did you mean Europe/Madrid ?"),
        ("--schedul x", "did you mean --schedule x ?"),
        ("-p year 1", "no parameters cell"),
    ):
        refused = kernel.run(f"%flow deploy {line}")
        assert words in refused.error, refused.error
        assert len(refused.error.splitlines()) <= 2
    assert "--catch-up" in kernel.complete("%flow deploy --cat")


def test_without_a_file_nothing_is_deployed(kernel: Any) -> None:
    kernel.run("x = 1")
    assert "file is not known here" in kernel.run("%flow deploy").error
