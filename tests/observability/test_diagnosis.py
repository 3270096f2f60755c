"""What is wrong, from figures: each rule alone."""

import json
from dataclasses import replace
from importlib.resources import files

import pytest

from alodial.observability.diagnosis import TEXTS, diagnose, render_sentence
from alodial.store.events import UnreadEvents
from alodial.store.holds import EmergencyStop
from alodial.store.overview import AccountLimits, AccountState, Overview, QueueState, WorkerState
from alodial.store.webhooks import EndpointHealth

ALIVE = WorkerState("a:1", "a", 1, 0, 0.5, 0, "1")
QUIET = Overview(
    now=1_000_000,
    stop=None,
    accounts=(),
    calls={},
    scheduled=0,
    awaiting=0,
    unconfirmed=0,
    unconfirmed_oldest=0,
    inbox=0,
    inbox_oldest=0,
    orphans=0,
    dead=0,
    workers=(ALIVE,),
    minutes=(),
    campaigns=(),
    endpoints=(),
)
WAITING = (QueueState("normal", 600, 90.0),)


LIMITS = AccountLimits(5, 10)


def account(rate: float = 0, channels: int = 0, limits: AccountLimits | None = LIMITS, **more: object) -> AccountState:
    return AccountState("default", rate, channels, limits, WAITING, **more)  # type: ignore[arg-type]  # what a test names


def codes(now: Overview) -> list[str]:
    return [one.code for one in diagnose(now)]


def test_nothing_is_wrong_with_a_quiet_installation() -> None:
    assert diagnose(QUIET) == []


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        ({"stop": EmergencyStop("why", "who", 940_000)}, ["stopped"]),
        ({"workers": ()}, ["no_worker"]),
        ({"workers": (ALIVE, replace(ALIVE, name="a:2", silent=11.0))}, ["worker_silent"]),
        ({"web_processes": (replace(ALIVE, failing={"events.follower": "ValueError"}),)}, ["web_loop_failing"]),
        ({"web_processes": (replace(ALIVE, failing={"spool.drain": "OSError"}, silent=11.0),)}, []),
        ({"accounts": (account(rate=4.9),)}, ["rate_bound"]),
        ({"accounts": (account(channels=10),)}, ["channels_bound"]),
        ({"accounts": (account(rate=4.9, channels=10),)}, ["channels_bound"]),
        ({"accounts": (account(rate=1.0),)}, ["stuck"]),
        ({"accounts": (account(rate=900.0, limits=AccountLimits(0, 0)),)}, ["stuck"]),
        ({"accounts": (account(limits=None),)}, ["stuck"]),
        ({"accounts": (account(held_for=3.0, held_why="http_429"),)}, ["held"]),
        ({"accounts": (account(breaker=True),)}, ["breaker_open"]),
        ({"accounts": (account(breaker=True, unreachable=True, held_why="connect_failed"),)}, ["breaker_open"]),
        ({"accounts": (account(),), "workers": ()}, ["no_worker"]),
        ({"accounts": (account(),), "stop": EmergencyStop("why")}, ["stopped"]),
        ({"unconfirmed": 1, "unconfirmed_oldest": 5.0}, ["unconfirmed"]),
        ({"inbox": 9, "inbox_oldest": 2.0}, []),
        ({"inbox": 9, "inbox_oldest": 11.0}, ["inbox_lag"]),
        ({"orphans": 1}, ["orphans"]),
        ({"dead": 1}, ["dead"]),
        ({"logs_lost": 1}, ["logs_lost"]),
        ({"events_lost": 1}, ["events_lost"]),
        ({"events_unread": UnreadEvents("billing", 5, 400_000.0, 100, 604_800.0)}, ["events_unread"]),
        ({"events_unread": UnreadEvents("billing", 51, 1.0, 100, 604_800.0)}, ["events_unread"]),
        ({"events_unread": UnreadEvents("billing", 49, 1.0, 100, 604_800.0)}, []),
        ({"endpoints": (EndpointHealth("ab", "https://a/"),)}, []),
        ({"endpoints": (replace(EndpointHealth("ab", "https://a/"), enabled=False),)}, ["webhook_off"]),
        ({"endpoints": (replace(EndpointHealth("ab", "https://a/"), failing_since="2026"),)}, ["webhook_failing"]),
    ],
)
def test_each_trouble_is_found_by_its_figures(change: dict[str, object], wanted: list[str]) -> None:
    now = replace(QUIET, **change)  # type: ignore[arg-type]  # what the table names
    assert codes(now) == wanted
    for one in diagnose(now):
        assert "{" not in render_sentence(one)


def test_the_worst_stands_first() -> None:
    now = replace(QUIET, workers=(), unconfirmed=1, dead=1)
    assert [one.level for one in diagnose(now)] == ["bad", "warn", "info"]


def test_an_old_unconfirmed_call_weighs_more() -> None:
    assert diagnose(replace(QUIET, unconfirmed=1, unconfirmed_oldest=1000.0))[0].level == "warn"


def test_how_long_the_rate_will_take_is_said() -> None:
    (one,) = diagnose(replace(QUIET, accounts=(account(rate=5.0),)))
    assert render_sentence(one) == (
        "The rate is the bottleneck of account default: 5 of 5 a second are used, 600 calls wait, about 2 min."
    )


@pytest.mark.parametrize(
    ("count", "words"), [(1, "1 call is unconfirmed,"), (2, "2 calls are unconf"), (12_000, "12,000 calls are unconf")]
)
def test_one_is_said_otherwise_than_many(count: int, words: str) -> None:
    (one,) = diagnose(replace(QUIET, unconfirmed=count, unconfirmed_oldest=5.0))
    assert render_sentence(one).startswith(words)


def test_the_monitors_english_is_the_terminals() -> None:
    screens = json.loads(files("alodial").joinpath("monitor/locales/en/findings.json").read_text("utf-8"))
    sentences = {name.removeprefix("finding."): text for name, text in screens.items() if not name.endswith(".do")}
    assert sentences == TEXTS
