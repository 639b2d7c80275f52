"""Real notebooks, as the source distributions of well-known libraries bring them, unmodified."""

from __future__ import annotations

import functools
import json
import os
import tarfile
import tempfile
import urllib.parse
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from platformdirs import user_cache_path

_TIMEOUT = 120.0  # seconds
_PLAIN = {"Accept": "application/vnd.pypi.simple.v1+json"}


@dataclass(frozen=True)
class Source:
    """A source distribution, and the notebooks of it that need no network."""

    project: str
    version: str
    notebooks: tuple[str, ...]


# All of them run in `make test-long`.
SOURCES = (
    Source(
        "statsmodels",
        "0.15.0",
        (
            "distributed_estimation",
            "gls",
            "lowess",
            "autoregressive_integrated_moving_average",
            "categorical_interaction_plot",
            "deterministics",
            "discrete_choice_example",
            "ets",
            "kernel_density",
            "local_projections",
            "metaanalysis1",
            "multivariate_ls",
            "ols",
        ),
    ),
    Source("seaborn", "0.13.2", ("error_bars", "color_palette", "aesthetics")),
)


@functools.cache
def folder_of(source: Source) -> Path:
    """The folder with the source's notebooks, downloaded the first time it is asked for."""
    # by the number of notebooks, too: a folder from before one was added lacks it
    name = f"{source.project}-{source.version}-{len(source.notebooks)}"
    folder = user_cache_path("orch_nb-tests") / name
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as place:
            archive = Path(place, "sdist.tar.gz")
            _download(_address(source), archive)
            unpacked = Path(place, "notebooks")
            unpacked.mkdir()
            _unpack(archive, source, unpacked)
            try:
                unpacked.rename(folder)
            except OSError:  # another process was faster
                if not folder.is_dir():
                    raise
    return folder


def _address(source: Source) -> str:
    page = f"{_index().rstrip('/')}/{source.project}/"
    with urllib.request.urlopen(urllib.request.Request(page, headers=_PLAIN)) as answer:
        files = json.load(answer)["files"]
    name = f"{source.project}-{source.version}.tar.gz"
    found: str = next(file["url"] for file in files if file["filename"] == name)
    return urllib.parse.urljoin(page, found)


def _index() -> str:
    """The package index that pip uses here."""
    from pip._internal.models.index import PyPI

    return os.environ.get("PIP_INDEX_URL") or PyPI.simple_url


def _download(address: str, target: Path) -> None:
    with urllib.request.urlopen(address, timeout=_TIMEOUT) as answer:
        target.write_bytes(answer.read())


def _unpack(archive: Path, source: Source, folder: Path) -> None:
    wanted = {f"{name}.ipynb" for name in source.notebooks}
    with tarfile.open(archive) as members:
        for member in members:
            name = Path(member.name).name
            stream = members.extractfile(member) if name in wanted else None
            if stream is not None:
                Path(folder, name).write_bytes(stream.read())
