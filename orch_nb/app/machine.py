"""What is where on this machine, and whether it works."""

from __future__ import annotations

import importlib.metadata
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from orch_nb import __version__
from orch_nb.app.housekeeping import results_cap
from orch_nb.errors import OrchError
from orch_nb.places import find_places
from orch_nb.results.location import open_results


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at; ``hint`` says what to do when it is not ok.

    Without an ``optional`` one everything else works: it is off, not broken.
    """

    name: str
    ok: bool
    detail: str
    hint: str = ""
    optional: bool = False


def where() -> dict[str, str]:
    """Where things are kept."""
    places = find_places()
    from sqlalchemy.engine import make_url

    return {
        "home": str(places.home),
        "store": make_url(places.store_url).render_as_string(hide_password=True),
        "results": places.results,
        "logs": str(places.logs),
    }


def doctor() -> list[Check]:
    """Look at everything that a run needs."""
    looks: tuple[tuple[str, Callable[[], Check]], ...] = (
        ("python", _python),
        ("packages", _packages),
        ("store", _store),
        ("results", _results),
        ("kernels", _kernels),
        ("processes", _processes),
        ("warm", _warm),
        ("jupytext", _jupytext),
        ("views", _views),
        ("node", _node),
    )
    return [_careful(name, look) for name, look in looks]


def _careful(name: str, look: Callable[[], Check]) -> Check:
    try:
        return look()
    except OrchError as error:
        return Check(name, False, error.message, error.hint or "")
    except Exception as error:  # a broken installation can fail anywhere
        return Check(name, False, f"{type(error).__name__}: {error}", "reinstall orch_nb")


def _python() -> Check:
    detail = f"orch_nb {__version__}, Python {platform.python_version()} at {sys.executable}"
    return Check("python", sys.version_info >= (3, 11), detail, "orch_nb needs Python 3.11")


def _packages() -> Check:
    names = ("ipykernel", "ipython", "papermill", "nbformat", "nbclient", "sqlalchemy")
    found, missing = [], []
    for name in names:
        try:
            found.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            missing.append(name)
    detail = ", ".join(found) + (f"; missing: {', '.join(missing)}" if missing else "")
    return Check("packages", not missing, detail, f"pip install {' '.join(missing)}")


def _store() -> Check:
    from orch_nb.store import RunQuery, open_store

    with open_store() as store:
        newest = store.list_runs(RunQuery(limit=1))
        notices = "; ".join(store.notices)
        last = f", last run {newest[0].name}" if newest else ", no runs yet"
        return Check("store", True, f"{store.where}{last}{'; ' + notices if notices else ''}")


def _results() -> Check:
    places = find_places()
    location = open_results()
    taken = sum(blob.size for blob in location.list())
    cap = results_cap()
    detail = f"{places.results}, {taken / 1e6:,.0f} of at most {cap / 1e6:,.0f} MB"
    return Check("results", True, detail)


def _kernels() -> Check:
    from jupyter_client.kernelspec import KernelSpecManager

    names = sorted(KernelSpecManager().find_kernel_specs())
    hint = "python -m ipykernel install --user"
    return Check("kernels", bool(names), ", ".join(names) or "none", hint)


def _processes() -> Check:
    from orch_nb.execution.forking import why_not

    reason = why_not()
    if not reason:
        return Check("processes", True, "cells run in forked processes")
    detail = f"off: cells run one after the other: {reason}"
    return Check("processes", False, detail, "Linux runs cells in parallel", optional=True)


def _warm() -> Check:
    from orch_nb.warm import identity
    from orch_nb.warm.starting import daemons

    if not identity.is_wanted():
        detail = f"off: every run starts from cold: {identity.SWITCH}, or another system than Linux"
        return Check("warm", False, detail, f"{identity.SWITCH}=1 on Linux", optional=True)
    found = daemons()
    memory = sum(daemon["memory"] for daemon in found)
    ready = f"{len(found)} daemons, {memory / 1e6:,.0f} MB" if found else "nothing yet"
    return Check("warm", True, f"{ready}; `orch-nb warm` shows and stops what is kept")


def _jupytext() -> Check:
    try:
        version = importlib.metadata.version("jupytext")
    except importlib.metadata.PackageNotFoundError:
        detail = "off: .py and .md notebooks can't be run, it is not installed"
        return Check("jupytext", False, detail, "pip install 'orch_nb[jupytext]'", optional=True)
    return Check("jupytext", True, f"{version}: .py and .md notebooks can be run")


def _views() -> Check:
    built = Path(__file__).parents[1] / "panel" / "built" / "views.js"
    if not built.exists():
        detail = "off: they were not built, so that panels in notebooks are still pictures"
        return Check("views", False, detail, "make views, or install a wheel", optional=True)
    return Check("views", True, f"built, {built.stat().st_size / 1000:.0f} kB: panels are live")


def _node() -> Check:
    node = shutil.which("node")
    if node is None:
        detail = "off: not found; only building the views needs it"
        return Check("node", False, detail, "nothing to do", optional=True)
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=False)
    return Check("node", True, f"{version.stdout.strip()} at {node}")
