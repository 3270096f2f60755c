"""The committed descriptions of the HTTP interface and of the events are those of the code, and their examples true."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from alodial import CallQueue
from alodial.errors import Conflict, InvalidCall, NotFound, StoreUnavailable
from alodial.settings import Settings
from alodial.web import problems
from alodial.web.openapi.examples import PROBLEMS
from alodial.web.problems import CODES
from alodial_schemas import EVENT_TYPES, FieldProblem, State, disposition_of
from alodial_schemas.alovoice.result import CallResult
from alodial_schemas.campaigns import CampaignState

from .api_documents import FOLDER, documents, written

DOCUMENTS = documents()
OPENAPI, ASYNCAPI = DOCUMENTS["openapi.json"], DOCUMENTS["asyncapi.json"]


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_committed_document_is_the_codes(name: str) -> None:
    assert (FOLDER / name).read_text("utf-8") == written(DOCUMENTS[name]), (
        "write it anew: python -m tests.outside.api_documents"
    )


def _contents() -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in OPENAPI["paths"].items():
        for method, operation in methods.items():
            yield from (
                (f"{method} {path} body", one) for one in operation.get("requestBody", {}).get("content", {}).values()
            )
            for status, told in operation["responses"].items():
                yield from ((f"{method} {path} {status}", one) for one in told.get("content", {}).values())


def _examples(content: dict[str, Any]) -> list[Any]:
    schema = content.get("schema", {})
    name = schema.get("$ref", "").rpartition("/")[2]
    # Not those of a named text such as a state: they stand beside its own schema.
    of_schema = OPENAPI["components"]["schemas"].get(name, {}).get("examples", [])
    named = [one["value"] for one in content.get("examples", {}).values()]
    return [*([content["example"]] if "example" in content else []), *named, *of_schema, *schema.get("examples", [])]


def _fits(schema: dict[str, Any], value: Any) -> list[str]:
    whole = {**schema, "components": OPENAPI["components"]}
    return [error.message for error in Draft202012Validator(whole).iter_errors(value)]


def test_every_json_body_and_answer_has_an_example_that_fits_its_schema() -> None:
    without, unfit = [], []
    for place, content in _contents():
        schema = content.get("schema", {})
        if schema.get("type") == "string" or schema in ({}, {"type": "object", "additionalProperties": True}):
            continue
        examples = _examples(content)
        if not examples and "multipart" not in place and "properties" not in schema:
            without.append(place)
        unfit += [f"{place}: {error}" for one in examples for error in _fits(schema, one)]
    assert without == []
    assert unfit == []


def test_the_examples_of_problems_say_what_the_code_says() -> None:
    id = "0199c0de-7000-7000-8000-00c8f5b3e5d1"
    bad = FieldProblem("callto.0.phone", "phone_short", "has too few digits", "write 9 digits such as 712037006")
    answers = [
        problems.of_error(NotFound(f"no call {id}")),
        problems.of_error(Conflict("idempotency_conflict", "220861354010065", id)),
        problems.of_refusal(problems.too_large(1048576)),
        problems.of_error(InvalidCall([bad])),
        problems.of_error(StoreUnavailable("away")),
    ]
    for answer in answers:
        said = json.loads(bytes(answer.body))
        assert [said["code"], said["detail"]] == PROBLEMS[str(answer.status_code)]


def test_every_operation_says_who_may_and_what_it_refuses() -> None:
    for path, methods in OPENAPI["paths"].items():
        if path.startswith("/v1/"):
            for operation in methods.values():
                assert operation["security"] == [{"ApiKey": []}]
                assert {"401", "403", "429"} <= set(operation["responses"]), path


def _message_of(kind: str) -> Any:
    return ASYNCAPI["components"]["messages"][kind.removeprefix("alodial.")]


def _agrees_with_its_type(kind: str, event: dict[str, Any]) -> None:
    _, group, word = kind.split(".", 2)
    data = event["data"]
    assert event["type"] == kind
    begins = {"result": f"result-{event['subject']}", "finding": "finding-"}.get(group, event["subject"])
    assert event["id"].startswith(begins)
    assert ("result" in data) == (data["disposition"] is not None) == (kind in WITH_RESULT)
    if result := data.get("result"):
        assert list(result) == list(CallResult().public())
        assert disposition_of(result["dialstatus"]) == data["disposition"]
        assert (result["answer_time"] is not None) == (data["disposition"] == "answered")
    if group == "call":
        assert event["subject"] == data["call_id"]
        assert data["state"] == word or word not in set(State)
    elif group == "campaign":
        assert event["subject"] == data["campaign_id"]
        assert data["disposition"] is None
        assert data["state"] == word or word not in set(CampaignState)
        assert sum(data["calls"].values()) == (data["rows"] if word in ("completed", "canceled") else 0)
        assert data["answered"] <= data["calls"]["completed"]


WITH_RESULT = {
    f"alodial.{name}" for name in ("call.completed", "call.corrected", "call.redial_scheduled", "result.unmatched")
}


@pytest.mark.parametrize("kind", sorted(EVENT_TYPES))
def test_every_type_of_event_is_described_with_an_example_that_fits(kind: str) -> None:
    message = _message_of(kind)
    (example,) = message["examples"]
    assert list(Draft202012Validator(message["payload"]).iter_errors(example["payload"])) == []
    _agrees_with_its_type(kind, example["payload"])
    for channel in ASYNCAPI["channels"].values():
        assert kind.removeprefix("alodial.") in channel["messages"]


def test_events_that_really_happen_fit_their_description(settings: Settings) -> None:
    with CallQueue(settings=settings) as queue:
        call = queue.enqueue({"callfrom": "712037006", "callto": ["994412860"]}, reference="r", metadata={"a": "b"})
        queue.cancel(call.id)
        campaign = queue.submit_campaign(["994412860"], {"name": "x", "call": {"callfrom": "712037006"}})
        queue.campaigns.pause(campaign.id, actor="t", reason="why")
        queue.campaigns.resume(campaign.id, actor="t")
        queue.campaigns.cancel(campaign.id, actor="t")
        events = [json.loads(fields[b"event"]) for _, fields in queue.store.redis.xrange("alodial:events")]
    assert len(events) >= 6
    for event in events:
        errors = [
            error.message for error in Draft202012Validator(_message_of(event["type"])["payload"]).iter_errors(event)
        ]
        assert errors == [], event["type"]


def test_the_page_names_every_code_that_a_refusal_may_have() -> None:
    page = (FOLDER.parent / "docs" / "http.md").read_text("utf-8")
    assert [code for code in CODES if f"`{code}`" not in page] == []
