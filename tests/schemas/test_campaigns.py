"""A campaign as it is asked for: what is taken, and how what is not taken is told."""

from typing import Any

import pytest

from alodial_schemas.campaigns import CampaignRequest, parse_campaign, parse_hours, parse_redial
from alodial_schemas.errors import InvalidCampaign

GOOD: dict[str, Any] = {"name": "n", "call": {"callfrom": "712037006"}}


def problems(**changes: Any) -> dict[str, tuple[str, str]]:
    with pytest.raises(InvalidCampaign) as told:
        parse_campaign(GOOD | changes)
    assert all(problem.remedy for problem in told.value.problems)
    return {problem.field: (problem.code, problem.remedy) for problem in told.value.problems}


def test_what_was_asked_for_survives_being_stored() -> None:
    asked = parse_campaign(
        GOOD
        | {
            "policy": {
                "starts_at": "2026-11-24T09:00:00+05:00",
                "hours": {
                    "windows": "mon-fri 22:00-02:00; sat 10:00-14:00",
                    "timezone": "number",
                    "holidays": ["2026-12-08"],
                },
                "pace": 2.5,
                "redial": {"delays": {"busy": [300, 900]}, "max_attempts_per_day": 2},
                "daily": {"calls": 10},
                "stop": {"answered": 5},
            },
            "columns": {"phone": "Телефон"},
            "metadata": {"a": "b"},
        }
    )
    text = asked.model_dump_json(exclude_defaults=True)
    assert CampaignRequest.model_validate_json(text) == asked


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "autumn\u202e"}, "name"),
        ({"call": {"kind": "ivr", "ivrid": 5}}, "call.fromline"),
        ({"call": {"kind": "queue"}}, "call.queue"),
        ({"call": {"kind": "queue", "queue": "6000", "callfrom": "712037006"}}, "call.callfrom"),
        ({"call": {"callfrom": "12"}}, "call.callfrom"),
        ({"policy": {"pace": 0}}, "policy.pace"),
        ({"policy": {"priority": "urgent"}}, "policy.priority"),
        ({"policy": {"weight": 101}}, "policy.weight"),
        ({"policy": {"hours": {"windows": "nine to five"}}}, "policy.hours.windows"),
        ({"policy": {"hours": {"windows": "09:00-20:00", "timezone": "Asia/Nowhere"}}}, "policy.hours.timezone"),
        ({"policy": {"starts_at": "2026-11-24T09:00:00"}}, "policy.starts_at"),
        ({"policy": {"redial": {"delays": {"answered": [5]}}}}, "policy.redial.delays.answered"),
        ({"policy": {"allowed_prefixes": ["998"]}}, "policy.allowed_prefixes.0"),
        ({"polcy": {}}, "polcy"),
    ],
)
def test_each_refusal_names_its_field_and_a_remedy(changes: dict[str, Any], field: str) -> None:
    assert field in problems(**changes)


def test_an_end_before_the_start_is_refused() -> None:
    policy = {"starts_at": "2026-11-24T09:00:00Z", "ends_at": "2026-11-24T08:00:00Z"}
    assert any("ends_at" in field for field in problems(policy=policy))


def test_hours_and_redials_are_read_as_people_write_them() -> None:
    assert [str(window) for window in parse_hours("mon-fri 09:00-18:00; sat 10:00-14:00")] == [
        str(window) for window in parse_hours("Mon - Fri 9:00-18:00;sat 10:00–14:00")
    ]
    assert parse_redial("busy=5m,15m no_answer=1h,4h") == {"busy": [300, 900], "no_answer": [3600, 14400]}
    for wrong in ("", "25:00-26:00", "someday 09:00-10:00"):
        with pytest.raises(ValueError, match="09:00"):
            parse_hours(wrong)
    for wrong in ("busy", "busy=", "busy=5x"):
        with pytest.raises(ValueError, match="busy="):
            parse_redial(wrong)
