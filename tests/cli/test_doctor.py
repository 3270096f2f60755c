"""``alodial doctor``, ``stop`` and ``resume``."""

import os
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from alodial.errors import ConfigurationError
from alodial.server.app import create_app
from alodial.settings import read_settings
from alodial.store import workers
from alodial.store.client import Store
from alodial.store.keys import Keys
from alodial_workers.main import run_worker

from .conftest import API_KEY, CALLBACK_SECRET, PROVIDER_TOKEN, Alodial, Done

keys = Keys()


def _findings(done: Done) -> dict[str, Any]:
    return {row["name"]: row for row in done.documents[1:]}


def _beat(store: Store, name: str, seconds_ago: float = 0) -> None:
    at = int((time.time() - seconds_ago) * 1000)
    store.call(workers.write_heartbeat, workers.Heartbeat(name, at, os.getpid(), "host", 3))


def _severities(done: Done) -> dict[str, str]:
    """Of doctor's checks or of status' findings, by code, in the words of findings."""
    if "findings" in done.documents[0]:
        return {row["code"]: row["severity"] for row in done.documents[0]["findings"]}
    rows = (row for row in done.documents[1:] if row["level"] != "ok")
    return {row["code"]: {"error": "problem"}.get(row["level"], row["level"]) for row in rows}


def test_doctor_and_status_say_of_each_finding_that_it_is_equally_severe(
    alodial: Alodial, environment: pytest.MonkeyPatch, store: Store
) -> None:
    environment.setenv("ALODIAL_MAX_CONCURENT_CALLS", "3")
    environment.delenv("ALODIAL_CALLBACK_SECRET")
    alodial("stop", "--reason", "wrong list")
    _beat(store, "gone", seconds_ago=60)
    status, doctor = alodial("status", "--json"), alodial("doctor", "--json")
    severe = _severities(status)
    expected = {"stopped": "problem", "no_worker": "problem", "worker_silent": "warning", "setting_unknown": "warning"}
    assert severe.items() >= (expected | {"callback_secret_missing": "problem"}).items()
    assert {code: severity for code, severity in _severities(doctor).items() if code in severe} == severe
    assert status.code == doctor.code == 1


def test_a_worker_that_was_never_started_is_no_error(alodial: Alodial) -> None:
    done = alodial("doctor", "--json")
    assert (done.code, _findings(done)["workers"]["level"]) == (0, "warning")


def test_a_sound_installation_has_no_errors(alodial: Alodial, store: Store) -> None:
    _beat(store, "w1")
    done = alodial("doctor", "--json")
    assert done.code == 0
    found = _findings(done)
    for name in ("provider.url", "provider.token", "callback.secret", "api.keys", "redis.version", "workers"):
        assert found[name]["level"] == "ok"
    assert found["workers"]["message"] == "w1 (3 in flight)"
    assert "account" not in found
    assert "stop" not in found


def test_settings_are_shown_as_they_are_written(alodial: Alodial) -> None:
    shown = dict(line.split(maxsplit=1) for line in alodial("doctor").out.splitlines() if line.startswith("  ALODIAL_"))
    assert shown["ALODIAL_ACCEPT_RISK"] in ("false", "true  (environment)")
    assert shown["ALODIAL_PROVIDER_WAS"] == "not set"
    assert shown["ALODIAL_RESULT_TIMEOUT"] == "7200"


