"""A virtual environment for each group of peers, built once under `.bench/`."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from tests.command_line import ROOT

OURS = "orch_nb"  # this very environment
PACKAGES = {
    "notebooks": (
        *("papermill", "nbclient", "ipykernel", "jupyterlab", "ploomber-engine"),
        *("numpy", "pandas", "pyarrow"),
    ),
    "prefect": ("prefect>=3,<4", "prefect-dask", "fastapi<0.120"),  # newer ones break its server
    "dask": ("dask[distributed]", "numpy"),
}
_FOLDER = ROOT / ".bench"


def build() -> None:
    """Install what is not there yet. uv does in seconds what takes pip minutes."""
    for name, packages in PACKAGES.items():
        done = _FOLDER / name / "installed"
        if done.exists() and done.read_text() == repr(packages):
            continue
        print(f"installing {', '.join(packages)}", file=sys.stderr, flush=True)
        folder = _FOLDER / name
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        install = [python_of(name), "-m", "pip", "install", "--quiet"]
        if uv := shutil.which("uv") or shutil.which("uv", path=str(Path(sys.executable).parent)):
            install = [uv, "pip", "install", "--quiet", "--compile-bytecode"]
            install += ["--python", python_of(name)]
        subprocess.run([*install, *packages], check=True)
        done.write_text(repr(packages))


def python_of(environment: str) -> str:
    """The path of an environment's interpreter."""
    return sys.executable if environment == OURS else str(_FOLDER / environment / "bin" / "python")


def program_of(environment: str, name: str) -> str:
    """The path of a program that an environment has."""
    return str(Path(python_of(environment)).with_name(name))


def versions(environment: str, packages: tuple[str, ...]) -> dict[str, str]:
    """What is installed there."""
    code = (
        "import json, sys; from importlib.metadata import version; "
        "print(json.dumps({name: version(name) for name in sys.argv[1:]}))"
    )
    done = subprocess.run(
        [python_of(environment), "-c", code, *packages],
        capture_output=True,
        text=True,
        check=True,
    )
    import json

    found: dict[str, str] = json.loads(done.stdout)
    return found
