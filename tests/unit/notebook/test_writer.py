from __future__ import annotations

import copy
import json
import time
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import nbformat
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orch_nb.model import CellKind, FlowRun, FlowRunId, TaskRun, TaskRunId
from orch_nb.notebook import Notebook, OutputWriter, notebook_from_dict, read_notebook
from orch_nb.notebook.markers import TAG
from orch_nb.states import StateName
from tests.unit.notebook.samples import code, document, markdown, notebook

START = datetime(2026, 11, 23, 10, 0, 0, 250_000, tzinfo=UTC)
END = START + timedelta(seconds=8.5)
STREAM = {"output_type": "stream", "name": "stdout", "text": "a\nb\n"}


@pytest.fixture(autouse=True)
def strict() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def a_task(number: int, state: StateName, **fields: Any) -> TaskRun:
    given: dict[str, Any] = {
        "id": TaskRunId(f"t{number}"),
        "flow_run_id": FlowRunId("r1"),
        "name": f"cell-{number}",
        "cell_number": number,
        "cell_id": f"id-{number}",
        "kind": CellKind.TASK,
        "state_name": state,
    }
    return TaskRun(**(given | fields))


def a_run(state: StateName, **fields: Any) -> FlowRun:
    given: dict[str, Any] = {
        "id": FlowRunId("r1"),
        "name": "brave-otter",
        "flow": "sales",
        "notebook": "sales.ipynb",
        "state_name": state,
        "start_time": START,
        "end_time": END,
    }
    return FlowRun(**(given | fields))


def sample(minor: int = 5) -> Notebook:
    return notebook(
        markdown("# Sales"),
        code("x = 1\ny = 2") | {"outputs": [STREAM], "execution_count": 9},
        code("%%task load --retries 3\n1/0", tags=["task"], jupyter={"outputs_hidden": True}),
        markdown("end"),
        "z",
        minor=minor,
        kernelspec={"name": "python3", "display_name": "Python 3"},
    )


def saved(writer: OutputWriter) -> dict[str, Any]:
    """What the file would hold, seen to be valid and as nbformat itself writes it."""
    content = writer.content()
    again = nbformat.reads(content.decode(), as_version=nbformat.NO_CONVERT)
    nbformat.validate(copy.deepcopy(again))
    assert content.decode() == nbformat.writes(again, version=nbformat.NO_CONVERT) + "\n"
    document: dict[str, Any] = json.loads(content)
    whole = nbformat.from_dict(writer.document())
    assert content.decode() == nbformat.writes(whole, version=nbformat.NO_CONVERT) + "\n"
    return document


def test_before_anything_ran() -> None:
    got = saved(OutputWriter(sample(), "out.ipynb"))
    pending = {
        "exception": None,
        "start_time": None,
        "end_time": None,
        "duration": None,
        "status": "pending",
    }
    assert got["cells"][1] == {
        "cell_type": "code",
        "execution_count": None,
        "id": "id-1",
        "metadata": {"papermill": pending, "tags": []},
        "outputs": [],
        "source": ["x = 1\n", "y = 2"],
    }
    assert {cell["metadata"]["papermill"]["status"] for cell in got["cells"]} == {"pending"}
    papermill = got["metadata"]["papermill"]
    assert papermill.pop("version")
    assert papermill == {
        "default_parameters": {},
        "environment_variables": {},
        "parameters": {},
        "input_path": "sales.ipynb",
        "output_path": "out.ipynb",
        "start_time": None,
        "end_time": None,
        "duration": None,
        "exception": None,
    }


