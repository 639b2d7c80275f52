"""Choose where a notebook's cells run: in this Python, in another, or in a kernel of its own."""

from __future__ import annotations

import difflib
import enum
import functools
import os
import shutil
import string
import subprocess
import sys
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from orch_nb import __version__
from orch_nb.errors import KernelError

_PATIENCE = 10.0  # seconds for another interpreter to say its orch_nb's version
_NATIVE = "python3"
_PYTHON_LANGUAGES = frozenset({"", "python", "python3", "ipython"})
_IPYKERNEL = frozenset({"ipykernel", "ipykernel_launcher"})
_ALIASES = frozenset({"python", "python3", f"python3.{sys.version_info.minor}"})


class KernelMode(enum.StrEnum):
    """Where the cells of a notebook with that kernel run."""

    OURS = "ours"  # in this interpreter
    OTHER_PYTHON = "other-python"  # in another interpreter, which has an orch_nb that fits
    FOREIGN = "foreign"  # in the kernel itself, one after the other


@dataclass(frozen=True, slots=True)
class KernelChoice:
    """A kernel that is installed, and how to run its cells.

    ``python`` is the interpreter, if the kernel is an IPython kernel of one. ``env`` holds the
    environment variables that its kernelspec asks for, with ``${NAME}`` filled in. ``why`` says
    in words why the kernel is foreign; ``notice`` what the user should know of the choice.
    """

    name: str
    display: str
    language: str
    python: str | None
    has_orch_nb: bool
    mode: KernelMode
    env: Mapping[str, str] = field(default_factory=dict)
    why: str = ""
    notice: str = ""


def find_kernel(name: str | None, language: str) -> KernelChoice:
    """Choose the kernel called ``name``, or without one the nearest for ``language``.

    Both are what the notebook's metadata says; "" for an unknown language means Python. Raises
    KernelError when there is no such kernel, or it is broken.
    """
    python = language.lower() in _PYTHON_LANGUAGES
    if python and name in (None, "", _NATIVE):
        return KernelChoice(
            _NATIVE, "Python 3 (ipykernel)", "python", sys.executable, True, KernelMode.OURS
        )
    return _choose(_find_spec(name or "", language))


def find_notebook_kernel(name: str | None, language: str) -> KernelChoice:
    """As ``find_kernel``; but a Python notebook whose kernel is not installed here, as those of
    others often say, runs in this Python, and a notice says so."""
    if language.lower() in _PYTHON_LANGUAGES and name not in (None, "", _NATIVE):
        from jupyter_client.kernelspec import KernelSpecManager

        if name.lower() not in KernelSpecManager().find_kernel_specs():
            notice = f"kernel '{name}' is not installed; running with {_NATIVE}"
            return replace(find_kernel(None, language), notice=notice)
    return find_kernel(name, language)


def _find_spec(name: str, language: str) -> Any:
    """The KernelSpec of that name; without one, the first of the language."""
    from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel

    manager = KernelSpecManager()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of folders beside the kernels with odd names
        folders = manager.find_kernel_specs()
        if not name:
            name = _first_of_language(manager, language)
        if not name:
            raise KernelError(
                f"no kernel for the language '{language}' is installed",
                hint=_installed_hint(manager, language, language),
            )
        name = name.lower()
        if name not in folders:
            raise KernelError(
                f"kernel '{name}' is not installed", hint=_installed_hint(manager, name, language)
            )
        try:
            spec = manager.get_kernel_spec(name)
        except NoSuchKernel as error:
            raise KernelError(
                f"kernel '{name}' needs a provisioner that is not installed",
                hint="install the package that brought the kernel, or choose one with --kernel",
            ) from error
        except Exception as error:  # whatever a hand-written kernel.json makes of the parser
            raise KernelError(
                f"kernel '{name}' has a broken kernel.json: {_in_a_line(error)}",
                hint="install the kernel again, or choose one with --kernel",
            ) from error
    spec.name = name
    return spec


def _first_of_language(manager: Any, language: str) -> str:
    specs = manager.get_all_specs()
    names = sorted(
        name
        for name, found in specs.items()
        if str(found["spec"]["language"]).lower() == language.lower()
    )
    return names[0] if names else ""


