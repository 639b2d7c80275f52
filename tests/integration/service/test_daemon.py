"""The real `orch-nb start` with real notebooks: what is deployed runs, survives, and keeps mum."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.command_line import Bench, code, make_document, wait_until

SECRET = "correct-horse-battery-staple"
LONG = 60.0


class Daemon:
    """`orch-nb start`, and what it answers."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.process = bench.start("start", "--port", "0", "--limit", "3")
        stderr = self.process.stderr
        assert stderr is not None
        self.url = stderr.readline().split()[-1]

    def get(self, path: str) -> str:
        with urllib.request.urlopen(self.url + path, timeout=10) as answer:
            return str(answer.read().decode())

    def post(self, path: str, token: str, body: dict[str, Any]) -> tuple[int, Any]:
        request = urllib.request.Request(
            self.url + path,
            data=json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {token}", "Idempotency-Key": "k1"},
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def wait_for(self, run: str, *states: str) -> dict[str, Any]:
        """The run once it is in one of the states."""
        found: dict[str, Any] = {}

        def look() -> bool:
            found.update(self.bench.orch_json("show", run))
            return found["state_name"] in states

        wait_until(look, LONG, f"{run} to be {states}")
        return found

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        self.process.communicate(timeout=LONG)
        return self.process.returncode


@pytest.fixture
def bench(tmp_path: Path, orch_home: Path) -> Iterator[Bench]:
    made = Bench(tmp_path, orch_home)
    made.environ["PARTNER_TOKEN"] = SECRET
    yield made
    for process in made.processes():
        with contextlib.suppress(psutil.Error):  # it has just ended
            process.kill()


@pytest.fixture
def daemon(bench: Bench) -> Iterator[Daemon]:
    made = Daemon(bench)
    yield made
    if made.process.poll() is None:
        made.process.kill()
    made.process.communicate()


@pytest.fixture
def write_notebook(bench: Bench) -> Callable[..., Path]:
    def write(*cells: str | dict[str, Any], name: str = "report.ipynb") -> Path:
        path = bench.folder / name
        path.write_text(json.dumps(make_document(*cells)), encoding="utf-8")
        return path

    return write


def printed(path: str) -> str:
    document = json.loads(Path(path).read_text("utf-8"))
    outputs = [output for cell in document["cells"] for output in cell.get("outputs", [])]
    return "".join("".join(output.get("text", "")) for output in outputs)


def test_a_secret_reaches_the_cells_and_nothing_else(
    bench: Bench, daemon: Daemon, write_notebook: Callable[..., Path]
) -> None:
    write_notebook(
        code("token = ''", "parameters"),
        "import logging, os\n"
        "print('length', len(token), 'is', token, os.environ['FROM_FILE'])\n"
        "logging.warning('using %s', token)",
        code("#| task derive\nurl = 'https://' + token"),
        code("#| task fails\nraise ValueError('refused ' + url)"),
    )
    (bench.folder / "vars.env").write_text("FROM_FILE=secret:PARTNER_TOKEN\n")
    arguments = ("-p", "token", "secret:PARTNER_TOKEN", "--env-file", "vars.env")
    ended = bench.orch("deploy", "report.ipynb", "--name", "report/daily", *arguments)
    assert ended.code == 0, ended.err
    first = bench.orch_json("deployment", "run", "report/daily", "--idempotency-key", "a")
    again = bench.orch_json("deployment", "run", "report/daily", "--idempotency-key", "a")
    assert first["id"] == again["id"]
    run = daemon.wait_for(first["name"], "Failed")
    assert run["parameters"] == {"token": "secret:PARTNER_TOKEN"}
    assert f"length {len(SECRET)} is *** ***" in printed(run["output"])
    assert "refused https://***" in json.dumps(run)
    assert "using ***" in bench.orch("logs", first["name"]).out
    assert daemon.stop() == 0
    for folder in (bench.home, bench.folder):
        for path in folder.rglob("*"):
            assert not path.is_file() or SECRET.encode() not in path.read_bytes(), path
    assert bench.left_behind() == []


def test_a_run_whose_process_is_killed_is_gone_on_with(
    bench: Bench, daemon: Daemon, write_notebook: Callable[..., Path]
) -> None:
    write_notebook(
        code("#| task first\nx = 1\nf = open('first', 'a'); f.write('1'); f.close()"),
        code("#| task slow\nimport os, time\ny = x\nif not os.path.exists('go'): time.sleep(100)"),
    )
    bench.orch("deploy", "report.ipynb", "--name", "again", "--on-crash", "resume")
    bench.orch("deploy", "report.ipynb", "--name", "once")
    runs = [bench.orch_json("deployment", "run", name) for name in ("again", "once")]
    for run in runs:
        wait_until(lambda run=run: running(bench, run["name"], "slow"), LONG, "slow to run")
    (bench.folder / "go").touch()
    for process in drivers(bench):
        process.kill()
    resumed = daemon.wait_for(runs[0]["name"], "Completed")
    assert resumed["attempt"] == 2
    assert daemon.wait_for(runs[1]["name"], "Crashed")["attempt"] == 1
    assert (bench.folder / "first").read_text() == "11"  # once for each run
    assert daemon.stop() == 0


def running(bench: Bench, run: str, task: str) -> bool:
    tasks = bench.orch_json("show", run)["tasks"]
    return any(t["name"] == task and t["state_name"] == "Running" for t in tasks)


def drivers(bench: Bench) -> list[psutil.Process]:
    """The processes that do runs, and not the one that waits for the next."""
    found = [p for p in bench.processes() if "orch_nb.service.flow_process" in p.cmdline()]
    return [p for p in found if p.children()]


def test_backfill_calls_files_and_flows_start_runs(
    bench: Bench, daemon: Daemon, write_notebook: Callable[..., Path]
) -> None:
    write_notebook(
        code("who = 'nobody'", "parameters"),
        "import orch_nb\nprint(who, orch_nb.run.data_interval)",
    )
    options = ("--cron", "0 6 * * *", "--tz", "Europe/Madrid", "--on-call", "--on-file", "in.csv")
    made = bench.orch_json("deploy", "report.ipynb", "--name", "daily", *options)
    bench.orch("deploy", "report.ipynb", "--name", "after", "--on-flow", "daily:Completed")
    filled = bench.orch_json(
        "backfill", "daily", "--from", "2026-03-27", "--to", "2026-03-30", "--max-active", "2"
    )
    assert [start for start, _ in filled["intervals"]] == [
        "2026-03-27T05:00:00+00:00",
        "2026-03-28T05:00:00+00:00",
        "2026-03-29T04:00:00+00:00",
    ]
    outputs = [daemon.wait_for(run["name"], "Completed")["output"] for run in filled["runs"]]
    assert "datetime.datetime(2026, 3, 28, 5, 0" in printed(outputs[1])
    again = bench.orch_json("backfill", "daily", "--from", "2026-03-27", "--to", "2026-03-30")
    assert again["runs"] == []

    assert daemon.post("/trigger/daily", "wrong", {})[0] == 403
    status, answer = daemon.post("/trigger/daily", made["token"], {"who": "caller"})
    assert status == 201
    assert printed(daemon.wait_for(answer["name"], "Completed")["output"]).startswith("caller")
    assert daemon.post("/trigger/daily", made["token"], {"who": "caller"})[0] == 200
    assert daemon.post("/trigger/daily", made["token"], {"whom": 1})[0] == 400

    (bench.folder / "in.csv").write_text("a")
    counts: dict[str, int] = {}

    def look() -> bool:
        counts["daily"] = len(bench.orch_json("runs", "-n", "100"))
        return counts["daily"] >= 10  # 3 + 1 + 1, and one after each

    wait_until(look, LONG, "the file's run, and those that follow")
    time.sleep(1.5)  # a doubled one would come now
    assert look()
    assert counts["daily"] == 10
    assert json.loads(daemon.get("/health"))["ok"] is True
    metrics = daemon.get("/metrics")
    assert re.search(r"^orch_nb_started_runs_total \d+$", metrics, re.M)
    assert made["token"] not in (bench.home / "store.db").read_bytes().decode("latin-1")


def test_a_daemon_that_is_stopped_lets_runs_end(
    bench: Bench, daemon: Daemon, write_notebook: Callable[..., Path]
) -> None:
    write_notebook(
        code("#| task slow\nimport os, time\nwhile not os.path.exists('go'): time.sleep(0.1)")
    )
    bench.orch("deploy", "report.ipynb", "--name", "slow")
    run = bench.orch_json("deployment", "run", "slow")
    daemon.wait_for(run["name"], "Running")
    daemon.process.send_signal(signal.SIGTERM)
    wait_until(
        lambda: any(seen["condition"] == "draining" for seen in bench.orch_json("workers")),
        LONG,
        "the worker to drain",
    )
    (bench.folder / "go").touch()
    daemon.process.communicate(timeout=LONG)
    assert daemon.process.returncode == 0
    assert bench.orch_json("show", run["name"])["state_name"] == "Completed"
    conditions = {worker["condition"] for worker in bench.orch_json("workers")}
    assert conditions == {"stopped"}
    waiting = bench.orch_json("deployment", "run", "slow")
    said = bench.orch("why", waiting["name"])
    assert "no worker of pool 'default' is alive" in said.out
    assert max(len(line) for line in said.out.splitlines()) <= 80


def test_a_notebook_is_served_until_ctrl_c(
    bench: Bench, write_notebook: Callable[..., Path]
) -> None:
    write_notebook("print('here')")
    for turn in range(2):  # what was paused at the end goes on
        process = bench.start("serve", "report.ipynb", "--every", "1s", "--worker-limit", "1")
        wait_until(
            lambda turn=turn: len(completed(bench)) > turn, LONG, "the served notebook to run"
        )
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=LONG)
        assert process.returncode == 0, err
        assert "report is paused; `orch-nb serve` goes on with it" in out
        assert re.search(r"INFO report / \S+ is Completed after ", err)
        assert bench.orch("deployments").out.split() == ["report", "v1", "paused"]
    assert {run["state_name"] for run in bench.orch_json("runs")} <= {"Completed", "Cancelled"}
    assert bench.orch_json("deploy", "report.ipynb", "--name", "other")["paused"] is False
    assert bench.orch_json("deploy", "report.ipynb", "--name", "other", "--paused")["paused"]


