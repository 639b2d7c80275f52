"""papermill in a process that has it imported: a notebook's time less that of one with one cell."""

import sys

import papermill
from timing import tell, timed


def execute(path):
    return timed(lambda: papermill.execute_notebook(path, "out.ipynb", progress_bar=False))


if __name__ == "__main__":
    small, large = sys.argv[1:3]
    execute(small)
    tell(-execute(small) + execute(large))
