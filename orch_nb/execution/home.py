"""The home process of a flow run: it holds the notebook's values and forks a child per attempt.

It obeys the driver's messages one by one. A cell that runs here changes the values at once; a
child's changes are applied here when the driver says that their turn has come.
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import socket
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from orch_nb.errors import ResultError, SessionError
from orch_nb.execution import context, forking, processes, warned
from orch_nb.execution.anatomy import Pinned
from orch_nb.execution.conducting import conduct, serve_calls
from orch_nb.execution.execute import Before, adopt, apply_blob, execute
from orch_nb.execution.fingerprint import Fingerprinter
from orch_nb.execution.job import (
    Channel,
    Gate,
    Job,
    Message,
    Outcome,
    SessionSpec,
    job_from,
    to_message,
)
from orch_nb.execution.kernel import describe_language
from orch_nb.execution.logs import capture_logs
from orch_nb.execution.outputs import OutputEvent
from orch_nb.execution.shell import CellShell
from orch_nb.execution.shipping import judge, ship_inputs
from orch_nb.execution.threads import share
from orch_nb.execution.unseen import claims
from orch_nb.execution.values import ApplyError
from orch_nb.results.blob import write_blob


class _Home:
    def __init__(self, shell: CellShell, channel: Channel) -> None:
        self.shell = shell
        self.channel = channel
        self.spec = SessionSpec(folder=".", results=".")
        self.failed = False  # the last cell that ran here ended in an error
        self.handlers: dict[str, Callable[[Message], None]] = {
            "open": self.open,
            "run": self.run,
            "fork": self.fork,
            "retire": self.retire,
            "reap": self.reap,
            "work": self.work,
            "serve calls": self.serve_calls,
            "collect": self.collect,
        }

    def obey(self) -> None:
        """Obey the driver until it closes the channel.

        A child that takes over as home goes on with this very loop: the cells of each home begin
        as deep in the stack as those of the home before.
        """
        while (message := self.channel.receive()) is not None and message["op"] != "close":
            handler = self.handlers.get(message["op"])
            if handler is None:
                raise ValueError(f"unknown message {message['op']!r}")
            handler(message)

    def open(self, message: Message) -> None:
        """Take the session's folder, environment and sources."""
        self.spec = spec = SessionSpec(**message["spec"])
        os.environ.update(spec.environment)
        os.chdir(spec.folder)
        context.set_run(spec.run)
        claims.open(spec.claims)
        self.shell.set_sources({int(number): text for number, text in spec.sources.items()})
        opened = {"op": "opened", "pid": os.getpid(), "language": describe_language()}
        self.channel.send(opened)

    def run(self, message: Message) -> None:
        """Run a cell here."""
        job = job_from(message["job"])
        if job.behind and self.failed:
            return
        outcome = _attempt(self, job, self.channel, may_refuse=False)
        self.failed = outcome.error is not None
        self.channel.send({"op": "outcome", "outcome": to_message(outcome)})

    def fork(self, message: Message) -> None:
        """Run a cell in a child; the descriptor that came along is the child's own channel.

        Where no child can be had, or the cell is to run ``away``, its inputs are shipped. It has
        to run here where they can't be, or where the shell says so."""
        descriptor = self.channel.take_fd()
        job = job_from(message["job"])
        why_not = forking.why_not()
        why_here = self.shell.why_here()
        if not why_here and (why_not or "away" in message):
            pinned = self._ship(job)
            if not pinned:
                os.close(descriptor)
                return
            why_here = f"{why_not}, and {pinned}" if why_not else ""
        if why_here:
            told = {"op": "inputs", "cell": job.cell, "attempt": job.attempt}
            self.channel.send({**told, "reason": why_here})
            os.close(descriptor)
            return
        if job.threads:
            share.look()
        forking.pause_pools()
        warned.prepare()
        self.shell.flush()
        pid = forking.fork()
        if pid == 0:
            self._be_child(job, descriptor)  # returns where it has become home
            return
        os.close(descriptor)
        self.channel.send({"op": "forked", "cell": job.cell, "attempt": job.attempt, "pid": pid})

    def _ship(self, job: Job) -> str:
        """Tell the driver what another process needs to run the cell; or return why none can."""
        try:
            manifest, left_behind = ship_inputs(self.shell, job, self.spec)
        except Pinned as pin:
            return str(pin.args[0])
        told = {"op": "inputs", "cell": job.cell, "attempt": job.attempt}
        self.channel.send({**told, "manifest": manifest, "left_behind": left_behind})
        return ""

    def work(self, message: Message) -> None:
        """Run one cell on inputs that home has shipped; this process does nothing else."""
        job = job_from(message["job"])
        try:
            apply_blob(self.shell, job.count, message["manifest"], self.spec)
        except ApplyError as error:
            words = f"its inputs can't be shipped: {error}"
            outcome = Outcome(job.cell, job.attempt, unshippable=words)
        else:
            outcome = _attempt(self, job, self.channel, may_refuse=True, stand_in=True)
        self._leave(judge(outcome, message["left_behind"]))

    def serve_calls(self, message: Message) -> NoReturn:
        """Be forked for calls of cells from now on, with what another home has shipped for them;
        the descriptor that came along is of whoever asks for forks."""
        sock = socket.socket(fileno=self.channel.take_fd())
        apply_blob(self.shell, 0, message["manifest"], self.spec)
        for source in message["setups"]:
            self.shell.run(source, count=0, silent=True)
        why_not = forking.why_not()
        if why_not:
            raise SessionError(f"cells can't be called in this process: {why_not}")
        forking.pause_pools()
        self.channel.send({"op": "serves calls"})
        serve_calls(self.shell, message["server"], message["cells"], sock)

    def _leave(self, outcome: Outcome) -> NoReturn:
        self.channel.send({"op": "outcome", "outcome": to_message(outcome)})
        os._exit(0)

    def _be_child(self, job: Job, descriptor: int) -> None:
        status, promoted = 1, False
        try:
            gc.freeze()
            processes.die_with_parent()
            processes.adopt_orphans()  # so that a daemon of the cell's ends with it when it must
            self.channel.close()
            forking.reset_pools()
            channel = Channel(socket.socket(fileno=descriptor))
            self.shell.after_fork()
            before = Before()
            outcome = _attempt(self, job, channel, may_refuse=True, before=before)
            channel.send({"op": "outcome", "outcome": to_message(outcome)})
            if outcome.unshippable and not outcome.refused:
                promoted = self._is_promoted(job, before, channel)
            status = 0
        except OSError:
            status = 0  # the driver is gone, or has dropped this attempt
        finally:
            if not promoted:
                os._exit(status)
        self.channel, self.failed = channel, False

    def _is_promoted(self, job: Job, before: Before, channel: Channel) -> bool:
        """Hold what can't be shipped until the driver lets this process take over as home."""
        message = channel.receive()
        if message is None:
            return False
        reason = ""
        try:
            adopt(self.shell, message["apply"], self.spec, before)
        except ApplyError as error:
            reason = str(error)
        told = {"op": "retired", "cell": job.cell, "reason": reason, "pid": os.getpid()}
        channel.send(told)
        return not reason

    def retire(self, message: Message) -> None:
        """Apply a child's changes: its cell's turn has come."""
        reason = ""
        try:
            apply_blob(self.shell, message["count"], message["manifest"], self.spec)
        except ApplyError as error:
            reason = str(error)
        self.channel.send({"op": "retired", "cell": message["cell"], "reason": reason})

    def reap(self, message: Message) -> None:
        """Collect a dead child, so that its number may be used again; tell how it ended."""
        _pid, status = os.waitpid(message["pid"], 0)
        code = os.waitstatus_to_exitcode(status)
        self.channel.send({**message, "op": "reaped", "code": code})

    def collect(self, message: Message) -> None:
        """Write the final values as a blob, or tell their fingerprints."""
        if message["what"] == "fingerprints":
            printer = Fingerprinter(self.shell.user_ns)
            variables = self.shell.variables()
            digests = {name: _digest(printer, value) for name, value in variables.items()}
            # after all of them: a class may count how often its objects are shown
            found = {n: [d, *_describe(variables[n])] for n, d in digests.items()}
            self.channel.send({"op": "collected", "fingerprints": found})
            return
        try:
            values, reasons = _final_values(self.shell, Path(self.spec.results))
        except ResultError as error:
            values, reasons = None, dict.fromkeys(self.shell.variables(), error.message)
        self.channel.send({"op": "collected", "values": values, "reasons": reasons})


