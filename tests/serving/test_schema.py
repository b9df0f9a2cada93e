"""The OpenAPI document holds: whatever schemathesis makes of it, no 5xx and nothing that is not announced."""

import os

import pytest
from hypothesis import HealthCheck, given, settings
from live_server import live

schemathesis = pytest.importorskip("schemathesis", reason="schemathesis is not installed")
checks = pytest.importorskip("schemathesis.specs.openapi.checks")

EXAMPLES = int(os.environ.get("GAR_SCHEMA_EXAMPLES", "8"))
"""Requests for each operation, sound and unsound ones; set the variable for a longer run."""


@pytest.fixture(scope="module")
def schema(assistant):
    with live(assistant) as server:
        yield schemathesis.openapi.from_url(f"{server.url}/openapi.json")


SOUND, UNSOUND = schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE


@pytest.mark.parametrize(
    ("method", "path", "mode"),
    [
        ("POST", "/v1/chat/completions", SOUND),
        ("POST", "/v1/chat/completions", UNSOUND),
        ("POST", "/v1/regions/describe", SOUND),
        ("POST", "/v1/regions/describe", UNSOUND),
        # nothing can be unsound where nothing is sent
        ("GET", "/v1/models", SOUND),
        ("GET", "/v1/models/{name}", SOUND),
        ("GET", "/healthz", SOUND),
        ("GET", "/readyz", SOUND),
        ("GET", "/metrics", SOUND),
    ],
)
def test_every_reply_is_one_that_the_document_announces(schema, method, path, mode):
    @settings(
        max_examples=EXAMPLES, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
    )
    @given(case=schema[path][method].as_strategy(generation_mode=mode))
    def check(case):
        # made-up pictures are sound strings, and refused all the same
        case.call_and_validate(excluded_checks=[checks.positive_data_acceptance])

    check()


def test_all_paths_are_tried(schema):
    assert len(list(schema.get_all_operations())) == 7
