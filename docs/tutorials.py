"""Writes the tutorials at each build, from the lessons as Jupyter runs them: a hook of mkdocs.

A lesson is run when it, or one of the files beside it, has changed since the last build; what came
of it is kept in ``build/lessons``. A lesson that fails fails the build.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import nbformat
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = ROOT / "example_notebooks"
KEPT = ROOT / "build" / "lessons"

# In the order in which they are read.
LESSONS = (
    "quickstart",
    "messy_to_flow",
    "parallel_and_equal",
    "when_things_fail",
    "caching",
    "flow_that_decides",
    "many_items",
    "dask",
    "scheduled_report",
    "model_selection",
    "flow_of_notebooks",
)

_ANSI = re.compile(r"\x1b\[[\d;]*m")
_AT_ONCE = 2  # lessons use cores of their own


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Called by mkdocs once it has listed the written pages: the tutorials are added."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        ran = dict(zip(LESSONS, pool.map(_run, LESSONS), strict=True))
    for name, path in ran.items():
        pictures: dict[str, bytes] = {}
        text = write_page(nbformat.read(path, as_version=4), name, pictures)
        files.append(File.generated(config, f"tutorials/{name}.md", content=text))
        for picture, content in pictures.items():
            files.append(File.generated(config, f"tutorials/{picture}", content=content))
    return files


def write_page(notebook: Any, name: str, pictures: dict[str, bytes]) -> str:
    """A page of a notebook that was run; what it draws is put into ``pictures``, by file name."""
    parts: list[str] = []
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            parts.append(cell.source)
            continue
        hidden = cell.source.startswith(("!", "%"))
        parts.append(_fenced(cell.source, "ipython" if hidden else "python"))
        for output in _joined(cell.outputs):
            parts += _shown(output, f"{name}-{len(pictures) + 1}.png", pictures)
    title, *rest = parts
    here = f"This page is `example_notebooks/{name}.ipynb`, as a kernel ran it when it was built."
    return "\n\n".join([title, f'<p class="lesson">{_code(here)}</p>', *rest]) + "\n"


def _joined(outputs: list[Any]) -> list[Any]:
    """The outputs, with what a stream brought in pieces as one."""
    joined: list[Any] = []
    for output in outputs:
        last = joined[-1] if joined else {}
        if output.output_type == "stream" and last.get("name") == output.name:
            joined[-1] = nbformat.from_dict(last | {"text": last["text"] + output.text})
        else:
            joined.append(output)
    return joined


def _shown(output: Any, picture: str, pictures: dict[str, bytes]) -> Iterator[str]:
    data = output.get("data", {})
    if "image/png" in data:
        pictures[picture] = base64.b64decode(data["image/png"])
        yield f"![what the cell draws]({picture})"
    elif "text/html" in data:
        # one line: a blank one would end what Markdown takes for HTML
        html = re.sub(r"\s*\n\s*", " ", data["text/html"])
        yield f'<div class="cell-output">{html}</div>'
    else:
        text = (
            output.get("text") or data.get("text/plain") or "\n".join(output.get("traceback", ()))
        )
        if text:
            yield _fenced(_ANSI.sub("", text).rstrip(), "text")


def _fenced(text: str, language: str) -> str:
    fence = "````" if "```" in text else "```"
    return f"{fence}{language}\n{text}\n{fence}"


def _code(text: str) -> str:
    return re.sub(r"`(.+?)`", r"<code>\1</code>", text)


def _run(name: str) -> Path:
    """The lesson as papermill leaves it, from ``build/lessons`` if nothing has changed."""
    place = KEPT / f"{name}-{_digest(name)}"
    kept = place / f"{name}.out.ipynb"
    if kept.exists():
        return kept
    for old in KEPT.glob(f"{name}-*"):
        shutil.rmtree(old)
    shutil.copytree(EXAMPLES, place, ignore=shutil.ignore_patterns("*.run.ipynb", "*.sweep"))
    scripts = str(Path(sys.executable).parent)
    environ = os.environ | {
        "PATH": os.pathsep.join((scripts, os.environ["PATH"])),  # the lesson's `!orch-nb`
        "ORCH_NB_HOME": str(place / "home"),
        "ORCH_NB_WARM": "0",
        "DASK_TEMPORARY_DIRECTORY": str(place),
    }
    words = ["papermill", f"{name}.ipynb", "running.ipynb", "--no-progress-bar"]
    ended = subprocess.run(
        [sys.executable, "-m", *words], cwd=place, env=environ, capture_output=True, text=True
    )
    if ended.returncode != 0:
        shutil.rmtree(place)
        raise PluginError(f"the lesson {name}.ipynb failed:\n{ended.stderr[-3000:]}")
    (place / "running.ipynb").rename(kept)
    return kept


def _digest(name: str) -> str:
    """Of the lesson and of all that it may run or read."""
    digest = hashlib.sha256()
    others = [path for path in EXAMPLES.glob("*.ipynb") if path.stem not in LESSONS]
    read = [EXAMPLES / "quickstart.ipynb", *others, *EXAMPLES.glob("data/*")]
    for path in sorted({EXAMPLES / f"{name}.ipynb", *read}):
        if not path.name.endswith(".run.ipynb") and path.name != "tidy.ipynb":
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
