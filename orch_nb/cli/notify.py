"""`orch-nb notify`: rules by tag on who is told of what."""

from __future__ import annotations

import click

from orch_nb.cli.records import print_json
from orch_nb.cli.runs import Page, ascii_option, json_option
from orch_nb.cli.text import escape_text

_ID = 14  # characters of an id that are shown: its time


@click.group()
def notify() -> None:
    """Tell somebody of runs by their tag. `deploy --notify-to` does it for one deployment."""


@notify.command()
@click.option("--tag", required=True, help="of which runs")
@click.option("--on", "states", default="failed,crashed", metavar="STATES", help="of what")
@click.option("--to", "target", required=True, metavar="URL", help="who: apprise's, or secret:NAME")
def add(tag: str, states: str, target: str) -> None:
    """Tell somebody when a run with a tag enters a state."""
    from orch_nb.app import rules

    made = rules.add_tag_rule(tag, states, target)
    Page(False).text(f"rule {made[:_ID]}: {target} is told of {states} with #{tag}")


@notify.command("list")
@ascii_option
@json_option
def list_(ascii_only: bool, as_json: bool) -> None:
    """List all rules, those of deployments too."""
    from orch_nb.app import rules

    found = rules.rules()
    if as_json:
        print_json(
            [
                {
                    "id": rule.id,
                    "tag": rule.tag,
                    "deployment_id": rule.deployment_id,
                    "states": list(rule.states),
                    "target": rule.target,
                }
                for rule in found
            ]
        )
        return
    page = Page(ascii_only)
    if not found:
        page.text("nobody is told of anything")
    for rule in found:
        what = f"#{rule.tag}" if rule.tag else "its deployment"
        words = ", ".join(state.lower() for state in rule.states)
        page.text(escape_text(f"{rule.id[:_ID]}  {what}: {words} → {rule.target}", 300))


@notify.command()
@click.argument("rule")
def remove(rule: str) -> None:
    """Forget RULE, by its id."""
    from orch_nb.app import rules

    gone = rules.remove_rule(rule)
    Page(False).text(f"{gone.target} is not told any more")


@notify.command()
@click.option("--to", "target", required=True, metavar="URL", help="who: apprise's, or secret:NAME")
def test(target: str) -> None:
    """Send a test message now."""
    from orch_nb.app import telling

    telling.deliver(telling.check_target(target), telling.trial_message("orch_nb"))
    Page(False).text("sent")
