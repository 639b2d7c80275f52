"""Which environment variables may differ between a process that is warm and one that uses it."""

from __future__ import annotations

from collections.abc import Mapping

# Of the terminal, the session and the calling program: no library looks at them when it is loaded.
_OF_THE_SHELL = {"PWD", "OLDPWD", "SHLVL", "_", "PS1", "PS2", "PROMPT_COMMAND", "LS_COLORS"}
_OF_HISTORY = {"HISTFILE", "HISTSIZE", "HISTFILESIZE", "HISTCONTROL"}
_OF_THE_TERMINAL = {"TERM", "COLORTERM", "COLUMNS", "LINES", "WINDOWID", "VTE_VERSION", "STY"}
_OF_MAKE = {"MAKEFLAGS", "MAKELEVEL", "MFLAGS"}
_OF_THE_SYSTEM = {"INVOCATION_ID", "JOURNAL_STREAM", "SECURITYSESSIONID"}
_OF_THE_CALLER = frozenset(
    _OF_THE_SHELL | _OF_HISTORY | _OF_THE_TERMINAL | _OF_MAKE | _OF_THE_SYSTEM
)
_OF_TERMINALS = ("TERM_", "TMUX", "SSH_", "VSCODE_", "KONSOLE_", "ITERM_", "GNOME_TERMINAL_")
_OF_CALLERS = ("BASH_FUNC_", "JPY_", "PYTEST_", "ORCH_NB_")
_READ_BY_TEMPLATES = frozenset({"ORCH_NB_NO_FORK"})


def fits(born: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
    """Whether a template born with one environment may serve a command that has the other."""
    return _counting(born) == _counting(wanted)


def _counting(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: text for name, text in environment.items() if not _is_of_the_caller(name)}


def _is_of_the_caller(name: str) -> bool:
    if name in _READ_BY_TEMPLATES:
        return False
    return name in _OF_THE_CALLER or name.startswith(_OF_TERMINALS + _OF_CALLERS)
