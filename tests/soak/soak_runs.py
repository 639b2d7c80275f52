"""Runs, fails, cancels and kills runs for minutes on end: `make soak SECONDS=600`.

After each command nothing may be left behind, and the store must still tell how each run ended.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

from tests.command_line import Bench, make_document, wait_until

GOOD = make_document(
    "import time", *[f"time.sleep(0.05)\nx{n} = {n}\nprint(x{n})" for n in range(12)]
)
BAD = make_document("a = 1", "b = 1 / 0", "print(a)", "print(b)")
LONG = make_document("import time", *["time.sleep(30)"] * 3)
TURNS = ("good", "bad", "interrupted", "killed")
CODES = {"good": 0, "bad": 1, "interrupted": 130, "killed": -signal.SIGKILL}


def take_turn(bench: Bench, turn: str, chance: random.Random) -> int:
    """Start one run, disturb it as the turn says; its exit code."""
    notebook = {"good": "good", "bad": "bad"}.get(turn, "long")
    process = bench.start("run", f"{notebook}.ipynb", "-o", "out.ipynb", "--max-workers", "3")
    if notebook == "long":
        time.sleep(chance.uniform(0.2, 4.0))  # any moment of a run's life, its start included
        os.killpg(process.pid, signal.SIGINT if turn == "interrupted" else signal.SIGKILL)
    process.communicate(timeout=120)
    return process.returncode


def main(seconds: float, seed: int) -> None:
    """Take turns until the time is over; exits with a message at the first thing amiss."""
    chance = random.Random(seed)
    counts = dict.fromkeys(TURNS, 0)
    end = time.monotonic() + seconds
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        bench = Bench(folder, folder / "home")
        for name, document in (("good", GOOD), ("bad", BAD), ("long", LONG)):
            (bench.folder / f"{name}.ipynb").write_text(json.dumps(document))
        while time.monotonic() < end:
            turn = chance.choice(TURNS)
            code = take_turn(bench, turn, chance)
            if code != CODES[turn] and not (turn == "interrupted" and code == -signal.SIGINT):
                sys.exit(f"seed {seed}, after {counts}: {turn} ended with {code}")
            counts[turn] += 1
            wait_until(lambda: not bench.processes(), 15, f"processes of a {turn} run to end")
            if turn != "killed" and (left := bench.left_behind()):
                sys.exit(f"seed {seed}, after {counts}: {turn} left {left}")
            runs = bench.orch_json("runs", "-n", "1000")
            done = sum(run["state_name"] == "Completed" for run in runs)
            failed = sum(run["state_name"] == "Failed" for run in runs)
            if (done, failed) != (counts["good"], counts["bad"]):
                sys.exit(f"seed {seed}, after {counts}: recorded {done} done, {failed} failed")
            print(f"\r{sum(counts.values())} turns: {counts}", end="", flush=True)
    print("\nnothing left behind")


if __name__ == "__main__":
    main(
        seconds=float(sys.argv[1]) if len(sys.argv) > 1 else 300.0,
        seed=int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(10_000),
    )
