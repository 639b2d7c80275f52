"""orch_nb's analysis of a notebook of so many cells that read each other, and its graph."""

from timing import run, timed

from orch_nb.graph.build import build_graph
from orch_nb.model import CellsMode
from orch_nb.notebook.reader import notebook_from_dict


def analyse(count):
    cells = [
        {
            "cell_type": "code",
            "id": f"cell-{i}",
            "execution_count": None,
            "metadata": {},
            "outputs": [],
            "source": f"x{i} = sum([x{max(i - 3, 0)}, x{i // 2}])\ny{i} = [x{i}] * {i}"
            if i
            else "x0 = 1",
        }
        for i in range(count)
    ]
    document = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    notebook = notebook_from_dict(document, path="large.ipynb")
    return timed(lambda: build_graph(notebook.cells, CellsMode.ALL, []))


if __name__ == "__main__":
    run({"analysis": analyse})
