"""`orch_nb.run_notebook` called by a cell of a running kernel."""

from __future__ import annotations

import json
import re
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from jupyter_core.utils import ensure_event_loop

from orch_nb.app import runs
from orch_nb.states import StateName
from tests.command_line import code, make_document, wait_until

INNER = (
    code("n: int = 3", "parameters"),
    "import logging\nimport orch_nb\nprint(orch_nb.run.name, dict(orch_nb.run.parameters))",
    "#| task double\nlogging.getLogger('sales').warning('doubling %s', n)\ntotal = n * 2",
    "import threading\nlock = threading.Lock()",
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "inner.ipynb").write_text(json.dumps(make_document(*INNER)))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def execute(*cells: str) -> list[Any]:
    """The outputs of each cell in a kernel of its own, with errors as outputs."""
    from nbclient import NotebookClient

    notebook = nbformat.from_dict(make_document(*cells))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # jupyter_client's, about its own sockets
        NotebookClient(notebook, allow_errors=True).execute()
    return [cell.outputs for cell in notebook.cells]


def test_state_outputs_and_values(folder: Path) -> None:
    shown = execute(
        "import orch_nb\nresult = orch_nb.run_notebook('inner.ipynb', n=21)",
        "str(result.state), result.values['total'], result.outputs['double'][0]['text']",
        "result.values['lock']",
        "result",
        "orch_nb.run_notebook('iner.ipynb')",
    )
    assert shown[0] == []
    assert shown[1][0]["data"]["text/plain"] == "('Completed', 42, 'doubling 21\\n')"
    assert shown[2][0]["ename"] == "NotFoundError"
    assert "lock" in shown[2][0]["evalue"]
    (run,) = runs()
    output = folder / "inner.run.ipynb"
    words = f"<run {run.name} of inner is Completed; 5 cells; output {output}>"
    assert shown[3][0]["data"]["text/plain"] == words
    assert "did you mean inner.ipynb" in shown[4][0]["evalue"]
    text = nbformat.read(output, 4).cells[2].outputs[0].text
    assert text == f"{run.name} {{'n': 21}}\n"


@pytest.fixture
def kernel() -> Iterator[tuple[Any, Any]]:
    from jupyter_client.manager import start_new_kernel

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        manager, client = start_new_kernel()
        yield manager, client
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def test_an_interrupt_cancels_the_run(folder: Path, kernel: tuple[Any, Any]) -> None:
    manager, client = kernel
    wait = "%%task wait\nimport time\nopen('started', 'w').close()\ntime.sleep(60)"
    (folder / "long.ipynb").write_text(json.dumps(make_document(wait)))

    def interrupt() -> None:
        wait_until((folder / "started").exists, 30, "the task")
        manager.interrupt_kernel()
        ensure_event_loop().close()  # this thread's own

    thread = threading.Thread(target=interrupt)
    thread.start()
    reply = client.execute_interactive(
        "import orch_nb\norch_nb.run_notebook('long.ipynb')", timeout=60
    )
    thread.join()
    assert reply["content"]["ename"] == "KeyboardInterrupt"
    (run,) = runs()
    assert run.state_name is StateName.CANCELLED
    assert re.search("Cancelled", (folder / "long.run.ipynb").read_text())
