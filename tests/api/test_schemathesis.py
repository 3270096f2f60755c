"""Everything that the description allows, and more, is asked with two keys: no 5xx, no answer that it does not describe, and
nothing of one key told to the other. ``ALODIAL_FUZZ=12``, as `make search` has it, asks more of each operation, and each
bound of each field."""

import os
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from alodial import CallQueue
from alodial.server.app import create_app
from alodial.settings import Settings
from web.conftest import Web

from .conftest import ALL, SHOP

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

EXAMPLES = int(os.environ.get("ALODIAL_FUZZ", "8"))
schemathesis.serializer.alias("application/x-ndjson", "text/plain")

PLANTED = "planted-reference-of-everybody"
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


# Events never end; the workbook is made on disk, which is another test's.
schema = schemathesis.openapi.from_dict(create_app(Settings(_env_file=None)).openapi()).exclude(
    path_regex="^/v1/events$|xlsx$|^/metrics$"
)


# Thousands of requests that walk through each bound of each field: for `make search`.
schema.config.phases.coverage.enabled = "ALODIAL_FUZZ" in os.environ


@pytest.fixture
def planted(web: Web, queue: CallQueue) -> Web:
    """A store that holds what the second key must not see."""
    queue.enqueue({"callfrom": "712037006", "callto": ["994412860"]}, reference=PLANTED)
    queue.submit_campaign(["994412860"], {"name": PLANTED, "call": {"callfrom": "712037006"}})
    return web


@schema.parametrize()
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
def test_every_generated_request_gets_a_documented_answer_without_the_calls_of_others(case: Any, planted: Web) -> None:
    for key in (ALL, SHOP):
        answer = case.call(base_url=planted.url, headers={"Authorization": f"Bearer {key}"}, timeout=20)
        case.validate_response(answer, checks=CHECKS)
        if key is SHOP:
            assert PLANTED not in answer.text
