"""Findings as events and messages: with the store, and with Apprise itself and a receiver on this machine."""

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from pydantic import SecretStr

from alodial.cli.app import run
from alodial.errors import ConfigurationError
from alodial.observability import finding_watch
from alodial.observability.alerts import AlertSender, AlertTargets, alert_text
from alodial.observability.diagnosis import Diagnosis
from alodial.observability.finding_changes import FindingChange, known_of
from alodial.observability.finding_watch import FindingWatch
from alodial.observability.process_findings import ProcessFindings
from alodial.settings import Settings, load_settings
from alodial.store import holds, overview
from alodial.store.client import Store
from alodial.store.keys import Keys
from alodial.store.shared_work import hold, save

keys = Keys()

MINUTE = 60_000


class Receiver(HTTPServer):
    """Takes what Apprise's ``json://`` sends; ``status`` is its answer."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.messages: list[dict[str, Any]] = []
        self.status = 200
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"json://token-of-receiver@127.0.0.1:{self.server_port}/"


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.server.status == 200:
            self.server.messages.append(json.loads(body))
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, *_args: object) -> None:
        pass


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    server = Receiver()
    yield server
    server.shutdown()
    server.server_close()


class Shifted:
    """Reads the overview as if it were later."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ms = 0
        read = overview.read

        def shifted(*args: Any) -> overview.Overview:
            now = read(*args)
            return replace(now, now=now.now + self.ms)

        monkeypatch.setattr(finding_watch.overview, "read", shifted)


@pytest.fixture
def shifted(monkeypatch: pytest.MonkeyPatch) -> Shifted:
    return Shifted(monkeypatch)


def events_of(store: Store) -> list[dict[str, Any]]:
    rows: Any = store.redis.xrange(keys.EVENTS)
    return [json.loads(fields[b"event"]) for _, fields in rows]


def watch_of(store: Store, process: str = "a:1") -> FindingWatch:
    return FindingWatch(store, process, ProcessFindings(store.settings))


