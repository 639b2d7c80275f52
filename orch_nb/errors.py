"""Every error orch_nb raises on purpose, in one tree: what is wrong, where, and the remedy.

::

    OrchError
    ├── InputError            the user gave something that can't be run (exit code 2)
    │   ├── NotebookError     the file is no notebook, or a cell in it can't be used
    │   ├── OptionError       an option of a task or flow is unknown, malformed or in conflict
    │   ├── ParameterError    a parameter is unknown or its value does not fit its type
    │   ├── GraphError        the cells' order can't be satisfied (missing or cyclic `--needs`)
    │   ├── KernelError       the notebook's kernel is not to be had
    │   ├── OutputError       the output notebook can't be written
    │   └── NotFoundError     no run, task or file of that name
    ├── StoreError            the store of runs can't be opened or written
    │   └── StoreVersionError the store was made by a newer orch_nb
    ├── ResultError           a kept value is missing, corrupt, or not signed by this store
    ├── TransitionError       a state change that was refused; carries the run's story
    │   └── StaleClaimError   the run was taken over: this process may not write to it any more
    ├── SessionError          the process that runs the cells could not be started, or was lost
    └── FlowError             a flow that was started in a kernel did not end well
        └── TaskError         a task of a dynamic flow has no value: it failed, or was not run
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orch_nb.model import StateChange


class OrchError(Exception):
    """Base of all deliberate errors.

    ``message`` is one sentence without a full stop; ``where`` names the notebook and the cell
    (``sales.ipynb, cell 3 'load'``); ``hint`` is the remedy.
    """

    exit_code = 1

    def __init__(self, message: str, *, where: str | None = None, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.where = where
        self.hint = hint

    def _render_traceback_(self) -> list[str]:
        """What IPython shows in place of a traceback: the sentence says it all."""
        return [f"{type(self).__name__}: {self}"]

    def __str__(self) -> str:
        text = self.message
        if self.where:
            text += f"  --> {self.where}"
        if self.hint:
            text += f"\n  hint: {self.hint}"
        return text


class InputError(OrchError):
    """Something the user gave can't be used; nothing was run or written."""

    exit_code = 2


class NotebookError(InputError):
    """A file that is no notebook, or a cell that can't be used."""


class OptionError(InputError):
    """An unknown, malformed or conflicting option of a task or flow."""


class ParameterError(InputError):
    """A parameter that the notebook does not have, or a value that does not fit its type."""


class GraphError(InputError):
    """Cells whose order can't be satisfied."""


class KernelError(InputError):
    """A kernel that is not installed, or did not start."""


class OutputError(InputError):
    """An output notebook that can't be written."""


class NotFoundError(InputError):
    """No run, task or file of that name."""


class StoreError(OrchError):
    """The store of runs can't be opened or written."""


class StoreVersionError(StoreError):
    """The store was made by a newer orch_nb."""

    exit_code = 2


class ResultError(OrchError):
    """A kept value is missing, corrupt, or not signed by this store."""


class TransitionError(OrchError):
    """A state change that was refused: the table of transitions does not allow it, or the run
    is not in the state that the writer expected.

    ``story`` is the run's recorded history, oldest first, as far as it was looked up.
    """

    def __init__(
        self,
        message: str,
        *,
        where: str | None = None,
        hint: str | None = None,
        story: tuple[StateChange, ...] = (),
    ) -> None:
        super().__init__(message, where=where, hint=hint)
        self.story = story

    def __str__(self) -> str:
        lines = [super().__str__()]
        for change in self.story:
            why = f": {change.message}" if change.message else ""
            lines.append(f"  {change.time:%Y-%m-%d %H:%M:%S} {change.new} by {change.by}{why}")
        return "\n".join(lines)


class StaleClaimError(TransitionError):
    """The run was taken over: this process may not write to it any more."""


class SessionError(OrchError):
    """The process that runs the cells could not be started, or was lost."""


class FlowError(OrchError):
    """A flow that was started in a kernel did not end well."""


class TaskError(FlowError):
    """A task of a dynamic flow has no value: it failed, was not reached, or was cancelled."""