def test_a_completed_run() -> None:
    writer = OutputWriter(sample(), None)
    result = {"output_type": "execute_result", "data": {"text/plain": "3"}, "metadata": {}}
    writer.set_outputs(1, [STREAM, {**result, "execution_count": 1}], execution_count=1)
    task = a_task(
        1,
        StateName.COMPLETED,
        attempt=2,
        start_time=START,
        end_time=END,
        seconds=8.4,
        peak_memory=5_000_000,
        where="fork: worth it",
    )
    writer.set_task(task)
    writer.set_task(a_task(2, StateName.CACHED, state_message="same inputs"))
    writer.set_run(a_run(StateName.COMPLETED))
    got = saved(writer)
    cell = got["cells"][1]
    assert cell["execution_count"] == 1
    assert cell["outputs"][0]["text"] == ["a\n", "b\n"]
    assert cell["metadata"]["papermill"] == {
        "exception": False,
        "start_time": "2026-11-23T10:00:00.250000+00:00",
        "end_time": "2026-11-23T10:00:08.750000+00:00",
        "duration": 8.5,
        "status": "completed",
    }
    assert cell["metadata"]["orch_nb"] == {
        "task": "cell-1",
        "state": "Completed",
        "attempts": 2,
        "start": "2026-11-23T10:00:00.250000+00:00",
        "seconds": 8.4,
        "peak_memory": 5_000_000,
        "where": "fork: worth it",
    }
    assert got["cells"][2]["metadata"]["orch_nb"]["message"] == "same inputs"
    assert got["cells"][2]["metadata"]["papermill"]["status"] == "completed"
    assert got["cells"][0]["metadata"]["papermill"]["status"] == "completed"
    assert got["metadata"]["orch_nb"] == {
        "run_id": "r1",
        "name": "brave-otter",
        "state": "Completed",
        "attempt": 1,
    }
    assert got["metadata"]["papermill"]["exception"] is None
    assert got["metadata"]["papermill"]["duration"] == 8.5
    assert not any(TAG in cell["metadata"]["tags"] for cell in got["cells"])


@pytest.mark.parametrize(
    ("state", "started", "status", "exception"),
    [
        (StateName.PENDING, False, "pending", None),
        (StateName.RUNNING, True, "running", False),
        (StateName.RETRYING, True, "running", False),
        (StateName.AWAITING_RETRY, True, "pending", None),
        (StateName.COMPLETED, True, "completed", False),
        (StateName.SKIPPED, False, "pending", None),
        (StateName.FAILED, True, "failed", True),
        (StateName.TIMED_OUT, True, "failed", True),
        (StateName.CRASHED, True, "failed", True),
        (StateName.UPSTREAM_FAILED, False, "pending", None),
        (StateName.CANCELLED, False, "pending", None),
        (StateName.CANCELLED, True, "failed", True),
    ],
)
def test_states_in_papermill_s_words(
    state: StateName, started: bool, status: str, exception: bool | None
) -> None:
    writer = OutputWriter(sample(), None)
    writer.set_task(a_task(2, state, start_time=START if started else None))
    metadata = saved(writer)["cells"][2]["metadata"]
    papermill = metadata["papermill"]
    assert (papermill["status"], papermill["exception"]) == (status, exception)
    assert metadata["orch_nb"]["state"] == str(state)


@pytest.mark.parametrize("minor", [0, 2, 4, 5])
def test_a_failed_run_points_to_its_first_error(minor: int) -> None:
    writer = OutputWriter(sample(minor), None)
    failed = {"error_name": "ValueError", "error_value": "<b>$x$ `y` \\(z\\)\nline"}
    writer.set_task(a_task(3, StateName.FAILED, start_time=START, **failed))
    writer.set_task(a_task(2, StateName.FAILED, name="load", start_time=START, **failed))
    writer.set_task(a_task(1, StateName.UPSTREAM_FAILED))
    writer.set_run(a_run(StateName.FAILED))
    got = saved(writer)
    tagged = [n for n, cell in enumerate(got["cells"]) if TAG in cell["metadata"]["tags"]]
    assert tagged == [0, 3]
    assert "".join(got["cells"][4]["source"]).endswith("1/0")
    headline, anchor = ("".join(got["cells"][n]["source"]) for n in tagged)
    assert '<a href="#papermill-error-cell">cell 2 &#x27;load&#x27;</a>: ValueError' in headline
    assert '<div id="papermill-error-cell"' in anchor
    assert "<b>" not in headline
    assert not set("$`\\\n") & set(headline)
    assert got["metadata"]["papermill"]["exception"] is True
    statuses = [cell["metadata"].get("papermill", {}).get("status") for cell in got["cells"]]
    assert statuses == [None, "completed", "pending", None, "failed", "pending", "failed"]
    assert [len(writer.document(with_markers=flag)["cells"]) for flag in (True, False)] == [7, 5]


