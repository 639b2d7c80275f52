"""A warm daemon of each module's own, in a private folder, and nothing of it left afterwards."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.command_line import Bench, make_document, wait_until

_COMES_UP = 60.0  # seconds, on a busy machine


class WarmBench(Bench):
    """Runs `orch-nb` with a daemon."""

    def __init__(self, folder: Path, home: Path, runtime: Path) -> None:
        super().__init__(folder, home)
        self.runtime = runtime
        self.rehearsed = True  # commands are run by the process that waits for one
        self.environ |= {"ORCH_NB_WARM": "1", "XDG_RUNTIME_DIR": str(runtime)}
        self.environ.pop("ORCH_NB_NO_FORK", None)

    def start_daemon(self) -> int:
        """Have a daemon up; its process."""
        ended = self.orch("warm", "start", "--json")
        assert ended.code == 0, ended.err + self.said()
        (daemon,) = json.loads(ended.out)
        return int(daemon["process"])

    def status(self) -> list[dict[str, Any]]:
        """What the daemons say."""
        return list(self.orch_json("warm"))

    def served(self) -> int:
        """How many commands the daemon has run."""
        (daemon,) = self.status()
        return int(daemon["served"])

    def run_warm(self, *arguments: str) -> Any:
        """`orch-nb …`, which must have been run by the daemon."""
        if self.rehearsed:
            self.wait_for_standby()
        before = self.served()
        ended = self.orch(*arguments)
        assert self.served() == before + 1, ended.err + self.said()
        return ended

    def wait_for_standby(self) -> None:
        """Until a process waits for the next command."""
        wait_until(
            lambda: self.status()[0]["standby"], _COMES_UP, "a process to wait for a command"
        )

    def said(self) -> str:
        """What the daemons have written into their logs."""
        return "".join(path.read_text() for path in self.runtime.rglob("*.log"))

    def write(self, *cells: str | dict[str, Any], name: str = "sales.ipynb") -> Path:
        """A notebook in the working folder."""
        path = self.folder / name
        path.write_text(json.dumps(make_document(*cells)), encoding="utf-8")
        return path

    def printed(self, *cells: str, name: str = "sales.ipynb", warm: bool = True) -> list[str]:
        """Run such a notebook; what each of its cells printed."""
        self.write(*cells, name=name)
        how = ("run", name, "-o", "out.ipynb", "-q")
        ended = self.run_warm(*how) if warm else self.orch(*how, "--no-warm")
        assert ended.code == 0, ended.err
        document = json.loads((self.folder / "out.ipynb").read_text())
        return [
            "".join("".join(output.get("text", "")) for output in cell["outputs"])
            for cell in document["cells"]
        ]

    def end(self) -> None:
        """Stop the daemons; none of their processes may be left."""
        self.orch("warm", "stop")
        wait_until(lambda: not self.processes(), _COMES_UP, "the daemon to be gone")


@pytest.fixture
def make_bench(tmp_path: Path, orch_home: Path) -> Iterator[Callable[[], WarmBench]]:
    """Makes a bench with daemons of its own."""
    if sys.platform != "linux":
        pytest.skip("nothing is kept warm on this system")
    runtime = Path(tempfile.mkdtemp(prefix="orch-"))  # a socket's path must be short
    made: list[WarmBench] = []

    def make() -> WarmBench:
        made.append(WarmBench(tmp_path, orch_home, runtime))
        return made[0]

    yield make
    for bench in made:
        bench.end()
    shutil.rmtree(runtime)


@pytest.fixture
def bench(make_bench: Callable[[], WarmBench]) -> WarmBench:
    """A bench whose daemon is up."""
    made = make_bench()
    made.start_daemon()
    return made
