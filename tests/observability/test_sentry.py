"""Errors to Sentry: what is sent, and what never is."""

import json
import logging
import sys
from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest
import sentry_sdk
import structlog
from pydantic import SecretStr
from sentry_sdk.envelope import Envelope
from sentry_sdk.transport import Transport

from alodial.errors import ConfigurationError
from alodial.observability import sentry
from alodial.observability.logging import configure
from alodial.observability.redaction import Scrubber, secrets_of
from alodial.settings import Settings

DSN = "https://plantedsentrykey0123456789abcdef@sentry.example/42"
CANARIES = (
    "planted-token-7f3a9c",
    "planted-callback-secret-51b2",
    "planted-api-key-90dd",
    "994412860",
    "plantedsentrykey",
)


class Kept(Transport):
    """A transport that keeps what would be sent."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    def capture_envelope(self, envelope: Envelope) -> None:
        self.texts.append(envelope.serialize().decode())


@pytest.fixture
def kept(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Kept]:
    """Logging as in a worker, with a Sentry that is a list."""
    transport = Kept()
    made = sentry.Reporter
    monkeypatch.setattr(sentry, "Reporter", lambda given, scrub: made(given, scrub, transport=transport))
    configure(
        settings.model_copy(update={"sentry_dsn": SecretStr(DSN), "logs_keep": 0, "log_format": "json"}),
        stream=StringIO(),
        shared=True,
        worker="w1",
    )
    yield transport
    sentry_sdk.get_client().close()
    sentry_sdk.get_global_scope().set_client(None)
    structlog.reset_defaults()


def _event(text: str) -> dict[str, Any]:
    event: dict[str, Any] = json.loads(text.splitlines()[-1])
    return event


def test_an_error_is_sent_with_its_traceback_and_without_secrets_and_numbers(kept: Kept) -> None:
    token, phone = "planted-token-7f3a9c", "+998994412860"
    try:
        raise RuntimeError(f"https://cld.alovoice.uz/requestcall/{token} {phone}")
    except RuntimeError:
        structlog.get_logger("alodial.submit").exception(
            "submit.crashed",
            phone=phone,
            body=f'{{"callto": "{phone}"}}',
            account="default",
            key="planted-api-key-90dd",
        )
    assert len(kept.texts) == 1
    for canary in CANARIES[:-1]:
        assert canary not in kept.texts[0]
    event = _event(kept.texts[0])
    assert event["level"] == "error"
    assert event["tags"]["account"] == "default"
    assert event["tags"]["worker"] == "w1"
    raised = event["exception"]["values"][0]
    assert raised["type"] == "RuntimeError"
    frame = raised["stacktrace"]["frames"][-1]
    assert frame["function"] == "test_an_error_is_sent_with_its_traceback_and_without_secrets_and_numbers"
    assert not {"vars", "context_line", "pre_context", "post_context"} & set(frame)
    assert not {"request", "user", "breadcrumbs"} & set(event)


def test_what_is_no_error_is_not_sent(kept: Kept) -> None:
    structlog.get_logger("alodial").warning("call.unconfirmed")
    structlog.get_logger("alodial").info("call.submitted")
    assert kept.texts == []


def test_errors_of_libraries_and_ones_without_an_exception_are_sent(kept: Kept) -> None:
    try:
        raise ValueError("planted-callback-secret-51b2")
    except ValueError:
        logging.getLogger("uvicorn.error").error("Exception in ASGI application", exc_info=True)
    structlog.get_logger("alodial").critical("store.data_lost", hint="restart")
    first, second = (_event(text) for text in kept.texts)
    assert first["exception"]["values"][0]["type"] == "ValueError"
    assert "planted-callback" not in kept.texts[0]
    assert second["logentry"]["message"] == "store.data_lost"
    assert second["level"] == "fatal"


def test_a_report_that_fails_costs_no_log_line(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_args: object, **_options: object) -> None:
        raise OSError("no")

    monkeypatch.setattr(sentry_sdk, "capture_event", broken)
    structlog.get_logger("alodial").error("actor.failed")
    assert kept.texts == []


def test_a_dsn_without_the_extra_names_the_extra(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sentry_sdk", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'alodial\[sentry\]'"):
        sentry.Reporter(settings.model_copy(update={"sentry_dsn": SecretStr(DSN)}), Scrubber(()))


def test_a_dsn_that_is_none_is_named_and_not_shown(settings: Settings) -> None:
    wrong = settings.model_copy(update={"sentry_dsn": SecretStr("planted-wrong-dsn")})
    with pytest.raises(ConfigurationError, match="ALODIAL_SENTRY_DSN") as raised:
        sentry.Reporter(wrong, Scrubber(secrets_of(wrong)))
    assert "planted" not in str(raised.value)
