"""Builds a JupyterLite site with orch_nb in it, which then needs nothing from elsewhere.

Called by `make lite` in an environment with jupyterlite-core, jupyterlite-pyodide-kernel,
ipywidgets and anywidget: ``python binder/lite/build.py WHEEL FOLDER`` makes FOLDER/site.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
PYODIDE = "314.0.6"  # what the kernel of jupyterlite-pyodide-kernel 0.8 is made for
PYTHON = "3.14"
PLATFORM = "pyemscripten_2026_0_wasm32"

# What JupyterLite's own kernel loads at its start; the versions are those of Pyodide.
KERNEL = ("micropip", "packaging", "ipython", "jedi", "traitlets", "comm")
# What orch_nb and its panel need, beside what it leaves out in a browser.
OURS = (
    "anywidget",
    "click",
    "cloudpickle",
    "comm",
    "cronsim",
    "fsspec",
    "ipywidgets",
    "jupyterlab-widgets",
    "markdown-it-py",
    "mdurl",
    "platformdirs",
    "psygnal",
    "pygments",
    "python-dateutil",
    "rich",
    "six",
    "sqlalchemy",
    "threadpoolctl",
    "traitlets",
    "typing-extensions",
    "tzdata",
    "widgetsnbextension",
    "xxhash",
)


def unpack_pyodide(folder: Path) -> None:
    """Pyodide itself, from npm, whose package has no wheels."""
    packed = folder.parent / "packed"
    packed.mkdir(parents=True, exist_ok=True)
    command = ["npm", "pack", "--silent", "--pack-destination", str(packed), f"pyodide@{PYODIDE}"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    folder.mkdir(parents=True)
    with tarfile.open(packed / f"pyodide-{PYODIDE}.tgz") as archive:
        for member in archive.getmembers():
            source = archive.extractfile(member)
            if member.isfile() and source is not None:
                (folder / Path(member.name).name).write_bytes(source.read())


def add_wheels(folder: Path, wheel: Path) -> None:
    """Put the wheels beside Pyodide, and into its list of packages, orch_nb's among them."""
    place = folder / "pyodide-lock.json"
    lock = json.loads(place.read_text())
    packages: dict[str, Any] = lock["packages"]
    for name in _with_needs(KERNEL, packages) | set(OURS):
        entry = packages.get(name)
        is_pure = entry is not None and "wasm32" not in entry["file_name"]
        wanted = f"{name}=={entry['version']}" if is_pure else name
        _enter(packages, name, _download(wanted, folder), folder)
    ours = folder / wheel.name
    shutil.copy(wheel, ours)
    _enter(packages, "orch-nb", ours, folder)
    packages["orch-nb"]["depends"] = list(OURS)
    packages["orch-nb"]["imports"] = ["orch_nb"]
    place.write_text(json.dumps(lock))


def _with_needs(names: tuple[str, ...], packages: dict[str, Any]) -> set[str]:
    found: set[str] = set()
    todo = [name for name in names if name in packages]
    while todo:
        name = todo.pop()
        if name not in found:
            found.add(name)
            needs = (_normal(need) for need in packages[name]["depends"])
            todo += [need for need in needs if need in packages]
    return {name for name in found if "wasm32" not in packages[name]["file_name"]}


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _download(wanted: str, folder: Path) -> Path:
    before = set(folder.glob("*.whl"))
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    command += ["--disable-pip-version-check", "--only-binary=:all:", "--dest", str(folder)]
    command += ["--python-version", PYTHON, "--implementation", "cp", "--abi", "cp314"]
    subprocess.run([*command, "--platform", PLATFORM, wanted], check=True)
    name = _normal(wanted.partition("==")[0])
    found = set(folder.glob("*.whl")) - before or set(folder.glob("*.whl"))
    return next(path for path in sorted(found) if _normal(path.name.split("-")[0]) == name)


def _enter(packages: dict[str, Any], name: str, wheel: Path, folder: Path) -> None:
    old = packages.get(name, {})
    packages[name] = {
        "name": name,
        "install_dir": "site",
        "package_type": "package",
        "imports": old.get("imports", [name.replace("-", "_")]),
        "depends": old.get("depends", []),
        "unvendored_tests": False,
        **{key: old[key] for key in ("install_dir", "package_type") if key in old},
        "version": wheel.name.split("-")[1],
        "file_name": wheel.name,
        "sha256": hashlib.sha256(wheel.read_bytes()).hexdigest(),
    }


def build_site(folder: Path) -> None:
    """JupyterLite around Pyodide, with the lessons of this folder."""
    lite = folder / "lite"
    shutil.copytree(HERE / "notebooks", lite / "files")
    for name in ("jupyter-lite.json", "overrides.json"):
        shutil.copy(HERE / name, lite / name)
    jupyter = Path(sys.executable).with_name("jupyter")
    command = [str(jupyter), "lite", "build", "--lite-dir", str(lite)]
    command += ["--output-dir", str(folder / "site"), "--no-sourcemaps"]
    subprocess.run(command, check=True, cwd=lite)


def main() -> None:
    """Make the site anew."""
    wheel, folder = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
    shutil.rmtree(folder, ignore_errors=True)
    pyodide = folder / "lite" / "static" / "pyodide"
    unpack_pyodide(pyodide)
    add_wheels(pyodide, wheel)
    build_site(folder)
    print(f"{folder / 'site'}: serve it with  python -m http.server -d {folder / 'site'}")


if __name__ == "__main__":
    main()
