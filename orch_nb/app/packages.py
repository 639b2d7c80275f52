"""The packages that a notebook's cells import, with their versions, for the record of a run."""

from __future__ import annotations

import platform
import re
import sys
from collections.abc import Iterable
from importlib import metadata

_IMPORT = re.compile(r"^[ \t]*(?:from|import)[ \t]+([A-Za-z_]\w*)", re.MULTILINE)
# Where the module is called otherwise than what is installed; looking it up costs much.
_INSTALLED_AS = {
    "PIL": "pillow",
    "bs4": "beautifulsoup4",
    "cv2": "opencv-python",
    "sklearn": "scikit-learn",
    "skimage": "scikit-image",
    "yaml": "PyYAML",
}


def versions(sources: Iterable[str]) -> dict[str, str]:
    """Versions by package, Python's own first; modules that belong to no package are left out."""
    names = {name for source in sources for name in _IMPORT.findall(source)}
    found = {"python": platform.python_version()}
    for name in sorted(names - sys.stdlib_module_names):
        package = _INSTALLED_AS.get(name, name)
        try:
            found[package] = metadata.version(package)
        except (metadata.PackageNotFoundError, ValueError):
            continue
    return found
