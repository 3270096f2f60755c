"""The lists of calls in the monitor: what they show, what their filters mean, what is done to many at once."""

import csv
import html
import io
import re
import time
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit
from zoneinfo import ZoneInfo

import openpyxl
import pytest

from alodial import CallQueue
from alodial.api_keys import ApiKey
from alodial.monitor import call_rows, calls_export
from alodial.monitor.call_filter_form import cancelable, read_query, redialable
from alodial.monitor.session import Operator as Session
from alodial.store import call_listing, call_transitions
from alodial.store.call_filter import CallFilter
from alodial_schemas import State
from alodial_schemas.campaigns import parse_campaign
from web.conftest import Web

from .call_stage import Stage
from .client import Operator, words_on

XSS = '<script>alert(1)</script>"><img src=x onerror=alert(2)>'


def listed(page: Any) -> list[str]:
    """Ids of the calls of a list, in its order."""
    return re.findall(r'id="to-([0-9a-f-]{36})"', page.text)


def test_the_list_shows_calls_newest_first_and_narrows_by_its_address(operator: Operator, stage: Stage) -> None:
    answered = stage.completed("answered", reference="order-1")
    busy = stage.completed("busy", reference="order-2")
    waiting = stage.place({"callfrom": "712037006", "callto": ["901112233"]}, reference="order-3")
    page = operator.get("/calls")
    assert listed(page) == [waiting.id, busy.id, answered.id]
    assert "order-3 +998712037006 → +998901112233 ready" in words_on(page)
    assert "and 1 more" in words_on(page)
    for query, found in (
        ("state=completed", [busy.id, answered.id]),
        ("disposition=busy", [busy.id]),
        ("phone=901112233", [waiting.id]),
        ("phone=+998901112233", [waiting.id]),
        ("reference=order-1", [answered.id]),
        ("state=queued&reference=order-1", []),
        ("account=default&state=queued", [waiting.id]),
        ("since=2000-01-01T00:00", [waiting.id, busy.id, answered.id]),
        ("since=2099-01-01T00:00", []),
        ("until=2099-01-01T00:00&state=completed", [busy.id, answered.id]),
    ):
        page = operator.get(f"/calls?{query}")
        assert page.status_code == 200
        assert listed(page) == found, query


def test_the_list_says_why_a_call_was_rejected(operator: Operator, stage: Stage) -> None:
    stage.rejected(reference="order-1")
    assert "rejected AloVoice answered with status 400" in words_on(operator.get("/calls"))


def test_the_link_of_each_state_has_its_count(operator: Operator, stage: Stage) -> None:
    for _ in range(3):
        stage.place()
    stage.unconfirmed()
    text = operator.get("/calls").text
    counts = dict(re.findall(r'href="/calls\?state=(\w+)"[^>]*>[^<]*<span class="n">([\d,]+)</span>', text))
    assert counts["queued"] == "3"
    assert counts["unconfirmed"] == "1"
    assert counts["completed"] == "0"
    assert len(counts) == len(State)


@pytest.mark.parametrize(
    "query",
    [
        "state=none",
        "disposition=x",
        "phone=12",
        "since=yesterday",
        "until=9999999",
        "reason=a;b",
        "phone=%00",
        "reason=x%0d%0ay",
    ],
)
def test_a_filter_that_means_nothing_shows_nothing_and_permits_nothing(
    operator: Operator, stage: Stage, query: str
) -> None:
    stage.place()
    page = operator.get(f"/calls?{query}")
    assert page.status_code == 422
    assert listed(page) == []
    assert "Cancel" not in words_on(page)
    assert operator.get(f"/calls/cancel?{query}").status_code == 303
    fields = {name: values[0] for name, values in parse_qs(query).items()}
    assert operator.post("/calls/cancel", fields).status_code == 303
    assert stage.queue.count(CallFilter(state="queued")).number == 1


