"""The table of routes: what it says is there, and what is described is what is checked."""

from __future__ import annotations

import importlib
from collections import Counter

import jsonschema
import pytest

from orch_nb.server.openapi import openapi
from orch_nb.server.requests import BODIES, QUERIES
from orch_nb.server.route import Action, Route
from orch_nb.server.routes import ROUTES
from orch_nb.server.schemas import COMPONENTS


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.operation)
def test_each_operation_is_there_and_has_a_described_answer(route: Route) -> None:
    module, _, name = route.operation.partition(".")
    found = importlib.import_module(f"orch_nb.server.operations.{module}")
    assert callable(getattr(found, name))
    assert route.answer in COMPONENTS


def test_no_two_routes_are_the_same() -> None:
    assert max(Counter((route.method, route.pattern) for route in ROUTES).values()) == 1
    assert max(Counter(route.operation for route in ROUTES).values()) == 1


def test_what_is_taken_belongs_to_a_route() -> None:
    operations = {route.operation for route in ROUTES}
    assert set(BODIES) | set(QUERIES) <= operations
    reading = {route.operation for route in ROUTES if route.method == "GET"}
    assert reading.isdisjoint(BODIES)


def test_only_reading_is_allowed_to_readers() -> None:
    harmless = {"notebooks.graph", "notebooks.check", "notebooks.tag", "deployments.preview"}
    read = {route.operation for route in ROUTES if route.action is Action.READ}
    assert {route.operation for route in ROUTES if route.method != "GET"} & read == harmless


def test_schemas_are_schemas_and_every_reference_leads_somewhere() -> None:
    for schema in (*BODIES.values(), *COMPONENTS.values()):
        jsonschema.Draft202012Validator.check_schema(schema)
    text = str(openapi("/hub/user/a%40b/"))
    named = {part.partition("'")[0] for part in text.split("#/components/schemas/")[1:]}
    assert named <= set(COMPONENTS)
    assert "'url': '/hub/user/a%40b/orch-nb/api'" in text
