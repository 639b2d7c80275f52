"""Do a deployment's run that this process was given: lay out its snapshot, run, export."""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from orch_nb.app.requests import Control, RunRequest
from orch_nb.app.resuming import ResumeRequest, resume
from orch_nb.app.running import run as run_notebook
from orch_nb.app.secrets import env_file_variables
from orch_nb.app.snapshots import lay_out, write_files
from orch_nb.errors import NotFoundError, OrchError, TransitionError
from orch_nb.model import FlowRun, FlowRunId
from orch_nb.notebook.binding import GivenParameter, ParameterSource
from orch_nb.places import find_places
from orch_nb.schedules.deployment import DeployedRun, DeploymentSpec, SnapshotFile
from orch_nb.states import StateName, StateType
from orch_nb.store import Store, Transaction, new_holder, open_store
from orch_nb.store.deployment_rows import ENDED
from orch_nb.store.deployments import get_version
from orch_nb.store.queue_reading import deployed_run_of
from orch_nb.store.queueing import hand_over, set_phase

_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")


@dataclass(frozen=True, slots=True)
class _Assignment:
    run: FlowRun
    given: DeployedRun
    spec: DeploymentSpec
    files: Sequence[SnapshotFile]


def run_deployed(run_id: FlowRunId, epoch: int | None, control: Control) -> StateType:
    """Do the run, whose claim of that ``epoch`` is handed over to this process; without one,
    go on with a crashed run. Returns how it ended; what goes wrong is in its record.
    """
    with open_store() as store:
        run = store.get_run(run_id)
        if epoch is not None:
            run = replace(run, epoch=epoch)
            holder = new_holder()
            store.write(lambda t: hand_over(t, run_id, epoch, holder))
        try:
            assignment = _read(store, run)
            request = _prepare(store, assignment)
        except (OrchError, OSError) as error:
            return _give_up(store, run, error)
    try:
        with _environment(assignment.spec) as secrets:
            if epoch is None:
                result = resume(ResumeRequest(run_id), control=control)
            else:
                result = run_notebook(replace(request, secrets=secrets), control=control)
            state, output = result.run.state_type, result.output
    except OrchError as error:
        with open_store() as store:
            return _give_up(store, run, error)
    if assignment.spec.html and output is not None:
        _export(Path(output))
    with open_store() as store:
        store.write(lambda t: set_phase(t, run_id, ENDED))
    return state


def warm_up() -> None:
    """Do what every run does before its first cell, with a notebook of one: so that all that is
    imported or read late on that way is there when the run comes.
    """
    import jupyter_client  # noqa: F401  # drivers ask it for kernels

    from orch_nb.app.preparing import prepare
    from orch_nb.notebook.reader import notebook_from_dict
    from orch_nb.notebook.syntax import check_syntax
    from orch_nb.options import FlowOptions
    from orch_nb.runners import kernelspecs, local  # noqa: F401

    cell: dict[str, object] = {
        "cell_type": "code",
        "id": "warm",
        "execution_count": None,
        "metadata": {},
        "outputs": [],
        "source": "x = 1",
    }
    document = {"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    notebook = notebook_from_dict(document, path="warm.ipynb")
    check_syntax(notebook)
    prepare(notebook, FlowOptions(), parameters={}, workers=1, hints={}, foreign="")
    with open_store() as store:
        store.keyring()


def _read(store: Store, run: FlowRun) -> _Assignment:
    given = deployed_run_of(store, run.id)
    if given is None:
        raise NotFoundError(f"run {run.name} belongs to no deployment")
    version = get_version(store, given.deployment_id, given.version)
    return _Assignment(run, given, version.spec, version.files)


def _prepare(store: Store, assignment: _Assignment) -> RunRequest:
    """The snapshot laid out, and what to ask of `run`."""
    run, spec = assignment.run, assignment.spec
    notebook, folder = _place(store, assignment)
    output = output_folder(assignment.given.deployment) / f"{run.name}.ipynb"
    output.parent.mkdir(parents=True, exist_ok=True)
    return RunRequest(
        notebook=str(notebook),
        output=str(output),
        parameters=tuple(
            GivenParameter(name, value, ParameterSource(run.parameter_sources[name]))
            for name, value in run.parameters.items()
        ),
        options=spec.given_options(),
        kernel=spec.kernel,
        cwd=str(folder),
        tags=run.tags,
        claimed=run,
        data_interval=assignment.given.interval,
    )


def _place(store: Store, assignment: _Assignment) -> tuple[Path, Path]:
    """The notebook to read and the folder to work in.

    A notebook alone works in its own folder, as by hand. One that brought files gets a folder
    for each run, with those files in it.
    """
    spec, files = assignment.spec, assignment.files
    original = Path(spec.notebook)
    if spec.follow or not files:
        notebook, folder = original, original.parent
    elif len(files) == 1:
        notebook = lay_out(store, files)
        folder = original.parent if original.parent.is_dir() else notebook.parent
    else:
        notebook = lay_out(store, files)
        folder = find_places().home / "runs" / assignment.run.id
        folder.mkdir(parents=True, exist_ok=True)
        write_files(store, files, folder)
    return notebook, folder if spec.cwd is None else Path(spec.cwd)


def output_folder(deployment: str) -> Path:
    """Where the output notebooks of a deployment's runs are."""
    return find_places().home / "outputs" / (_UNSAFE.sub("_", deployment).strip(".") or "_")


@contextlib.contextmanager
def _environment(spec: DeploymentSpec) -> Iterator[tuple[str, ...]]:
    """With the env file's variables set; gives the secrets among them."""
    variables, secrets = env_file_variables(spec.env_file)
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield secrets
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _give_up(store: Store, run: FlowRun, error: Exception) -> StateType:
    """Record a run that could not be begun as failed, with the reason in words."""
    if isinstance(error, OrchError):
        why = error.message + (f" ({error.where})" if error.where else "")
    else:
        why = f"{type(error).__name__}: {error}"

    def fail(transaction: Transaction) -> None:
        failed = replace(
            run, state_name=StateName.FAILED, state_message=why, end_time=datetime.now(UTC)
        )
        transaction.set_flow_state(failed, expected=run.state_name, by="driver")
        transaction.release(run.id, run.epoch)
        set_phase(transaction, run.id, ENDED)

    current = store.get_run(run.id)
    if not current.state_type.is_terminal:
        with contextlib.suppress(TransitionError):  # it was taken over meanwhile
            store.write(fail)
    return store.get_run(run.id).state_type


def _export(output: Path) -> None:
    """The output notebook as a page beside it. That it can't be made does not change the run."""
    try:
        from nbconvert import HTMLExporter

        page, _ = HTMLExporter().from_filename(str(output))
        output.with_suffix(".html").write_text(page, "utf-8")
    except Exception as error:  # of a converter with templates and plugins of its own
        print(f"no page was made of {output}: {type(error).__name__}: {error}", file=sys.stderr)
