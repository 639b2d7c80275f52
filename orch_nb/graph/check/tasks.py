"""Tasks that nobody uses, that write one file, that can't run beside others, and odd options."""

from __future__ import annotations

import re
from collections.abc import Iterator

from orch_nb.graph.check.problem import Problem, Severity
from orch_nb.graph.model import FlowGraph, Node
from orch_nb.model import CellKind

_RANDOM = {
    "numpy.random": ("NumPy's global random state", "np.random.seed(0), or use default_rng(0)"),
    "random": ("Python's global random state", "random.seed(0), or use random.Random(0)"),
    "torch.random": ("torch's global random state", "torch.manual_seed(0)"),
}
_DRIVE = re.compile(r"^([A-Za-z]:[\\/]|[\\/]{2})")
_SYSTEM = ("/dev/", "/proc/", "/tmp", "/etc/")


def task_problems(graph: FlowGraph) -> Iterator[Problem]:
    """Problems of tasks, files and randomness."""
    yield from _unused(graph)
    yield from _one_file(graph)
    yield from _unseeded(graph)
    for node in graph.nodes:
        yield from _absolute(node)
        yield from _options(node)
        yield from _serial(node)


def _unused(graph: FlowGraph) -> Iterator[Problem]:
    used = {(edge.source, name) for edge in graph.edges for name in edge.names}
    needed = {name for node in graph.nodes for name in node.cell.options.needs}
    for node in graph.nodes:
        if node.cell.kind is not CellKind.TASK or not node.binds:
            continue
        if node.displays or node.files_written or node.changes or node.ambient_writes:
            continue
        number, name = node.cell.number, node.cell.name
        if name not in needed and not any((number, bound) in used for bound in node.binds):
            made = ", ".join(sorted(node.binds)[:3])
            yield Problem(
                "unused-result",
                Severity.WARNING,
                node.cell,
                f"nobody uses what this task makes ({made})",
                "drop the task, or show or save its result",
            )


def _one_file(graph: FlowGraph) -> Iterator[Problem]:
    first: dict[str, int] = {}
    for node in graph.nodes:
        if not node.task:
            continue
        for path in sorted(node.files_written - {"."}):
            other = first.setdefault(path, node.cell.number)
            if other != node.cell.number:
                yield Problem(
                    "shared-file",
                    Severity.WARNING,
                    node.cell,
                    f"cells {other} and {node.cell.number} both change {path}",
                    "they can't run together; give each a file of its own",
                )


def _unseeded(graph: FlowGraph) -> Iterator[Problem]:
    seeded: set[str] = set()
    for node in graph.nodes:
        for name in sorted(node.ambient_reads & node.ambient_writes & _RANDOM.keys() - seeded):
            what, seed = _RANDOM[name]
            seeded.add(name)  # said once
            yield Problem(
                "unseeded-random",
                Severity.WARNING,
                node.cell,
                f"draws from {what}, which no cell has seeded: each run differs",
                f"above it: {seed}",
            )
        seeded |= node.ambient_writes


def _absolute(node: Node) -> Iterator[Problem]:
    for path in sorted(node.files_read | node.files_written):
        if (path.startswith(("/", "~")) and not path.startswith(_SYSTEM)) or _DRIVE.match(path):
            yield Problem(
                "absolute-path",
                Severity.WARNING,
                node.cell,
                f"{path} is an absolute path: it is there on this machine only",
                "use a path relative to the notebook, or a parameter",
            )


def _options(node: Node) -> Iterator[Problem]:
    options = node.cell.options
    if options.in_order and options.independent:
        yield Problem(
            "conflicting-options",
            Severity.ERROR,
            node.cell,
            "--in-order and --independent contradict each other",
            "keep one of them",
        )
    if any(options.retry_delay) and not options.retries:
        yield Problem(
            "conflicting-options",
            Severity.WARNING,
            node.cell,
            "--retry-delay has no effect without --retries",
            "add --retries 3",
        )


def _serial(node: Node) -> Iterator[Problem]:
    if not node.task:
        return
    if node.barrier:
        yield Problem(
            "serial-task",
            Severity.NOTE,
            node.cell,
            f"can't run beside other cells: {node.barrier}",
            "split what needs it from the rest of the cell",
        )
    elif node.alone:
        yield Problem(
            "serial-task",
            Severity.NOTE,
            node.cell,
            "runs alone, since it is timed",
            "drop the timing to let other cells run beside it",
        )