def completed(bench: Bench) -> list[Any]:
    return [run for run in bench.orch_json("runs") if run["state_name"] == "Completed"]


def test_included_files_run_as_they_were(
    bench: Bench, daemon: Daemon, write_notebook: Callable[..., Path]
) -> None:
    write_notebook("from pathlib import Path; print(Path('data/a.txt').read_text())")
    (bench.folder / "data").mkdir()
    (bench.folder / "data" / "a.txt").write_text("old")
    assert bench.orch("deploy", "report.ipynb", "--name", "s", "--include", "data").code == 0
    (bench.folder / "data" / "a.txt").write_text("new")
    write_notebook("print('changed')")
    run = bench.orch_json("deployment", "run", "s")
    assert printed(daemon.wait_for(run["name"], "Completed")["output"]) == "old\n"
    assert bench.orch_json("deploy", "report.ipynb", "--name", "s")["version"] == 2
    run = bench.orch_json("deployment", "run", "s")
    assert printed(daemon.wait_for(run["name"], "Completed")["output"]) == "changed\n"
    assert bench.orch("deployment", "rollback", "s").out == "s runs version 1 now\n"
    run = bench.orch_json("deployment", "run", "s")
    assert printed(daemon.wait_for(run["name"], "Completed")["output"]) == "old\n"


