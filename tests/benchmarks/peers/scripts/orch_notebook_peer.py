"""orch_nb in a process that has it imported: a notebook's time less that of one with one cell."""

import sys

from timing import tell, timed

from orch_nb import app


def execute(path, **options):
    def work():
        result = app.run(app.RunRequest(path, "out.ipynb", options=options))
        if result.run.state_name != "Completed":
            sys.exit(f"{path}: {result.run.state_message}")

    return timed(work)


if __name__ == "__main__":
    small, large, *words = sys.argv[1:]
    options = {"cache": True} if "--cache" in words else {}
    if "--max-workers" in words:
        options["max_workers"] = int(words[-1])
    execute(small, **options)
    if "--cache" in words:
        execute(large, **options)
    tell(-execute(small, **options) + execute(large, **options))
