"""Walks nodes in document order and finds, for each, the cells it must wait for."""

from __future__ import annotations

from orch_nb.analysis.cell import CellEffects
from orch_nb.analysis.files import FOLDER, overlap
from orch_nb.analysis.knowledge import library
from orch_nb.graph.model import Edge, EdgeKind, Node
from orch_nb.model import CellKind

# What nearly any code may look at without naming it: an edge only where a cell has set it.
SURROUNDINGS = frozenset(
    {
        "warnings",
        "pandas.options",
        "numpy.printoptions",
        "numpy.errstate",
        "sklearn.config",
        "polars.config",
        "decimal.context",
        "logging",
        "locale",
        "sys.recursionlimit",
        "sys.settings",
        "sys.stdout",
        "signal handlers",
        "gc",
        "torch.config",
        "importlib",
        "matplotlib.pyplot",
    }
)
_APART = "to run these together"
_KNOWN_AMBIENT = {
    "numpy.random": f"both use numpy's global random state; use `default_rng` {_APART}",
    "random": f"both use Python's global random state; use `random.Random` {_APART}",
    "torch.random": f"both use torch's global random state; use a `torch.Generator` {_APART}",
    "matplotlib.rcParams": "draws with the settings (rcParams) of cell {cell}",
    "matplotlib.pyplot": "uses pyplot's current figure, kept alive since cell {cell}",
    "os.cwd": "uses the working directory set in cell {cell}",
    "os.environ": "may read environment variables set in cell {cell}",
    "sys.path": "may import by the sys.path of cell {cell}",
    "warnings": "may warn, by the filters set in cell {cell}",
}


class Tracker:
    """The last writers of everything, as of the cell that comes next."""

    def __init__(self) -> None:
        self._found: list[Edge] = []
        # A name's last sure writer (or changer), and those after it that may have bound it: a
        # reader waits for all of them, they need not wait for each other.
        self._writers: dict[str, tuple[Node, ...]] = {}
        self._ambient: dict[str, int] = {}
        self._reading: dict[str, set[int]] = {}  # path → cells that read it since it was written
        self._writing: dict[str, int] = {}
        self._barrier: Node | None = None
        self._since: list[int] = []  # cells since the last barrier
        self._shown: list[tuple[int, bool]] = []  # cells that display, and whether surely
        self._changing: list[int] = []  # cells that may change something in place

    def copy(self) -> Tracker:
        """Another tracker that has counted the same."""
        other = Tracker()
        other._writers = dict(self._writers)
        other._ambient = dict(self._ambient)
        other._reading = {path: set(cells) for path, cells in self._reading.items()}
        other._writing = dict(self._writing)
        other._barrier = self._barrier
        other._since = list(self._since)
        other._shown = list(self._shown)
        other._changing = list(self._changing)
        return other

    def edges_of(self, node: Node, effects: CellEffects) -> tuple[Edge, ...]:
        """A cell's edges to earlier cells, sorted; ``count`` it before the next."""
        self._found = []
        if node.barrier:
            self._wait_for_all(node)
        elif self._barrier is not None:
            before = self._barrier
            reason = f"comes after cell {before.cell.number}, a barrier: {before.barrier}"
            self._edge(node, before.cell.number, (), reason, EdgeKind.BARRIER)
        self._values(node, effects)
        self._ambients(node, effects)
        self._files(node, effects)
        self._history(node, effects)
        self._found.sort(key=lambda edge: (edge.source, edge.kind))
        return tuple(self._found)

    def _edge(
        self, node: Node, source: int, names: tuple[str, ...], reason: str, kind: EdgeKind
    ) -> None:
        self._found.append(Edge(source, node.cell.number, names, reason, kind))

    def _wait_for_all(self, node: Node) -> None:
        sources = list(self._since)
        if self._barrier is not None:
            sources.insert(0, self._barrier.cell.number)
        for source in sources:
            reason = f"waits for all cells above: it is a barrier: {node.barrier}"
            self._edge(node, source, (), reason, EdgeKind.BARRIER)

    def _values(self, node: Node, effects: CellEffects) -> None:
        found: dict[int, list[str]] = {}
        writers: dict[int, Node] = {}
        names = self._writers.keys() if "*" in effects.soft else node.reads
        for name in names:
            for writer in self._writers.get(name, ()):
                if writer.barrier and name not in writer.bound:
                    continue  # a barrier may set it, and has an edge of its own
                if not node.barrier or name in effects.reads:
                    writers[writer.cell.number] = writer
                    found.setdefault(writer.cell.number, []).append(name)
        for source, read in found.items():
            read.sort()
            reason = _reads(node, writers[source], read)
            self._edge(node, source, tuple(read), reason, EdgeKind.VALUE)

    def _ambients(self, node: Node, effects: CellEffects) -> None:
        reads = set(node.ambient_reads)
        if effects.calls:
            reads |= SURROUNDINGS & self._ambient.keys()
        if effects.strange:
            reads |= {"matplotlib.rcParams"} & self._ambient.keys()
        found: dict[int, list[str]] = {}
        for name in sorted(reads):
            source = self._ambient.get(name)
            if source is not None:
                found.setdefault(source, []).append(name)
        for source, names in found.items():
            words = [_ambient_words(name, source) for name in names]
            self._edge(node, source, tuple(names), "; ".join(words), EdgeKind.AMBIENT)

    def _files(self, node: Node, effects: CellEffects) -> None:
        found: dict[int, tuple[set[str], list[str]]] = {}
        moved = "os.cwd" in self._ambient

        def note(source: int, path: str, words: str) -> None:
            names, reasons = found.setdefault(source, (set(), []))
            names.add(path)
            if words not in reasons:
                reasons.append(words)

        for path in sorted(node.files_read | node.files_written):
            for other, source in self._writing.items():
                if same_file(path, other, moved):
                    verb = "reads" if path in node.files_read else "writes"
                    note(source, path, f"{verb} {_file(path)}, written in cell {source}")
        for path in sorted(node.files_written):
            for other, sources in self._reading.items():
                if same_file(path, other, moved):
                    for source in sources:
                        note(source, path, f"writes {_file(path)}, read in cell {source}")
        for module in sorted(effects.imports):
            for path, source in self._writing.items():
                if _may_be_of(path, module):
                    note(source, path, f"imports {module}, written in cell {source}")
        for source, (names, reasons) in found.items():
            reason = "; ".join(sorted(reasons))
            self._edge(node, source, tuple(sorted(names)), reason, EdgeKind.FILE)

    def _history(self, node: Node, effects: CellEffects) -> None:
        wanted: dict[int, str] = {}
        for item in effects.history:
            for source in self._meant(item):
                wanted.setdefault(source, str(item))
        for source, item in wanted.items():
            reason = f"reads '{item}', the output of cell {source}"
            self._edge(node, source, (item,), reason, EdgeKind.VALUE)
        if not wanted:
            return
        # What was shown may be known by other names, and changed by them.
        shown = min(wanted)
        for source in self._changing:
            if source > shown and source not in wanted:
                reason = f"reads what cell {shown} has shown, which it may have changed"
                self._edge(node, source, (wanted[shown],), reason, EdgeKind.VALUE)

    def _meant(self, item: int | str) -> list[int]:
        """The cells whose output `_`, `__`, `Out` … may hold."""
        if isinstance(item, int):
            return [number for number, _ in self._shown if number == item]
        depth = {"_": 1, "__": 2, "___": 3}.get(item, 10**9)
        meant = []
        for number, surely in reversed(self._shown):
            meant.append(number)
            depth -= surely
            if depth <= 0:
                break
        return meant

    def count(self, node: Node, effects: CellEffects) -> None:
        """Count what a cell writes, for the cells below it."""
        number = node.cell.number
        if node.barrier:
            self._barrier, self._since = node, []
        else:
            self._since.append(number)
        for name in node.writes:
            sure = name in node.binds or name in node.reads
            self._writers[name] = (node,) if sure else (*self._writers.get(name, ()), node)
        for name in node.ambient_writes:
            self._ambient[name] = number
        for path in node.files_written:
            for other in [p for p in self._reading if same_file(path, p, False)]:
                if path == other:
                    del self._reading[other]
            self._writing[path] = number
        for path in node.files_read - node.files_written:
            self._reading.setdefault(path, set()).add(number)
        if node.changes:
            self._changing.append(number)
        if effects.displays:
            self._shown.append((number, effects.surely_displays))