def test_what_is_wrong_is_said_in_words(bench: Bench, write_notebook: Callable[..., Path]) -> None:
    write_notebook(code("years = [2025]", "parameters"), "print(years)")
    for arguments, said in (
        (("--cron", "0 25 * * *"), "the hour of a cron schedule can't be '25'"),
        (("--cron", "0 6 * * *", "--tz", "Madrid"), "did you mean Europe/Madrid ?"),
        (("--every", "15"), "did you mean 15s ?"),
        (("-p", "year", "2025"), "did you mean 'years'"),
        (("-p", "years", "secret:NO_SUCH"), "there is no secret 'NO_SUCH'"),
        (("--notify-on", "failed"), "add --notify-to URL"),
        (("--pool", ""), "a pool needs a name"),
        (("--notify-to", "slack://a/b/c"), "holds a secret"),
        (("--include", "nothing.csv"), "names no file"),
        (("--include", "../x"), "outside of the notebook's folder"),
        (("--on-flow", "etl:Exploded"), "names no flow's state"),
        (("--env-file", "none.env"), "the env file can't be read"),
    ):
        ended = bench.orch("deploy", "report.ipynb", *arguments)
        assert (ended.code, said in ended.err) == (2, True), (arguments, ended.err)
        assert "Traceback" not in ended.err
    assert bench.orch("deployments").out.startswith("no deployments yet")
    assert "orch-nb deployments" in bench.orch("deployment", "show", "x").err
    unit = bench.orch("start", "--print-unit", "--no-port", "--pool", "a 5%").out
    assert "--late-after" not in unit
    assert f"Environment=ORCH_NB_HOME={bench.home}\n" in unit
    assert 'start --pool "a 5%%" --no-port\n' in unit
    bench.environ["ORCH_NB_STORE"] = "postgresql://me:hunter2@db.example.org/orch"
    unit = bench.orch("start", "--print-unit", "--late-after", "2m").out
    assert "--port 8787 --late-after 2m\n" in unit
    assert f"EnvironmentFile={bench.home}/store.env\n" in unit
    assert "hunter2" not in unit
