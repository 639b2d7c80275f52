"""What a cell that was called gives: one attribute for each name that it bound."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


class CellRecord(Mapping[str, Any]):
    """The names that a call of a cell bound, as attributes and as items."""

    def __init__(self, task: str, values: dict[str, Any]) -> None:
        self.__dict__["_task"] = task
        self.__dict__["_values"] = values

    def __getattr__(self, name: str) -> Any:
        values = self.__dict__.get("_values", {})
        if name in values:
            return values[name]
        known = ", ".join(sorted(values)) or "nothing"
        raise AttributeError(f"task '{self.__dict__.get('_task')}' bound no '{name}', but {known}")

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError("what a task gave can't be changed")

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self._values]

    def __reduce__(self) -> Any:
        return CellRecord, (self._task, self._values)

    def __repr__(self) -> str:
        return f"<{self._task}: {', '.join(self._values)}>"
