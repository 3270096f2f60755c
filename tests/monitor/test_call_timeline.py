"""A call's timeline as data and as a picture, and the sentence for every reason. No server."""

import re
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

import alodial.store
from alodial.calls import explain as module
from alodial.calls.call_timeline import TimelineMoment, initiator_failed, numbers_differ, phone_moments, unix_seconds
from alodial.calls.explain import KNOWN, explain, reason_text
from alodial.i18n import LANGUAGES, Translator, catalogue
from alodial.monitor.failed import todo_of
from alodial.monitor.timeline_svg import LEFT, MAX_MOMENTS, StateSpan, Timeline, draw_timeline, phone_spans
from alodial.store.call_context import CallContext
from alodial.store.failure_reasons import BAD_ENDS, ReasonGroup
from alodial.store.records import CallRecord, iso
from alodial_schemas import ENDS, State, disposition_of
from alodial_workers.alovoice import answer_classification

ZONE = ZoneInfo("Asia/Tashkent")
T = 1_795_000_000.0
REQUEST: dict[str, Any] = {
    "callfrom": {"phone": "+998712037006"},
    "callto": [{"phone": "+998994412890"}, {"phone": "+998977076909"}],
}


def at(seconds: float) -> str:
    return datetime.fromtimestamp(T + seconds, UTC).isoformat()


def leg(number: str, begin: float, end: float, status: str, answer: float = 0) -> dict[str, Any]:
    times = {"begin_time": T + begin, "answer_time": answer and T + answer, "end_time": T + end}
    return {"to_number": number, "dialstatus": status} | times


RESULT: dict[str, Any] = {
    "end_time": at(48),
    "attempts": [
        leg("712037006", 0, 48, "ANSWER", answer=4),
        leg("994412890", 7, 9, "BUSY"),
        leg("977076909", 12, 48, "ANSWER", answer=18),
    ],
}
MOMENTS = phone_moments(RESULT, REQUEST)


def label(kind: str, seconds: float | None) -> str:
    return kind if seconds is None else f"{kind} {seconds:.0f}"


def drawn(
    changes: list[StateSpan], moments: list[TimelineMoment], *, now: float = T + 100, over: bool = True
) -> Timeline:
    return draw_timeline(changes, moments, now, over=over, label=label, clock=lambda at: f"{at - T:.0f}")


def kinds(moments: list[TimelineMoment], party: Any, number: str) -> list[tuple[str, float, float]]:
    return [(span.kind, span.begin - T, span.end - T) for span in phone_spans(moments, party, number, T + 100)]


def test_each_phone_has_its_own_timeline() -> None:
    assert kinds(MOMENTS, "initiator", "+998712037006") == [
        ("ringing", 0, 4),
        ("talk", 4, 18),
        ("talk", 18, 48),
    ]
    assert kinds(MOMENTS, "recipient", "+998994412890") == [("ringing", 7, 9)]
    assert kinds(MOMENTS, "recipient", "+998977076909") == [("ringing", 12, 18), ("talk", 18, 48)]


def test_the_picture_has_a_lane_for_us_and_one_for_each_phone() -> None:
    changes = [
        StateSpan(T - 2, "queued"),
        StateSpan(T - 1, "submitting"),
        StateSpan(T, "submitted"),
        StateSpan(T + 48, "completed"),
    ]
    picture = drawn(changes, MOMENTS)
    assert [(lane.party, lane.number) for lane in picture.lanes] == [
        ("us", ""),
        ("initiator", "+998712037006"),
        ("recipient", "+998994412890"),
        ("recipient", "+998977076909"),
    ]
    ours = [bar for bar in picture.bars if bar.kind.startswith("state-")]
    assert [bar.kind for bar in ours] == ["state-queued", "state-submitting", "state-submitted", "state-completed"]
    for before, after in pairwise(ours):
        assert before.x + before.width == pytest.approx(after.x, abs=0.2)
    for x, y in [(bar.x, bar.y) for bar in picture.bars] + [(mark.x, mark.y) for mark in picture.marks]:
        assert LEFT <= x <= picture.width
        assert 0 <= y < picture.height
    for bar in picture.bars:
        assert bar.width > 0
        assert bar.x + bar.width <= picture.width
        assert len(bar.label) * 5 < bar.width or not bar.label
    assert [mark.label for mark in picture.marks if mark.label] == ["event.busy"]


