"""ploomber-engine, which runs cells in its own process: a notebook's time less that of one cell."""

import sys

from ploomber_engine import execute_notebook
from timing import tell, timed


def execute(path):
    return timed(lambda: execute_notebook(path, "out.ipynb", progress_bar=False, log_output=False))


if __name__ == "__main__":
    small, large = sys.argv[1:3]
    execute(small)
    tell(-execute(small) + execute(large))
