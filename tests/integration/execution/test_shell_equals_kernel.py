"""Every kind of output is the same from a CellShell as from a real kernel through nbclient.

Masked, because they differ between any two runs of a kernel: addresses, process ids, measured
times, ids of widgets, and the pixels of images. Streams' pieces that follow each other are joined,
as JupyterLab joins them; where a kernel's own order is a race, stdout and stderr are compared each
on its own.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import ipykernel
import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellTimeoutError
from nbformat.v4 import new_code_cell, new_notebook

import orch_nb


@dataclass(frozen=True)
class Case:
    """A cell; ``racy`` if a kernel gives its streams in no fixed order."""

    name: str
    source: str
    racy: bool = False


def read_cases() -> list[Case]:
    """The cells of `shell_cases.txt`: ``# %% name``, ``[racy]`` perhaps, and the source below."""
    text = Path(__file__).with_name("shell_cases.txt").read_text()
    cases = []
    for part in re.split(r"^# %% ", text, flags=re.MULTILINE)[1:]:
        name, source = part.split("\n", 1)
        cases.append(Case(name.removesuffix(" [racy]"), source.rstrip("\n"), " [racy]" in name))
    return cases


CASES = read_cases()
WAKE_SECONDS = 2.0
KERNEL_SECONDS = 40  # for one cell


@dataclass(frozen=True)
class Run:
    """Outputs by cell, and the widgets' models by id."""

    outputs: list[list[dict]]
    widgets: dict


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> tuple[Run, Run]:
    """Every case run once, as one notebook, by a kernel and by a CellShell."""
    sources = [case.source for case in CASES]
    return (
        run_in_kernel(sources, tmp_path_factory.mktemp("kernel")),
        run_in_shell(sources, tmp_path_factory.mktemp("shell")),
    )


class PatientClient(NotebookClient):
    """nbclient that wakes a kernel which has not sent its reply.

    A comm message that arrives as a cell ends (nbclient sends one for every output that a widget
    captures) makes the kernel's shell thread miss the reply that waits to be passed on, until the
    next message comes: nbclient would wait for ever. Any request is such a message.
    """

    async def async_execute_cell(self, *arguments, **options):
        waking = asyncio.ensure_future(self._wake())
        try:
            return await super().async_execute_cell(*arguments, **options)
        finally:
            waking.cancel()

    async def _wake(self) -> None:
        while True:
            await asyncio.sleep(WAKE_SECONDS)
            self.kc.kernel_info()


def run_in_kernel(sources: list[str], folder: Path) -> Run:
    # a kernel that finds itself under pytest leaves the descriptors alone
    environment = {k: v for k, v in os.environ.items() if k != "PYTEST_CURRENT_TEST"}
    for tries_left in (2, 1, 0):
        notebook = new_notebook(cells=[new_code_cell(source) for source in sources])
        client = PatientClient(
            notebook,
            allow_errors=True,
            timeout=KERNEL_SECONDS,
            kernel_name="python3",
            resources={"metadata": {"path": str(folder)}},
        )
        try:
            client.execute(env=environment)
            break
        except (CellTimeoutError, RuntimeError):  # a kernel may hang where others run beside it
            if not tries_left:
                raise
    plain = json.loads(nbformat.writes(notebook))
    outputs = [[joined(output) for output in cell["outputs"]] for cell in plain["cells"]]
    bundle = plain["metadata"]["widgets"]["application/vnd.jupyter.widget-state+json"]
    return Run(outputs, bundle["state"])


def joined(output: dict) -> dict:
    """Text that nbformat split into lines, whole again."""
    whole = dict(output)
    if isinstance(whole.get("text"), list):
        whole["text"] = "".join(whole["text"])
    if "data" in whole:
        whole["data"] = {
            kind: "".join(value) if isinstance(value, list) and "json" not in kind else value
            for kind, value in whole["data"].items()
        }
    return whole


def run_in_shell(sources: list[str], folder: Path) -> Run:
    listed, results = folder.parent / "sources.json", folder.parent / "results.json"
    listed.write_text(json.dumps(sources))
    script = Path(__file__).with_name("shell_session.py")
    command = [sys.executable, str(script), str(listed), str(results)]
    environment = {**os.environ, "PYTHONPATH": str(Path(orch_nb.__file__).parents[1])}
    subprocess.run(command, check=True, cwd=folder, env=environment, timeout=120)
    told = json.loads(results.read_text())
    return Run([cell["outputs"] for cell in told["cells"]], told["widgets"])


MASKS = [
    (re.compile(r"0x[0-9a-f]{6,}"), "0xADDRESS"),
    (re.compile(r"ipykernel_\d+"), "ipykernel_PID"),
    (re.compile(r"/[^\s:\"']*/(kernel|shell)0"), "FOLDER"),
    (re.compile(r"(?<![0-9a-f])[0-9a-f]{32}(?![0-9a-f])"), "WIDGET"),
    (re.compile(r"[\d.]+ (ns|[uµμ]s|ms|s)\b"), "TIME"),
    (re.compile(r"<dc:date>.*</dc:date>"), "DATE"),
    (re.compile(r"\b[mp][0-9a-f]{10}\b"), "SVG-ID"),
]


def masked(value, *, racy: bool = False):
    """``value`` without what differs between two runs of a kernel."""
    if isinstance(value, str):
        for pattern, mask in MASKS:
            value = pattern.sub(mask, value)
        return value
    if isinstance(value, dict):
        return {
            key: "PIXELS" if key == "image/png" else masked(item) for key, item in value.items()
        }
    if isinstance(value, list):
        return [masked(item) for item in streams_joined(value, racy=racy)]
    return value


def streams_joined(outputs: list, *, racy: bool) -> list:
    """Outputs in which the pieces of a stream are one."""
    told: list = []
    for output in outputs:
        is_stream = isinstance(output, dict) and output.get("output_type") == "stream"
        last = told[-1] if told else None
        if is_stream and last and last.get("name") == output["name"]:
            told[-1] = {**last, "text": last["text"] + output["text"]}
        else:
            told.append(output)
    if racy:
        told.sort(key=lambda output: output.get("name", ""))
    return told


@pytest.mark.parametrize("number", range(len(CASES)), ids=[case.name for case in CASES])
def test_outputs_are_a_kernels(runs, number) -> None:
    if ipykernel.version_info < (7,) and CASES[number].name.startswith("thread"):
        pytest.skip("this ipykernel loses what a thread prints")
    kernel, shell = runs
    racy = CASES[number].racy
    assert masked(shell.outputs[number], racy=racy) == masked(kernel.outputs[number], racy=racy)


def test_widget_state_is_what_nbclient_keeps(runs) -> None:
    kernel, shell = runs
    assert states(shell.widgets) == states(kernel.widgets)
    assert len(states(shell.widgets)) > 20


def states(widgets: dict) -> list[str]:
    """The models in an order that does not depend on their random ids."""
    return sorted(json.dumps(masked(model), sort_keys=True) for model in widgets.values())
