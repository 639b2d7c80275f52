"""Builds the views into the wheel where npm is to be had; without it the wheel has the still ones.
The same holds for JupyterLab's extension, which goes where JupyterLab looks for it.

``ORCH_NB_VIEWS=require`` makes a release fail instead; ``skip`` leaves them as they are. A source
distribution holds them built, so that installing from it needs no Node.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

LONGEST = 600  # seconds that npm may take


class ViewsHook(BuildHookInterface):
    """Runs `npm ci` and `npm run build` in labextension/."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called before the files are gathered."""
        wish = os.environ.get("ORCH_NB_VIEWS", "")
        folder = Path(self.root) / "labextension"
        built = Path(self.root) / "orch_nb" / "panel" / "built" / "views.js"
        try:
            self._build(version, wish, folder, built)
        finally:
            if self.target_name == "wheel":
                self._share(folder, build_data)

    def _share(self, folder: Path, build_data: dict[str, Any]) -> None:
        """A folder named in pyproject.toml would have to be there, built or not."""
        extension = Path(self.root) / "orch_nb" / "labextension"
        if not (extension / "package.json").is_file():
            return
        shared = build_data.setdefault("shared_data", {})
        target = "share/jupyter/labextensions/orch-nb"
        shared[str(extension)] = target
        shared[str(folder / "install.json")] = f"{target}/install.json"

    def _build(self, version: str, wish: str, folder: Path, built: Path) -> None:
        if version == "editable" or wish == "skip" or not folder.is_dir():
            return  # `make views` is there for a working copy
        if (Path(self.root) / "PKG-INFO").is_file() and built.exists():
            return  # this is a source distribution: they came with it
        if self.target_name == "sdist" and wish != "require":
            return  # asked for by a front-end that wants the sources only
        trouble = _build(folder)
        if trouble and wish == "require":
            raise RuntimeError(f"the views were not built: {trouble}")
        if trouble and not built.exists():
            self.app.display_warning(f"the panel will be a still picture: {trouble}")


def _build(folder: Path) -> str:
    """Why the views could not be built; empty when they were."""
    npm = shutil.which("npm")
    if npm is None:
        return "npm was not found"
    for command in ([npm, "ci", "--no-progress"], [npm, "run", "build"]):
        try:
            subprocess.run(
                command, cwd=folder, check=True, capture_output=True, text=True, timeout=LONGEST
            )
        except subprocess.CalledProcessError as error:
            last = (error.stderr or error.stdout or "").strip().splitlines()[-1:]
            return f"npm {command[1]} failed: {' '.join(last)}"
        except (OSError, subprocess.TimeoutExpired) as error:
            return f"npm {command[1]} failed: {error}"
    return ""
