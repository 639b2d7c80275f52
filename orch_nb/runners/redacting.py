"""A runner whose reports hold no secret: every text that comes from cells is gone through."""

from __future__ import annotations

import base64
import dataclasses
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import quote

from orch_nb.execution.job import Job, SessionSpec
from orch_nb.runners.base import Collect, FinalValues, Listener, MissedBlob, Report, Runner

T = TypeVar("T")

STAND_IN = "***"


class Redactor:
    """Replaces secrets in texts, also as Python, JSON, URLs and base64 spell them."""

    def __init__(self, secrets: Iterable[str]) -> None:
        spellings: set[str] = set()
        for secret in secrets:
            spellings |= {
                secret,
                repr(secret)[1:-1],
                json.dumps(secret)[1:-1],
                quote(secret, safe=""),
                base64.b64encode(secret.encode()).decode(),
            }
            spellings |= {line for line in secret.splitlines() if len(line) >= 8}
        self._spellings = sorted(spellings - {""}, key=len, reverse=True)

    def __bool__(self) -> bool:
        return bool(self._spellings)

    def text(self, text: str) -> str:
        """``text`` without secrets."""
        for spelling in self._spellings:
            text = text.replace(spelling, STAND_IN)
        return text

    def value(self, value: T) -> T:
        """A value of plain data or frozen records, with every text in it gone through."""
        changed: Any = value
        if isinstance(value, str):
            found = self.text(value)
            changed = value if found == value else found  # an enum member stays one
        elif isinstance(value, Mapping):
            changed = {self.value(key): self.value(item) for key, item in value.items()}
        elif isinstance(value, tuple | list):
            changed = type(value)(self.value(item) for item in value)
        elif dataclasses.is_dataclass(value) and not isinstance(value, type):
            changed = dataclasses.replace(
                value,
                **{
                    field.name: self.value(getattr(value, field.name))
                    for field in dataclasses.fields(value)
                    if field.init
                },
            )
        return changed  # type: ignore[no-any-return]  # of the same type as it came


class RedactingRunner:
    """See orch_nb.runners.base.Runner; all but the reports is the other runner's."""

    def __init__(self, runner: Runner, redactor: Redactor) -> None:
        self._runner = runner
        self._redactor = redactor

    async def open(self, spec: SessionSpec, listener: Listener) -> None:
        def tell(report: Report) -> None:
            listener(self._redactor.value(report))

        await self._runner.open(spec, tell)

    @property
    def home_queue(self) -> int:
        return self._runner.home_queue

    def run_at_home(self, job: Job) -> None:
        self._runner.run_at_home(job)

    def fork(self, job: Job) -> None:
        self._runner.fork(job)

    def retire(self, cell: int, count: int, manifest: Any) -> None:
        self._runner.retire(cell, count, manifest)

    def promote(self, cell: int, attempt: int, blobs: Sequence[MissedBlob]) -> None:
        self._runner.promote(cell, attempt, blobs)

    def answer(self, cell: int, attempt: int, *, ok: bool) -> None:
        self._runner.answer(cell, attempt, ok=ok)

    def drop(self, cell: int, attempt: int) -> None:
        self._runner.drop(cell, attempt)

    def kill(self) -> None:
        self._runner.kill()

    async def collect(self, what: Collect) -> FinalValues:
        return await self._runner.collect(what)

    async def close(self) -> None:
        await self._runner.close()

    def memory(self) -> Mapping[int, int]:
        return self._runner.memory()

    def __getattr__(self, name: str) -> Any:
        # What the protocol gains later is passed on as it is.
        return getattr(self._runner, name)
