"""The libraries that every run of a notebook loads."""

from __future__ import annotations

import pytest

from orch_nb.analysis.imports import imports_of


@pytest.mark.parametrize(
    ("sources", "expected"),
    [
        (["import numpy as np, os\nimport pandas"], ("numpy", "pandas")),
        (["from matplotlib import pyplot as plt"], ("matplotlib:pyplot",)),
        (["import a.b", "from c.d import e, f"], ("a.b", "c.d:e", "c.d:f")),
        (["from a import *", "import a"], ("a",)),
        (["%matplotlib inline\nimport seaborn", "!ls", "x ="], ("seaborn",)),
        (["if x:\n    import torch", "def f():\n    import jax", "from . import y"], ()),
        (["import numpy", "import sys; print('pandas' in sys.modules)"], ()),
    ],
)
def test_what_is_imported_in_any_case(sources: list[str], expected: tuple[str, ...]) -> None:
    assert imports_of(sources) == expected
