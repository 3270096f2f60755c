"""What is wrong, from figures: each rule alone."""

import json
import re
from dataclasses import replace
from datetime import UTC
from importlib.resources import files

import pytest
from pydantic import SecretStr

from alodial.i18n import FORMS, LANGUAGES, Translator, catalogue
from alodial.observability.diagnosis import diagnose, render_remedy, render_sentence
from alodial.observability.finding_texts import REMEDIES, TEXTS
from alodial.observability.process_findings import settings_findings
from alodial.settings import Settings
from alodial.store.archiving import ArchiveState
from alodial.store.events import UnreadEvents
from alodial.store.fitness import StoreFitness
from alodial.store.holds import EmergencyStop
from alodial.store.missing_results import MissingResults
from alodial.store.overview import (
    AccountLimits,
    AccountState,
    MinuteCounts,
    Overview,
    QueueState,
)
from alodial.store.ready_calls import LiveCampaign
from alodial.store.refused_callbacks import RefusedCallbacks
from alodial.store.webhooks import EndpointHealth
from alodial.store.workers import WorkerState

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
    return AccountState("default", rate, channels, limits, WAITING, **{"free_oldest": 90.0} | more)  # type: ignore[arg-type]  # what a test names


def codes(now: Overview) -> list[str]:
    return [one.code for one in diagnose(now)]


def test_a_risk_that_is_accepted_is_a_warning_and_otherwise_a_problem(settings: Settings) -> None:
    address = SecretStr("redis+sentinel://127.0.0.1:26379/calls/0")
    for accepted, severity in ((False, "problem"), (True, "warning")):
        process = settings.model_copy(update={"redis_url": address, "accept_risk": accepted})
        (finding,) = diagnose(QUIET, own=settings_findings(process))
        assert (finding.code, finding.severity) == ("store_loses_on_failover", severity)


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
        ({"accounts": (account(channels=10),)}, ["channels_full"]),
        ({"accounts": (account(rate=4.9, channels=10),)}, ["channels_full"]),
        ({"accounts": (account(rate=1.0),)}, ["stuck"]),
        ({"accounts": (account(rate=900.0, limits=AccountLimits(0, 0)),)}, ["stuck"]),
        ({"accounts": (account(limits=None),)}, ["stuck"]),
        ({"accounts": (account(held_for=3.0, held_why="http_429"),)}, ["account_held"]),
        ({"accounts": (account(breaker=True),)}, ["breaker_open"]),
        ({"accounts": (account(breaker=True, unreachable=True, held_why="connect_failed"),)}, ["breaker_open"]),
        ({"accounts": (account(),), "workers": ()}, ["no_worker"]),
        ({"accounts": (account(),), "stop": EmergencyStop("why")}, ["stopped"]),
        ({"unconfirmed": 1, "unconfirmed_oldest": 5.0}, ["unconfirmed_old"]),
        ({"inbox": 9, "inbox_oldest": 2.0}, []),
        ({"inbox": 9, "inbox_oldest": 11.0}, ["inbox_lag"]),
        ({"orphans": 1}, ["orphans"]),
        ({"dead": 1}, ["dead_results"]),
        ({"logs_lost": 1}, ["logs_lost"]),
        ({"fitness": StoreFitness("allkeys-lru")}, ["store_evicts"]),
        ({"fitness": StoreFitness(cluster=True)}, ["store_cluster"]),
        ({"fitness": StoreFitness(append_only=False)}, ["store_not_durable"]),
        ({"workers": (replace(ALIVE, findings={"broker_unreachable": "refused"}),)}, ["broker_unreachable"]),
        ({"web_processes": (replace(ALIVE, findings={"spool_not_writable": "full"}),)}, ["spool_not_writable"]),
        ({"web_processes": (replace(ALIVE, findings={"clock_differs": "9 s"}, silent=11.0),)}, []),
        ({"events_lost": 1}, ["events_lost"]),
        ({"events_unread": UnreadEvents("billing", 5, 400_000.0, 100, 604_800.0)}, ["events_unread"]),
        ({"events_unread": UnreadEvents("billing", 51, 1.0, 100, 604_800.0)}, ["events_unread"]),
        ({"events_unread": UnreadEvents("billing", 49, 1.0, 100, 604_800.0)}, []),
        ({"archives": True}, ["archive_behind"]),
        ({"archives": True, "archive": ArchiveState(4.0, 5, "sqlite:///a.db")}, []),
        ({"archives": True, "archive": ArchiveState(400.0, 5, "sqlite:///a.db")}, ["archive_behind"]),
        ({"archives": True, "archive": ArchiveState(70.0, 5, "", "no space", "full")}, ["archive_behind"]),
        ({"archives": True, "archive": ArchiveState(70.0, 5, "", "refused", "unavailable")}, ["archive_behind"]),
        ({"archive": ArchiveState(9e9, 5, "sqlite:///a.db")}, []),
        ({"endpoints": (EndpointHealth("ab", "https://a/"),)}, []),
        ({"endpoints": (replace(EndpointHealth("ab", "https://a/"), enabled=False),)}, ["webhook_disabled"]),
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
    assert [one.severity for one in diagnose(now)] == ["problem", "warning", "info"]


