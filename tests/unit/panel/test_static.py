"""The still picture: whatever a notebook names its cells, it stays text."""

from __future__ import annotations

import base64
import re
from dataclasses import replace
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest

from orch_nb.app.viewing import advance, first_view, snapshot
from orch_nb.graph.build import build_graph
from orch_nb.model import CellsMode
from orch_nb.notebook.reader import notebook_from_dict
from orch_nb.panel.marks import LOOKS
from orch_nb.panel.panel import RUN_MIME
from orch_nb.panel.static import MOST_ROWS, static_html, static_text
from orch_nb.states import StateName
from tests.unit.panel.samples import HOSTILE, ended, running, started

ALLOWED = {
    "div", "style", "p", "strong", "bdi", "span", "table", "thead", "tbody", "tr", "th", "td",
    "code", "details", "summary", "img",
}  # fmt: skip


class Tags(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_texts_stay_text(text: str) -> None:
    event = started(1)
    task = replace(event.tasks[0], name=text)
    run = replace(event.run, name=text, flow=text, output=text, parameters={text: text})
    view = first_view(replace(event, run=run, tasks=(task,)))
    failed = {"state_name": StateName.FAILED, "error_name": text, "error_value": text}
    view = advance(view, ended(task, 0, 1, **failed))
    tags = Tags(static_html(view))
    assert {tag for tag, _ in tags.seen} <= ALLOWED
    names = {name for _, attributes in tags.seen for name in attributes}
    assert names <= {"class", "style", "alt", "src"}
    assert all(
        (attributes["src"] or "").startswith("data:image/svg+xml;base64,")
        for tag, attributes in tags.seen
        if tag == "img"
    )
    assert len(static_html(view)) < 10_000


def test_the_graph_is_an_image_of_sound_xml() -> None:
    cells = [
        {"cell_type": "code", "id": f"c{n}", "metadata": {}, "outputs": [], "source": source}
        for n, source in enumerate(["a = print(1)", "b = print(a)", "c = print(a, '<img>', b)"])
    ]
    document = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    notebook = notebook_from_dict(document, path="n.ipynb")
    graph = build_graph(notebook.cells, CellsMode.ALL, ())
    event = started(3, graph=graph)
    event = replace(event, tasks=(replace(event.tasks[0], name="<&>\x00"), *event.tasks[1:]))
    html = static_html(first_view(event))
    found = re.search(r"base64,([^\"]+)", html)
    assert found is not None
    root = ElementTree.fromstring(base64.b64decode(found.group(1)))
    texts = [element.text or "" for element in root.iter() if element.tag.endswith("text")]
    assert any("<&>" in text for text in texts)


def test_failures_come_first_and_a_large_run_stays_small() -> None:
    event = started(1000)
    view = first_view(event)
    failed = {"state_name": StateName.FAILED, "error_name": "KeyError", "error_value": "'month'"}
    view = advance(view, ended(event.tasks[899], 0, 1, **failed))
    html = static_html(view)
    assert html.index("task900") < html.index("task1<")
    assert f"… and {1000 - MOST_ROWS} more" in html
    assert len(html) < 120_000


def test_every_state_has_a_mark_and_a_word() -> None:
    assert set(LOOKS) == set(StateName)
    assert all(look.sign and look.word for look in LOOKS.values())


def test_a_console_gets_plain_lines() -> None:
    event = started(2)
    view = advance(first_view(event), running(event.tasks[0], 0))
    assert static_text(view).splitlines() == [
        "sales / brave-otter: Running",
        "  ◐  Running  task1  cell 1",
        "  ○  Waiting  task2  cell 2  waits for v1 (1)",
    ]


def test_a_notebook_that_nbconvert_exports_shows_how_the_run_ended() -> None:
    nbconvert = pytest.importorskip("nbconvert")
    import nbformat.v4

    event = started(2)
    failed = {"state_name": StateName.FAILED, "error_name": "KeyError", "error_value": HOSTILE[0]}
    view = advance(first_view(event), ended(event.tasks[1], 0, 1, **failed))
    run = {"id": event.run.id, "snapshot": snapshot(view, 1, 0.0)}
    data = {"text/html": static_html(view), "text/plain": static_text(view), RUN_MIME: run}
    cell = nbformat.v4.new_code_cell("%%flow", id="flow")
    cell.outputs = [nbformat.v4.new_output("display_data", data=data)]
    document = nbformat.v4.new_notebook(cells=[cell])
    page, _ = nbconvert.HTMLExporter(template_name="lab").from_notebook_node(document)
    shown = page[page.index("onb-still-head") :]
    assert "Failed" in shown
    assert "KeyError: &lt;img" in shown
    assert "<img src=x" not in page