def test_pages_follow_one_another_by_cursor_and_only_the_first_is_renewed(operator: Operator, stage: Stage) -> None:
    placed = [stage.place().id for _ in range(60)]
    first = operator.get("/calls")
    assert 'hx-trigger="every 5s"' in first.text
    assert 'hx-trigger="every 5s"' not in operator.get("/calls?live=off").text
    following = re.search(r'id="older" href="([^"]+)"', first.text)
    assert following is not None
    second = operator.get(following[1].replace("&amp;", "&"))
    assert "hx-trigger" not in second.text
    assert listed(first) + listed(second) == placed[::-1]
    forged = operator.get("/calls?cursor=z12.1")
    assert (forged.status_code, listed(forged)) == (200, listed(first))


@pytest.mark.parametrize("name", ["id", "extid", "reference"])
def test_a_name_leads_straight_to_its_call(operator: Operator, stage: Stage, name: str) -> None:
    placed = stage.place(reference="order-17")
    given = {"id": placed.id, "extid": placed.extid, "reference": "order-17"}[name]
    answer = operator.http.get("/calls", params={"find": f" {given} "})
    assert (answer.status_code, answer.headers["location"]) == (303, f"/calls/{placed.id}")


def test_other_names_lead_to_a_list(operator: Operator, stage: Stage) -> None:
    for _ in range(2):
        stage.place(reference="twice")
    number = operator.http.get("/calls", params={"find": "99 441-28-60"})
    assert number.headers["location"] == "/calls?phone=%2B998994412860"
    assert (
        operator.http.get("/calls", params={"find": "8 99 441 28 60"}).headers["location"].endswith("%2B998994412860")
    )
    assert operator.http.get("/calls", params={"find": "twice"}).headers["location"] == "/calls?reference=twice"
    nothing = operator.http.get("/calls", params={"find": "//evil.example"})
    assert nothing.headers["location"] == "/calls?part=%2F%2Fevil.example"
    assert "No call that is kept here has that" in words_on(operator.get(nothing.headers["location"]))


@pytest.mark.parametrize("part", ["441 28", "4128", "ORDER-2026", "order-2026-1", "азиза"])
def test_a_part_of_a_number_a_reference_or_a_name_is_found(operator: Operator, stage: Stage, part: str) -> None:
    other = stage.place({"callfrom": "712000000", "callto": ["901112233"]}, reference="other")
    placed = stage.place(reference="Order-2026-11", metadata={"name": "Азиза Каримова"})
    answer = operator.get(operator.http.get("/calls", params={"find": part}).headers["location"])
    assert listed(answer) == [placed.id]
    assert other.id not in answer.text
    assert "hx-trigger" not in answer.text  # it reads many records
    assert listed(operator.http.get("/calls", params={"part": part, "state": "completed"})) == []


