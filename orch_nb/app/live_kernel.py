"""The kernel's side of a flow: its values are shipped from here, results are bound here, and
cells that need what can't be shipped run here. Everything in this module happens in the kernel's
main thread."""

from __future__ import annotations

import contextlib
import copy
import pickle
import sys
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

from orch_nb.errors import ResultError
from orch_nb.execution.ambient import AMBIENT, AmbientWatch
from orch_nb.execution.anatomy import Pinned
from orch_nb.execution.anatomy_arrays import register_loaded
from orch_nb.execution.describing import describe_values
from orch_nb.execution.execute import apply_blob
from orch_nb.execution.job import Job, Message, Outcome, SessionSpec
from orch_nb.execution.outputs import ErrorInfo, Output
from orch_nb.execution.packing import Changes, pack
from orch_nb.execution.values import ApplyError
from orch_nb.execution.walk import Index, Watch, names_reaching
from orch_nb.results.blob import write_blob

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class CellEnd:
    """How a cell that was run in the kernel ended."""

    outputs: tuple[Output, ...]
    error: ErrorInfo | None
    seconds: float
    interrupted: bool = False


class KernelShell(Protocol):
    """What a face offers of its shell."""

    @property
    def namespace(self) -> dict[str, Any]:
        """The notebook's variables, IPython's own names among them."""

    @property
    def hidden(self) -> Collection[str]:
        """Names that are not the notebook's."""

    async def run_cell(self, source: str) -> CellEnd:
        """Run a cell, capturing what it shows."""


@dataclass(frozen=True, slots=True)
class Shipment:
    """Values on their way to the flow's own process; ``unsent`` says why some stay here."""

    manifest: Message | None
    unsent: Mapping[str, str] = field(default_factory=dict)
    names: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Bound:
    """What came of binding results: names bound, those kept as the user had changed them
    meanwhile, and reasons for what could not be bound, by name."""

    names: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    failed: Mapping[str, str] = field(default_factory=dict)


