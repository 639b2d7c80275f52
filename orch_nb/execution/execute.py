"""Run one job in this process and say what it did: the one implementation for every runner."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from orch_nb.errors import ResultError
from orch_nb.execution import observe, warned
from orch_nb.execution.ambient import AmbientWatch, random_states, set_ambient
from orch_nb.execution.anatomy import Pinned, end_seen
from orch_nb.execution.anatomy_arrays import mapped_files, register_loaded
from orch_nb.execution.describing import describe_values
from orch_nb.execution.ipython_state import NAME as IPYTHON
from orch_nb.execution.ipython_state import IPythonWatch
from orch_nb.execution.job import Job, Message, Outcome, SessionSpec
from orch_nb.execution.last_look import last_look
from orch_nb.execution.marks import Marker, mark_ambient
from orch_nb.execution.outputs import CellResult
from orch_nb.execution.packing import Changes, pack
from orch_nb.execution.peak_memory import PeakMemory
from orch_nb.execution.shell import CellShell
from orch_nb.execution.trace import Trace, declared_files, keep_files
from orch_nb.execution.unseen import FolderWatch, claims
from orch_nb.execution.values import ApplyError, unpack
from orch_nb.execution.walk import Index, Namespace, Watch, names_reaching
from orch_nb.execution.warned import WarnedWatch
from orch_nb.execution.worth import why_not_worth
from orch_nb.results.blob import Manifest, blob_path, read_blob, write_blob

_peak_memory = PeakMemory()
_RESULT = re.compile(r"_\d+")  # what a cell displayed, by its execution count


Permit = Callable[[str, list[str], list[str]], None]


@dataclass(frozen=True, slots=True)
class Before:
    """What a process that runs a cell has from others: the ``variables`` that it was forked with,
    and the values of names that were ``hidden`` from the cell, be they those or given later."""

    variables: dict[str, Any] = field(default_factory=dict)
    hidden: dict[str, Any] = field(default_factory=dict)


def execute(
    shell: CellShell,
    job: Job,
    spec: SessionSpec,
    permit: Permit | None = None,
    *,
    may_refuse: bool,
    before: Before | None = None,
) -> Outcome:
    """Run ``job`` in ``shell``. ``before``, where it is given, is filled with the variables that
    the job did not make.

    ``permit`` is asked before the cell's first effect on the outside, with the effect in
    words, the ambient states that the cell has changed so far and the files that it has used, and
    returns when the cell may go on. With ``may_refuse``, a job whose changes could not
    be seen is not run: its outcome says why in ``unshippable``. So is one whose inputs don't fit.
    """
    namespace = shell.user_ns
    if before is not None:  # which costs as much as there were cells before this one
        before.variables.update(shell.variables())
    for count, manifest in job.apply:
        try:
            apply_blob(shell, count, manifest, spec)
        except ApplyError as error:
            return Outcome(
                job.cell, job.attempt, unshippable=f"its inputs don't fit: {error}", refused=True
            )
    absent = {name: namespace.pop(name) for name in job.hide if name in namespace}
    if before is not None:
        before.hidden.update(absent)
    for source in job.setups:
        last_look.forget()
        shell.run(source, count=job.count, silent=True)
    register_loaded()
    watch: _NamespaceWatch | None = None
    unseen, names = "", frozenset[str]()
    if job.observe:
        try:
            watch = _NamespaceWatch(job, shell, tolerant=not may_refuse)
        except Pinned as pin:
            if may_refuse:
                return Outcome(job.cell, job.attempt, unshippable=str(pin.args[0]), refused=True)
            unseen, names = str(pin.args[0]), frozenset(shell.variables())
    namespace.update(job.given)
    _peak_memory.begin()
    claims.begin()

    def ask(words: str, files: list[str]) -> None:
        if permit is not None:
            permit(words, watch.ambient_so_far() if watch is not None else [], files)

    observer = observe.Observer(ask, FolderWatch(spec.folder, _own_folders(spec.results)))
    observe.watch(observer)
    last_look.forget()
    drawn = shell.within(random_states) if job.imports else {}
    try:
        result = shell.run(job.source, count=job.count)
    finally:
        observe.watch(None)
        shell.within(lambda: set_ambient(drawn))
    observer.look_around(result.seconds)
    claims.end()
    outcome = Outcome(
        cell=job.cell,
        attempt=job.attempt,
        outputs=tuple(result.outputs),
        error=result.error,
        files_read=tuple(sorted(observer.read - observer.written)),
        files_written=tuple(sorted(observer.written)),
        files_unseen=tuple(sorted(observer.unseen)),
        acted=observer.acted,
        effects=tuple(sorted(observer.effects)),
        display_ids=result.display_ids,
        display_updates=tuple(dict(update) for update in result.display_updates),
        widgets=result.widgets,
        leftovers=result.leftovers,
        seconds=result.seconds,
        peak_memory=_peak_memory.tell(result.seconds),
    )
    if unseen:  # then any of them may have changed
        after = frozenset(shell.variables())
        return replace(
            outcome,
            observed=True,
            bound=tuple(sorted(after - names)),
            deleted=tuple(sorted(names - after)),
            changed=tuple(sorted(after & names)),
            unshippable=unseen,
        )
    if watch is None:
        return outcome
    failed = not outcome.ok and job.stop_on_error
    ship = job.ship and not failed
    try:
        return watch.describe(outcome, result, spec, observer, ship=ship)
    except Exception as error:  # the values' own code may run, and fail in any way
        words = f"what it made can't be looked at: {type(error).__name__}: {str(error)[:200]}"
        return replace(outcome, unshippable=words)


@functools.cache
def _own_folders(results: str) -> frozenset[str]:
    return frozenset({results, str(Path(results).parent)})


def apply_blob(shell: CellShell, count: int, manifest: Message, spec: SessionSpec) -> None:
    """Bring the changes of the cell with that execution count into this process.

    Raises ApplyError when they do not fit.
    """
    last_look.forget()
    record = Manifest.from_json(manifest)
    data, buffers = read_blob(blob_path(Path(spec.results), record.digest), record)
    register_loaded()
    loaded = shell.within(lambda: unpack(data, list(buffers), shell.user_ns))
    shell.within(lambda: set_ambient(loaded["ambient"]))
    warned.apply(loaded["warned"])  # last: a change of the filters makes what was shown invalid
    for value in loaded["out"]:
        shell.set_out(count, value)


def adopt(
    shell: CellShell,
    blobs: Sequence[tuple[int, Message, Sequence[str]]],
    spec: SessionSpec,
    before: Before,
) -> None:
    """Make this process, which ran a cell beside others, hold what they changed meanwhile.

    Each blob comes with its execution count and the names that this process keeps as they
    are, because a later cell made them; what the blob says of them is meant for the variables
    of that name before. Raises ApplyError.
    """
    namespace = shell.user_ns
    base = before.variables
    for name, value in before.hidden.items():
        namespace.setdefault(name, value)
    for count, manifest, kept in blobs:
        own = {name: namespace.pop(name) for name in kept if name in namespace}
        namespace.update((name, base[name]) for name in kept if name in base)
        apply_blob(shell, count, manifest, spec)
        for name in kept:
            base.pop(name, None)
            if name in namespace:
                base[name] = namespace.pop(name)
        namespace.update(own)


class _NamespaceWatch:
    """The namespace and the ambient state as they were before a cell."""

    def __init__(self, job: Job, shell: CellShell, *, tolerant: bool) -> None:
        self._job = job
        self._shell = shell
        namespace = shell.user_ns
        variables = shell.variables()
        for name, value in variables.items():
            if seen := end_seen(value):
                raise Pinned(f"'{name}' holds {seen}")
        self._before = variables
        results = [name for name in namespace if _RESULT.fullmatch(name)] if job.keep_out else []
        self._index = Index((*job.reads, *results), namespace)
        self._watch = Watch(job.changes, self._index, namespace, tolerated=tolerant, last=last_look)
        self._reach = last_look.reach  # forgotten when the cell runs, which this watch sees
        self._ambient = shell.within(AmbientWatch)
        self._warned = WarnedWatch()
        self._ipython = IPythonWatch(shell.shell, tolerant=tolerant)
        self._trace = None if job.trace is None else Trace(job, self._index, namespace)

    def ambient_so_far(self) -> list[str]:
        """The names of the states that the cell, which runs, has changed."""
        ambient, fresh = self._ambient.changed(self._job.sets)
        return sorted(ambient.keys() - fresh)

    def describe(
        self,
        outcome: Outcome,
        result: CellResult,
        spec: SessionSpec,
        observer: observe.Observer,
        *,
        ship: bool,
    ) -> Outcome:
        """``outcome`` with what was bound, deleted and changed, and with the changes' blob."""
        namespace: Namespace = self._shell.user_ns
        before, after = self._before, self._shell.variables()
        register_loaded()
        bound = {
            name: value
            for name, value in after.items()
            if name not in before or before[name] is not value
        }
        deleted = tuple(sorted(name for name in before if name not in after))
        shown = self._warned.changed()
        ambient, fresh = self._shell.within(lambda: self._ambient.changed(self._job.sets))
        itself = (IPYTHON,) if self._ipython.changed(self._job.source) else ()
        changed = self._watch.changed()
        names = {name for obj, _ in changed for name in self._index.names_of(obj)}
        if changed:
            others = set(before) - set(self._job.reads)
            names |= names_reaching((obj for obj, _ in changed), others, before, self._reach)
        touched = {*self._job.reads, *bound, *deleted, *names}
        last_look.reach = {k: v for k, v in self._reach.items() if k not in touched}
        if outcome.leftovers:
            last_look.forget()
        outcome = replace(
            outcome,
            observed=True,
            bound=tuple(sorted(bound)),
            deleted=deleted,
            changed=tuple(sorted(names)),
            kinds=describe_values(
                {name: after[name] for name in {*bound, *names} if name in after}
            ),
            ambient=tuple(sorted([*ambient.keys() - fresh, *self._warned.names(shown), *itself])),
            files_written=tuple(
                sorted({*outcome.files_written, *mapped_files(obj for obj, _ in changed)})
            ),
        )
        if self._job.mark is not None:
            outcome = self._mark(outcome, bound, {} if self._job.imports else ambient, observer)
        if not ship:
            return outcome
        if self._job.thrifty:
            made = [*bound.values(), *(obj for obj, _ in changed)]
            why = why_not_worth(outcome.seconds, made, namespace)
            if why:
                return replace(outcome, unshippable=why)
        if itself:
            return replace(outcome, unshippable="it changed IPython's own settings")
        if self._ambient.stays:
            words = f"it changed what can't be sent of {self._ambient.stays}"
            return replace(outcome, unshippable=words)
        if self._watch.pinned:
            return replace(outcome, unshippable=self._watch.pinned)
        if outcome.leftovers:
            return replace(outcome, unshippable=f"it left {outcome.leftovers} running")
        if observer.left_open:
            return replace(outcome, unshippable="it left a file descriptor open")
        out = (result.value,) if self._job.keep_out and result.has_value else ()
        if self._job.imports:
            ambient = {}
        changes = Changes(bound, deleted, changed, ambient, shown, out)
        try:
            data, buffers = pack(changes, self._index, namespace)
            manifest = write_blob(Path(spec.results), data, buffers)
        except ResultError as error:
            return replace(outcome, unshippable=error.message, no_room=True)
        except Exception as error:  # the values' own code runs here, and may fail in any way
            return replace(outcome, unshippable=_why_unshippable(error, bound, namespace))
        outcome = replace(outcome, blob=manifest.to_json(), refs=tuple(sorted(changes.refs)))
        return self._with_files(outcome, spec)

    def _mark(
        self,
        outcome: Outcome,
        bound: Mapping[str, Any],
        ambient: Mapping[str, Any],
        observer: observe.Observer,
    ) -> Outcome:
        """``outcome`` with the versions that it made, and what it depended on."""
        marker = Marker(self._shell.user_ns, self._index)
        wanted = {*outcome.bound, *outcome.changed}.intersection(self._job.mark or ())
        marks = marker.mark_all(wanted)
        traced = None
        if self._trace is not None:
            traced = self._trace.tell(observer, bound, marker.modules)
        states = mark_ambient(ambient)
        return replace(outcome, marks=marks, ambient_marks=states, traced=traced)

    def _with_files(self, outcome: Outcome, spec: SessionSpec) -> Outcome:
        """``outcome`` with what the cell wrote, where it was declared."""
        paths = [
            path
            for path in declared_files(self._job.writes, spec.folder, outcome.files_written)
            if Path(path).exists()
        ]
        if not self._job.writes:
            return outcome
        try:
            return replace(outcome, kept_files=keep_files(paths, Path(spec.results), spec.folder))
        except (ResultError, OSError) as error:
            why = f"the files it wrote can't be kept: {error}"
            return replace(outcome, traced={**(outcome.traced or {}), "why": why})


def _why_unshippable(error: Exception, bound: dict[str, Any], namespace: Namespace) -> str:
    """Name the variable that can't be pickled, if one can be found."""
    for name, value in bound.items():
        try:
            pack(Changes({name: value}), Index((), namespace), namespace)
        except Exception:  # as above
            return f"'{name}' ({type(value).__qualname__}) can't be pickled"
    return f"its values can't be pickled: {type(error).__name__}: {str(error)[:200]}"
