"""Magics by class: whose body binds, which bind their output, which touch files or everything."""

from __future__ import annotations

import ast
import re
import shlex

from orch_nb.analysis import knowledge
from orch_nb.analysis.state import State
from orch_nb.analysis.syntax import parse
from orch_nb.analysis.values import UNKNOWN, Value, scalar

_CALLS = {"run_line_magic", "run_cell_magic", "system", "getoutput", "magic"}
_BRACES = re.compile(r"\{([^{}]+)\}")
_DOLLAR = re.compile(r"\$([^\W\d]\w*)")
_OPTIONS = re.compile(r"^(\s*-\w+(?:\s*\d+)?(?=\s|$))+")
_ADDRESS = re.compile(r"^\w+://")
FOLDER = "."
_SHORT = frozenset({"quiet", "ambient", "chdir", "extends", "switches"})


def shell_call(state: State, node: ast.Call) -> Value | None:
    """Evaluate ``get_ipython().run_line_magic(…)`` and the like; None for any other call."""
    function = node.func
    if not isinstance(function, ast.Attribute) or not isinstance(function.value, ast.Call):
        return None
    if not state.is_builtin(function.value.func, "get_ipython"):
        return None
    texts = [a.value if isinstance(a, ast.Constant) else None for a in node.args]
    if function.attr not in _CALLS or not all(isinstance(text, str) for text in texts):
        if function.attr in ("user_ns", "run_cell", "ex", "ev", "push", "reset", "run_code"):
            state.block(f"get_ipython().{function.attr} reaches every name")
        return None
    words = [str(text) for text in texts]
    if function.attr in ("system", "getoutput"):
        return _shell(state, words[0] if words else "")
    if function.attr == "magic":
        name, _, line = (words[0] if words else "").partition(" ")
        return line_magic(state, name, line)
    if function.attr == "run_line_magic":
        return line_magic(state, words[0], words[1] if len(words) > 1 else "")
    return cell_magic(state, words[0], words[1], words[2]) if len(words) > 2 else None


def line_magic(state: State, name: str, line: str) -> Value:
    """Evaluate one ``%name line``."""
    table = knowledge.magics()["line"]
    kind = table.get(name, "unknown")
    if kind not in ("timeit", "body", "unknown"):
        _interpolated(state, line)
    state.effects.heavy = state.effects.heavy or kind not in _SHORT
    if kind == "timeit":
        _timed(state, _OPTIONS.sub("", line), "")
        return UNKNOWN
    if kind == "body":
        return _body(state, _OPTIONS.sub("", line), once=True)
    if kind == "shell":
        own = name in ("sc", "sx", "system")
        return _shell(state, line if own else f"{name} {line}")
    if kind == "quiet":
        return UNKNOWN
    if kind == "chdir":
        words = [word.strip("\"'") for word in line.split() if not word.startswith("-")]
        known = len(words) == 1 and not set(words[0]) & set("${~")
        state.effects.files_read.add(words[0] if known else FOLDER)  # which a cell may have made
        state.ambient_write("os.cwd")
    elif kind == "extends":
        state.effects.extends = state.effects.extends or line.strip() != "orch_nb"
    elif kind == "switches":
        state.effects.switches = True
    elif kind == "ambient":
        state.ambient_write(knowledge.magics()["ambient"][name])
        if name == "precision":  # IPython's own way to show numbers stays in its process
            state.block("%precision sets how numbers are shown")
    elif kind == "env":
        if line.strip():
            state.ambient_write("os.environ")
        else:
            state.ambient_read("os.environ")
    elif kind == "matplotlib":
        if line.strip() not in ("inline", "--list", ""):
            # figures stay alive between cells
            state.effects.ambient_writes.add("matplotlib.pyplot")
        else:
            state.ambient_read("matplotlib.rcParams")
    elif kind == "debugger":
        state.block(f"%{name} reaches every name")
    elif kind == "alone":
        state.effects.alone = True
        _body(state, _OPTIONS.sub("", line), once=False)
    else:
        state.block(f"%{name} is not known" if kind == "unknown" else f"%{name} reaches every name")
    return UNKNOWN