def test_a_run_that_failed_outside_any_cell() -> None:
    writer = OutputWriter(sample(), None)
    writer.set_run(a_run(StateName.CRASHED, state_message="the process was killed"))
    got = saved(writer)
    assert "The run crashed: the process was killed" in got["cells"][0]["source"][0]
    assert len(got["cells"]) == 6


def test_an_output_notebook_runs_again_without_the_earlier_run_s_traces() -> None:
    writer = OutputWriter(sample(), None)
    writer.set_task(a_task(2, StateName.FAILED, start_time=START, error_name="E"))
    writer.set_run(a_run(StateName.FAILED))
    again = notebook_from_dict(writer.document(), path="sales.ipynb")
    assert again.cells[1].options.retries == 3
    assert [cell.source for cell in again.cells] == [cell.source for cell in sample().cells]
    second = OutputWriter(again, None)
    second.set_run(a_run(StateName.COMPLETED))
    assert len(saved(second)["cells"]) == 5
    second.set_run(a_run(StateName.FAILED))
    assert len(saved(second)["cells"]) == 6


def test_options_in_metadata_survive_the_record() -> None:
    given = {"name": "load", "retries": 2, "state": "Failed", "where": "old"}
    flow = {"flow": {"name": "daily"}, "run_id": "old", "name": "old-run"}
    read = notebook(code("x", tags=["task"], orch_nb=given), orch_nb=flow)
    writer = OutputWriter(read, None)
    assert saved(writer)["cells"][0]["metadata"]["orch_nb"] == {"name": "load", "retries": 2}
    assert saved(writer)["metadata"]["orch_nb"] == {"flow": {"name": "daily"}}
    writer.set_task(a_task(1, StateName.RUNNING, start_time=START))
    writer.set_run(a_run(StateName.RUNNING))
    got = saved(writer)
    assert got["cells"][0]["metadata"]["orch_nb"].items() >= {"name": "load", "retries": 2}.items()
    assert got["metadata"]["orch_nb"]["flow"] == {"name": "daily"}
    assert notebook_from_dict(got, path="s.ipynb").cells[0].options.retries == 2


def test_report_mode_hides_inputs_and_keeps_what_else_was_hidden() -> None:
    got = saved(OutputWriter(sample(), None, report_mode=True))
    hidden = [cell["metadata"].get("jupyter") for cell in got["cells"]]
    assert hidden == [
        None,
        {"source_hidden": True},
        {"outputs_hidden": True, "source_hidden": True},
        None,
        {"source_hidden": True},
    ]


def test_widgets_and_language() -> None:
    writer = OutputWriter(sample(), None)
    writer.set_widgets({})
    assert "widgets" not in saved(writer)["metadata"]
    model = {"model_name": "IntSliderModel", "model_module": "x", "state": {"value": 3}}
    writer.set_widgets({"m1": model})
    writer.set_language_info({"name": "python", "version": "3.11"})
    metadata = saved(writer)["metadata"]
    assert metadata["language_info"] == {"name": "python", "version": "3.11"}
    assert metadata["widgets"] == {
        "application/vnd.jupyter.widget-state+json": {
            "state": {"m1": model},
            "version_major": 2,
            "version_minor": 0,
        }
    }


def test_the_input_is_never_changed() -> None:
    read = sample()
    before = json.dumps(read.raw)
    writer = OutputWriter(read, None, report_mode=True)
    writer.set_outputs(1, [STREAM], execution_count=1)
    writer.set_task(a_task(1, StateName.FAILED, start_time=START))
    writer.set_run(a_run(StateName.FAILED))
    writer.document()["cells"].clear()
    assert len(saved(writer)["cells"]) == 7
    assert json.dumps(read.raw) == before


def test_a_cell_that_is_not_there() -> None:
    with pytest.raises(KeyError):
        OutputWriter(sample(), None).set_outputs(9, [])


