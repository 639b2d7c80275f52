"""Notebooks in and out: reading, parameters, writing."""

from orch_nb.notebook.document import Flow, Notebook
from orch_nb.notebook.reader import notebook_from_dict, read_notebook

__all__ = ["Flow", "Notebook", "notebook_from_dict", "read_notebook"]