def same_file(first: str, second: str, moved: bool) -> bool:
    """Whether two paths touch; by their last part only, where the working directory moved."""
    if overlap(first, second):
        return True
    return moved and first.rpartition("/")[2] == second.rpartition("/")[2]


def _may_be_of(path: str, module: str) -> bool:
    """Whether a file may be one of a module's; anything may be where a folder is written to, if
    the module is none that is known to be installed."""
    if path == FOLDER:
        return library(module) is None
    return not {module, f"{module}.py"}.isdisjoint(path.split("/"))


def _file(path: str) -> str:
    return "the working folder" if path == FOLDER else f"file {path}"


def _reads(node: Node, writer: Node, names: list[str]) -> str:
    number = writer.cell.number
    shown = ", ".join(f"'{name}'" for name in names[:6])
    if len(names) > 6:
        shown += f" and {len(names) - 6} more"
    changed = dict(writer.why)
    verbs = []
    if any(name in writer.bound for name in names):
        verbs.append("set")
    how = sorted({changed[name] for name in names if name in changed})
    if how:
        verbs.append("changed")
    where = "parameters" if writer.cell.kind is CellKind.PARAMETERS else "cell"
    place = f"in {where} cell {number}" if where == "parameters" else f"in cell {number}"
    why = f" ({how[0]})" if len(how) == 1 and verbs == ["changed"] else ""
    verb = " and ".join(verbs) or "set"
    action = "reads and changes" if node.changes.issuperset(names) else "reads"
    return f"{action} {shown}, {verb} {place}{why}"


def _ambient_words(name: str, source: int) -> str:
    words = _KNOWN_AMBIENT.get(name)
    if words is None:
        return f"uses {name}, set in cell {source}"
    return words.format(cell=source)
