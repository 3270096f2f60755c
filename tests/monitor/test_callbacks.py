"""The Callbacks screen: which results matched nothing, what they say, replay and drop."""

import json
from datetime import UTC

import pytest

from alodial import CallQueue
from alodial.i18n import Translator
from alodial.monitor.callbacks import _reason
from alodial.settings import Settings
from alodial.store import inbox
from alodial.store.inbox import ParkedResult
from alodial.store.keys import Keys
from alodial_schemas.alovoice.result import CallResult, Unreadable, parse_results
from web.conftest import API_KEY, Web

from .client import Operator, words_on

keys = Keys()

RESULT = {"externalid": "926423109381634", "from_number": "712037006", "to_number": "994412860", "dialstatus": "BUSY"}


def put(queue: CallQueue, body: bytes, kind: str = "unmatched", reason: str = "unknown_extid") -> str:
    store = queue.store
    store.call(inbox.create_group)
    store.redis.xadd(keys.INBOX, {"b": body, "t": "application/json"})
    (entry,) = store.call(inbox.read_new, "test", 1)
    parked = ParkedResult(kind, body, "application/json", reason)  # type: ignore[arg-type]  # one of its words
    assert store.run(inbox.park("ack", entry.id, [parked], 60))
    return str(store.redis.xrevrange(keys.DEAD, count=1)[0][0].decode())


def body(**more: object) -> bytes:
    return json.dumps(RESULT | more).encode()


@pytest.mark.parametrize("language", ["ru", "uz"])
def test_why_a_result_cannot_be_used_is_in_the_language_of_the_reader(language: str) -> None:
    bodies = [b"", b"{", b"[]", b"3", b'{"a": 1}', b'{"a":1}{', b"\x1f\x8b", b"a" * 9, b"--x\r\n", b"[[1]]"]
    reasons = [result.reason for body in bodies for result in parse_results(body, "") if isinstance(result, Unreadable)]
    assert len(reasons) >= len(bodies)
    extids = ("null", "[1, 2]", "-5", "1e20", "1.5", '""', '"012"', "9007199254740993", '{"a": 1}')
    for extid in extids:
        result = parse_results(b'{"externalid": %s, "begin_time": "x", "duration": "y"}' % extid.encode(), "")[0]
        assert isinstance(result, CallResult)
        reasons += result.warnings
    t = Translator(language, UTC)
    assert [reason for reason in reasons if _reason(t, reason) == reason] == []


def test_which_results_matched_nothing_is_seen_at_a_glance(web: Web, queue: CallQueue) -> None:
    put(queue, body())
    put(queue, b"\xff\x00{", "unreadable", "not JSON")
    shown = words_on(Operator(web).get("/callbacks"))
    assert "no call has its extid" in shown
    assert "+99871" in shown or "712037006" in shown
    assert "not JSON" in shown
    only = words_on(Operator(web).get("/callbacks?kind=unreadable"))
    assert "712037006" not in only.partition("Unreadable: ")[2]


def test_a_callback_shows_its_body_how_it_was_read_and_calls_with_its_number(web: Web, queue: CallQueue) -> None:
    call = queue.enqueue({"callfrom": "712037006", "callto": ["994412860"]}, reference="order-17")
    name = put(queue, body())
    shown = words_on(Operator(web).get(f"/callbacks/{name}"))
    assert '"dialstatus": "BUSY"' in shown
    assert "Calls with the same number" in shown
    assert "order-17" in shown
    assert f'href="/calls/{call.id}"' in Operator(web).get(f"/callbacks/{name}").text


def test_a_binary_body_is_shown_as_hex(web: Web, queue: CallQueue) -> None:
    shown = words_on(Operator(web).get(f"/callbacks/{put(queue, bytes(range(256)), 'unreadable', 'x')}"))
    assert "000000 00 01 02" in shown
    assert "Nothing was understood" in shown


