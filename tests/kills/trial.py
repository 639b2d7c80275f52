"""One flow, killed at one point or several, then resumed until it is done, and what must hold."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orch_nb.model import FlowRun
from orch_nb.results.blob import Manifest, blob_path, read_blob
from orch_nb.results.signing import Signature
from orch_nb.states import StateName, StateType
from orch_nb.store import Store, open_store
from tests.kills.crossings import Aim, cells_run, points_crossed
from tests.kills.drivers import Drivers

RUN = "killed-run"
_MOST_ATTEMPTS = 12
NOBODY = Aim(0)


@dataclass(frozen=True)
class Flow:
    """A notebook as a document, and the files that it writes."""

    document: Mapping[str, Any]
    files: tuple[str, ...]
    arguments: tuple[str, ...] = ()


@dataclass(frozen=True)
class Left:
    """What a run that is done has left for its user: outputs by cell, and files by name."""

    outputs: tuple[object, ...]
    files: Mapping[str, str]


class Trial:
    """A flow in a folder of its own, with its own data; ``store`` is the URL of an empty
    database, or empty for an SQLite file."""

    def __init__(self, folder: Path, flow: Flow, drivers: Drivers, store: str = "") -> None:
        self.folder = folder / "work"
        self.home = folder / "home"
        self.kills = folder / "kills"
        self._store = store
        self._flow = flow
        self._drivers = drivers
        self.folder.mkdir(parents=True)
        (self.folder / "flow.ipynb").write_text(json.dumps(flow.document))

    def call(self, aim: Aim, *words: str) -> int:
        """Run a command, with somebody killed; its exit code."""
        return self._drivers.run(
            {
                "folder": str(self.folder),
                "home": str(self.home),
                "store": self._store,
                "kills": str(self.kills),
                "at": aim.at,
                "victim": aim.victim,
                "words": list(words),
            }
        )

    def undisturbed(self) -> tuple[Left, list[str]]:
        """What the flow leaves when nobody is killed, and the points that it crosses."""
        code = self.start(NOBODY)
        assert code == 0, self.shown()
        return self.left(), points_crossed(self.kills)

    def start(self, aim: Aim) -> int:
        """Run the flow from the start."""
        return self.call(aim, "run", "flow.ipynb", "--name", RUN, "-q", *self._flow.arguments)

    def survive(self, aims: Iterator[Aim]) -> list[str]:
        """Run the flow and go on with it until it is done, killing as ``aims`` say; what is
        wrong, in words."""
        wrong: list[str] = []
        self.start(next(aims, NOBODY))
        for _ in range(_MOST_ATTEMPTS):
            run, kept = self._look(wrong)
            if run is None:  # it was not even recorded
                self.start(next(aims, NOBODY))
                continue
            if run.state_type is StateType.COMPLETED:
                break
            code = self.call(next(aims, NOBODY), "resume", RUN, "-q")
            again = sorted(set(cells_run(self.kills)) & kept)
            if again:
                wrong.append(f"cells {again} were kept, and ran again")
            if code not in (0, 1, -9):
                wrong.append(f"resume ended with {code}: {self.shown()}")
        else:
            wrong.append(f"it was not done after {_MOST_ATTEMPTS} attempts: {self.shown()}")
        wrong += self._check_record()
        return wrong

    def left(self) -> Left:
        """What the flow has left."""
        document = json.loads((self.folder / "flow.run.ipynb").read_text())
        outputs = tuple(
            (cell["execution_count"], cell["outputs"])
            for cell in document["cells"]
            if cell["cell_type"] == "code"
        )
        files = {name: (self.folder / name).read_text() for name in self._flow.files}
        return Left(outputs, files)

    def shown(self) -> str:
        """The end of what the commands have shown."""
        shown = self.folder.parent / "shown.txt"
        return shown.read_text()[-2000:] if shown.exists() else ""

    def _look(self, wrong: list[str]) -> tuple[FlowRun | None, frozenset[int]]:
        """The run, and the cells whose results are recorded as kept."""
        if not self._store and not list(self.home.rglob("*.db")):
            return None, frozenset()
        with open_store(self._store or str(self._database)) as store:
            runs = store.list_runs()
            if not runs:
                return None, frozenset()
            (run,) = runs
            tasks = {task.id: task for task in store.task_runs(run.id)}
            kept = frozenset(
                tasks[result.task_run_id].cell_number
                for result in store.results(run.id)
                if result.kept
            )
            wrong += _unsound(store, run, self.home)
        return run, kept

    @property
    def struck(self) -> int:
        """How many kills there were."""
        path = self.kills / "struck"
        return path.stat().st_size if path.exists() else 0

    @property
    def _database(self) -> Path:
        (found,) = self.home.rglob("*.db")
        return found

    def _check_file(self) -> list[str]:
        wrong = []
        with closing(sqlite3.connect(self._database)) as connection:
            if connection.execute("PRAGMA integrity_check").fetchall() != [("ok",)]:
                wrong.append("the store is damaged")
            if connection.execute("PRAGMA foreign_key_check").fetchall():
                wrong.append("the store has rows without what they belong to")
        return wrong

    def _check_record(self) -> list[str]:
        """What is wrong with the record of a run that is done."""
        wrong = [] if self._store else self._check_file()
        with open_store(self._store or str(self._database)) as store:
            (run,) = store.list_runs()
            tasks = store.task_runs(run.id)
            results = store.results(run.id)
            if run.state_name is not StateName.COMPLETED:
                wrong.append(f"the run is {run.state_name}")
            if store.leases("run/"):
                wrong.append("a lease is left")
            good = Counter(result.task_run_id for result in results if result.kept)
            for task in tasks:
                if task.state_type is not StateType.COMPLETED:
                    wrong.append(f"{task.name} is {task.state_name}")
                if good[task.id] > 1:
                    wrong.append(f"{task.name} has {good[task.id]} kept outcomes")
                if task.kind == "task" and good[task.id] != 1:
                    wrong.append(f"{task.name} has {good[task.id]} kept outcomes, not one")
                if not any(result.task_run_id == task.id for result in results):
                    wrong.append(f"{task.name} has no outcome")
            wrong += _unsound(store, run, self.home)
        return wrong


def _unsound(store: Store, run: FlowRun, home: Path) -> list[str]:
    """Kept results that are not there, whole and signed."""
    wrong = []
    keyring = store.keyring()
    for result in store.results(run.id):
        if not result.kept:
            continue
        try:
            if result.manifest is None or result.key_id is None or result.signature is None:
                raise ValueError("it has no manifest or signature")
            manifest = Manifest.from_json(result.manifest)
            keyring.verify(manifest, Signature(result.key_id, result.signature))
            read_blob(blob_path(home / "results", manifest.digest), manifest, check_buffers=True)
        except Exception as error:
            wrong.append(f"a result is recorded as kept, and {error}")
    return wrong


def describe(aims: Sequence[Aim]) -> str:
    """Kills in words."""
    return ", ".join(f"{aim.victim} at {aim.at}" for aim in aims)
