"""Bad input has the same problems in a constructor, in Python's queue and over HTTP."""

from collections.abc import Mapping
from typing import Any

import pytest

from alodial import AlodialError, CallQueue, InvalidCall, IvrCall, TwoWayCall
from alodial.settings import Settings

from .conftest import TWO_WAY, Web

IVR = {"callto": "994412860", "ivrid": 222, "fromline": "712037006"}

BAD: list[dict[str, Any]] = [
    TWO_WAY | {"callfrom": "12345"},
    TWO_WAY | {"callfrom": {"phone": "9.98E+11", "lang": "russian language"}},
    TWO_WAY | {"callfrom": {"phone": "712037006", "langg": "ru"}},
    TWO_WAY | {"callfrom": True},
    TWO_WAY | {"callfrom": "+79161234567"},
    {"callfrom": "712037006"},
    TWO_WAY | {"callto": []},
    TWO_WAY | {"callto": ["994412860"] * 21},
    TWO_WAY | {"callto": ["994412860", "103", {"queue": "a b"}, None]},
    TWO_WAY | {"callto": {"phone": "994412860"}},
    TWO_WAY | {"calto": ["994412860"], "colour": "red"},
    TWO_WAY | {"extid": "0123", "reference": "x" * 129, "priority": "soon", "account": "Default"},
    TWO_WAY | {"not_before": 1795413409, "expires_at": "tomorrow"},
    TWO_WAY | {"not_before": "2026-01-02T09:00:00+05:00", "expires_at": "2026-01-02T09:00:00+05:00"},
    TWO_WAY | {"not_before": "2026-01-02T09:00:00"},
    TWO_WAY | {"redial": {"max_attempts": 1, "delays": {"answered": [60], "busy": []}}},
    TWO_WAY | {"metadata": {"": "x", "a": 1}},
    {"ivrid": 222, "fromline": "712037006"},
    IVR | {"ivrid": 0},
    IVR | {"callto": "12", "fromline": "1e5", "langg": "ru"},
]


def of_constructor(body: Mapping[str, Any]) -> list[dict[str, str]]:
    kind = IvrCall if "ivrid" in body else TwoWayCall
    with pytest.raises(AlodialError) as caught:
        kind(**body)
    assert isinstance(caught.value, InvalidCall)
    return problems(caught.value)


def of_queue(queue: CallQueue, body: dict[str, Any]) -> list[dict[str, str]]:
    with pytest.raises(InvalidCall) as caught:
        queue.enqueue(body)
    return problems(caught.value)


def of_http(web: Web, body: dict[str, Any]) -> list[dict[str, str]]:
    answer = web.place(body)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_call")
    errors: list[dict[str, str]] = answer.json()["errors"]
    return errors


def problems(exc: InvalidCall) -> list[dict[str, str]]:
    return [
        {"field": problem.field, "code": problem.code, "problem": problem.problem, "remedy": problem.remedy}
        for problem in exc.problems
    ]


@pytest.mark.parametrize("body", BAD, ids=range(len(BAD)))
def test_every_way_in_names_the_same_problems(web: Web, settings: Settings, body: dict[str, Any]) -> None:
    with CallQueue(settings=settings) as queue:
        by_queue = of_queue(queue, body)
    assert by_queue
    assert of_http(web, body) == by_queue
    if all(problem["code"] != "phone_not_allowed" for problem in by_queue):  # a constructor knows no settings
        assert of_constructor(body) == by_queue


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (TWO_WAY | {"callfrom": "12345"}, "1 invalid field; see errors."),
        (TWO_WAY | {"callfrom": "12345", "colour": "red"}, "2 invalid fields; see errors."),
    ],
)
def test_a_refusal_counts_its_fields_in_a_true_sentence(web: Web, body: dict[str, Any], detail: str) -> None:
    assert web.place(body).json()["detail"] == detail


def test_options_beside_a_call_are_answered_in_the_same_way(settings: Settings) -> None:
    options: dict[str, Any] = {"reference": "x" * 129, "colour": "red"}
    with CallQueue(settings=settings) as queue, pytest.raises(InvalidCall) as caught:
        queue.enqueue(TWO_WAY, **options)
    assert problems(caught.value) == of_constructor(TWO_WAY | options)


def test_a_number_outside_the_allowlist_is_refused_in_the_same_words_when_a_model_is_enqueued(
    web: Web, settings: Settings
) -> None:
    body = TWO_WAY | {"callto": ["+79161234567"]}
    with CallQueue(settings=settings) as queue, pytest.raises(InvalidCall) as refused:
        queue.enqueue(TwoWayCall(**body))
    assert problems(refused.value) == of_http(web, body)
    wider = settings.model_copy(update={"allowed_prefixes": ("+998", "+7")})
    with CallQueue(settings=wider) as queue:
        assert queue.enqueue(TwoWayCall(**body)).created