def test_time_never_runs_backwards_in_it_and_no_two_clocks_overlap() -> None:
    picture = drawn(
        [StateSpan(T - 86_400 * 30, "scheduled"), StateSpan(T - 0.001, "queued"), StateSpan(T, "submitting")],
        MOMENTS,
    )
    places = [tick.x for tick in picture.ticks]
    assert places == sorted(places)
    clocks = [tick.x for tick in picture.ticks if tick.label]
    assert all(b - a >= 70 for a, b in pairwise(clocks))


@pytest.mark.parametrize("over", [True, False])
def test_the_barest_calls_can_be_drawn(over: bool) -> None:
    for changes in ([StateSpan(T, "queued")], [StateSpan(T, "queued"), StateSpan(T, "canceled")], []):
        picture = drawn(changes, [], over=over, now=T)
        assert picture.width > LEFT
        assert len(picture.bars) == len(changes)


def test_a_call_dialled_again_and_again_shows_its_last_moments() -> None:
    changes = [StateSpan(T + n, ("queued", "submitting", "submitted", "scheduled")[n % 4]) for n in range(400)]
    picture = drawn(changes, [])
    assert picture.shortened
    assert len([bar for bar in picture.bars if bar.kind.startswith("state-")]) <= MAX_MOMENTS + 1
    assert not drawn(changes[:20], []).shortened


def test_a_queue_and_an_ivr_call_have_their_lanes() -> None:
    request = {"callfrom": {"phone": "712037006"}, "callto": [{"queue": "6000"}]}
    legs = [leg("712037006", 0, 9, "ANSWER", answer=3), leg("6000", 4, 9, "NOANSWER")]
    moments = phone_moments({"attempts": legs}, request)
    assert [lane.party for lane in drawn([], moments, over=False).lanes] == ["us", "initiator", "queue"]
    result = {"begin_time": at(0), "answer_time": at(3), "end_time": at(9)}
    ivr = phone_moments(result, {"callto": "712037006", "ivrid": 1, "fromline": "712037006"})
    assert kinds(ivr, "ivr", "712037006") == [("ringing", 0, 3), ("talk", 3, 9)]


@pytest.mark.parametrize(
    "attempts",
    [None, "text", {}, [1, None, "x"], [{}], [{"begin_time": "soon"}], [{"begin_time": ["x"], "to_number": {}}]],
)
def test_legs_that_mean_nothing_are_left_out(attempts: Any) -> None:
    assert phone_moments({"attempts": attempts}, REQUEST) == []


def test_only_the_first_legs_of_very_many_are_read() -> None:
    assert len(phone_moments({"attempts": RESULT["attempts"] * 10_000}, REQUEST)) <= 200


@pytest.mark.parametrize(
    ("word", "event"),
    [("DONTCALL", "rejected"), ("Cancelled", "canceled"), ("CHAN UNAVAIL", "unavailable"), ("?", "unknown")],
)
def test_a_phone_ends_with_the_disposition_that_the_call_has_for_the_same_word(word: str, event: str) -> None:
    assert (
        phone_moments({"attempts": [leg("994412890", 0, 3, word)]}, REQUEST)[1].event == event == disposition_of(word)
    )


@pytest.mark.parametrize(
    ("value", "read"),
    [
        ("2026-11-23T09:00:00Z", True),
        (1795000000, True),
        ("1795000000", True),
        (0, False),
        ("0", False),
        (None, False),
        ("", False),
        (True, False),
        (1e300, False),
        (float("nan"), False),
        ("9" * 400, False),
        (-5, False),
        ("x", False),
        ({}, False),
    ],
)
def test_a_time_is_a_time_of_this_century(value: object, read: bool) -> None:
    assert (unix_seconds(value) is not None) is read