class KernelSide:
    """One flow's hold on the kernel it was started from."""

    def __init__(self, shell: KernelShell, results: Path, interrupted: Callable[[], None]) -> None:
        self._shell = shell
        self._interrupted = interrupted  # called when the user interrupts a cell that runs here
        self._spec = SessionSpec(folder=".", results=str(results))
        self._remote: set[str] = set()  # names that the flow's process holds as they are here
        self.unsent: dict[str, str] = {}
        self.made: dict[int, frozenset[str]] = {}  # by cell number
        self._retired: list[tuple[int, int, Message]] = []
        self._applied: set[int] = set()
        self._bound: set[str] = set()
        self._failed: dict[str, str] = {}

    # -- what `apply_blob` asks of a shell

    @property
    def user_ns(self) -> dict[str, Any]:
        """The notebook's variables."""
        return self._shell.namespace

    def variables(self) -> dict[str, Any]:
        """The notebook's own variables."""
        hidden = self._shell.hidden
        return {n: v for n, v in self.user_ns.items() if n not in hidden}

    def within(self, function: Callable[[], T]) -> T:
        """Call ``function`` where cells run."""
        return function()

    @property
    def applied(self) -> frozenset[int]:
        """The cells whose results were brought here."""
        return frozenset(self._applied)

    def set_out(self, count: int, value: Any) -> None:
        """The kernel's own ``Out`` stays the kernel's."""

    # -- shipping

    def ship(self, names: Iterable[str]) -> Shipment:
        """Pack the values of ``names``, and the process-wide state, for the flow's process."""
        register_loaded()
        own = self.variables()
        bound = {name: own[name] for name in names if name in own}
        shipment = self._pack(Changes(bound), Index((), self.user_ns))
        self._remote |= shipment.names
        self.unsent |= shipment.unsent
        return shipment

    def ship_state(self) -> Shipment:
        """Pack the process-wide state, the search path for modules among it: it goes first."""
        return self._pack(Changes(ambient=_ambient_states()), Index((), self.user_ns))

    def _pack(self, changes: Changes, index: Index) -> Shipment:
        """All in one blob, so that aliases stay; what can't be pickled is left out and named."""
        unsent: dict[str, str] = {}
        while True:
            try:
                data, buffers = pack(changes, index, self.user_ns)
                manifest = write_blob(Path(self._spec.results), data, buffers)
            except ResultError as error:
                return Shipment(None, dict.fromkeys(changes.bound, error.message))
            except Exception as error:  # the values' own code runs here, and may fail in any way
                culprits = self._culprits(changes.bound, index)
                unsent |= culprits
                if not culprits and changes.changed:
                    changes.changed = []  # what they hold now can't be told
                elif not culprits and changes.ambient:
                    changes.ambient = {}
                elif not culprits:
                    words = f"{type(error).__name__}: {str(error)[:200]}"
                    return Shipment(None, dict.fromkeys(changes.bound, words))
                changes.bound = {n: v for n, v in changes.bound.items() if n not in culprits}
                continue
            return Shipment(manifest.to_json(), unsent, frozenset(changes.bound))

    def _culprits(self, bound: Mapping[str, Any], index: Index) -> dict[str, str]:
        found = {}
        for name, value in bound.items():
            try:
                pack(Changes({name: value}), index, self.user_ns)
            except Exception:  # as above
                found[name] = f"'{name}' ({type(value).__qualname__}) can't be pickled"
        return found

    def why_here(self, names: Iterable[str]) -> str:
        """Why a cell that reads ``names`` must run in the kernel; "" when it need not."""
        for name in sorted(set(names) & self.unsent.keys()):
            return f"it reads a value of the kernel that can't be sent: {self.unsent[name]}"
        return ""

    def keep_here(self, name: str, why: str) -> None:
        """A value can't be had in the flow's process."""
        self.unsent[name] = f"'{name}' can't be loaded in another process: {why}"[:300]
        self._remote.discard(name)

    def note_made(self, outcome: Outcome) -> None:
        """A cell's attempt has ended; the names that it bound or changed count as made by it."""
        self.made[outcome.cell] = frozenset((*outcome.bound, *outcome.changed))

    def not_brought(self, names: Iterable[str], why: str) -> None:
        """Results that live in the flow's process, and end with it."""
        self._failed |= dict.fromkeys(names, why)

    # -- binding

    def note_retired(self, cell: int, count: int, manifest: Message) -> None:
        """The flow's process holds the cell's changes now; they are to be bound here as well."""
        if cell not in self._applied:
            self._retired.append((cell, count, manifest))

    def bind(
        self,
        before: int | None = None,
        keep: Collection[str] = (),
        held: Mapping[str, Any] | None = None,
    ) -> Bound:
        """Bind what retired cells made; those from cell number ``before`` on are left out, and
        so are the names to ``keep``, which the user has changed since they were as in ``held``.
        """
        own = self._set_aside(keep, held or {})
        waiting, self._retired = self._retired, []
        for cell, count, manifest in waiting:
            if before is not None and cell >= before:
                continue
            self._applied.add(cell)
            self._apply(count, manifest)
        made = {name for name in keep if name in self._bound}
        self._bound -= made
        for name in keep:
            self.user_ns.pop(name, None)
        self.user_ns.update(own)
        return Bound(tuple(sorted(self._bound)), tuple(sorted(made)), dict(self._failed))

    def bind_values(self, pickles: Mapping[str, bytes]) -> Bound:
        """Bind final values that came one by one, where they could not be had otherwise."""
        for name in self._failed.keys() & pickles.keys():
            with contextlib.suppress(Exception):  # the value's own loading; it stays named
                self.user_ns[name] = pickle.loads(pickles[name])
                del self._failed[name]
                self._bound.add(name)
        return Bound(tuple(sorted(self._bound)), failed=dict(self._failed))

    def _set_aside(self, keep: Collection[str], held: Mapping[str, Any]) -> dict[str, Any]:
        """Take the user's own values out of the way, so that results, which may change in place
        what was there at the start, don't touch them."""
        namespace = self.user_ns
        own = {name: namespace[name] for name in keep if name in namespace}
        for name, value in own.items():
            if name not in held:
                del namespace[name]
                continue
            namespace[name] = held[name]
            if held[name] is value:  # changed in place
                with contextlib.suppress(Exception):  # its own copying
                    namespace[name] = copy.deepcopy(value)
        return own

    def _apply(self, count: int, manifest: Message) -> None:
        namespace = self.user_ns
        before = dict(namespace)
        try:
            apply_blob(self, count, manifest, self._spec)  # type: ignore[arg-type]
        except (ApplyError, ResultError) as error:
            self._failed[f"cell {count}"] = str(error)
            return
        changed = {n for n, v in namespace.items() if n not in before or before[n] is not v}
        self._bound |= {name for name in changed if not name.startswith("_")}
        self._remote |= changed
        for name in changed:
            self.unsent.pop(name, None)

    # -- running here

    async def run(self, job: Job) -> tuple[Outcome, Shipment]:
        """Run a job's cell here; the shipment brings what it changed to the flow's process."""
        self.bind()
        register_loaded()
        namespace, before = self.user_ns, self.variables()
        names = [name for name in job.reads if name in self._remote]
        try:
            index = Index(names, namespace)
            watch = Watch([n for n in job.changes if n in names], index, namespace, tolerated=True)
        except Pinned:
            index = Index((), namespace)
            watch = Watch((), index, namespace, tolerated=True)
        ambient = AmbientWatch()
        end = await self._shell.run_cell(job.source)
        if end.interrupted:
            self._interrupted()
        after = self.variables()
        bound = {n: v for n, v in after.items() if n not in before or before[n] is not v}
        deleted = tuple(sorted(name for name in before if name not in after))
        changed = watch.changed()
        states, fresh = ambient.changed()
        reaching = {name for obj, _ in changed for name in index.names_of(obj)}
        if changed:
            reaching |= names_reaching((o for o, _ in changed), set(before) - set(names), before)
        failed = end.error is not None and job.stop_on_error
        shipment = Shipment(None)
        if not failed:
            ambient_changes = {} if job.imports else states
            shipment = self._pack(Changes(bound, deleted, changed, ambient_changes), index)
            self._remote = (self._remote | shipment.names) - set(deleted) - shipment.unsent.keys()
            self.unsent = {n: why for n, why in self.unsent.items() if n not in bound}
            self.unsent |= shipment.unsent
            self._bound |= {name for name in bound if not name.startswith("_")}
        whole = shipment.manifest is not None and not shipment.unsent
        outcome = Outcome(
            job.cell,
            job.attempt,
            outputs=end.outputs,
            error=end.error,
            blob=shipment.manifest if whole else None,
            bound=tuple(sorted(bound)),
            deleted=deleted,
            changed=tuple(sorted(reaching)),
            kinds=describe_values({n: after[n] for n in {*bound, *reaching} if n in after}),
            observed=True,
            ambient=tuple(sorted(states.keys() - fresh)),
            seconds=end.seconds,
        )
        return outcome, shipment


# Each process has its own of these: they are set when the session is opened, or inherited.
_PROCESS_OWN = frozenset({"os.environ", "os.cwd", "logging"})


def _ambient_states() -> dict[str, Any]:
    """Process-wide state of the libraries that are loaded, as far as it can be told."""
    found = {}
    for name, entry in AMBIENT.items():
        if entry.module not in sys.modules or name in _PROCESS_OWN:
            continue
        try:
            state = entry.get()
            pickle.dumps(state)
        except Exception:  # a library's own getter, half loaded perhaps; or a callback in it
            continue
        found[name] = state
    return found