@pytest.mark.parametrize(
    ("output", "kept"),
    [
        ({**STREAM, "transient": {}}, STREAM),
        ({"output_type": "clear_output", "wait": True}, None),
        ({"output_type": "update_display_data", "data": {}, "metadata": {}}, None),
        (
            {"output_type": "display_data", "data": {"image/png": b"hi", "text/plain": ["a", "b"]}},
            {
                "output_type": "display_data",
                "data": {"image/png": "aGk=", "text/plain": "ab"},
                "metadata": {},
            },
        ),
        (
            {
                "output_type": "display_data",
                "data": {"application/json": {"a": [1]}, "text/x": {"b": 1}},
                "metadata": {"a": 1},
                "transient": {"display_id": "d"},
            },
            {
                "output_type": "display_data",
                "data": {"application/json": {"a": [1]}, "text/x": '{"b": 1}'},
                "metadata": {"a": 1},
            },
        ),
        (
            {"output_type": "error", "ename": "E", "evalue": None, "traceback": None},
            {"output_type": "error", "ename": "E", "evalue": "None", "traceback": []},
        ),
    ],
)
def test_outputs_are_made_fit_for_a_file(
    output: dict[str, Any], kept: dict[str, Any] | None
) -> None:
    writer = OutputWriter(sample(), None)
    writer.set_outputs(1, [output])
    saved(writer)
    assert writer.document()["cells"][1]["outputs"] == ([] if kept is None else [kept])


def test_half_a_surrogate_pair_and_odd_keys_are_still_written() -> None:
    writer = OutputWriter(notebook("x = '\ud800'", "y"), None)
    odd: Any = {1: "a", "b": float("nan"), None: b"x"}
    data = {"application/json": odd, "text/plain": "é\ud800"}
    writer.set_outputs(2, [{"output_type": "display_data", "data": data, "metadata": {}}])
    got = json.loads(writer.content())
    assert got["cells"][0]["source"] == ["x = '\ud800'"]
    assert got["cells"][1]["outputs"][0]["data"]["text/plain"] == ["é\ud800"]
    assert sorted(got["cells"][1]["outputs"][0]["data"]["application/json"]) == ["1", "None", "b"]


text = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=5,
)
bundles = st.dictionaries(
    st.sampled_from(["text/plain", "text/html", "image/svg+xml", "image/png"]), text
) | st.dictionaries(st.sampled_from(["application/json", "application/x+json"]), json_values)
outputs = st.lists(
    st.builds(lambda t: {"output_type": "stream", "name": "stdout", "text": t}, text)
    | st.builds(
        lambda d, m: {"output_type": "display_data", "data": d, "metadata": m},
        bundles,
        st.dictionaries(text, json_values, max_size=2),
    )
    | st.builds(
        lambda e, t: {"output_type": "error", "ename": e, "evalue": e, "traceback": t},
        text,
        st.lists(text, max_size=2),
    ),
    max_size=3,
)


@settings(deadline=None)
@given(text, outputs, outputs, st.sampled_from([4, 5]))
def test_the_file_is_as_nbformat_writes_it(
    source: str, first: list[Any], second: list[Any], minor: int
) -> None:
    writer = OutputWriter(notebook(source, markdown(source), source, minor=minor), None)
    writer.set_outputs(1, first, execution_count=1)
    saved(writer)
    writer.set_outputs(1, second)
    writer.set_outputs(2, first)
    assert saved(writer)["metadata"]


def test_saving_writes_the_file_and_only_the_final_save_goes_to_urls(
    tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    import fsspec

    path = tmp_path / "out.ipynb"
    writer = OutputWriter(sample(), path)
    writer.save()
    assert len(read_notebook(path).cells) == 3
    assert path.read_bytes() == writer.content()
    remote = OutputWriter(sample(), "memory://writer/out.ipynb")
    remote.save()
    assert not fsspec.filesystem("memory").exists("/writer/out.ipynb")
    remote.save(final=True)
    assert fsspec.filesystem("memory").cat("/writer/out.ipynb") == remote.content()
    stdout = OutputWriter(sample(), "-")
    stdout.save()
    stdout.save(final=True)
    assert capfdbinary.readouterr().out == stdout.content()
    OutputWriter(sample(), None).save(final=True)


def test_a_thousand_cells_are_saved_quickly(tmp_path: Path) -> None:
    read = notebook_from_dict(document(*["x = 1\n" * 20] * 1000), path="sales.ipynb")
    writer = OutputWriter(read, tmp_path / "out.ipynb")
    for number in range(1, 1001):
        writer.set_outputs(number, [STREAM] * 5, execution_count=number)
    writer.save()
    start = time.perf_counter()
    for number in range(1, 21):
        writer.set_outputs(number, [STREAM], execution_count=number)
        writer.save()
    assert (time.perf_counter() - start) / 20 < 0.25