def test_a_result_with_legs_tells_which_phones_rang() -> None:
    legs = [leg("994412890", 0, 3, "BUSY"), leg("977076909", 5, 30, "ANSWER", answer=9)]
    moments = phone_moments({"attempts": legs, "end_time": iso(int((T + 30) * 1000))}, REQUEST)
    assert [(moment.party, moment.number, moment.event) for moment in moments] == [
        ("recipient", "+998994412890", "ringing"),
        ("recipient", "+998994412890", "busy"),
        ("recipient", "+998977076909", "ringing"),
        ("recipient", "+998977076909", "connected"),
        ("call", "", "ended"),
    ]


def test_a_result_without_legs_tells_its_begin_answer_and_end() -> None:
    result = {
        "begin_time": at(0),
        "answer_time": at(5),
        "end_time": at(20),
        "to_numbers": ["998994412890"],
        "attempts": [],
    }
    assert [(one.number, one.event) for one in phone_moments(result, REQUEST)] == [
        ("+998994412890", "ringing"),
        ("+998994412890", "connected"),
        ("", "ended"),
    ]
    assert phone_moments(None, REQUEST) == []
    assert phone_moments({"dialstatus": "BUSY"}, REQUEST) == []


def test_it_is_known_when_the_initiator_did_not_answer() -> None:
    first = leg("712037006", 0, 30, "NOANSWER")
    assert initiator_failed({"attempts": [first]}, REQUEST)
    assert not initiator_failed({"attempts": [first, first | {"to_number": "994412890"}]}, REQUEST)
    assert not initiator_failed({"attempts": []}, REQUEST)
    assert not initiator_failed(None, REQUEST)
    assert not initiator_failed(RESULT, REQUEST)
    assert not initiator_failed(
        {"attempts": [first]}, {"callto": "+998712037006", "ivrid": 1, "fromline": "+998712037006"}
    )


def test_a_number_that_the_call_does_not_have_is_noticed() -> None:
    assert not numbers_differ({"to_numbers": ["994412890"], "from_numbers": ["998712037006"]}, REQUEST)
    assert numbers_differ({"to_numbers": ["901112233"], "from_numbers": []}, REQUEST)
    assert not numbers_differ({"to_numbers": ["6000", ""], "from_numbers": None}, REQUEST)


# --- the sentence -----------------------------------------------------------------------------------------------------


def record(state: State, note: str | None, **changes: Any) -> CallRecord:
    timeline = [{"state": "queued", "at": at(0), "note": None}, {"state": state.value, "at": at(1), "note": note}]
    attempt = {"attempt": 1, "extid": "17", "submitted_at": at(0), "worker": "w", "answer": None, "disposition": None}
    values: dict[str, Any] = {
        "id": "id",
        "extid": "17",
        "wire_extid": "17",
        "state": state,
        "account": "default",
        "priority": "normal",
        "request": REQUEST,
        "disposition": None,
        "reason": None,
        "attempt": 1,
        "tries": 3,
        "created_at": at(0),
        "updated_at": at(1),
        "on_unconfirmed": "wait",
        "redial": None,
        "metadata": {},
        "attempts": [attempt | {"result": None, "conflicting_result": None, "talk_limited_to": None}],
        "timeline": timeline,
    } | dict.fromkeys(("reference", "campaign_id", "owner", "redial_of", "not_before", "expires_at"))
    return CallRecord(**values | changes)


AROUND = CallContext(
    now=int(T * 1000), due=int(T * 1000) + 60_000, deadline=int(T * 1000) + 3_600_000, workers={"w": 1.0}
)


@pytest.mark.parametrize("language", sorted(LANGUAGES))
@pytest.mark.parametrize("state", list(State))
def test_every_state_and_reason_has_a_sentence_in_every_language(state: State, language: str) -> None:
    words = Translator(language, ZONE)
    seen = set()
    for code in ("", *KNOWN[state], "something_new", "typed by somebody; <b>"):
        note = {"status": "status_418", "operator": "operator Aziza_(key_1)"}.get(code, code) or None
        disposition = code if state is State.COMPLETED and code in module.DISPOSITIONS else None
        told = explain(record(state, note, disposition=disposition), AROUND, words)
        assert told.text.strip()
        assert "{" not in told.text
        assert told.level in ("good", "warn", "bad", "plain")
        seen.add(told.text)
        assert not code or reason_text(note, words)
    distinct = {State.SUBMITTED: 1, State.SUBMITTING: 1, State.QUEUED: 1, State.TIMED_OUT: 1}
    assert len(seen) >= distinct.get(state, min(4, len(KNOWN[state])))