def test_a_spool_that_cannot_be_written_is_an_error(
    alodial: Alodial, environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    environment.setenv("ALODIAL_SPOOL_DIR", str(tmp_path / "file"))
    done = alodial("doctor", "--json")
    assert done.code == 1
    assert _findings(done)["spool_not_writable"]["level"] == "error"


def test_secrets_are_reported_as_set_and_never_printed(alodial: Alodial, environment: pytest.MonkeyPatch) -> None:
    environment.setenv("ALODIAL_WEBHOOKS", "https://example.com/planted-path")
    environment.setenv("ALODIAL_WEBHOOK_SECRET", "planted-webhook-secret")
    environment.setenv("ALODIAL_ACCOUNTS", '{"second": {"token": "planted-second-token"}}')
    for done in (alodial("doctor"), alodial("doctor", "--json")):
        for secret in (PROVIDER_TOKEN, CALLBACK_SECRET, API_KEY, "planted-"):
            assert secret not in done.out + done.err
    shown = done.documents[0]["settings"]
    assert shown["ALODIAL_PROVIDER_TOKEN"] == "set"
    assert shown["ALODIAL_API_KEYS"] == shown["ALODIAL_WEBHOOKS"] == shown["ALODIAL_WEBHOOK_SECRET"] == "1 set"
    assert shown["ALODIAL_BROKER_URL"] == shown["ALODIAL_LOG_FORMAT"] == "not set"
    assert shown["ALODIAL_ACCOUNTS"]["second"]["token"] == "set"


@pytest.mark.parametrize(
    "url", ["redis://me:planted-pass@127.0.0.1:1/0", "redis://127.0.0.1:1/0?password=planted-pass"]
)
def test_redis_away_is_an_error_that_shows_no_password(
    url: str, alodial: Alodial, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("ALODIAL_REDIS_URL", url)
    done = alodial("doctor", "--json")
    assert done.code == 1
    assert done.documents[0]["settings"]["ALODIAL_REDIS_URL"] == "redis://127.0.0.1:1/0"
    assert _findings(done)["redis"]["level"] == "error"
    assert "planted-pass" not in done.out + done.err


@pytest.mark.parametrize(
    ("url", "level"),
    [("http://example.com", "error"), ("http://127.0.0.1:8090", "ok"), ("http://localhost:1", "ok")],
)
def test_the_token_may_travel_in_clear_text_on_this_machine_only(
    url: str, level: str, alodial: Alodial, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("ALODIAL_PROVIDER_URL", url)
    done = alodial("doctor", "--json")
    assert _findings(done)["provider.url"]["level"] == level


def test_calling_every_country_is_called_what_it_is_and_has_to_be_accepted(
    alodial: Alodial, environment: pytest.MonkeyPatch
) -> None:
    for value in ("*", ""):
        environment.setenv("ALODIAL_ALLOWED_PREFIXES", value)
        done = alodial("doctor", "--json")
        assert done.code == 1
        assert _findings(done)["prefixes.all"]["level"] == "error"
        assert "numbers of every country" in _findings(done)["prefixes.all"]["message"]
        with pytest.raises(ConfigurationError, match=r"ALODIAL_ALLOWED_PREFIXES.*ALODIAL_ACCEPT_RISK"):
            create_app(read_settings())
    environment.setenv("ALODIAL_ACCEPT_RISK", "true")
    assert _findings(alodial("doctor", "--json"))["prefixes.all"]["level"] == "warning"
    create_app(read_settings())


def test_numbers_and_token_leave_in_clear_text_only_if_that_is_accepted(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("ALODIAL_PROVIDER_URL", "http://cld.example")
    for start in (create_app, run_worker):
        with pytest.raises(ConfigurationError, match=r"ALODIAL_PROVIDER_URL.*clear text"):
            start(read_settings())


def test_settings_in_a_folder_of_somebody_else_are_refused(
    alodial: Alodial, environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("ALODIAL_PROVIDER_URL=https://evil.example\n")
    assert alodial("doctor", "--json").documents[0]["settings"]["ALODIAL_PROVIDER_URL"] == "https://evil.example"
    environment.setattr(os, "getuid", lambda: 4711)
    if (tmp_path / ".env").stat().st_uid == 0:
        environment.setattr(Path, "stat", lambda path, **_: SimpleNamespace(st_uid=4712))
    done = alodial("doctor")
    assert done.code == 1
    assert "belongs to another user" in done.err
    assert "evil.example" not in done.out + done.err


def test_missing_and_short_secrets_are_warned_of(alodial: Alodial, environment: pytest.MonkeyPatch) -> None:
    environment.delenv("ALODIAL_API_KEYS")
    environment.delenv("ALODIAL_PROVIDER_TOKEN")
    environment.setenv("ALODIAL_CALLBACK_SECRET", "fifteen-letters")
    done = alodial("doctor", "--json")
    found = _findings(done)
    levels = [found[name]["level"] for name in ("api.keys", "provider.token", "callback.secret")]
    assert levels == ["warning", "warning", "error"]
    assert "shorter than 16" in found["callback.secret"]["message"]
    assert all(found[name]["hint"] for name in ("api.keys", "provider.token", "callback.secret"))
    assert done.code == 1


def test_an_unfit_redis_is_reported_with_the_command_that_fixes_it(alodial: Alodial, store: Store) -> None:
    _beat(store, "w1")
    store.call(lambda client, _: client.config_set("maxmemory-policy", "allkeys-lru"))
    try:
        done = alodial("doctor")
    finally:
        store.call(lambda client, _: client.config_set("maxmemory-policy", "noeviction"))
    assert done.code == 1
    assert "hint: redis-cli CONFIG SET maxmemory-policy noeviction" in done.out
    assert "1 problem" in done.err


def test_a_worker_that_stopped_responding_is_not_alive(alodial: Alodial, store: Store) -> None:
    _beat(store, "gone", seconds_ago=60)
    assert _findings(alodial("doctor", "--json"))["workers"]["level"] == "error"
    _beat(store, "here")
    assert _findings(alodial("doctor", "--json"))["workers"]["message"] == "here (3 in flight)"


def test_the_emergency_stop_is_shown_with_its_reason_until_it_is_lifted(alodial: Alodial) -> None:
    stopped = alodial("stop", "--reason", "wrong [list]")
    assert (stopped.code, stopped.out) == (0, "")
    assert "hint: alodial resume" in stopped.err
    assert "wrong [list]" in alodial("doctor").out
    assert alodial("resume").code == 0
    assert "stop" not in _findings(alodial("doctor", "--json"))


def test_a_breaker_is_an_error_and_a_pause_a_warning_until_they_are_lifted(alodial: Alodial, store: Store) -> None:
    later = int((time.time() + 600) * 1000)
    for name, fields in (("shut", {"hold": later, "why": "status_401", "brk": 1}), ("slow", {"hold": later})):
        store.call(lambda client, _, n=name: client.sadd(keys.ACCOUNTS, n))  # type: ignore[misc]  # lambda default
        store.call(lambda client, _, n=name, f=fields: client.hset(keys.account(n), mapping=f))  # type: ignore[misc]  # as above

    def accounts() -> dict[str, str]:
        rows = alodial("doctor", "--json").documents[1:]
        return {
            name: row["level"]
            for row in rows
            for name in ("shut", "slow")
            if row["code"] in {"breaker_open", "account_held"} and f"ccount {name}" in row["message"]
        }

    assert accounts() == {"shut": "error", "slow": "warning"}
    done = alodial("doctor")
    assert "AloVoice refuses the token of account shut" in done.out
    assert done.code == 1
    alodial("resume", "--account", "shut")
    assert accounts() == {"slow": "warning"}
    alodial("resume")
    assert accounts() == {}


def test_settings_that_cannot_be_read_are_named_without_their_value(
    alodial: Alodial, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("ALODIAL_CALLS_PER_SECOND", "planted-value")
    for command in (("doctor",), ("calls", "list")):
        done = alodial(*command)
        assert (done.code, done.out) == (1, "")
        assert done.err.startswith("error: ALODIAL_CALLS_PER_SECOND: ")
        assert "planted-value" not in done.err
        assert "hint: alodial doctor" not in done.err