def _installed_hint(manager: Any, wanted: str, language: str) -> str:
    """The kernels there are: first those of the notebook's language, then by likeness."""
    specs = manager.get_all_specs()

    def distance(name: str) -> tuple[bool, float, str]:
        alien = str(specs[name]["spec"]["language"]).lower() != language.lower()
        return alien, -difflib.SequenceMatcher(None, wanted[:60], name).ratio(), name

    names = ", ".join(sorted(specs, key=distance))
    return f"installed: {names}; choose one with --kernel" if names else "no kernel is installed"


def _choose(spec: Any) -> KernelChoice:
    env = {
        key: string.Template(str(value)).safe_substitute(os.environ)
        for key, value in spec.env.items()
    }
    if not spec.argv:
        raise KernelError(
            f"kernel '{spec.name}' has a broken kernel.json: it names no program",
            hint="install the kernel again, or choose one with --kernel",
        )
    program = _program(spec) if _is_local(spec) else None
    python = program if program and _runs_ipykernel(spec) else None
    why, ours = _why_foreign(spec, python, env)
    mode = KernelMode.FOREIGN
    if not why:
        mode = KernelMode.OURS if ours else KernelMode.OTHER_PYTHON
    return KernelChoice(
        name=spec.name,
        display=spec.display_name or spec.name,
        language=spec.language,
        python=sys.executable if mode is KernelMode.OURS else python,
        has_orch_nb=mode is not KernelMode.FOREIGN,
        mode=mode,
        env=env,
        why=why,
    )


def _why_foreign(spec: Any, python: str | None, env: Mapping[str, str]) -> tuple[str, bool]:
    """Why the kernel itself must run the cells ("" if it need not), and if it is this Python."""
    if spec.language.lower() not in _PYTHON_LANGUAGES:
        return f"its language is {spec.language}", False
    if python is None:
        return "it is no IPython kernel of this machine", False
    early = any(key.startswith(("PYTHON", "LD_", "DYLD_")) for key in env)
    ours = _identity(python) == _identity(sys.executable)
    if ours and not early:
        return "", True
    version = _ask_version(python, tuple(sorted(env.items())))
    if version is None:
        return "its Python has no orch_nb", False  # or none that the kernel's variables let it find
    if _series(version) != _series(__version__):
        return f"its Python has orch_nb {version}, and this is {__version__}", False
    return "", ours


def _is_local(spec: Any) -> bool:
    provisioner = (spec.metadata or {}).get("kernel_provisioner") or {}
    return bool(provisioner.get("provisioner_name", "local-provisioner") == "local-provisioner")


def _program(spec: Any) -> str:
    """The path of the program, found as jupyter_client would. Raises KernelError without one."""
    first = str(spec.argv[0])
    if first in _ALIASES:
        return sys.executable
    first = first.replace("{prefix}", sys.prefix).replace("{resource_dir}", spec.resource_dir)
    found = shutil.which(str(Path(first).expanduser()))
    if found is None:
        raise KernelError(
            f"kernel '{spec.name}' is installed, but its program '{first}' is not there",
            hint="install the kernel again, or choose one with --kernel",
        )
    return found


def _runs_ipykernel(spec: Any) -> bool:
    """Whether the command starts a plain IPython kernel, without options that change it."""
    rest = [arg for arg in spec.argv[1:] if not str(arg).startswith("-Xfrozen_modules")]
    return len(rest) == 4 and rest[0] == "-m" and rest[1] in _IPYKERNEL and rest[2] == "-f"


def _identity(python: str) -> tuple[Path, Path | None]:
    """What makes an interpreter: its file, and the virtual environment that it is called in.

    Links are not all followed: the interpreters of two environments often link to one file.
    """
    path = Path(python)
    folders = (path.parent, path.parent.parent)
    environment = next((f.resolve() for f in folders if (f / "pyvenv.cfg").is_file()), None)
    return path.resolve(), environment


@functools.cache
def _ask_version(python: str, env: tuple[tuple[str, str], ...]) -> str | None:
    """The version of orch_nb that an interpreter has, or None without one."""
    code = "import orch_nb; print(orch_nb.__version__)"
    try:
        answer = subprocess.run(
            [python, "-P", "-c", code],
            capture_output=True,
            stdin=subprocess.DEVNULL,
            text=True,
            errors="replace",
            timeout=_PATIENCE,
            check=True,
            env={**os.environ, **dict(env)},
        )
    except (OSError, subprocess.SubprocessError):
        return None
    lines = answer.stdout.split()  # what a sitecustomize prints comes before it
    return lines[-1] if lines else None


def _series(version: str) -> list[str]:
    """Versions of one series speak the same language between driver and worker."""
    return version.split(".")[:2]


def _in_a_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
