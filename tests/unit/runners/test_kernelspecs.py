"""Which kernels run in this Python, which in another, and which run themselves."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import orch_nb
from orch_nb.errors import KernelError
from orch_nb.runners import kernelspecs
from orch_nb.runners.kernelspecs import (
    KernelChoice,
    KernelMode,
    find_kernel,
    find_notebook_kernel,
)

IPYKERNEL = ["-m", "ipykernel_launcher", "-f", "{connection_file}"]


@pytest.fixture(autouse=True)
def jupyter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that kernels are looked for in first."""
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    kernelspecs._ask_version.cache_clear()
    return tmp_path / "jupyter"


def install(jupyter: Path, name: str, argv: list[str], **fields: Any) -> None:
    folder = jupyter / "kernels" / name
    folder.mkdir(parents=True)
    spec = {"argv": argv, "display_name": name.title(), "language": "python", **fields}
    (folder / "kernel.json").write_text(json.dumps(spec))


def fake_python(folder: Path, script: str) -> str:
    """A program that answers instead of an interpreter."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "python"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


def refusal(name: str | None, language: str = "python") -> tuple[str, str]:
    with pytest.raises(KernelError) as told:
        find_kernel(name, language)
    return told.value.message, told.value.hint or ""


@pytest.mark.parametrize(
    ("name", "language"), [(None, "python"), ("python3", "Python"), ("", ""), (None, "ipython")]
)
def test_python_without_a_kernel_of_its_own_runs_here(name: str | None, language: str) -> None:
    ours = KernelChoice(
        "python3", "Python 3 (ipykernel)", "python", sys.executable, True, KernelMode.OURS
    )
    assert find_kernel(name, language) == ours


def test_the_usual_case_does_not_import_jupyter_client() -> None:
    code = (
        "import sys; from orch_nb.runners.kernelspecs import find_kernel;"
        "find_kernel('python3', 'python'); sys.exit('jupyter_client' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("program", [sys.executable, "python", "{prefix}/bin/python3"])
def test_a_kernel_of_this_interpreter_runs_here_and_keeps_its_environment(
    program: str, jupyter: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WHO", "world")
    install(jupyter, "mine", [program, *IPYKERNEL], env={"GREET": "hello ${WHO} $$1 ${MISSING}"})
    env = {"GREET": "hello world $1 ${MISSING}"}
    mine = KernelChoice("mine", "Mine", "python", sys.executable, True, KernelMode.OURS, env)
    assert find_kernel("Mine", "python") == mine


def test_environments_that_link_to_one_interpreter_are_not_the_same(
    jupyter: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(other)], check=True)
    python = other / "bin" / "python"
    assert python.resolve() == Path(sys.executable).resolve()
    install(jupyter, "other", [str(python), *IPYKERNEL])
    choice = find_kernel("other", "python")
    assert (choice.mode, choice.has_orch_nb, choice.python, choice.why) == (
        KernelMode.FOREIGN,
        False,
        str(python),
        "its Python has no orch_nb",
    )


def test_an_environment_with_orch_nb_runs_under_its_own_interpreter(
    jupyter: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(other)], check=True)
    (packages,) = other.glob("lib/python3*/site-packages")
    source = Path(orch_nb.__file__).parent.parent
    (packages / "orch_nb.pth").write_text(f"{source}\n")
    python = str(other / "bin" / "python")
    install(jupyter, "other", [python, *IPYKERNEL])
    there = KernelChoice("other", "Other", "python", python, True, KernelMode.OTHER_PYTHON)
    assert find_kernel("other", "python") == there


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("echo noise; echo 99.1.0", f"has orch_nb 99.1.0, and this is {orch_nb.__version__}"),
        ("exit 1", "has no orch_nb"),
        ("exit 0", "has no orch_nb"),
        ("printf '\\377\\376'; exit 1", "has no orch_nb"),
    ],
)
def test_an_interpreter_that_does_not_fit_is_foreign(
    script: str, why: str, jupyter: Path, tmp_path: Path
) -> None:
    install(jupyter, "odd", [fake_python(tmp_path / "bin", script), *IPYKERNEL])
    choice = find_kernel("odd", "python")
    assert choice.mode is KernelMode.FOREIGN
    assert choice.why.endswith(why)


def test_an_interpreter_is_asked_once_and_not_for_long(
    jupyter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kernelspecs, "_PATIENCE", 0.3)
    script = f"echo asked >> {tmp_path}/log; exec sleep 60"
    install(jupyter, "slow", [fake_python(tmp_path / "bin", script), *IPYKERNEL])
    assert find_kernel("slow", "python").mode is KernelMode.FOREIGN
    assert find_kernel("slow", "python").mode is KernelMode.FOREIGN
    assert (tmp_path / "log").read_text() == "asked\n"


@pytest.mark.parametrize(
    ("argv", "fields", "why"),
    [
        (IPYKERNEL, {"language": "bash"}, "its language is bash"),
        (["-m", "other_kernel", "-f", "{connection_file}"], {}, "it is no IPython kernel"),
        ([*IPYKERNEL, "--profile=mine"], {}, "it is no IPython kernel"),
        (IPYKERNEL, {"env": {"PYTHONHOME": "/nowhere"}}, "its Python has no orch_nb"),
    ],
)
def test_what_only_the_kernel_itself_can_do_is_left_to_it(
    argv: list[str], fields: dict[str, Any], why: str, jupyter: Path
) -> None:
    install(jupyter, "own", [sys.executable, *argv], **fields)
    choice = find_kernel("own", "python")
    assert choice.mode is KernelMode.FOREIGN
    assert choice.why.startswith(why)


def test_variables_for_the_interpreter_are_given_to_its_process(jupyter: Path) -> None:
    variables = {"PYTHONHASHSEED": "0", "LD_BIND_NOW": "1"}
    install(jupyter, "fixed", [sys.executable, *IPYKERNEL], env=variables)
    choice = find_kernel("fixed", "python")
    assert (choice.mode, choice.env, choice.why) == (KernelMode.OURS, variables, "")


def test_without_a_name_the_language_decides(jupyter: Path) -> None:
    for name in ("zsh", "bash"):
        install(jupyter, name, [sys.executable, "-m", name], language="Shell")
    assert find_kernel(None, "shell").name == "bash"
    message, hint = refusal(None, "julia")
    assert message == "no kernel for the language 'julia' is installed"
    assert hint.endswith("; choose one with --kernel")


def test_a_missing_kernel_is_named_with_those_that_are_there(jupyter: Path) -> None:
    install(jupyter, "bash", [sys.executable, "-m", "bash"], language="bash")
    install(jupyter, "julia-1.10", [sys.executable, "-m", "julia"], language="julia")
    message, hint = refusal("julia-1.9", "julia")
    assert message == "kernel 'julia-1.9' is not installed"
    assert hint.startswith("installed: julia-1.10, ")
    assert {"bash", "python3"} < set(hint.partition(";")[0].removeprefix("installed: ").split(", "))
    assert refusal("pythn3", "python")[1].startswith("installed: python3")


@pytest.mark.parametrize("name", ["../bash", "/etc", "no such", "ü", "a" * 5000, "."])
def test_a_name_that_can_be_no_kernel_is_just_missing(name: str) -> None:
    assert refusal(name)[0].endswith("is not installed")


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"argv": 3}', '{"argv": ["x"], "env": 1}', '{"argv": []}', '"x"']
)
def test_a_broken_kernel_json_is_told_of(text: str, jupyter: Path) -> None:
    folder = jupyter / "kernels" / "torn"
    folder.mkdir(parents=True)
    (folder / "kernel.json").write_text(text)
    message, hint = refusal("torn")
    assert message.startswith("kernel 'torn' has a broken kernel.json: ")
    assert "\n" not in message
    assert hint


def test_a_program_that_is_gone_is_told_of(jupyter: Path) -> None:
    install(jupyter, "old", ["/gone/python", *IPYKERNEL])
    assert refusal("old")[0] == (
        "kernel 'old' is installed, but its program '/gone/python' is not there"
    )


def test_a_kernel_of_another_machine_is_foreign_if_it_can_be_reached(jupyter: Path) -> None:
    remote = {"kernel_provisioner": {"provisioner_name": "far-away"}}
    install(jupyter, "far", [sys.executable, *IPYKERNEL], metadata=remote)
    assert refusal("far")[0] == "kernel 'far' needs a provisioner that is not installed"


def test_a_python_notebook_of_another_machine_runs_in_this_python() -> None:
    chosen = find_notebook_kernel("conda-env-report-py", "python")
    assert (chosen.name, chosen.mode) == ("python3", KernelMode.OURS)
    assert chosen.notice == "kernel 'conda-env-report-py' is not installed; running with python3"
    with pytest.raises(KernelError):
        find_notebook_kernel("julia-1.9", "julia")