@pytest.mark.parametrize(
    ("around", "part"),
    [
        (CallContext(now=0, stopped="fire", workers={"w": 1}), "emergency stop is on. Reason: fire"),
        (CallContext(now=0, stopped="", workers={"w": 1}), "emergency stop is on. Reason: –"),
        (CallContext(now=0, workers={"w": 60}), "no worker is alive"),
        (CallContext(now=0, breaker=True, held_for=30, workers={"w": 1}), "refuses the token of account default"),
        (
            CallContext(now=0, held_for=30, held_why="daily_cap", workers={"w": 1}),
            "the day’s calls or minutes are used up",
        ),
        (CallContext(now=0, held_for=30, held_why="status_503", workers={"w": 1}), "status 503"),
        (CallContext(now=0, campaign="paused", workers={"w": 1}), "its campaign is paused"),
        (CallContext(now=0, workers={"w": 1}), "waits its turn"),
    ],
)
def test_what_holds_a_ready_call_back_is_named(around: CallContext, part: str) -> None:
    assert part in explain(record(State.QUEUED, None), around, Translator("en", ZONE)).text


def codes_in_the_code() -> set[str]:
    """Every reason that a script or a worker writes down, read from their sources."""
    lua = "".join(path.read_text() for path in (Path(alodial.store.__file__).parent / "lua").glob("*.lua"))
    found = set(re.findall(r"move\(\w+, '\w+', '(\w+)'", lua))
    found |= set(re.findall(r"(?:schedule|unconfirm)\(\w+, [^'\n]*'(\w+)'", lua))
    found |= set(re.findall(r"return '(\w+)'(?:, from)?\s+end", lua)) & {
        "do_not_call",
        "phone_not_allowed",
        "frequency_cap",
        "window",
    }
    found |= {"window", "frequency_cap"} if "return 'window'" in lua and "'frequency_cap'" in lua else set()
    source = "".join(path.read_text() for path in Path(answer_classification.__file__).parent.glob("*.py"))
    found |= set(re.findall(r'Verdict\("\w+", "(\w+)"', source))
    found |= set(re.findall(r'known = .*?"(\w+)"$', source, re.M))
    workers = "".join(path.read_text() for path in Path(answer_classification.__file__).parents[1].glob("*.py"))
    found |= set(re.findall(r'NotArmed\("(\w+)"\)', workers))
    found |= {"campaign_canceled", "campaign_completed", "canceled_by_operator", "canceled_by_caller", "daily_cap"}
    return found - {"taken", "campaign_", "o"}


def test_every_reason_of_the_scripts_and_workers_has_a_text() -> None:
    codes = codes_in_the_code()
    assert {"worker_lost", "poison", "expires_at", "ends_at", "do_not_call", "answer_lost", "connect_failed"} <= codes
    assert {"late_result", "on_unconfirmed", "token_refused", "woke_late", "record_unreadable"} <= codes
    known = {code for some in KNOWN.values() for code in some} | {"daily_cap"}
    assert codes - known == set()
    for code in known - {"status", "operator"}:
        assert f"cause.{code}" in catalogue("en") or f"disposition.{code}" in catalogue("en"), code


@pytest.mark.parametrize("state", BAD_ENDS)
def test_every_bad_end_says_what_to_do(state: State) -> None:
    words = Translator("en", ZONE)
    for code in ("", *KNOWN[state], "something_new"):
        told = todo_of(ReasonGroup(state, {"status": "status_400"}.get(code, code), 1, 1, ""), words)
        assert told.strip()
    for code in KNOWN[state]:
        assert f"failed.todo.{code}" in catalogue("en"), code
    assert set(KNOWN) == set(State)
    assert set(KNOWN) >= ENDS
