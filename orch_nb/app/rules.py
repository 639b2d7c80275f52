"""Who is told of what, beside what deployments say themselves: rules about tags."""

from __future__ import annotations

from orch_nb.app.telling import check_target, parse_states
from orch_nb.errors import NotFoundError
from orch_nb.store import open_store
from orch_nb.store.notices import NotifyRule, add_rule, delete_rule, list_rules

__all__ = ["NotifyRule", "add_tag_rule", "remove_rule", "rules"]

_LEAST_PREFIX = 4


def rules() -> tuple[NotifyRule, ...]:
    """All rules, the oldest first."""
    with open_store() as store:
        return list_rules(store)


def add_tag_rule(tag: str, states: str, target: str) -> str:
    """Tell ``target`` when a run with the tag enters one of the states, from now on; the rule's id.

    Raises OptionError for a word that is no state, and a target that would store a secret.
    """
    rule = NotifyRule(parse_states(states), check_target(target), tag=tag)
    with open_store() as store:
        return store.write(lambda t: add_rule(t, rule))


def remove_rule(called: str) -> NotifyRule:
    """Forget the rule of that id, or unique beginning of an id. Raises NotFoundError."""
    with open_store() as store:
        found = [
            rule
            for rule in list_rules(store)
            if rule.id == called or (len(called) >= _LEAST_PREFIX and rule.id.startswith(called))
        ]
        if len(found) != 1:
            raise NotFoundError(
                f"there is no one rule {called!r}", hint="`orch-nb notify list` has them all"
            )
        store.write(lambda t: delete_rule(t, found[0].id))
        return found[0]
