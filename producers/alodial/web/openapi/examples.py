"""Examples for the OpenAPI document, one for each answer that has no other. A test holds each against its schema."""

from typing import Any, Final

from alodial_schemas.responses.calls import EXTID, ID

AT = "2026-11-23T09:00:00.000Z"
CAMPAIGN_ID = "01a20965-3061-791f-9a99-422828f7bf04"

SUMMARY: dict[str, Any] = {
    "id": ID,
    "extid": EXTID,
    "state": "queued",
    "account": "default",
    "priority": "normal",
    "request": {
        "callfrom": {"phone": "+998712037006", "lang": "ru"},
        "callto": [{"phone": "+998994412860", "lang": "uz"}],
    },
    "reference": "order-17",
    "campaign_id": None,
    "owner": "shop",
    "redial_of": None,
    "disposition": None,
    "reason": None,
    "attempt": 1,
    "tries": 0,
    "created_at": AT,
    "updated_at": AT,
    "not_before": None,
    "expires_at": None,
    "on_unconfirmed": "wait",
    "redial": None,
    "metadata": {"shop": "12"},
}
ATTEMPT: dict[str, Any] = {
    "attempt": 1,
    "extid": EXTID,
    "submitted_at": None,
    "worker": None,
    "answer": None,
    "disposition": None,
    "result": None,
    "conflicting_result": None,
}
CAMPAIGN: dict[str, Any] = {
    "id": CAMPAIGN_ID,
    "name": "November reminders",
    "state": "running",
    "waiting": "window",
    "opens_at": "2026-11-24T04:00:00.000Z",
    "reason": "",
    "account": "default",
    "request": {"name": "November reminders", "call": {"callfrom": "+998712037006"}},
    "columns": ["phone"],
    "source": {"file": "people.csv", "kind": "csv", "encoding": "utf-8", "fingerprint": "e1c0722ad8a2a3b5", "size": 24},
    "rows": {"file": 2, "good": 2, "bad": 0, "duplicate": 0, "suppressed": 0},
    "calls": {"waiting": 2},
    "dispositions": {},
    "attempts": 0,
    "talk_seconds": 0,
    "created_at": AT,
    "started_at": AT,
    "ended_at": None,
    "created_by": "key:shop",
    "owner": "shop",
    "expected_end": "2026-11-24T04:00:54.000Z",
    "progress": 0.0,
    "answer_rate": None,
}
CHECK: dict[str, Any] = {
    "file": "people.csv",
    "kind": "csv",
    "encoding": "utf-8",
    "delimiter": ",",
    "sheet": None,
    "columns": ["phone"],
    "understood": {"phone": "phone"},
    "rows": {"file": 2, "good": 1, "bad": 1, "duplicate": 0, "suppressed": 0},
    "problems": [
        {
            "number": 2,
            "column": "phone",
            "code": "phone_short",
            "problem": "has 7 national digits, and 9 are needed",
            "remedy": "write 9 digits for Uzbekistan, such as 712037006",
            "value": "9944128",
        }
    ],
    "by_code": {"phone_short": 1},
    "seconds": 20.5,
    "duration": "21 s",
    "expected_end": "2026-11-23T09:00:20.500Z",
}
ENDPOINT: dict[str, Any] = {
    "id": "5e55f6c65e0e",
    "url": "https://shop.example/hook",
    "enabled": True,
    "off_reason": None,
    "off_at": None,
    "delivered": 1200,
    "failed": 3,
    "failures_in_row": 0,
    "failing_since": None,
    "last_success_at": AT,
    "last_failure_at": AT,
    "last_status": 204,
    "last_problem": None,
    "mean_ms": 41.5,
    "waiting": 0,
    "lag": 0.0,
    "parked": 0,
    "seen_at": AT,
    "held_until": None,
}

ANSWERS: Final[dict[str, Any]] = {
    "CallShown": SUMMARY | {"attempts": [ATTEMPT], "timeline": [{"state": "queued", "at": AT, "note": None}]},
    "CallPage": {"calls": [SUMMARY], "cursor": None},
    "Campaign": CAMPAIGN,
    "CampaignList": {"campaigns": [CAMPAIGN], "cursor": None},
    "Check": CHECK,
    "ActivityList": {"activity": [{"at": AT, "who": "key:shop", "action": "created", "detail": ""}]},
    "DncList": {
        "entries": [
            {"number": "+998994412861", "scope": "", "reason": "asked on the phone", "who": "key:shop", "at": AT}
        ],
        "cursor": None,
    },
    "DncChanged": {"changed": 1},
    "Endpoint": ENDPOINT,
    "EndpointList": {"endpoints": [ENDPOINT]},
    "Resent": {"events": 12},
    "Ready": {
        "status": "ok",
        "findings": [{"name": "redis.reachable", "level": "ok", "message": "Redis answers", "hint": ""}],
    },
}
"""By the name of the answer's schema."""

PROBLEMS: Final[dict[str, tuple[str, str]]] = {
    "400": ("malformed_json", "The body is not usable JSON: it is not JSON: Expecting value at line 1, column 1."),
    "401": ("unauthorized", "Send the header Authorization: Bearer KEY with one of ALODIAL_API_KEYS."),
    "403": ("forbidden", "This key lacks the role operate; give it in ALODIAL_API_KEYS."),
    "404": ("not_found", f"no call {ID}"),
    "408": ("too_slow", "The body did not arrive within 30 seconds."),
    "409": ("idempotency_conflict", "The Idempotency-Key belongs to another call."),
    "410": ("events_gone", "Events behind 1795413409008-0 are gone; the oldest that is kept is 1795413500000-0."),
    "413": ("too_large", "The body is above 1048576 bytes."),
    "415": ("unsupported_media_type", "Send multipart/form-data or JSON."),
    "422": ("invalid_call", "1 field(s) to mend; see errors."),
    "429": ("too_many_requests", "This key asks more often than ALODIAL_API_REQUESTS_PER_SECOND allows."),
    "503": ("store_unavailable", "Redis is not available."),
}
"""Code and detail of the example for each status."""

FIELD: Final[dict[str, str]] = {
    "field": "callto.0.phone",
    "code": "phone_short",
    "problem": "has too few digits",
    "remedy": "write 9 digits such as 712037006",
}
