"""The cache at work in one run: finds outcomes on record, and notes how new ones were made."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from orch_nb.app.earlier import unsound
from orch_nb.app.installed import Installed
from orch_nb.app.preparing import Prepared
from orch_nb.app.reusing import Decision, Made, Use
from orch_nb.durations import show_duration
from orch_nb.engine.cache.asks import Asks, asks_for
from orch_nb.engine.cache.compare import describe_change
from orch_nb.engine.cache.fields import Field, Group
from orch_nb.engine.cache.keys import Circumstances, Keyed, key_fields, still_holds, why_never
from orch_nb.engine.cache.note import CacheNote, KeptFiles
from orch_nb.engine.cache.seen import (
    ambient_field,
    file_field,
    module_field,
    package_field,
    seen_fields,
    why_not_kept,
)
from orch_nb.engine.cache.versions import Versions
from orch_nb.errors import ResultError
from orch_nb.execution.contents import Content, content_of
from orch_nb.execution.job import Outcome, outcome_from
from orch_nb.execution.trace import restore_files
from orch_nb.graph.model import Node
from orch_nb.model import CellKind
from orch_nb.results.blob import Manifest, read_blob
from orch_nb.results.checking import signature_of
from orch_nb.results.location import Location
from orch_nb.results.signing import KeyRing, Signature
from orch_nb.runners.kernelspecs import KernelChoice, KernelMode
from orch_nb.states import StateName
from orch_nb.store import ResultRecord, Store

NOTHING = "no outcome of this code on these inputs is on record"
_PLAIN = frozenset({CellKind.PLAIN, CellKind.PARAMETERS, CellKind.INJECTED})
_WELL = frozenset({StateName.COMPLETED, StateName.CACHED})


@dataclass(frozen=True, slots=True)
class Hit:
    """An outcome on record that serves."""

    outcome: Outcome
    signature: Signature | None
    note: CacheNote


@dataclass(slots=True)
class CacheDesk:
    """The cache of one run. ``clock`` gives seconds since 1970."""

    prepared: Prepared
    circumstances: Circumstances
    folder: str
    store: Store
    keyring: KeyRing
    location: Location
    installed: Installed
    clock: Callable[[], float] = time.time
    _nodes: dict[int, Node] = field(init=False)
    _cacheable: frozenset[int] = field(init=False)
    _versions: Versions = field(init=False)
    _keyed: dict[int, Keyed] = field(default_factory=dict)
    _hits: dict[int, Hit] = field(default_factory=dict)
    _missed: dict[int, str] = field(default_factory=dict)
    _refused: dict[int, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        plan = self.prepared.plan
        nodes = [node for node in plan.graph.nodes if plan.runs(node)]
        self._nodes = {node.cell.number: node for node in nodes}
        self._versions = Versions(nodes)
        self._cacheable = frozenset(
            node.cell.number for node in nodes if is_asked(node, self.prepared)
        )

    @property
    def active(self) -> bool:
        """Whether any cell may be cached."""
        return bool(self._cacheable)

    def asks(self) -> Asks:
        """What the run's cells must tell."""
        may = {n for n in self._cacheable if not why_never(self._nodes[n])}
        return asks_for(list(self._nodes.values()), may, self.folder)

    # -- before the run

    def find_all(self, made: Mapping[int, Made]) -> dict[int, Made]:
        """What serves of all runs, for cells of which ``made`` (this run's own record) has no
        outcome. A cell is looked up when all that it waits for is known."""
        found: dict[int, Made] = {}
        predecessors = self.prepared.graph.predecessors
        for number in self._nodes:
            own = made.get(number)
            if own is not None and own.outcome is not None:
                if not self._is_put(number, own.outcome):
                    self._versions.put(number, own.outcome)
                continue
            before = predecessors.get(number, frozenset()) & self._nodes.keys()
            if not before <= self._versions.outcomes.keys():
                continue
            hit = self._look_up(number)
            if hit is not None:
                self._take(number, hit)
                found[number] = Made(hit.outcome, signature=hit.signature, cached=True)
        return found

    def put(self, decision: Decision, outcome: Outcome) -> None:
        """The run has an outcome of its own for a cell; if the cell runs all the same, and not
        because one above does, it was asked to."""
        if decision.use is Use.RUN:
            self._versions.forget(decision.cell)
            if not decision.reason.startswith("needs "):
                self.refuse(decision.cell, decision.reason)
        elif not self._is_put(decision.cell, outcome):
            self._versions.put(decision.cell, outcome)

    def _is_put(self, cell: int, outcome: Outcome) -> bool:
        known = self._versions.outcomes.get(cell)
        return known is not None and known.blob is not None and known.blob == outcome.blob

    def refuse(self, cell: int, reason: str) -> None:
        """What was found for a cell proved to be of no use: it is not looked up any more."""
        self._refused[cell] = reason

    def begin(self, decisions: Iterable[Decision]) -> None:
        """The run begins with these decisions: files of reused outcomes are brought back."""
        for decision in decisions:
            hit = self._hits.get(decision.cell)
            if decision.use is Use.RUN:
                self._versions.forget(decision.cell)
                self._hits.pop(decision.cell, None)
            elif hit is not None:
                self._restore(hit)

    # -- while it runs

    def recall(self, cell: int) -> Outcome | None:
        """The outcome to take in place of running a cell that is about to start."""
        self._versions.forget(cell)
        self._hits.pop(cell, None)
        hit = self._look_up(cell)
        if hit is None:
            return None
        why = unsound(Made(hit.outcome, signature=hit.signature), self.keyring, self.location)
        if why:
            self._missed[cell] = why
            return None
        with contextlib.suppress(OSError):  # not restored: then it runs, and fails by itself
            self._restore(hit)
            self._take(cell, hit)
            return hit.outcome
        return None

    def note(self, cell: int, outcome: Outcome, state: StateName) -> CacheNote | None:
        """A cell has ended: how its outcome was made, if that is of interest."""
        node = self._nodes[cell]
        note = self._note(node, outcome, state) if cell in self._cacheable else None
        if state in _WELL:
            whole = note is not None and note.fields and not note.why_not
            self._versions.put(cell, outcome, note.identity if note and whole else "")
        return note

    def _note(self, node: Node, outcome: Outcome, state: StateName) -> CacheNote:
        cell = node.cell.number
        if outcome.cached and cell in self._hits:
            return self._hits[cell].note
        missed = self._missed.get(cell, "")
        keyed = self._keyed.get(cell) or self._key(node)
        if keyed.why:
            return CacheNote(why_not=keyed.why, missed=missed)
        if state not in _WELL:
            return CacheNote(keyed.fields, why_not="it failed", missed=missed)
        seen = seen_fields(
            outcome,
            node,
            self._versions,
            folder=self.folder,
            version_of=self.installed.version,
        )
        why = why_not_kept(outcome, node, node.cell.options.writes, self.folder)
        now = self._key(node)
        if not why and now.fields != keyed.fields:
            why = "its inputs changed while it ran"
        note = CacheNote(keyed.fields, seen, why, missed, made=self.clock())
        return note if why else replace(note, files=self._signed(outcome))

    def _signed(self, outcome: Outcome) -> KeptFiles | None:
        if outcome.kept_files is None:
            return None
        signature = self.keyring.sign(Manifest.from_json(outcome.kept_files))
        return KeptFiles(outcome.kept_files, signature.value, signature.key_id)

    # -- looking up

    def _key(self, node: Node) -> Keyed:
        options = node.cell.options
        extras = (self.prepared.options.cache_extra or "", options.cache_extra or "")
        return key_fields(node, self._versions, self.circumstances, extras)

    def _look_up(self, cell: int) -> Hit | None:
        if cell not in self._cacheable:
            return None
        node = self._nodes[cell]
        keyed = self._keyed[cell] = self._key(node)
        self._missed[cell] = ""
        if keyed.why:
            return None
        if node.cell.options.refresh or self.prepared.options.refresh:
            self._missed[cell] = "--refresh"
            return None
        if cell in self._refused:
            self._missed[cell] = self._refused[cell]
            return None
        missed = NOTHING
        key = CacheNote(keyed.fields).key
        for record in self.store.find_results(key):
            try:
                hit = self._hit(node, record)
                why = self._why_miss(node, hit)
            except (ResultError, ValueError, KeyError, TypeError) as error:
                why = f"its record is damaged: {error}"
            if not why:
                return hit
            missed = why if missed is NOTHING else missed  # of the newest
        self._missed[cell] = missed
        return None

    def _hit(self, node: Node, record: ResultRecord) -> Hit:
        if record.outcome is None or record.cache_note is None:
            raise ResultError("it has no outcome")
        note = CacheNote.from_json(record.cache_note)
        blob = None if record.manifest is None else dict(record.manifest)
        outcome = outcome_from(record.outcome)
        number = node.cell.number
        count = self.prepared.counts[number]
        outputs = tuple(
            {**output, "execution_count": count} if "execution_count" in output else output
            for output in outcome.outputs
        )
        outcome = replace(outcome, cell=number, blob=blob, outputs=outputs, cached=True)
        note = replace(note, source=note.source or record.flow_run_id)
        return Hit(outcome, signature_of(record), note)

    def _why_miss(self, node: Node, hit: Hit) -> str:
        """Why an entry under the right key does not serve; empty if it does."""
        note = hit.note
        age = self.clock() - note.made
        ttl = node.cell.options.cache_ttl or self.prepared.options.cache_ttl
        if ttl is not None and age > ttl:
            return f"it is older than {show_duration(ttl)}"
        changed = still_holds(note.seen, lambda old: self._look(node, old))
        if changed is not None:
            old = next(o for o in note.seen if (o.group, o.name) == (changed.group, changed.name))
            return describe_change(old, changed)
        if hit.outcome.blob is None:
            return "its values are not kept"
        self.keyring.verify(Manifest.from_json(hit.outcome.blob), hit.signature)
        if not self.location.exists(hit.outcome.blob["digest"]):
            return "its kept values are missing"
        if note.files is not None:
            manifest = Manifest.from_json(note.files.manifest)
            self.keyring.verify(manifest, Signature(note.files.key_id, note.files.signature))
            read_blob(self.location.fetch(manifest.digest), manifest, check_buffers=True)
        return ""

    def _look(self, node: Node, old: Field) -> Field:
        """What a field is now."""
        match old.group:
            case Group.FILE:
                known = Content.from_json(old.hint) if old.hint else None
                return file_field(old.name, self._content(old.name, known))
            case Group.MODULE:
                path, *hint = old.hint
                return module_field(old.name, path, self._content(path, Content.from_json(hint)))
            case Group.PACKAGE:
                return package_field(old.name, *self.installed.version(old.name, old.hint))
            case Group.AMBIENT:
                return ambient_field(node.cell.number, old.name, self._versions)
            case _:
                return old

    def _content(self, name: str, known: Content | None) -> Content:
        path = os.path.join(self.folder, name)  # noqa: PTH118 - keeps a last slash
        return content_of(path, int(self.clock() * 1e9), known)

    def _take(self, cell: int, hit: Hit) -> None:
        self._hits[cell] = hit
        self._versions.put(cell, hit.outcome, hit.note.identity)

    def _restore(self, hit: Hit) -> None:
        files = hit.note.files
        if files is None:
            return
        digest = str(files.manifest["digest"])
        folder = Path(self.location.fetch(digest)).parents[1]
        restore_files(dict(files.manifest), folder, self.folder)


