"""Values, aliases and ambient state after a resume: as if the run had never been interrupted."""

from __future__ import annotations

import json
import pickle
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from orch_nb.app import ResumeRequest, RunRequest, RunResult, resume, run
from orch_nb.engine.events import Event, Notice, TaskChanged
from orch_nb.notebook.binding import collect_parameters
from orch_nb.places import find_places
from orch_nb.results.blob import blob_path, write_blob
from orch_nb.results.signing import KeyRing
from orch_nb.states import StateName
from orch_nb.store import ResultRecord, open_store
from tests.command_line import code, make_document

pytestmark = pytest.mark.usefixtures("orch_home")

FAILS = "%%task stumbling\n1 / 0"
FIXED = "%%task stumbling\nprint('fixed')"
Made = tuple[RunResult, list[int], list[str]]


class Case:
    """A notebook that is run, edited and resumed in this process."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "sales.ipynb"
        self._ran: list[int] = []
        self._told: list[str] = []

    def write(self, *cells: str) -> None:
        self.path.write_text(json.dumps(make_document(*cells)))

    def run(self, *cells: str) -> Made:
        self.write(*cells)
        return self._made(run(RunRequest(str(self.path), options={"max_workers": 2}), self._hear))

    def resume(self, of: RunResult, **more: Any) -> Made:
        return self._made(resume(ResumeRequest(of.run.id, **more), self._hear))

    def fail_and_resume(self, *cells: str) -> tuple[list[int], list[str]]:
        """Run the cells, whose `stumbling` fails; resume with it fixed, and compare the output
        notebook with that of an undisturbed run. The cells that ran again, and the notices."""
        first, _, _ = self.run(*cells)
        assert first.run.state_name is StateName.FAILED
        fixed = [FIXED if cell == FAILS else cell for cell in cells]
        self.write(*fixed)
        second, ran, told = self.resume(first)
        assert second.run.state_name is StateName.COMPLETED, second.run.state_message
        third, _, _ = self.run(*fixed)
        assert outputs(second.document) == outputs(third.document)
        return ran, told

    def _made(self, result: RunResult) -> Made:
        ran, self._ran = sorted(set(self._ran)), []
        told, self._told = self._told, []
        return result, ran, told

    def _hear(self, event: Event) -> None:
        if isinstance(event, TaskChanged) and event.task.state_name is StateName.RUNNING:
            self._ran.append(event.task.cell_number)
        elif isinstance(event, Notice):
            self._told.append(event.text)


def outputs(document: Mapping[str, Any]) -> list[object]:
    """What a notebook shows, cell by cell."""
    return [(cell["execution_count"], cell["outputs"]) for cell in document["cells"]]


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return Case(tmp_path)


SHARED: Mapping[str, Sequence[str]] = {
    "two names of one list": (
        "%%task make\nfirst = [1, 2]\nsecond = first",
        FAILS,
        "%%task use --needs stumbling\nsecond.append(3)\nprint(first, first is second)",
    ),
    "a list in a dict, named apart": (
        "%%task make\nrows = [[1], [2]]\nbook = {'rows': rows}",
        "%%task name\ninner = book['rows'][0]",
        FAILS,
        "%%task use --needs stumbling\ninner.append(9)\nprint(rows, book)",
    ),
    "a change in place by a later kept task": (
        "%%task make\nfirst = [1]\nsecond = first",
        "%%task change\nsecond.append(2)",
        FAILS,
        "%%task use --needs stumbling\nprint(first, first is second)",
    ),
    "a view of an array": (
        "import numpy as np",
        "%%task make\nwhole = np.arange(12.0)\nview = whole[3:6]",
        FAILS,
        "%%task use --needs stumbling\nview[:] = -1\nprint(whole, view.base is whole)",
    ),
    "an array of two names, changed between": (
        "import numpy as np",
        "%%task make\nwhole = np.zeros(6)\nother = whole",
        "%%task change\nother[2] = 5",
        FAILS,
        "%%task use --needs stumbling\nother += 1\nprint(whole, whole is other)",
    ),
    "a column of a frame": (
        "import pandas as pd",
        "%%task make\nframe = pd.DataFrame({'a': [1, 2], 'b': [3, 4]})\ncolumn = frame['a']",
        FAILS,
        "%%task use --needs stumbling\nframe.loc[0, 'b'] = 7\nprint(frame, list(column))",
    ),
    "two names of one frame": (
        "import pandas as pd",
        "%%task make\nframe = pd.DataFrame({'a': [1, 2]})\nsame = frame",
        FAILS,
        "%%task use --needs stumbling\nsame['c'] = 1\nprint(frame, frame is same)",
    ),
}


@pytest.mark.parametrize("cells", SHARED.values(), ids=SHARED)
def test_shared_objects_are_still_shared(case: Case, cells: Sequence[str]) -> None:
    ran, told = case.fail_and_resume(*cells)
    imports = [number for number, cell in enumerate(cells, 1) if cell.startswith("import")]
    stumbling = cells.index(FAILS) + 1
    assert [number for number in ran if number not in imports] == [stumbling, stumbling + 1]
    assert told == []


def test_a_value_changed_in_place_after_it_was_used_by_a_kept_task(case: Case) -> None:
    ran, _ = case.fail_and_resume(
        "%%task make\nrows = [3, 1, 2]",
        "%%task use\ntotal = sum(rows)",
        "%%task change\nrows.sort()",
        FAILS,
        "%%task last --needs stumbling\nprint(rows, total)",
    )
    assert ran == [4, 5]


def test_a_seeded_notebook_gives_the_seeded_numbers(case: Case) -> None:
    ran, _ = case.fail_and_resume(
        "import numpy as np\nimport random",
        "np.random.seed(5)\nrandom.seed(5)",
        "%%task draw\nkept = np.random.rand(3), random.random()\nprint(kept)",
        FAILS,
        "%%task more --needs stumbling\nprint(np.random.rand(2), random.random(), kept)",
    )
    assert set(ran) <= {1, 2, 4, 5}


def test_options_set_by_a_cell_hold_in_what_is_resumed(case: Case) -> None:
    case.fail_and_resume(
        "import numpy as np\nimport pandas as pd\nimport os",
        "np.set_printoptions(precision=2)\npd.set_option('display.max_rows', 4)",
        "os.environ['SALES_REGION'] = 'EU'",
        "%%task make\nvalues = np.array([1.23456, 2.34567])\nframe = pd.DataFrame({'a': range(9)})",
        FAILS,
        "%%task show --needs stumbling\nprint(values, os.environ['SALES_REGION'])\nframe",
    )


def test_classes_and_functions_of_the_notebook(case: Case) -> None:
    ran, _ = case.fail_and_resume(
        "RATE = 2",
        "class Row:\n    def __init__(self, n):\n        self.n = n\n"
        "    def cost(self):\n        return self.n * RATE",
        "def double(row):\n    return Row(row.n * 2)",
        "%%task make\nrow = double(Row(4))\nprint(row.cost())",
        FAILS,
        "%%task use --needs stumbling\nagain = double(row)\n"
        "print(type(row) is Row, isinstance(again, Row), again.cost())\n"
        "RATE = 10\nprint(row.cost())",
    )
    assert 4 not in ran


@pytest.mark.parametrize(
    "value",
    ["(n for n in range(9))", "__import__('sqlite3').connect(':memory:')", "iter([1, 2, 3])"],
)
def test_a_value_that_cant_be_kept_is_made_again(case: Case, value: str) -> None:
    ran, _ = case.fail_and_resume(
        "%%task other\nprint('other')",
        f"%%task make\nvalue = {value}\nprint('made')",
        FAILS,
        "%%task use --needs stumbling\nnexts = hasattr(value, '__next__')\n"
        "print(next(value) if nexts else value.execute('select 1').fetchall())",
    )
    assert {3, 4} <= set(ran)
    assert 1 not in ran


def test_lambdas_closures_and_partials_are_kept(case: Case) -> None:
    ran, _ = case.fail_and_resume(
        "import functools",
        "%%task make\nscale = 3\ntimes = lambda n: n * scale\n"
        "def adder(n):\n    def add(m):\n        return n + m\n    return add\n"
        "add5 = adder(5)\npart = functools.partial(add5, 4)",
        FAILS,
        "%%task use --needs stumbling\nscale = 4\nprint(times(2), add5(1), part())",
    )
    assert 2 not in ran


def test_a_plain_value_that_was_not_kept_is_made_again(case: Case) -> None:
    ran, _ = case.fail_and_resume(
        "base = [1]",
        "%%task make\nmade = [2]",
        FAILS,
        "%%task use --needs stumbling\nbase.append(made)\nprint(base)",
    )
    assert ran == [1, 3, 4]


def test_results_named_by_their_counts(case: Case) -> None:
    case.fail_and_resume(
        "%%task make\n[1, 2]",
        FAILS,
        "%%task use --needs stumbling\nprint(Out[1], _1)",
    )


# -- values that can't be trusted any more


def kept(result: RunResult, name: str) -> ResultRecord:
    """The record of a task's kept result."""
    task = next(task for task in result.tasks if task.name == name)
    with open_store() as store:
        (found,) = [r for r in store.results(result.run.id) if r.task_run_id == task.id]
    return found