def _digest(printer: Fingerprinter, value: object) -> str:
    """A value's fingerprint; empty where its own code, which runs here, fails."""
    try:
        return printer.digest(value)
    except Exception:
        return ""


def _describe(value: object) -> list[str]:
    """A value's type, and how it begins."""
    try:
        text = repr(value)[:200]
    except Exception as error:  # the value's own code runs here
        text = f"{type(error).__name__} in its own code"
    return [f"{type(value).__module__}.{type(value).__qualname__}", text]


def _attempt(
    home: _Home,
    job: Job,
    channel: Channel,
    *,
    may_refuse: bool,
    before: Before | None = None,
    stand_in: bool = False,
) -> Outcome:
    """Run ``job``, telling the driver what happens meanwhile; ``before`` as ``execute`` has it.

    A ``stand_in`` can't become home, should its values prove unshippable after it has acted: it
    leaves that to home before it acts.
    """

    def tell(event: OutputEvent) -> None:
        channel.send({"op": "output", "cell": job.cell, "attempt": job.attempt, "event": event})

    def log(level: int, logger: str, text: str, time: float) -> None:
        channel.send(
            {
                "op": "log",
                "cell": job.cell,
                "level": level,
                "logger": logger,
                "text": text,
                "time": time,
            }
        )

    def permit(words: str, ambient: list[str], files: list[str]) -> None:
        if stand_in:
            reason = f"it {words}, and this process is no fork of the flow's own"
            outcome = judge(Outcome(job.cell, job.attempt, unshippable=reason))
            channel.send({"op": "outcome", "outcome": to_message(outcome)})
            os._exit(0)
        channel.send(
            {
                "op": "effect",
                "cell": job.cell,
                "attempt": job.attempt,
                "words": words,
                "ambient": ambient,
                "files": files,
            }
        )
        answer = channel.receive()
        if answer is None or not answer["ok"]:
            os._exit(0)

    home.shell.sink = tell
    context.set_task(job.task)
    share.give(job.threads)
    with capture_logs(log), conduct(home.shell, job, home.spec) as job:
        gate = permit if job.gate is Gate.IN_ORDER else None
        outcome = execute(home.shell, job, home.spec, gate, may_refuse=may_refuse, before=before)
    home.shell.sink = None
    return outcome


def _final_values(shell: CellShell, results: Path) -> tuple[Message | None, dict[str, str]]:
    """Each of the notebook's variables pickled on its own; reasons for those that can't be."""
    import cloudpickle

    pickles, reasons = {}, {}
    for name, value in shell.variables().items():
        try:
            pickles[name] = cloudpickle.dumps(value, protocol=5)
        except Exception as error:  # the value's own code runs here
            reasons[name] = f"{type(value).__qualname__} can't be pickled: {error}"[:300]
    manifest = write_blob(results, cloudpickle.dumps(pickles, protocol=5), [])
    return manifest.to_json(), reasons


def become_home(shell: CellShell, descriptor: int) -> None:
    """Turn a fresh fork of the template into a home process; does not return."""
    home = _Home(shell, Channel(socket.socket(fileno=descriptor)))
    try:
        processes.die_with_parent()
        processes.adopt_orphans()
        signal.signal(signal.SIGUSR1, shell.handle_interrupt)
        shell.after_fork()
        home.obey()
    except BaseException:
        with contextlib.suppress(OSError):  # the driver may be what is gone
            home.channel.send({"op": "failed", "text": traceback.format_exc()})
    finally:
        os._exit(0)
