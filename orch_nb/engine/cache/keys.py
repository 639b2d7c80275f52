"""What can be told of a cell before it runs: whether it may be cached, and under which key."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from orch_nb.engine.cache.fields import (
    FORMAT,
    Field,
    Group,
    code_field,
    digest_of,
    key_of,
    literals,
    remote_paths,
)
from orch_nb.engine.cache.versions import Version, Versions, unsendable
from orch_nb.graph.model import Node
from orch_nb.model import CellKind

ENVIRONMENT = "os.environ"
_CACHEABLE = frozenset({CellKind.TASK, CellKind.PLAIN, CellKind.PARAMETERS, CellKind.INJECTED})


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What all cells of a run share: the interpreter, the environment, how cells are run."""

    python: str
    environment: Mapping[str, str] = field(default_factory=dict)
    keep_out: bool = False
    may_fail: Collection[int] = ()


@dataclass(frozen=True, slots=True)
class Keyed:
    """A cell's fields; or why it has none, in words. ``waits``: a cell above has not ended."""

    fields: tuple[Field, ...] = ()
    why: str = ""
    waits: bool = False


def why_never(node: Node) -> str:
    """Why a cell can't be cached whatever it does; empty if it can."""
    if node.cell.kind not in _CACHEABLE:
        return f"a {node.cell.kind} cell always runs"
    if node.barrier:
        return f"what it does can't be told: {node.barrier}"
    states = sorted(unsendable(node))
    if states:
        return f"it may set {', '.join(states)}, which can't be brought back"
    remote = sorted(remote_paths(node.cell.source))
    if remote:
        return f"it reads {remote[0]}, which can't be looked at"
    if "orch_nb" in node.cell.source and _imports_us(node):
        return "it asks orch_nb about its run"
    return ""


def _imports_us(node: Node) -> bool:
    return any(
        line.strip().startswith(("import orch_nb", "from orch_nb"))
        for line in node.cell.source.splitlines()
    )


def key_fields(
    node: Node, versions: Versions, circumstances: Circumstances, extras: tuple[str, ...] = ()
) -> Keyed:
    """The fields of a cell's key, as things stand now."""
    why = why_never(node)
    return Keyed(why=why) if why else _fields(node, versions, circumstances, extras)


def _fields(
    node: Node, versions: Versions, circumstances: Circumstances, extras: tuple[str, ...] = ()
) -> Keyed:
    number = node.cell.number
    plain = _own_fields(node, versions, circumstances)
    if plain.why:
        return plain
    fields = list(plain.fields)
    fields += [Field(Group.EXTRA, text, text) for text in sorted(set(extras)) if text]
    if ENVIRONMENT in node.ambient_reads and not node.imports_only:
        fields += _environment(number, versions, circumstances)
    setting = _set_above(node, versions, circumstances)
    return Keyed((*fields, *setting.fields)) if not setting.why else setting


def _own_fields(node: Node, versions: Versions, circumstances: Circumstances) -> Keyed:
    """The cell's code and the versions of what it reads."""
    number = node.cell.number
    read = _versions_read(node, versions)
    ambient = versions.of_ambient(number, node.ambient_reads)
    unknown = [version for version in (*read.values(), *ambient.values()) if not version.digest]
    if unknown:
        worst = next((version for version in unknown if not version.waits), unknown[0])
        return Keyed(why=worst.why, waits=worst.waits)
    fields = [code_field(node), _rules(node, circumstances)]
    fields.append(Field(Group.PYTHON, "python", circumstances.python, circumstances.python))
    fields += [
        Field(Group.INPUT, name, version.digest, _shown(version))
        for name, version in sorted(read.items())
    ]
    fields += [
        Field(Group.AMBIENT, name, version.digest, _shown(version))
        for name, version in sorted(ambient.items())
    ]
    return Keyed(tuple(fields))


def _set_above(node: Node, versions: Versions, circumstances: Circumstances) -> Keyed:
    """What cells above do to the process that has no version: it is known by their own code and
    inputs; of those that can't be understood by the code alone."""
    done: dict[str, list[str]] = {}
    for earlier in versions.setting_above(node.cell.number):
        what = sorted(unsendable(earlier))
        keyed = Keyed((code_field(earlier),))
        if not earlier.barrier:
            keyed = _own_fields(earlier, versions, circumstances)
        if keyed.why:
            return keyed
        name = ", ".join(what) or "all that is not understood"
        done.setdefault(name, []).append(key_of(keyed.fields)[:32])
    return Keyed(
        tuple(Field(Group.AMBIENT, name, digest_of(keys)[:32]) for name, keys in done.items())
    )


def _versions_read(node: Node, versions: Versions) -> dict[str, Version]:
    """The versions of all that the cell reads, and of what functions in those read late."""
    number = node.cell.number
    found: dict[str, Version] = {}
    todo = sorted(node.reads | node.changes)
    while todo:
        name = todo.pop()
        if name not in found and versions.is_written_above(number, name):
            found[name] = versions.of(number, name)
            todo += found[name].late
    return found


def _rules(node: Node, circumstances: Circumstances) -> Field:
    """What may be changed in place tells which names are thought to show one object."""
    rules = {
        "format": FORMAT,
        "changes": sorted(node.changes),
        "shows": node.displays,
        "keeps its result": circumstances.keep_out,
        "may fail": node.cell.number in circumstances.may_fail,
    }
    words = [
        f"may change {', '.join(sorted(node.changes))}" if node.changes else "changes no input",
        "shows its value" if node.displays else "shows no value",
        "its number is named" if circumstances.keep_out else "",
        "may fail" if rules["may fail"] else "",
    ]
    return Field(Group.RULES, "rules", digest_of(rules)[:16], ", ".join(filter(None, words)))


def _environment(number: int, versions: Versions, circumstances: Circumstances) -> list[Field]:
    names: set[str] = set()
    for node in versions.nodes:
        asks = ENVIRONMENT in node.ambient_reads or "environ" in node.cell.source
        if asks and node.cell.number <= number:
            names |= literals(node.cell.source)
    environment = circumstances.environment
    known = sorted(name for name in names if name in environment or name.isupper())
    if not known:
        return [Field(Group.ENVIRONMENT, "all of it", digest_of(dict(environment))[:32])]
    return [Field(Group.ENVIRONMENT, name, _secret(environment.get(name)), "") for name in known]


def _secret(value: str | None) -> str:
    """A digest: what the environment holds is nobody's business."""
    if value is None:
        return "unset"
    return hashlib.sha256(value.encode("utf-8", "surrogateescape")).hexdigest()[:32]


def _shown(version: Version) -> str:
    parts = [version.type, f"from cell {version.writer}" if version.writer else ""]
    return ", ".join(part for part in parts if part)


Look = Callable[[Field], Field]


def still_holds(seen: tuple[Field, ...], look: Look) -> Field | None:
    """The first of the fields that is not as it was; None if all are. ``look`` tells what a
    field is now."""
    for old in seen:
        now = look(old)
        if now.value != old.value:
            return now
    return None
