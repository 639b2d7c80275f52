"""The runner of a run in which nothing is left to run: no process is started for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from orch_nb.execution.job import Job, Message, SessionSpec
from orch_nb.runners.base import Collect, FinalValues, Listener, MissedBlob


class IdleRunner:
    """See orch_nb.runners.base.Runner; it can't be asked to run anything."""

    language_info: Mapping[str, Any] = {}
    home_queue = 1

    async def open(self, spec: SessionSpec, listener: Listener) -> None:
        """Nothing is to be opened."""

    def run_at_home(self, job: Job) -> None:
        raise RuntimeError(f"cell {job.cell} was not to be run")

    def fork(self, job: Job) -> None:
        raise RuntimeError(f"cell {job.cell} was not to be run")

    def retire(self, cell: int, count: int, manifest: Message) -> None:
        raise RuntimeError(f"cell {cell} was not to be applied")

    def promote(self, cell: int, attempt: int, blobs: Sequence[MissedBlob]) -> None:
        raise RuntimeError(f"cell {cell} was not to be run")

    def answer(self, cell: int, attempt: int, *, ok: bool) -> None:
        """Nothing waits for an answer."""

    def drop(self, cell: int, attempt: int) -> None:
        """Nothing runs."""

    def kill(self) -> None:
        """Nothing runs."""

    async def collect(self, what: Collect) -> FinalValues:
        """There are no values, or they would have been applied."""
        return FinalValues()

    async def close(self) -> None:
        """Nothing was opened."""

    def memory(self) -> Mapping[int, int]:
        """Nothing runs."""
        return {}
