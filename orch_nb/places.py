"""Where things live (data folder, store, results, logs, signing key) and how safely."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

SQLITE = "sqlite:///"  # with a path after it
DASK = "ORCH_NB_DASK"


@dataclass(frozen=True, slots=True)
class Places:
    """All locations that `orch-nb where` prints. Nothing here exists before it is first used."""

    home: Path
    store_url: str  # a database URL; the default is SQLite in the home
    key_file: Path | None  # what signs results; None when it is not in a file of its own
    results: str  # a local folder, or any fsspec URL
    logs: Path


def find_places(environ: Mapping[str, str] | None = None) -> Places:
    """The places in force: ``ORCH_NB_HOME``, ``ORCH_NB_STORE`` and ``ORCH_NB_RESULTS`` move the
    home, the store (a database URL or the path of an SQLite file) and the results.

    ``environ`` stands in for the process's environment in tests.
    """
    environ = os.environ if environ is None else environ
    home = _home(environ)
    url = store_url(environ.get("ORCH_NB_STORE") or home / "store.db")
    in_file = url.startswith(SQLITE) and not environ.get("ORCH_NB_KEY")
    return Places(
        home=home,
        store_url=url,
        key_file=key_beside(Path(url.removeprefix(SQLITE))) if in_file else None,
        results=_results(environ.get("ORCH_NB_RESULTS")) or str(home / "results"),
        logs=home / "logs",
    )


def store_url(place: str | Path) -> str:
    """The database URL for a URL or the path of an SQLite file (made absolute)."""
    text = str(place)
    if "://" in text:
        return text
    return f"{SQLITE}{Path(text).expanduser().absolute()}"


def key_beside(store: Path) -> Path:
    """The file of the key that signs the results of an SQLite store."""
    return store.with_suffix(".key")


def dask_place() -> str:
    """Where ``--runner dask`` finds its cluster; empty for one of the run's own."""
    return os.environ.get(DASK, "")


def wants_durability(environ: Mapping[str, str] | None = None) -> bool:
    """Whether ``ORCH_NB_DURABILITY=full`` asks to sync every commit and every kept value, so
    that not even the last second is lost in a power cut.
    """
    environ = os.environ if environ is None else environ
    return environ.get("ORCH_NB_DURABILITY", "").lower() == "full"


def _results(place: str | None) -> str:
    """Workers run in another folder: a path must mean the same to them."""
    if not place or "://" in place:
        return place or ""
    return str(Path(place).expanduser().absolute())


def _home(environ: Mapping[str, str]) -> Path:
    if given := environ.get("ORCH_NB_HOME"):
        return Path(given).expanduser().absolute()
    import platformdirs  # here: most runs of the tests and many users set ORCH_NB_HOME

    return Path(platformdirs.user_data_path("orch_nb", appauthor=False))
