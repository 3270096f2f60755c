"""Settings that are wrong in the ways in which people get them wrong: one line each, with the remedy and without the value."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from alodial.errors import ConfigurationError
from alodial.settings import Settings, read_settings
from alodial.store.connect import read_sentinel_url

from .conftest import Alodial

SECRET = "hunter2-hunter2-hunter2"


@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [
        ("API_KEYS", "", "is empty"),
        ("API_KEYS", "  ", "is empty"),
        ("CALLBACK_SECRET", f'"{SECRET}"', "stands in quotes"),
        ("PROVIDER_TOKEN", f"{SECRET}\n", "ends with a line break"),
        ("PROVIDER_TOKEN", f" {SECRET}", "begins or ends with white space"),
        ("WEBHOOK_SECRET", "", "is empty"),
        ("PROVIDER_URL", "https://cld.alovoice.uz/requestcall/" + SECRET, "has a path"),
        ("PROVIDER_URL", "cld.alovoice.uz", "must be http(s)://host[:port]"),
        ("PROVIDER_URL", "https://host:port", "must be http(s)://host[:port]"),
        ("CALLS_PER_SECOND", "five", "must be a number, such as 5"),
        ("CALLS_PER_SECOND", "inf", "must be a number, such as 5"),
        ("RESULT_TIMEOUT", "inf", "must be a number, such as 7200"),
        ("RESULT_TIMEOUT", "nan", "must be a number, such as 7200"),
        ("MAX_TRIES", "1.5", "must be a whole number, such as 10"),
        ("MAX_TRIES", "0", "must be at least 1, such as 10"),
        ("ACCEPT_RISK", "maybe", "must be true or false"),
        ("LOG_LEVEL", "loud", "must be one of debug, info, warning or error"),
        ("ACCOUNTS", '{"sales": ', "is not JSON"),
        ("ACCOUNTS", '{"sales": {"calls_per_second": "x"}}', "sales.calls_per_second: must be a number"),
        ("REFUSED_STATUSES", "400;404", "is not JSON"),
        ("TIMEZONE", "Mars/Base", "is not a zone"),
        ("CALLING_HOURS", "off", "are no hours; write for example: 09:00-20:00"),
        ("REDIS_URL", f"redis://:{SECRET}#1@host:6379/0", "%23"),
        ("REDIS_URL", f"redis://:{SECRET}?1@host:6379/0", "%3F"),
        ("REDIS_URL", f"redis://:{SECRET}/1@host:6379/0", "%2F"),
        ("REDIS_URL", f"redis://:{SECRET}@host:6379/abc", "a database that is not a number"),
        ("REDIS_URL", f"redis://:{SECRET}@host:port/0", "a port that is not a number"),
        ("REDIS_URL", f"redis://:{SECRET}@::1:6379/0", "without brackets"),
        ("REDIS_URL", "redis+sentinel://a:1, b:2/calls/0", "has white space in it"),
        ("REDIS_URL", "redis+sentinel://a:1,b:2/calls/zero", "a database that is not a number"),
        ("REDIS_URL", "localhost:6379", "must begin with one of redis://"),
        ("BROKER_URL", "amqp://host", "must begin with one of redis://"),
    ],
)
def test_a_wrong_value_is_one_line_with_the_name_and_the_remedy_but_not_the_value(
    alodial: Alodial, environment: pytest.MonkeyPatch, name: str, value: str, wanted: str
) -> None:
    environment.setenv(f"ALODIAL_{name}", value)
    for command in (("doctor",), ("status",)):
        done = alodial(*command)
        assert done.code == 1
        error = done.err.splitlines()[0]
        assert error.startswith(f"error: ALODIAL_{name}: ")
        assert wanted in error
        assert SECRET not in done.err + done.out
        assert "Traceback" not in done.err


def test_settings_that_a_program_makes_are_refused_in_the_words_of_the_command_line(
    environment: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        Settings(calls_per_second="many", redis_url=5, webhook_secret=" planted-secret")  # type: ignore[arg-type]
    parts = str(refusal.value).split("; ")
    assert sorted(parts) == [
        "ALODIAL_CALLS_PER_SECOND: must be a number, such as 5",
        "ALODIAL_REDIS_URL: must be text",
        "ALODIAL_WEBHOOK_SECRET: begins or ends with white space, which would be a part of it",
        "remove it",
    ]
    environment.setenv("ALODIAL_MAX_TRIES", "some")
    with pytest.raises(ConfigurationError, match=r"^ALODIAL_MAX_TRIES: must be a whole number, such as 10$"):
        Settings()
    environment.setenv("ALODIAL_MAX_TRIES", "3")
    environment.setenv("ALODIAL_ACCOUNTS", "{sales")
    with pytest.raises(ConfigurationError, match=r"^ALODIAL_ACCOUNTS: is not JSON"):
        Settings()


def test_a_misspelt_setting_of_a_program_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(
        ConfigurationError, match=r"^call_per_second is not a setting; did you mean calls_per_second\?$"
    ):
        Settings(call_per_second=3)  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        ("ALODIAL_MAX_TRIES=7\n".encode("utf-16"), ".env is UTF-16 text; save it as UTF-8"),
        (b"A=1\nALODIAL_MAX_TRIES=\xff\n", ".env is not UTF-8 text (line 2); save it as UTF-8"),
        (None, ".env cannot be read (Is a directory)"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(alodial: Alodial, content: bytes | None, wanted: str) -> None:
    if content is None:
        Path(".env").mkdir()
    else:
        Path(".env").write_bytes(content)
    done = alodial("doctor")
    assert done.code == 1
    assert done.err.startswith(f"error: {wanted}")


@pytest.mark.usefixtures("environment")
def test_the_mark_that_windows_editors_put_first_does_no_harm() -> None:
    Path(".env").write_bytes(b"\xef\xbb\xbfALODIAL_MAX_TRIES=7\r\n")
    assert read_settings().max_tries == 7


@pytest.mark.parametrize("place", ["environment", ".env"])
def test_a_misspelt_name_is_a_warning_with_the_nearest_one(
    alodial: Alodial, environment: pytest.MonkeyPatch, place: str
) -> None:
    if place == "environment":
        environment.setenv("ALODIAL_MAX_CONCURENT_CALLS", "3")
    else:
        Path(".env").write_text("ALODIAL_MAX_CONCURENT_CALLS=3\n")
    checks = [json.loads(line) for line in alodial("doctor", "--json").out.splitlines()[1:]]
    found = [check for check in checks if check["name"] == "setting_unknown"]
    assert [check["level"] for check in found] == ["warning"]
    assert "did you mean ALODIAL_MAX_CONCURRENT_CALLS?" in found[0]["message"]


def test_doctor_says_where_each_setting_comes_from(alodial: Alodial, environment: pytest.MonkeyPatch) -> None:
    Path(".env").write_text("ALODIAL_MAX_TRIES=7\nALODIAL_TIMEZONE=Asia/Samarkand\n")
    environment.setenv("ALODIAL_MAX_TRIES", "8")
    done = json.loads(alodial("doctor", "--json").out.splitlines()[0])
    assert done["settings"]["ALODIAL_MAX_TRIES"] == 8
    assert done["sources"]["ALODIAL_MAX_TRIES"] == "environment"
    assert done["sources"]["ALODIAL_TIMEZONE"] == ".env"
    assert done["sources"]["ALODIAL_RESULT_TIMEOUT"] == "default"
    assert "(environment)" in alodial("doctor").out


@pytest.mark.parametrize(
    "url", ["redis+sentinel://[::1]:26379,[::2]:26379/calls/0", "redis+sentinel://one:26379,[::2]:26379/calls/0"]
)
def test_sentinels_may_have_ipv6_addresses_in_brackets(url: str) -> None:
    assert read_settings(redis_url=url).redis_url.get_secret_value() == url
    service, options = read_sentinel_url(url)
    assert service.nodes[1] == ("::2", 26379)
    assert options["db"] == 0


def test_an_empty_token_of_a_further_account_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"ALODIAL_ACCOUNTS: sales.token: is empty"):
        read_settings(accounts={"sales": {"token": " "}})


LIBRARY = """
import logging, sys
logging.basicConfig(stream=sys.stderr, format="%(levelname)s %(name)s %(message)s")
from alodial.store.logger import LibraryLogger
from alodial.wakeup import log
assert isinstance(log, LibraryLogger)
log.warning("wakeup.send_failed", queue="submit", error="ConnectionError")
"""


def test_the_library_logs_through_the_logging_of_its_host_and_prints_nothing() -> None:
    done = subprocess.run([sys.executable, "-c", LIBRARY], capture_output=True, text=True, check=True)
    assert done.stdout == ""
    assert done.stderr == "WARNING alodial.wakeup wakeup.send_failed queue=submit error=ConnectionError\n"