def test_a_part_is_looked_for_page_by_page_and_two_letters_are_too_few(
    operator: Operator, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    placed = stage.place(reference="needle")
    for _ in range(3):
        stage.place()
    assert operator.get("/calls?part=ne").status_code == 422
    assert "at least three" in words_on(operator.get("/calls?part=--a--"))
    monkeypatch.setattr(call_listing, "PART_SCAN", 1)
    monkeypatch.setattr(call_listing, "CHUNK", 2)
    wanted = CallFilter(part="EEDL")
    pages, cursor = [], None
    while True:
        calls = stage.queue.calls(wanted, cursor=cursor, limit=5)
        pages.append([call.id for call in calls.calls])
        cursor = calls.cursor
        if cursor is None:
            break
    assert pages[:2] == [[], [placed.id]]


def test_all_that_is_filtered_is_canceled_with_the_count_on_the_button(
    operator: Operator, stage: Stage, web: Web
) -> None:
    for n in range(3):
        stage.place(reference=f"keep-{n}", priority="urgent")
        stage.settle("taken")
    for n in range(7):
        stage.place({"callfrom": "712037006", "callto": ["901112233"]}, reference=f"go-{n}")
    stage.place({"callfrom": "712037006", "callto": ["901112244"]})
    page = operator.get("/calls?phone=901112233")
    assert "Cancel 7 calls" in words_on(page)
    ask = operator.get("/calls/cancel?phone=901112233")
    assert "Phone: 901112233" in words_on(ask)
    assert "These are 7 calls." in words_on(ask)
    answer = operator.post("/calls/cancel", {"phone": "901112233"}, page="/calls/cancel?phone=901112233")
    assert answer.status_code == 303
    done = operator.get(answer.headers["location"])
    assert "7 calls were canceled." in words_on(done)
    assert stage.queue.count(CallFilter(state="canceled")).number == 7
    assert stage.queue.count(CallFilter(state="queued")).number == 1
    [line] = web.logged("cancel_calls", "operator.acted")
    assert "Aziza" in line
    assert "901112233" not in line


def test_the_result_of_a_bulk_act_is_shown_only_to_its_session(operator: Operator, web: Web, stage: Stage) -> None:
    stage.place()
    told = operator.post("/calls/cancel", {"state": "queued"}).headers["location"]
    assert "1 call was canceled." in words_on(operator.get(told))
    forged = told.replace("done=1", "done=1000")
    assert operator.get(forged).headers["location"] == "/calls"
    other = Operator(web, name="other")
    assert other.get(told).headers["location"] == "/calls"
    assert other.get("/calls/done").headers["location"] == "/calls"


def test_a_late_act_says_so(operator: Operator, stage: Stage) -> None:
    stage.place()
    stage.arm()
    stage.place(not_before="2099-01-01T00:00:00+05:00")
    # Nothing of it can be canceled any more; the button's count was from a moment before.
    assert operator.get("/calls/cancel?state=submitting").headers["location"] == "/calls?state=submitting"
    done = operator.get(operator.post("/calls/cancel", {}).headers["location"])
    assert "1 call was canceled." in words_on(done)


def test_ended_calls_ring_again_once_however_often_it_is_pressed(operator: Operator, stage: Stage) -> None:
    for n in range(4):
        stage.rejected(reference=f"r-{n}")
    page = operator.get("/calls?state=rejected")
    assert "Call up to 4 again" in words_on(page)
    assert "Call up to" not in words_on(operator.get("/calls?state=queued"))
    ask = words_on(operator.get("/calls/redial?state=rejected"))
    assert "State: rejected" in ask
    first = operator.get(operator.post("/calls/redial", {"state": "rejected"}).headers["location"])
    assert "4 calls are placed again." in words_on(first)
    for _ in range(4):
        again = operator.get(operator.post("/calls/redial", {"state": "rejected"}).headers["location"])
        assert "4 were placed again before" in words_on(again)
    assert stage.queue.count(CallFilter(state="queued")).number == 4


def test_the_rest_of_a_redial_goes_on_after_those_that_were_called(operator: Operator, stage: Stage) -> None:
    for n in range(4):
        stage.rejected(reference=f"r-{n}")
    few = stage.queue.redial_all(CallFilter(state="rejected"), limit=3)
    ask = operator.get(f"/calls/redial?{urlencode({'state': 'rejected', 'cursor': few.cursor})}")
    cursor = re.search(r'name="cursor" value="([^"]*)"', ask.text)
    assert cursor is not None
    rest = operator.post("/calls/redial", {"state": "rejected", "cursor": html.unescape(cursor[1])})
    done = words_on(operator.get(rest.headers["location"]))
    assert "1 call is placed again." in done
    assert "before" not in done
    foreign = operator.post("/calls/redial", {"state": "rejected", "cursor": "another"})
    assert foreign.headers["location"] == "/calls?state=rejected"


def test_a_key_calls_again_within_its_limits_and_the_page_says_how_many_were_left_out(
    stage: Stage, tmp_path: Path
) -> None:
    for n in range(4):
        stage.rejected(reference=f"r-{n}")
    url, desk = stage.queue.settings.redis_url.get_secret_value(), "planted-key-desk-77ab"
    limited = Web(url, tmp_path, API_KEYS=f"{desk};name=desk;waiting_calls=3")
    try:
        operator = Operator(limited, desk)
        done = operator.get(operator.post("/calls/redial", {"state": "rejected"}).headers["location"])
        assert "3 calls are placed again." in words_on(done)
        assert "1 would be over a limit of your key" in words_on(done)
    finally:
        limited.stop()
    assert stage.queue.count(CallFilter(state="queued")).number == 3


def test_simply_everything_is_never_rung_again(operator: Operator, stage: Stage) -> None:
    stage.completed()
    assert "choose a state or an outcome first" in words_on(operator.get("/calls"))
    assert operator.get("/calls/redial").headers["location"] == "/calls"
    assert operator.post("/calls/redial", {}).headers["location"] == "/calls"
    assert operator.post("/calls/redial", {"reference": "x"}).headers["location"] == "/calls?reference=x"
    assert stage.queue.count(CallFilter(state="queued")).number == 0


def test_calls_of_campaigns_are_left_to_their_campaign(operator: Operator, stage: Stage, queue: CallQueue) -> None:
    request = parse_campaign(
        {"name": "c", "call": {"callfrom": "712037006"}, "policy": {"hours": {"windows": "daily 00:00-24:00"}}}
    )
    id = queue.campaigns.submit(["+998901000001"], request, actor="test").id
    record = stage.rejected()
    stage.store.redis.hset(f"alodial:{{dial}}:c:{record.extid}", "g", id)
    done = operator.get(operator.post("/calls/redial", {"state": "rejected"}).headers["location"])
    assert "1 belongs to a campaign" in words_on(done)
    one = operator.get(f"/calls/{record.id}")
    assert "Only its campaign calls it again" in words_on(one)
    assert f"/calls/{record.id}/redial" not in one.text
    assert operator.get(f"/calls/{record.id}/redial").headers["location"].endswith("done=late")
    late = operator.post(f"/calls/{record.id}/redial")
    assert late.headers["location"].endswith("done=late")


def test_no_act_without_our_own_form(operator: Operator, stage: Stage) -> None:
    placed = stage.place()
    for address in ("/calls/cancel", "/calls/redial", f"/calls/{placed.id}/cancel", f"/calls/{placed.id}/redial"):
        assert operator.http.post(address, data={"state": "queued"}).status_code == 403
        assert operator.post(address, {"form_token": "0" * 64, "state": "queued"}).status_code == 403
        assert operator.post(address, {"state": "queued"}, Origin="http://evil.example").status_code == 403
        assert operator.post(address, {"state": "queued"}, **{"Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert stage.queue.get(placed.id).state == "queued"


def test_a_reader_sees_no_acts_and_no_whole_numbers(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = Session(ApiKey("k" * 16, "", frozenset(), own=False), "", "id", "nonce", 0, 0)
    monkeypatch.setattr(call_rows, "can", lambda _operator, act: act == "read")
    assert not call_rows.in_full(reader)
    record = stage.queue.get(stage.place(reference="call 998901234567", metadata={"phone": "+998901234567"}).id)
    row = call_rows.row_of(record, full=False)
    assert (row.first, row.to) == ("+99871***7006", "+99899***2860")
    assert row.reference == "call 99890***4567"
    assert call_rows.number("6000", full=False) == "6000"


def test_the_signs_that_part_a_timeline_are_taken_out_of_a_name(stage: Stage) -> None:
    placed = stage.unconfirmed()
    author = call_rows.author(
        Session(ApiKey("k" * 16, "", frozenset(), own=False), "a;b c; queued 12", "id", "nonce", 0, 0)
    )
    assert not set("; ") & set(author)
    stage.queue.redial(placed.id, actor=author)
    record = stage.queue.get(placed.id)
    assert record.timeline[-1]["note"] == f"operator {author}"


@pytest.mark.parametrize("state", [None, *State])
def test_what_may_be_done_to_a_filter_follows_from_its_state(state: State | None) -> None:
    asked = read_query({"state": state.value} if state else {}, ZoneInfo("Asia/Tashkent"), ())
    assert bool(cancelable(asked)) == (state in (None, State.SCHEDULED, State.QUEUED))
    assert redialable(asked) == (state not in (None, State.SCHEDULED, State.QUEUED, State.SUBMITTING, State.SUBMITTED))


def test_unconfirmed_calls_show_what_is_known_and_ring_again_once(operator: Operator, stage: Stage) -> None:
    stage.beat(silent=60)
    placed = stage.unconfirmed("worker_lost", reference="order-9")
    page = operator.get("/unconfirmed")
    text = words_on(page)
    assert "1 call is unconfirmed." in text
    assert "the worker died while it submitted" in text
    assert "w1 · stopped responding" in text
    assert "from now" in text
    assert "No worker is alive" in text
    ask = words_on(operator.get(f"/calls/{placed.id}/redial"))
    assert "The phones may have rung already. Then they ring a second time." in ask
    addresses = [operator.post(f"/calls/{placed.id}/redial", {"attempt": "1"}).headers["location"] for _ in range(5)]
    assert [parse_qs(urlsplit(one).query)["done"][0] for one in addresses] == ["redial", *["again"] * 4]
    record = stage.queue.get(placed.id)
    assert (record.attempt, record.state) == (2, "scheduled")
    assert "None." in words_on(operator.get("/unconfirmed"))


def test_an_old_page_does_not_repeat_a_newer_attempt(operator: Operator, stage: Stage) -> None:
    placed = stage.unconfirmed()
    operator.post(f"/calls/{placed.id}/redial", {"attempt": "1"})
    stage.store.run(call_transitions.pace())
    stage.settle("unconfirmed", "answer_lost")
    assert stage.queue.get(placed.id).state == "unconfirmed"
    answer = operator.post(f"/calls/{placed.id}/redial", {"attempt": "1"})
    assert answer.headers["location"].endswith("done=again")
    assert stage.queue.get(placed.id).attempt == 2


def test_failed_calls_are_grouped_by_reason_with_a_way_out(operator: Operator, stage: Stage) -> None:
    for n in range(3):
        stage.rejected("status_404", reference=f"a-{n}")
    stage.rejected("do_not_call", reference="b")
    stage.place(expires_at="2099-01-01T00:00:00+05:00")
    page = operator.get("/failed")
    text = words_on(page)
    assert "3 rejected AloVoice answered with status 404" in text
    assert "ALODIAL_PROVIDER_URL" in text
    assert "last 24 hours 3 · last 7 days 3" in text
    assert "For example a-2" in text
    assert "Call up to 3 again" in text
    link = re.search(r'href="(/calls\?state=rejected&amp;reason=status_404[^"]*)"', page.text)
    assert link is not None
    assert len(listed(operator.get(link[1].replace("&amp;", "&")))) == 3
    assert "a-2" in words_on(operator.get("/failed?period=week"))
    assert operator.get("/failed?period=x").status_code == 200


def test_every_list_says_that_redis_is_down_and_no_more(web: Web, operator: Operator, redis_server: Any) -> None:
    redis_server.process.send_signal(19) if hasattr(redis_server, "process") else pytest.skip("no process to stop")
    try:
        for address in ("/calls", "/failed"):
            began = time.monotonic()
            assert operator.get(address).status_code == 503
            assert time.monotonic() - began < 15
    finally:
        redis_server.process.send_signal(18)


def test_hostile_texts_are_escaped(operator: Operator, stage: Stage) -> None:
    stage.place(reference=XSS[:128], metadata={"k": XSS[:200]})
    stage.settle("rejected", "status_400", body=XSS)
    for address in ("/calls", f"/calls?reference={XSS}", f"/calls?campaign={XSS}", f"/calls?phone={XSS}", "/failed"):
        text = operator.get(address).text
        assert "<script>alert" not in text
        assert "<img src=x" not in text


def test_what_is_filtered_is_downloaded_as_csv_and_as_a_workbook(operator: Operator, stage: Stage, web: Web) -> None:
    stage.place(reference='=HYPERLINK("x")')
    stage.settle("taken")
    for n in range(3):
        stage.place({"callfrom": "712037006", "callto": ["901112233"]}, reference=f"order-{n}")
    page = operator.get("/calls?part=order")
    (csv_address, xlsx_address) = re.findall(r'href="(/calls\.(?:csv|xlsx)[^"]*)"', page.text)
    text = operator.get(csv_address).content.decode("utf-8-sig")
    rows = list(csv.reader(io.StringIO(text)))
    assert rows[0][:2] == ["Reference sent", "Call ID"]
    assert [row[0] for row in rows[1:]] == ["order-2", "order-1", "order-0"]
    assert [cell.lstrip("'") for cell in rows[1][3:5]] == ["+998712037006", "+998901112233"]
    assert "'=HYPERLINK" in operator.get("/calls.csv").text
    book = openpyxl.load_workbook(io.BytesIO(operator.get(xlsx_address).content))
    cells = list(book.worksheets[0].iter_rows(values_only=True))
    assert [row[0] for row in cells[1:]] == ["order-2", "order-1", "order-0"]
    assert isinstance(cells[1][10], datetime)
    assert len(web.logged("operator.acted", "calls.export", least=3)) == 3
    assert operator.http.get("/calls.csv?state=nothing").headers["location"] == "/calls?state=nothing"


def test_a_reader_downloads_masked_numbers_and_a_file_has_a_bounded_number_of_calls(
    web: Web, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        stage.place()
    key = web.http.post("/v1/keys", json={"name": "reader", "roles": ["read"]}).json()["key"]
    assert "994412860" not in Operator(web, key, language="ru").get("/calls.csv").text
    monkeypatch.setattr(calls_export, "MAX_EXPORT", 2)
    assert len(list(calls_export.records(stage.queue.store, None, CallFilter()))) == 2


def test_selected_calls_alone_are_canceled_and_called_again(operator: Operator, stage: Stage) -> None:
    ended = stage.completed("no_answer")
    placed = [stage.place(reference=f"order-{n}") for n in range(4)]
    page = operator.get("/calls").text
    ticks = re.findall(r'name="calls" value="(\d+)" form="selection" id="tick-([^"]+)"', page)
    names = {id: name for name, id in ticks}
    chosen = [names[call.id] for call in placed[:2]]
    asked = operator.http.get("/calls/cancel", params={"selected": "1", "calls": chosen})
    assert "2 calls" in words_on(asked)
    assert stage.queue.get(placed[0].id).state is State.QUEUED
    done = operator.post("/calls/cancel", {"calls": ",".join(chosen)})
    assert "2 calls" in words_on(operator.get(done.headers["location"]))
    assert [stage.queue.get(call.id).state for call in placed] == [State.CANCELED] * 2 + [State.QUEUED] * 2
    # One that has ended is called again; of one that waits nothing more is rung.
    both = ",".join((names[ended.id], names[placed[3].id]))
    again = operator.post("/calls/redial", {"calls": both})
    assert "1 call" in words_on(operator.get(again.headers["location"]))
    assert stage.queue.get(placed[3].id).attempt == 1


@pytest.mark.parametrize("act", ["cancel", "redial"])
@pytest.mark.parametrize("calls", [{}, {"calls": "x"}, {"calls": "1,2,"}, {"calls": ",".join("7" * 51)}])
def test_no_selection_is_never_all_calls(operator: Operator, stage: Stage, act: str, calls: dict[str, str]) -> None:
    placed = stage.place()
    asked = operator.http.get(f"/calls/{act}", params={"selected": "1"} | calls)
    assert asked.headers["location"] == "/calls?selected=1"
    assert "No call is selected." in words_on(operator.get("/calls?selected=1"))
    operator.post(f"/calls/{act}", {"selected": "1"} | calls)
    assert stage.queue.get(placed.id).state is State.QUEUED