CHAIN = (
    "%%task make\nmade = list(range(400))",
    FAILS,
    "%%task use --needs stumbling\nprint(sum(made))",
)
MENDED = (CHAIN[0], FIXED, CHAIN[2])


class Evil:
    """Tells when it is unpickled, by making a file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> Any:
        return open, (str(self._path), "w")


def flip(path: Path, evil: bytes) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def exchange(path: Path, evil: bytes) -> None:
    data = path.read_bytes()
    path.write_bytes(data[:64] + evil.ljust(len(data) - 64, b"."))


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (flip, "damaged"),
        (exchange, "damaged"),
        (lambda path, evil: path.unlink(), "missing"),
        (lambda path, evil: path.write_bytes(path.read_bytes()[:-9]), "damaged"),
        (lambda path, evil: path.write_bytes(b""), "damaged"),
    ],
    ids=["a byte flipped", "another pickle", "deleted", "cut", "empty"],
)
def test_a_damaged_value_is_made_again_and_nothing_of_it_is_unpickled(
    case: Case, tmp_path: Path, harm: Any, words: str
) -> None:
    first, _, _ = case.run(*CHAIN)
    digest = kept(first, "make").digest
    assert digest is not None
    path = blob_path(Path(find_places().results), digest)
    path.chmod(0o600)
    harm(path, pickle.dumps(Evil(tmp_path / "unpickled")))
    case.write(*MENDED)
    second, ran, told = case.resume(first)
    assert second.run.state_name is StateName.COMPLETED
    assert ran == [1, 2, 3]
    (notice,) = [text for text in told if "make" in text]
    assert "runs again" in notice
    assert words in notice
    assert not (tmp_path / "unpickled").exists()


@pytest.mark.parametrize("signed", [True, False], ids=["with another key", "not at all"])
def test_a_value_that_this_store_did_not_sign_is_made_again(
    case: Case, tmp_path: Path, signed: bool
) -> None:
    first, _, _ = case.run(*CHAIN)
    results = Path(find_places().results)
    manifest = write_blob(results, pickle.dumps(Evil(tmp_path / "unpickled")), [])
    forged = KeyRing.of(b"k" * 32).sign(manifest)
    with open_store() as store:
        database = store.where
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute(
            "UPDATE results SET digest = ?, manifest = ?, signature = ?, key_id = ?"
            " WHERE task_run_id = ?",
            (
                manifest.digest,
                json.dumps(manifest.to_json()),
                forged.value if signed else None,
                forged.key_id if signed else None,
                kept(first, "make").task_run_id,
            ),
        )
    case.write(*MENDED)
    second, ran, told = case.resume(first)
    assert second.run.state_name is StateName.COMPLETED
    assert ran == [1, 2, 3]
    assert any("make" in text and "not signed" in text for text in told)
    assert not (tmp_path / "unpickled").exists()


# -- cells that are asked to run again


def test_a_retry_that_fails_is_not_forgotten_by_the_resume_after_it(
    case: Case, tmp_path: Path
) -> None:
    """The file that a task reads is another: its old outcome must not come back."""
    given = tmp_path / "given.txt"
    cells = (
        "name = 'given.txt'",
        "%%task load\nrows = open(name).read().split()\nassert 'bad' not in rows",
        "%%task use\nprint(rows)",
    )
    given.write_text("one two")
    first, _, _ = case.run(*cells)
    given.write_text("bad")
    second, _, _ = case.resume(first, tasks=("load",))
    assert second.run.state_name is StateName.FAILED
    given.write_text("three")
    third, ran, _ = case.resume(first)
    assert third.run.state_name is StateName.COMPLETED
    assert set(ran) >= {2, 3}
    assert third.document["cells"][2]["outputs"][0]["text"] == "['three']\n"
    assert third.run.attempt == 3


def test_what_depends_on_a_task_asked_for_is_not_forgotten_either(
    case: Case, tmp_path: Path
) -> None:
    stop = tmp_path / "stop"
    cells = (
        "%%task load\nimport time\nmoment = time.time_ns()",
        "%%task between --needs load\nimport os\nassert not os.path.exists('stop')",
        "%%task use --needs between\nprint(moment)",
        "%%task last\nprint(moment)",
    )
    first, _, _ = case.run(*cells)
    stop.touch()
    second, _, _ = case.resume(first, tasks=("load",))
    assert second.run.state_name is StateName.FAILED
    stop.unlink()
    third, _, _ = case.resume(first)
    assert third.run.state_name is StateName.COMPLETED
    shown = [cell["outputs"] for cell in third.document["cells"][2:]]
    assert shown[0] == shown[1]
    assert shown[0] != first.document["cells"][2]["outputs"]


def test_files_are_written_again_when_a_parameter_comes_back(case: Case, tmp_path: Path) -> None:
    case.path.write_text(
        json.dumps(
            make_document(
                code("year = 2024", "parameters"),
                "%%task double\ntwice = year * 2",
                "%%task write\nwith open('out.txt', 'w') as file:\n    file.write(str(twice))",
                "%%task read --needs write\nprint(open('out.txt').read())",
            )
        )
    )
    first, _, _ = case._made(run(RunRequest(str(case.path)), case._hear))
    second, ran, _ = case.resume(first, parameters=collect_parameters(texts=[("year", "1")]))
    assert (tmp_path / "out.txt").read_text() == "2"
    assert set(ran) == {2, 3, 4, 5}
    _, ran, _ = case.resume(second, parameters=collect_parameters(texts=[("year", "2024")]))
    assert (tmp_path / "out.txt").read_text() == "4048"
    assert set(ran) == {2, 4, 5}, "the outcome of `double` then serves, the file does not"


def test_an_edit_that_is_taken_back_leaves_the_earlier_outcome(case: Case) -> None:
    cells = ("%%task make\nmade = 1\nprint(made)", "%%task use\nprint(made + 1)")
    first, _, _ = case.run(*cells)
    case.write(cells[0].replace("1\n", "1 / 0\n"), cells[1])
    second, ran, _ = case.resume(first, tasks=("use",))
    assert second.run.state_name is StateName.FAILED
    assert ran == [1]
    case.write(*cells)
    third, ran, _ = case.resume(second)
    assert third.run.state_name is StateName.COMPLETED
    assert ran == []
    assert [task.state_name for task in third.tasks] == [StateName.COMPLETED] * 2
    assert [task.error_name for task in third.tasks] == [None, None]
    assert outputs(third.document) == outputs(first.document)


def test_values_that_a_resume_uses_count_as_used_then(case: Case) -> None:
    cells = ["%%task made\nnumbers = [1, 2]", "%%task other\nothers = [3]", FAILS]
    first, _, _ = case.run(*cells)
    with open_store() as store:
        before = store.last_uses()
        made = {result.names: result.digest for result in store.results(first.run.id)}
    case.write(*cells[:2], "%%task stumbling\nprint(numbers)")
    case.resume(first)
    with open_store() as store:
        after = store.last_uses()
    used, unused = made["numbers",], made["others",]
    assert used is not None
    assert unused is not None
    assert after[used] > before[used]
    assert after[unused] == before[unused]
