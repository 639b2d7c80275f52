"""Notebooks in and out: reading, parameters, writing."""

from orch_nb.notebook.binding import (
    BoundParameters,
    GivenParameter,
    ParameterSource,
    bind_parameters,
    collect_parameters,
)
from orch_nb.notebook.document import Flow, Notebook
from orch_nb.notebook.injection import inject_parameters
from orch_nb.notebook.output_file import check_writable
from orch_nb.notebook.parameters import read_parameters
from orch_nb.notebook.reader import notebook_from_dict, read_notebook
from orch_nb.notebook.syntax import check_syntax
from orch_nb.notebook.writer import OutputWriter

__all__ = [
    "BoundParameters",
    "Flow",
    "GivenParameter",
    "Notebook",
    "OutputWriter",
    "ParameterSource",
    "bind_parameters",
    "check_syntax",
    "check_writable",
    "collect_parameters",
    "inject_parameters",
    "notebook_from_dict",
    "read_notebook",
    "read_parameters",
]
