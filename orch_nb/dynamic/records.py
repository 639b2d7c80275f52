"""What a cell that was called gives: one attribute for each name that it bound."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any


class CellRecord(Mapping[str, Any]):
    """The names that a call of a cell bound, as attributes and as items. They come before the
    record's own: ``values`` is what the cell bound to that name, if it did."""

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

    def why_not(self, name: str) -> str:
        """Why a name that was bound is not here, in words; empty for one that was not bound."""
        why = self.__dict__.get("_missing", {}).get(name)
        return "" if why is None else f"can't leave its process: {why}"

    def __getattribute__(self, name: str) -> Any:
        own: dict[str, Any] = object.__getattribute__(self, "__dict__").get("_values", {})
        return own[name] if name in own else object.__getattribute__(self, name)

    def __getattr__(self, name: str) -> Any:
        values = self.__dict__.get("_values", {})
        why = CellRecord.why_not(self, name)
        if why:
            raise AttributeError(f"'{name}' {why}")
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
