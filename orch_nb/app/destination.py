"""Where a run's output notebook goes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from orch_nb.errors import OutputError
from orch_nb.notebook.binding import GivenParameter
from orch_nb.notebook.document import Notebook
from orch_nb.notebook.output_file import check_writable


def output_path(path: str | None, parameters: Sequence[GivenParameter], notebook: Notebook) -> str:
    """``path`` with its templates filled in, by default beside the notebook; it can be written.

    Raises OutputError.
    """
    if path is None:
        beside = Path(notebook.path) if notebook.path != "-" else Path("stdin")
        path = str(beside.with_name(f"{notebook.name}.run.ipynb"))
    elif "{" in path:
        path = _fill_in(path, parameters)
    same = path not in ("-",) and "://" not in path and _is_same(path, notebook.path)
    if same:
        raise OutputError(
            "the output would replace the notebook itself",
            where=path,
            hint="give another path with -o",
        )
    check_writable(path)
    return path


def _fill_in(path: str, parameters: Sequence[GivenParameter]) -> str:
    """papermill's templates: ``out-{region}.ipynb``, with its built-in names."""
    from papermill.exceptions import PapermillMissingParameterException
    from papermill.parameterize import add_builtin_parameters, parameterize_path

    values = {given.name: given.value for given in parameters}
    try:
        return str(parameterize_path(path, add_builtin_parameters(values)))
    except PapermillMissingParameterException as error:
        said = str(error)  # "Missing parameter 'region'"
        raise OutputError(
            f"the output's path: {said[:1].lower()}{said[1:]}",
            where=path,
            hint="give it with -p",
        ) from None


def _is_same(path: str, other: str) -> bool:
    try:
        return Path(path).samefile(other)
    except OSError:
        return False


def lasting_path(path: str) -> str:
    """A path that means the same from any folder."""
    return path if path == "-" or "://" in path else str(Path(path).absolute())
