"""What is deployed is what runs, whatever became of the file since."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from orch_nb.app.deploying import DeployRequest, deploy, run_deployment
from orch_nb.errors import NotebookError, ParameterError
from orch_nb.notebook.binding import GivenParameter, ParameterSource
from tests.command_line import code, make_document


def given(name: str) -> tuple[GivenParameter, ...]:
    return (GivenParameter(name, "US", ParameterSource.TEXT),)


def write(path: Path, source: str) -> str:
    path.write_text(json.dumps(make_document(code(source, "parameters"))), "utf-8")
    return str(path)


def test_a_run_s_parameters_are_those_of_the_snapshot(tmp_path: Path) -> None:
    path = tmp_path / "report.ipynb"
    deploy(DeployRequest(write(path, "region = 'EU'"), name="kept"))
    deploy(DeployRequest(str(path), name="followed", follow=True))
    write(path, "land = 'EU'")
    run, new = run_deployment("kept", given("region"))
    assert (run.parameters, new) == ({"region": "US"}, True)
    with pytest.raises(ParameterError, match="no parameter 'land'"):
        run_deployment("kept", given("land"))
    assert run_deployment("followed", given("land"))[0].parameters == {"land": "US"}
    path.unlink()
    assert run_deployment("kept", given("region"))[0].parameters == {"region": "US"}
    with pytest.raises(NotebookError, match="there is no such file"):
        run_deployment("followed", given("land"))
