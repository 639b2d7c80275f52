"""What a cell that was called gives: one attribute for each name that it bound."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any


class CellRecord(Mapping[str, Any]):
    """The names that a call of a cell bound, as attributes and as items."""

    def __init__(
        self, task: str, values: dict[str, Any], missing: dict[str, str] | None = None
    ) -> None:
        self.__dict__["_task"] = task
        self.__dict__["_values"] = values
        self.__dict__["_missing"] = missing or {}

    def only(self, fits: Callable[[Any], str]) -> CellRecord:
        """The record without the values for which ``fits`` gives a reason."""
        missing = {name: why for name, value in self._values.items() if (why := fits(value))}
        values = {name: value for name, value in self._values.items() if name not in missing}
        return CellRecord(self._task, values, missing)

    def __getattr__(self, name: str) -> Any:
        values = self.__dict__.get("_values", {})
        if name in values:
            return values[name]
        why = self.__dict__.get("_missing", {}).get(name)
        if why is not None:
            raise AttributeError(f"'{name}' can't leave its process: {why}")
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
        return CellRecord, (self._task, self._values, self._missing)

    def __repr__(self) -> str:
        return f"<{self._task}: {', '.join(self._values)}>"
