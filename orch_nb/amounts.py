"""Names with amounts as people write them: `db=4`, `gpu=1,memory=8GB`."""

from __future__ import annotations

import re
from decimal import Decimal

from orch_nb.errors import OptionError

Amounts = tuple[tuple[str, float], ...]

_AMOUNT = re.compile(r"(\d{1,15}(?:\.\d{1,9})?)\s*([kMGT]?)B?", re.ASCII | re.I)
_FACTORS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
_LONG = 10**6  # from here on a whole number is written with a unit, where one fits exactly

FORM = "write it like gpu=1,memory=8GB"
MOST = 1e15


def parse_amounts(text: str) -> Amounts:
    """The pairs of ``gpu=1,memory=8GB`` in the order given; a bare name means 1.

    Raises OptionError for an amount that is none, and for a name with two amounts.
    """
    found: dict[str, float] = {}
    for part in text.split(","):
        name, equals, amount = (piece.strip() for piece in part.partition("="))
        if not name and not equals:
            continue
        put_amount(found, name, parse_amount(amount) if equals else 1.0)
    return tuple(found.items())


def put_amount(found: dict[str, float], name: str, amount: float) -> None:
    """Add a pair. Raises OptionError where the name has another amount already."""
    if found.setdefault(name, amount) != amount:
        raise OptionError(f"{name!r} is given twice, with different amounts")


def parse_amount(text: str) -> float:
    """A number with or without a unit: ``2``, ``0.5``, ``8GB``, ``512 MB``."""
    match = _AMOUNT.fullmatch(text.strip())
    if match is None:
        shown = text if len(text) <= 40 else text[:39] + "…"
        raise OptionError(f"{shown!r} is not an amount", hint=FORM)
    return float(Decimal(match.group(1)) * _FACTORS[match.group(2).lower()])


def format_amount(amount: float) -> str:
    """The amount as an option's value; parses to the same number."""
    if amount >= _LONG:
        for unit in ("T", "G", "M"):
            if amount % _FACTORS[unit.lower()] == 0:
                return f"{int(amount) // _FACTORS[unit.lower()]}{unit}B"
    return format_number(amount)


def format_number(number: float) -> str:
    """A number without an exponent and without a needless ``.0``."""
    text = format(Decimal(repr(float(number))), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def format_amounts(amounts: Amounts) -> str:
    """The pairs as an option's value."""
    return ",".join(f"{name}={format_amount(amount)}" for name, amount in amounts)


def format_size(count: float) -> str:
    """An amount of memory: ``512 kB``, ``1.2 GB``."""
    for unit in ("B", "kB", "MB"):
        if count < 999.5:
            return f"{count:.0f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"