def test_a_replayed_one_is_back_in_the_inbox(web: Web, queue: CallQueue) -> None:
    name = put(queue, body())
    operator = Operator(web)
    assert "1 result is read again." in words_on(operator.post(f"/callbacks/{name}/replay"))
    assert (queue.store.redis.xlen(keys.DEAD), queue.store.redis.xlen(keys.INBOX)) == (0, 1)
    assert operator.post(f"/callbacks/{name}/replay").status_code == 404


def test_a_drop_asks_first(web: Web, queue: CallQueue) -> None:
    name = put(queue, body())
    operator = Operator(web)
    assert "deleted for good" in words_on(operator.post(f"/callbacks/{name}/drop"))
    assert queue.store.redis.xlen(keys.DEAD) == 1
    assert "1 result was deleted." in words_on(operator.post(f"/callbacks/{name}/drop", {"sure": "yes"}))
    assert queue.store.redis.xlen(keys.DEAD) == 0


@pytest.mark.parametrize(("act", "told"), [("replay", "read again"), ("drop", "deleted")])
def test_all_of_a_reason_are_replayed_or_deleted_after_a_confirmation_with_the_count(
    web: Web, queue: CallQueue, act: str, told: str
) -> None:
    for _ in range(3):
        put(queue, body())
    put(queue, b"{", "unreadable", "not JSON")
    operator = Operator(web)
    wanted = {"kind": "unmatched", "reason": "unknown_extid"}
    asked = operator.post(f"/callbacks/all/{act}", wanted)
    assert ("Delete 3" if act == "drop" else "Retry 3") in words_on(asked)
    assert queue.store.redis.xlen(keys.DEAD) == 4
    assert f"3 results {'are' if act == 'replay' else 'were'} {told}." in words_on(
        operator.post(f"/callbacks/all/{act}", wanted | {"sure": "yes"})
    )
    assert queue.store.redis.xlen(keys.DEAD) == 1
    assert web.logged(f"callbacks.{act}_all")


@pytest.mark.parametrize("address", ["/callbacks/1-0/replay", "/callbacks/1-0/drop", "/callbacks/all/drop"])
def test_a_form_of_another_site_does_nothing(web: Web, queue: CallQueue, address: str) -> None:
    put(queue, body())
    operator = Operator(web)
    assert operator.http.post(address, data={"sure": "yes"}).status_code == 403
    assert operator.post(address, {"sure": "yes"}, Origin="https://elsewhere.example").status_code == 403
    assert queue.store.redis.xlen(keys.DEAD) == 1


@pytest.mark.parametrize("name", ["x", "1-0", "99999999999999999999", "1-", "-1"])
def test_a_deleted_callback_is_reported(web: Web, name: str) -> None:
    answer = Operator(web).get(f"/callbacks/{name}")
    assert answer.status_code == 404
    assert "no longer here" in answer.text


def test_pages_go_on_where_the_one_before_ended(web: Web, queue: CallQueue) -> None:
    for n in range(30):
        put(queue, body(record=f"r{n}"))
    operator = Operator(web)
    first = operator.get("/callbacks").text
    older = first.partition('id="older" href="')[2].partition('"')[0].replace("&amp;", "&")
    second = operator.get(older).text
    seen = [set(part.split('href="/callbacks/')[1:]) for part in (first, second)]
    assert (len(seen[0]), len(seen[1])) == (25, 5)


def test_a_reader_sees_masked_numbers_and_no_buttons(
    redis_server: object, settings: Settings, queue: CallQueue, tmp_path_factory: pytest.TempPathFactory
) -> None:
    web = Web(
        settings.redis_url.get_secret_value(),
        tmp_path_factory.mktemp("reader"),
        API_KEYS=f"{API_KEY};name=reader;roles=read",
    )
    try:
        name = put(queue, body())
        operator = Operator(web)
        page = operator.get(f"/callbacks/{name}")
        assert "994412860" not in page.text
        assert "/replay" not in page.text
        assert operator.post(f"/callbacks/{name}/replay").status_code == 403
    finally:
        web.stop()