def test_an_old_unconfirmed_call_weighs_more() -> None:
    assert diagnose(replace(QUIET, unconfirmed=1, unconfirmed_oldest=1000.0))[0].severity == "warning"


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


@pytest.mark.parametrize(("count", "words"), [(1, "1 звонок не"), (3, "3 звонка не"), (12, "12 звонков не")])
def test_russian_has_its_own_plurals(count: int, words: str) -> None:
    (finding,) = diagnose(replace(QUIET, unconfirmed=count, unconfirmed_oldest=5.0))
    assert render_sentence(finding, Translator("ru", UTC)).startswith(words)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_forms_of_a_finding_are_those_of_its_language(language: str) -> None:
    for key, text in catalogue(language).items():
        if key.startswith("finding."):
            for forms in re.findall(r"{\w+:([^}]*)}", text):
                assert len(forms.split("|")) == len(FORMS[language]), key


def test_why_an_account_pauses_is_said_in_words() -> None:
    held = replace(account(), held_why="too_many_requests", held_for=5.0)
    (finding,) = diagnose(replace(QUIET, accounts=(held,)))
    assert render_sentence(finding).endswith("pauses for 5 s more: AloVoice said: too many requests.")
    assert "too_many" not in render_sentence(finding, Translator("uz", UTC))


def test_the_monitors_english_is_the_terminals() -> None:
    screens = json.loads(files("alodial").joinpath("locales/en/findings.json").read_text("utf-8"))
    sentences = {name.removeprefix("finding."): text for name, text in screens.items() if not name.endswith(".do")}
    assert sentences == TEXTS
    remedies = {
        name.removeprefix("finding.").removesuffix(".do"): text
        for name, text in screens.items()
        if name.endswith(".do")
    }
    assert remedies == REMEDIES


LOST = MissingResults((1, 0, 0), None, 50.0)


@pytest.mark.parametrize(
    ("missing", "wanted"),
    [
        (LOST, ["results_missing"]),
        (replace(LOST, counts=(0, 0, 0)), []),
        (replace(LOST, silent=50.0), []),
        (MissingResults((9, 0, 0), 60.0, 60.0), []),
        (MissingResults((10, 0, 0), 60.0, 60.0), ["results_missing"]),
        (MissingResults((3, 3, 0), 200.0, 200.0), ["results_missing"]),
        (MissingResults((1, 1, 1), 700.0, 700.0), ["results_missing"]),
    ],
)
def test_a_long_talk_is_no_missing_result_and_many_calls_without_any_are(
    missing: MissingResults, wanted: list[str]
) -> None:
    assert codes(replace(QUIET, awaiting=1, missing=missing)) == wanted


def test_results_that_do_not_arrive_stand_above_all_and_nobody_is_sent_to_raise_the_channels() -> None:
    now = replace(
        QUIET,
        stop=EmergencyStop("why"),
        awaiting=10,
        missing=LOST,
        refused=RefusedCallbacks(7, "trailing_slash"),
        accounts=(account(channels=10),),
    )
    assert codes(now) == ["callbacks_refused", "results_missing", "stopped"]
    assert codes(replace(now, stop=None)) == ["callbacks_refused", "results_missing"]
    for one in diagnose(now):
        assert "MAX_CONCURRENT" not in render_remedy(one)


