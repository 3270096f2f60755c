"""The forms a request may have, and what is refused."""

import json
from typing import Any

import pytest

from alodial_workers.sandbox.body import MAX_BODY

from .conftest import Sandbox, sandbox_with

PAGE: list[dict[str, Any]] = [
    {
        "callfrom": {"phone": "712037006", "lang": "ru"},
        "callto": [
            {"phone": "994412860", "lang": "ru"},
            {"phone": "977076909", "lang": "uz"},
            {"phone": "914379766", "lang": "ru"},
        ],
    },
    {"callfrom": {"phone": "712037006", "lang": "ru"}, "callto": [{"queue": "1"}]},
    {"callfrom": {"phone": "712037006", "lang": "ru"}, "callto": [{"queue": "6000"}]},
    {"callto": "712037006", "ivrid": 222, "fromline": 712037006},
]


def brackets(name: str, value: Any) -> list[tuple[str, str]]:
    if isinstance(value, dict):
        return [pair for key, inner in value.items() for pair in brackets(f"{name}[{key}]" if name else key, inner)]
    if isinstance(value, list):
        return [pair for at, inner in enumerate(value) for pair in brackets(f"{name}[{at}]", inner)]
    return [(name, str(value))]


def json_parts(body: dict[str, Any]) -> list[tuple[str, str]]:
    return [(name, json.dumps(v) if isinstance(v, dict | list) else str(v)) for name, v in body.items()]


def post_parts(sandbox: Sandbox, parts: list[tuple[str, str]]) -> dict[str, Any]:
    answer = sandbox.http.post("/requestcall/token", files=[(name, (None, text)) for name, text in parts])
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


@pytest.mark.parametrize("example", range(len(PAGE)))
def test_every_example_of_the_page_goes_alike_in_all_three_forms(silent: Sandbox, example: int) -> None:
    bodies = [PAGE[example] | {"extid": f"1{example}{form}"} for form in range(3)]
    answers = [
        silent.post(bodies[0]).json(),
        post_parts(silent, brackets("", bodies[1])),
        post_parts(silent, json_parts(bodies[2])),
    ]
    assert [answer["answer"]["extid"] for answer in answers] == [body["extid"] for body in bodies]
    assert all(isinstance(answer["answer"]["id"], int) for answer in answers)
    stories = [silent.story(body["extid"]) for body in bodies]
    assert stories[0] == stories[1] == stories[2]
    assert any("connected" in line for line in stories[0])


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "callfrom"),
        ({"callfrom": {"phone": "712037006"}}, "callto"),
        ({"callfrom": {"phone": "712037006"}, "callto": []}, "callto"),
        ({"callfrom": {"phone": "seven"}, "callto": ["994412860"]}, "callfrom.phone"),
        ({"callfrom": {"phone": "712037006"}, "callto": [{"lang": "ru"}]}, "callto[0].phone"),
        ({"callfrom": {"phone": "712037006"}, "callto": [{"queue": "x"}]}, "callto[0].queue"),
        ({"callfrom": {"phone": "712037006"}, "callto": "[{"}, "callto"),
        ({"callto": "712037006", "ivrid": 222}, "fromline"),
        ({"callto": "712037006", "ivrid": True, "fromline": "712037006"}, "ivrid"),
        ({"callfrom": {"phone": "712037006"}, "callto": ["994412860"], "extid": {"a": 1}}, "extid"),
    ],
)
def test_a_malformed_request_is_answered_400_names_the_field_and_rings_nobody(
    silent: Sandbox, body: dict[str, Any], field: str
) -> None:
    before = silent.ledger()["rung"]
    answer = silent.post(body)
    assert answer.status_code == 400
    assert answer.json()["error"].startswith(f"{field}:")
    assert silent.ledger()["rung"] == before


@pytest.mark.parametrize(
    ("content_type", "content"),
    [
        ("application/json", b"{"),
        ("application/json", b"[" * 60_000),
        ("application/json", b"[]"),
        ("application/x-www-form-urlencoded", b"callto=712037006"),
        ("multipart/form-data", b"no boundary"),
        ("multipart/form-data; boundary=B", b"not multipart at all"),
        (
            "multipart/form-data; boundary=B",
            b'--B\r\nContent-Disposition: form-data; name="a[99999]"\r\n\r\n1\r\n--B--\r\n',
        ),
        ("", b""),
    ],
)
def test_a_body_that_cannot_be_read_is_answered_400(silent: Sandbox, content_type: str, content: bytes) -> None:
    answer = silent.http.post("/requestcall/token", content=content, headers={"content-type": content_type})
    assert answer.status_code == 400
    assert answer.json()["error"]


def test_a_body_above_the_bound_is_answered_413(silent: Sandbox) -> None:
    answer = silent.http.post(
        "/requestcall/token", content=b" " * (MAX_BODY + 1), headers={"content-type": "application/json"}
    )
    assert answer.status_code == 413


def test_a_call_without_an_extid_is_filed_under_its_own_id(silent: Sandbox) -> None:
    answer = silent.post({"callfrom": {"phone": "712037006"}, "callto": ["994412860"]}).json()["answer"]
    assert answer["extid"] is None
    assert silent.story(str(answer["id"]))[-1] == "call ended"


def test_only_the_configured_token_is_taken() -> None:
    with sandbox_with(token="right") as sandbox:
        body = {"callfrom": {"phone": "712037006"}, "callto": ["994412860"], "extid": "1"}
        assert sandbox.post(body, token="wrong").status_code == 401
        assert sandbox.ledger()["rung"] == 0
        assert sandbox.post(body, token="right").status_code == 200


def test_other_methods_and_unknown_extids_are_refused(silent: Sandbox) -> None:
    assert silent.http.get("/requestcall/token").status_code == 405
    assert silent.http.get("/sandbox/calls/999999").status_code == 404
    assert silent.http.get("/healthz").json() == {"status": "ok"}
