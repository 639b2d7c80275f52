"""The flows that are killed."""

from __future__ import annotations

import random

from tests.command_line import code, make_document
from tests.kills.trial import Flow

SMALL = Flow(
    make_document(
        "import random\nimport time",
        "base = [1, 2, 3]\nalias = base\nrandom.seed(7)",
        "%%task load\nrows = [random.random() for _ in range(40)]\nprint('load', sum(rows))",
        code("left = sorted(rows)[:5]\ntime.sleep(0.02)\nleft", "task"),
        "%%task right\nright = sorted(rows)[5:]\ntime.sleep(0.02)\nprint(len(right))",
        "total = sum(left) + sum(right)\nalias.append(total)\nprint(base, random.random())",
        "%%task write\nwith open('total.txt', 'w') as file:\n    file.write(str(base))",
        "%%task last --needs write\nprint(open('total.txt').read(), random.random())",
    ),
    ("total.txt",),
    ("--max-workers", "2"),
)


def large(tasks: int = 30, seed: int = 5) -> Flow:
    """A flow of so many tasks, each of which reads some of those above it."""
    chance = random.Random(seed)
    cells = ["import random\nrandom.seed(11)", "shared = []"]
    files = []
    for number in range(tasks):
        above = chance.sample(range(number), min(number, chance.randrange(4)))
        lines = [f"%%task t{number}"]
        total = " + ".join(["1", *(f"sum(v{other})" for other in above)])
        lines.append(f"v{number} = [{total}] * {chance.randrange(1, 30)}")
        kind = chance.randrange(6)
        if kind == 0:
            lines.append(f"shared.append(v{number}[0])\nprint(shared)")
        elif kind == 1:
            lines.append(f"v{number}.append(random.random())")
        elif kind == 2:
            files.append(f"f{number}.txt")
            lines.append(f"with open('f{number}.txt', 'w') as f:\n    f.write(str(v{number}))")
        lines.append(f"print(sum(v{number}))")
        cells.append("\n".join(lines))
        if number % 7 == 3:
            cells.append(f"plain{number} = v{number}[:2]\nplain{number}")
    return Flow(make_document(*cells), tuple(files), ("--max-workers", "3"))
