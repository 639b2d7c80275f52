"""nbclient, as plain a kernel as there is: a notebook's time less that of one with one cell."""

import sys

import nbformat
from nbclient import NotebookClient
from timing import tell, timed


def execute(path):
    notebook = nbformat.read(path, as_version=4)
    return timed(lambda: NotebookClient(notebook, timeout=None).execute())


if __name__ == "__main__":
    small, large = sys.argv[1:3]
    execute(small)
    tell(-execute(small) + execute(large))