def test_guesses_at_the_secret_are_a_warning_while_results_come() -> None:
    (one,) = diagnose(replace(QUIET, awaiting=3, missing=MissingResults((0, 0, 0), 1.0), refused=RefusedCallbacks(5)))
    assert (one.code, one.severity, one.reason) == ("callbacks_refused", "warning", "secret")


def test_without_a_callback_secret_no_result_can_arrive() -> None:
    (one,) = diagnose(replace(QUIET, takes_callbacks=False))
    assert (one.code, one.severity) == ("callback_secret_missing", "problem")
    known = replace(QUIET, takes_callbacks=False, missing=MissingResults((0, 0, 0), 60.0))
    assert codes(known) == [], "another process has the secret: results come"


def test_channels_are_no_bottleneck_while_callbacks_are_refused_and_no_result_comes() -> None:
    full = replace(QUIET, accounts=(account(channels=10),), refused=RefusedCallbacks(9), awaiting=10)
    assert codes(replace(full, missing=MissingResults((0, 0, 0), 20.0))) == ["callbacks_refused"]
    assert codes(replace(full, missing=MissingResults((0, 0, 0), 1.0))) == ["callbacks_refused", "channels_full"]


def test_the_rate_in_use_is_never_said_to_be_above_its_limit() -> None:
    (one,) = diagnose(replace(QUIET, accounts=(account(rate=5.298529062),)))
    assert "5 of 5 a second are used" in render_sentence(one)


def test_a_campaign_outside_its_hours_is_named_with_the_time_to_their_opening() -> None:
    campaign = LiveCampaign("c1", "night", "running", "default", 0, "closed", 30, 7200.0)
    (one,) = diagnose(replace(QUIET, campaigns=(campaign,)))
    assert (one.code, one.severity) == ("campaign_bound", "info")
    assert render_sentence(one) == "Campaign night is outside its hours: 30 calls wait, for 2 h more."


def test_calls_that_their_campaign_holds_back_are_not_stuck() -> None:
    campaign = LiveCampaign("c1", "spring", "running", "default", 600, "pace")
    now = replace(QUIET, campaigns=(campaign,), accounts=(account(bound=600, free_oldest=0.0),))
    (one,) = diagnose(now)
    assert (one.code, one.severity) == ("campaign_bound", "info")
    assert render_sentence(one) == "Campaign spring: its own pace holds 600 calls back."
    both = diagnose(replace(now, accounts=(account(bound=599),)))
    assert [one.code for one in both] == ["stuck", "campaign_bound"]
    assert "1 call waits" in render_sentence(both[0])


def test_workers_that_differ_are_named_with_what_differs() -> None:
    other = replace(ALIVE, name="b:2", version="2", marks={"limits": "x", "provider": "p"})
    now = replace(QUIET, workers=(replace(ALIVE, marks={"limits": "y", "provider": "p"}), other))
    (one,) = diagnose(now)
    assert one.code == "workers_differ"
    assert render_sentence(one) == "Workers do not have the same limits, version: a:1, b:2."


def test_many_rejections_are_no_matter_of_single_numbers() -> None:
    minute = MinuteCounts(0, 30, 0, {"rejected": 20}, {})
    assert codes(replace(QUIET, minutes=(minute,))) == ["mass_rejection"]
    assert codes(replace(QUIET, minutes=(replace(minute, armed=50),))) == []
    assert codes(replace(QUIET, minutes=(minute, *[replace(minute, ends={})] * 5))) == []


def test_processes_that_say_the_same_of_their_settings_are_named_together() -> None:
    said = {"setting_unknown": "ALODIAL_X is not a setting"}
    now = replace(QUIET, workers=(replace(ALIVE, findings=said),))
    (one,) = diagnose(now, own=said)
    assert render_sentence(one) == "ALODIAL_X is not a setting (a:1, this command)."