def open_desk(
    prepared: Prepared, kernel: KernelChoice, folder: str, store: Store, location: Location
) -> CacheDesk | None:
    """The cache of a run; None where no cell may be cached."""
    ours = kernel.mode is KernelMode.OURS
    desk = CacheDesk(
        prepared,
        circumstances_of(prepared, kernel, os.environ),
        folder,
        store,
        store.keyring(),
        location,
        Installed(None if ours else kernel.python),
    )
    return desk if desk.active else None


def is_asked(node: Node, prepared: Prepared) -> bool:
    """Whether someone asked for the cell to be cached. What depends on an answer is not."""
    if prepared.plan.policy(node.cell.number).question is not None:
        return False
    if node.cell.kind is CellKind.TASK:
        return node.cell.options.cache or prepared.options.cache
    return node.cell.kind in _PLAIN and prepared.options.cache


def circumstances_of(
    prepared: Prepared, kernel: KernelChoice, environment: Mapping[str, str]
) -> Circumstances:
    """What the run's cells share."""
    plan = prepared.plan
    version = ".".join(map(str, sys.version_info[:2]))
    return Circumstances(
        python=version if kernel.mode is KernelMode.OURS else str(kernel.python),
        environment={**environment, **kernel.env},
        keep_out=prepared.names_results,
        may_fail=frozenset(
            node.cell.number for node in plan.graph.nodes if plan.policy(node.cell.number).may_fail
        ),
    )