def test_a_finding_is_one_event_whichever_process_looks_and_another_when_it_is_resolved(
    settings: Settings, shifted: Shifted
) -> None:
    store = Store(settings)
    store.run(holds.stop("wrong list, ask +998901234567", "Anna"))
    first, second = watch_of(store), watch_of(store, "b:2")
    first.look()
    for later in (MINUTE // 2, MINUTE):
        shifted.ms = later
        first.look()
        assert second.look() == [], "the other has the lease"
    store.run(hold(finding_watch.WORK, "a:1", lease=0))
    shifted.ms += 1
    second.look()
    raised = [event for event in events_of(store) if event["data"]["code"] == "stopped"]
    assert [event["type"] for event in raised] == ["alodial.finding.raised"]
    assert raised[0]["data"]["severity"] == "problem"
    assert raised[0]["data"]["command"] == "alodial resume"
    assert "901234567" not in json.dumps(raised)
    store.redis.delete(keys.STOP)
    for later in (2 * MINUTE, 4 * MINUTE):
        shifted.ms = later
        second.look()
    ends = [event["type"] for event in events_of(store) if event["data"]["code"] == "stopped"]
    assert ends == ["alodial.finding.raised", "alodial.finding.resolved"]
    store.close()


def test_a_state_is_saved_once_however_often_it_is_asked_for(settings: Settings) -> None:
    store = Store(settings)
    held = store.run(hold("w", "a", lease=30))
    saving = save("w", "a", lease=30, number=held.number, state='{"x":1}', events=['{"id":"1"}'])
    assert [store.run(saving).outcome for _ in range(2)] == ["saved", "saved"]
    assert store.redis.xlen(keys.EVENTS) == 1
    assert store.run(replace_number(held.number)).outcome == "moved"
    assert store.run(hold("w", "b", lease=30)).outcome == "other"
    store.close()


def replace_number(number: int) -> Any:
    return save("w", "a", lease=30, number=number, state="{}")


def test_a_full_store_still_notes_what_is_wrong(settings: Settings, shifted: Shifted) -> None:
    store = Store(settings)
    store.run(holds.stop("x", "y"))
    watch = watch_of(store)
    watch.look()
    store.redis.config_set("maxmemory", 1)
    try:
        shifted.ms = MINUTE
        codes = {row.finding.code for row in watch.look()}
    finally:
        store.redis.config_set("maxmemory", 0)
    assert "stopped" in codes
    store.close()


def test_one_message_holds_all_that_is_new_with_its_remedy_and_goes_once(
    settings: Settings, shifted: Shifted, receiver: Receiver
) -> None:
    settings = settings.model_copy(update={"alerts": (SecretStr(receiver.url),), "public_url": "https://calls.example"})
    store = Store(settings)
    store.run(holds.stop("ask +998901234567", "Anna"))
    watch = watch_of(store)
    senders = [AlertSender(store, name, AlertTargets(settings)) for name in ("a:1", "b:2")]
    watch.look()
    shifted.ms = MINUTE
    watch.look()
    receiver.status = 500
    assert senders[0].send_due() > 5
    assert receiver.messages == []
    receiver.status = 200
    for sender in senders * 2:
        sender.send_due()
    (message,) = receiver.messages
    assert "problem" in message["title"]
    text = message["message"]
    assert "The emergency stop has been on" in text
    assert "What to do: Resume when the reason is gone. (alodial resume)" in text
    assert "https://calls.example/stop" in text
    assert "901234567" not in text
    assert "token-of-receiver" not in text
    store.close()


def test_a_flood_of_findings_is_one_short_message() -> None:
    silent = [
        Diagnosis("worker_silent", "warning", {"worker": f"w:{n}", "silent_s": 9.0, "in_flight": 0}) for n in range(99)
    ]
    due = [FindingChange("raised", finding) for finding in known_of(silent, 1).values()]
    title, body = alert_text(due)
    assert title == "Alodial: warning and 98 more"
    assert body.splitlines()[-1] == "and 79 more: alodial status"
    assert len(body) < 5_000


def test_a_message_is_in_the_language_of_the_installation(
    settings: Settings, shifted: Shifted, receiver: Receiver
) -> None:
    settings = settings.model_copy(update={"alerts": (SecretStr(receiver.url),), "language": "ru"})
    store = Store(settings)
    store.run(holds.stop("x", "y"))
    watch = watch_of(store)
    watch.look()
    shifted.ms = MINUTE
    watch.look()
    AlertSender(store, "a:1", AlertTargets(settings)).send_due()
    (message,) = receiver.messages
    assert message["title"].startswith("Alodial: проблема")
    assert "Проблема: Аварийная остановка включена" in message["message"]
    assert "Что делать: Возобновите, когда причина устранена. (alodial resume)" in message["message"]
    raised = [event["data"] for event in events_of(store) if event["data"]["code"] == "stopped"]
    assert raised[0]["text"].startswith("Аварийная остановка"), "events say it in the same language"
    store.close()


def test_receivers_that_apprise_does_not_know_are_named_without_their_secrets(settings: Settings) -> None:
    wrong = settings.model_copy(update={"alerts": (SecretStr("bogus://planted-token@x"),)})
    with pytest.raises(ConfigurationError, match=r"ALODIAL_ALERTS: entry 1 \(bogus://...\)") as refused:
        AlertTargets(wrong)
    assert "planted" not in str(refused.value)


def test_the_urls_of_receivers_are_read_from_a_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALODIAL_ALERTS", "tgram://a/1,mailto://u:p@h?to=x,y@z json://h/")
    urls = [url.get_secret_value() for url in Settings(_env_file=None).alerts]
    assert urls == ["tgram://a/1", "mailto://u:p@h?to=x,y@z", "json://h/"]


def test_a_test_message_goes_to_each_receiver_and_names_who_did_not_take_it(
    settings: Settings, receiver: Receiver, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ALODIAL_REDIS_URL", settings.redis_url.get_secret_value())
    monkeypatch.setenv("ALODIAL_ALERTS", receiver.url)
    load_settings.cache_clear()
    try:
        assert run(["alerts", "test", "--json"]) == 0
        receiver.status = 403
        assert run(["alerts", "test"]) == 1
    finally:
        load_settings.cache_clear()
    printed = capsys.readouterr()
    assert '{"receiver":"1 (json)","ok":true}' in printed.out
    assert "receiver 1 (json): not sent" in printed.err
    assert "token-of-receiver" not in printed.out + printed.err
    assert receiver.messages[0]["title"] == "Alodial: test"
