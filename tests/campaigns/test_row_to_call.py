"""A campaign's row becomes the call that the same words would have become by themselves."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alodial.campaigns.row_codec import PackedRow, RowSpec
from alodial.campaigns.row_to_call import Expander, make_body, trial_call
from alodial.campaigns.stored_fields import read_stored_request
from alodial_schemas import extid_of
from alodial_schemas.calls import IvrCall, TwoWayCall, body_json
from alodial_schemas.campaigns import CampaignRequest, parse_campaign

SEED = b"0123456789abcdef"
MADE = 1_800_000_000_000
FROM = "+998712037006"

PHONE = st.integers(200_000_000, 999_999_999).map("+998{}".format)
PHONES = st.lists(PHONE, min_size=1, max_size=5, unique=True).map(tuple)
LANG = st.none() | st.sampled_from(["ru", "uz", "en-GB"])
QUEUE = st.sampled_from(["6000", "sales.1", "a_b-c"])


def campaign(metadata: dict[str, str] | None = None, **call: Any) -> CampaignRequest:
    return parse_campaign({"name": "t", "call": call or {"callfrom": FROM}, "metadata": metadata or {}})


def expander(request: CampaignRequest | None = None, *, seed: bytes = SEED, latest_ms: int | None = None) -> Expander:
    return Expander(request or campaign(), seed=seed, made_ms=MADE, total=10, latest_ms=latest_ms)


def row(**given: Any) -> PackedRow:
    return PackedRow(2, RowSpec(**{"to": ("+998901234567",), **given}), ("901234567",))


def named(phone: str, lang: str | None) -> dict[str, str]:
    return {"phone": phone} if lang is None else {"phone": phone, "lang": lang}


@given(PHONES, LANG, LANG, st.none() | PHONE, st.none() | QUEUE)
def test_a_two_way_row_is_written_as_a_single_call(
    to: tuple[str, ...], lang: str | None, usual: str | None, initiator: str | None, queue: str | None
) -> None:
    targets: list[Any] = [named(number, lang or usual) for number in to]
    if queue:
        targets.append({"queue": queue})
    single = TwoWayCall.model_validate({"callfrom": initiator or FROM, "callto": targets})
    request = campaign(kind="two-way", callfrom=FROM, lang=usual)
    assert make_body(RowSpec(to, lang, initiator, queue), request) == body_json(single)


@given(PHONE, LANG, LANG, st.none() | QUEUE)
def test_a_queue_row_rings_its_own_number_first(
    phone: str, lang: str | None, usual: str | None, queue: str | None
) -> None:
    single = TwoWayCall.model_validate(
        {"callfrom": named(phone, lang or usual), "callto": [{"queue": queue or "6000"}]}
    )
    request = campaign(kind="queue", queue="6000", lang=usual)
    assert make_body(RowSpec((phone,), lang, None, queue), request) == body_json(single)


@given(PHONE, st.integers(1, 2**31 - 1))
def test_an_ivr_row_is_written_as_a_single_call(phone: str, menu: int) -> None:
    single = IvrCall.model_validate({"callto": phone, "ivrid": menu, "fromline": FROM})
    assert make_body(RowSpec((phone,)), campaign(kind="ivr", ivrid=menu, fromline=FROM)) == body_json(single)


def test_a_row_has_the_same_ids_every_time() -> None:
    assert expander().expand(3, row()) == expander().expand(3, row())


@given(st.integers(0, 10**7), st.binary(min_size=16, max_size=16))
def test_both_ids_carry_their_extids_and_the_extids_differ(index: int, seed: bytes) -> None:
    calls = expander(seed=seed)
    call = calls.expand(index, row())
    assert (call.extid, call.other_extid) == calls.extids(index)
    assert (extid_of(call.id), extid_of(call.other_id)) == (call.extid, call.other_extid)
    assert call.extid != call.other_extid
    assert {len(call.extid), len(call.other_extid)} == {15}


def test_another_seed_or_place_gives_other_extids() -> None:
    extids = {expander().extids(0), expander().extids(1), expander(seed=b"x" * 16).extids(0)}
    assert len(extids) == 3


@pytest.mark.parametrize(
    ("own", "latest", "expected"),
    [(None, None, ""), (5, None, 5), (None, 7, 7), (5, 7, 5), (9, 7, 7)],
)
def test_a_row_expires_with_itself_or_with_its_campaign_whichever_is_first(
    own: int | None, latest: int | None, expected: int | str
) -> None:
    assert expander(latest_ms=latest).expand(0, row(expires_at=own)).expires_at == expected


def test_a_rows_metadata_stands_over_its_campaigns() -> None:
    calls = expander(campaign({"team": "a", "list": "may"}))
    assert json.loads(calls.expand(0, row(metadata={"team": "b", "name": "Ёқуб"})).metadata) == {
        "team": "b",
        "list": "may",
        "name": "Ёқуб",
    }
    assert calls.expand(0, row()).metadata == '{"team":"a","list":"may"}'


def test_missing_values_of_a_row_are_empty() -> None:
    call = expander().expand(0, row())
    assert (call.reference, call.metadata, call.expires_at, call.zone) == ("", "", "", "")


def test_reference_and_zone_stand_beside_the_body() -> None:
    call = expander().expand(0, row(reference="INV-7", zone="Asia/Tashkent"))
    assert (call.reference, call.zone) == ("INV-7", "Asia/Tashkent")


@pytest.mark.parametrize(
    "request_",
    [campaign(), campaign(kind="queue", queue="6000"), campaign(kind="ivr", ivrid=7, fromline=FROM)],
    ids=["two-way", "queue", "ivr"],
)
def test_a_trial_rings_the_requested_phone_and_not_the_rows(request_: CampaignRequest) -> None:
    trial = trial_call(row().spec, request_, "+998977777777")
    assert "+998977777777" in json.dumps(trial)
    assert "+998901234567" not in json.dumps(trial)
    assert trial["priority"] == "urgent"


def test_a_campaign_of_a_version_that_took_invisible_characters_is_still_read() -> None:
    stored = '{"name":"autumn\u202e","call":{"callfrom":"712037006"}}'
    assert read_stored_request(stored).name == "autumn"