def cell_magic(state: State, name: str, line: str, body: str) -> Value:
    """Evaluate one ``%%name line`` with its body."""
    kind = knowledge.magics()["cell"].get(name, "unknown")
    state.effects.heavy = state.effects.heavy or kind not in ("text", "capture")
    if kind == "body":
        _body(state, body, once=True)
    elif kind == "timeit":
        _timed(state, body, _OPTIONS.sub("", line))
    elif kind == "alone":
        state.effects.alone = True
        _body(state, body, once=False)
    elif kind == "capture":
        _body(state, body, once=True)
        for word in line.split():
            if not word.startswith("-") and word.isidentifier():
                state.bind(word, Value("", loose=False))
    elif kind == "file":
        words = [word for word in line.split() if not word.startswith("-")]
        for word in words[-1:]:
            state.effects.files_written.add(word.strip("\"'"))
            if "-a" in line.split():
                state.effects.files_read.add(word.strip("\"'"))
        state.ambient_read("os.cwd")
    elif kind == "shell":
        _interpolated(state, line)
        _shell_output(state, line)
        _folder(state)
    elif kind == "sql":
        _interpolated(state, line + "\n" + body)
        state.effects.soft.update(re.findall(r"[^\W\d]\w*", body))
        state.block(f"%%{name} may use any name and database")
    elif kind != "text":
        state.block(f"%%{name} is not known")
    return UNKNOWN


def _body(state: State, source: str, once: bool) -> Value:
    """Run a magic's body: its names are bound for sure, or perhaps."""
    parsed = parse(source)
    if parsed.tree is None:
        state.block(parsed.reason)
        return UNKNOWN
    before = set(state.bound)
    state.conditional += not once
    state.execute(state, parsed.tree.body)
    state.conditional -= not once
    if not once:
        state.bound &= before
    return UNKNOWN


def _timed(state: State, statement: str, setup: str) -> None:
    """A ``%timeit``: runs many times, binds nothing, and wants the machine for itself."""
    state.effects.alone = True
    parsed = parse(f"{setup}\n{statement}" if setup else statement)
    if parsed.tree is None:
        state.block(parsed.reason)
        return
    # what it assigns is local to it, as in a function that is called
    wrapped = parse("def __timed__():\n" + _indented(f"{setup}\n{statement}") + "\n__timed__()")
    if wrapped.tree is None:
        _body(state, statement, once=False)
        return
    bound, values = set(state.bound), dict(state.values)
    state.execute(state, wrapped.tree.body)
    state.bound, state.values = bound, {**values, **state.effects.stores}
    state.effects.binds.discard("__timed__")


def _indented(source: str) -> str:
    return "\n".join("    " + line for line in source.splitlines() if line.strip()) or "    pass"


def _interpolated(state: State, text: str) -> None:
    """Read the names in ``{expression}`` and ``$name``."""
    for match in _BRACES.finditer(text):
        parsed = parse(match.group(1).partition("!")[0])
        if parsed.tree is not None and parsed.plain:
            for part in ast.walk(parsed.tree):
                if isinstance(part, ast.Name) and part.id not in state.bound:
                    state.effects.soft.add(part.id)
    state.effects.soft.update(name for name in _DOLLAR.findall(text) if name not in state.bound)


def _shell(state: State, command: str) -> Value:
    """Evaluate ``!command``; the value is the lines of its output."""
    _interpolated(state, command)
    state.effects.heavy = True
    state.ambient_read("os.cwd")
    state.ambient_read("os.environ")
    words = _words(command)
    program = words[0].rpartition("/")[2] if words else ""
    data = knowledge.magics()["shell"]
    if any(word in data["installs"].split() for word in words[:4]):
        state.block(f"!{command.split()[0]} changes what can be imported")
    if program in data["quiet"].split() and not set(command) & set("<>|;&`"):
        return Value("list", loose=False)
    if program in data["readers"].split() and not set(command) & set(">;&`"):
        state.effects.files_read.add(FOLDER)
        return Value("list", loose=False)
    _folder(state)
    return Value("list", loose=False)


def _words(command: str) -> list[str]:
    try:
        return shlex.split(command)
    except ValueError:
        return command.split()


def _folder(state: State) -> None:
    state.effects.files_read.add(FOLDER)
    state.effects.files_written.add(FOLDER)


def _shell_output(state: State, line: str) -> None:
    """``%%bash --out name`` binds the name."""
    words = line.split()
    for index, word in enumerate(words):
        if word in ("--out", "--err", "--proc") and index + 1 < len(words):
            state.bind(words[index + 1], scalar("str"))
