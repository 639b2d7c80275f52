"""The Schedules panel: what keeps it from running, versions, a test message, late and its cause."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.acceptance.ui.lab import PATIENCE, Lab, LabPage


@pytest.fixture
def listener() -> Iterator[tuple[int, list[bytes]]]:
    """A port on loopback, and what was posted to it."""
    heard: list[bytes] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            heard.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing is said."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port, heard
        server.shutdown()
        thread.join()


def test_a_schedule_from_its_form_to_its_late_run(
    opened: LabPage, lab: Lab, listener: tuple[int, list[bytes]]
) -> None:
    page, (port, heard) = opened.page, listener
    lab.ask("/daemon", {"wish": "off"})
    opened.open("report.ipynb", ["years: list[int] = [2025]  # which", "print(years)"])
    opened.write_cell(1, "print(years, len(years))")
    page.locator("[data-id='jp-property-inspector']").click()
    page.locator(".jp-PropertyInspector").get_by_text("Task of the flow").click()
    opened.cell(0).locator(".cm-content").click()
    page.locator(".onb-lab-tool select[name=kind]").select_option("parameters")
    page.locator("[data-id='jp-property-inspector']").click()
    side = opened.show("Schedules")
    side.get_by_role("button", name="Schedule this notebook…").click()
    dialog = page.locator(".jp-Dialog")
    opened.expected = "status of 400"
    dialog.locator("input[name=years]").fill("2024")
    dialog.locator("input[name=tell]").fill(f"json://127.0.0.1:{port}/")
    dialog.get_by_role("button", name="Send test").click()
    expect(dialog.get_by_text("sent", exact=True)).to_be_visible(timeout=PATIENCE)
    assert len(heard) == 1
    dialog.locator("select[name=missed]").select_option("all")
    dialog.locator("input[name=most]").fill("3")
    sentence = dialog.locator(".onb-lab-sentence")
    dialog.get_by_role("radio", name="at an interval").check()
    expect(sentence).to_contain_text("Every 15m", timeout=PATIENCE)
    dialog.get_by_role("radio", name="on days").check()
    expect(sentence).to_contain_text("At 06:00, Monday to Friday", timeout=PATIENCE)
    dialog.get_by_role("button", name="Schedule", exact=True).click()
    # what was typed is held to the parameter's type, and said in words; it is still there
    told = dialog.get_by_role("alert").filter(has_text="not a list[int]")
    expect(told).to_be_visible(timeout=PATIENCE)
    dialog.locator("input[name=years]").fill("[2024]")
    dialog.get_by_role("button", name="Schedule", exact=True).click()
    one = side.locator(".onb-lab-schedule")
    expect(one).to_contain_text("At 06:00, Monday to Friday", timeout=PATIENCE)
    note = side.locator(".onb-lab-note").first
    expect(note).to_contain_text("Schedules do not run: the daemon was stopped")

    opened.write_cell(1, "print('new', years)")
    opened.save()
    opened.show("Runs")
    opened.show("Schedules")
    expect(one).to_contain_text("schedule runs v1", timeout=PATIENCE)
    opened.shoot("changed")
    one.get_by_role("button", name="deploy version 2 of report").click()
    expect(one).to_contain_text("version 2", timeout=PATIENCE)
    made = lab.ask("/deployments/report")
    assert made["version"] == 2
    assert len(made["next_times"]) > 0
    # the form of what is scheduled has what it has, and changes no more than was changed
    side.get_by_role("button", name="Schedule this notebook…").click()
    expect(dialog).to_contain_text("schedule runs v2; version 3", timeout=PATIENCE)
    expect(dialog.locator("input[name=years]")).to_have_value("[2024]")
    expect(dialog.locator("select[name=missed]")).to_have_value("all")
    expect(dialog.locator("input[name=tell]")).to_have_value(f"json://127.0.0.1:{port}/")
    opened.check_accessibility(".jp-Dialog .onb-lab-dialog")
    dialog.locator("select[name=overlap]").select_option("skip")
    dialog.get_by_role("button", name="Deploy v3").click()
    expect(one).to_contain_text("version 3", timeout=PATIENCE)
    again = lab.ask("/deployments/report")
    kept = ("schedules", "parameters", "rules")
    assert {key: again[key] for key in kept} == {key: made[key] for key in kept}
    assert again["policy"] == {**made["policy"], "overlap": "skip"}

    one.get_by_role("button", name="run report now").click()
    late = side.locator(".onb-lab-note").filter(has_text="no worker of pool 'default' is alive")
    expect(late).to_be_visible(timeout=PATIENCE)
    opened.check_accessibility("#orch-nb-side")
    opened.shoot("late")
    note.get_by_role("button", name="Start it").click()
    expect(late).to_have_count(0, timeout=PATIENCE)
    opened.show("Runs")
    run = side.get_by_role("listitem").filter(has_text="Completed")
    expect(run).to_have_count(1, timeout=PATIENCE)
    run.get_by_role("button").click()
    document = page.locator(".onb-lab-document:visible")
    expect(document).to_contain_text("report version 3", timeout=PATIENCE)
    expect(document).to_contain_text("late")
    opened.shoot("was-late")
