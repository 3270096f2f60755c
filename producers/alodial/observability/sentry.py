"""Sends errors of workers and web processes to Sentry (extra ``alodial[sentry]``), without secrets and numbers.

A log line of level error or worse is sent with its traceback: no request bodies, local variables, lines of code,
breadcrumbs or addresses. Every text goes through :class:`~alodial.observability.redaction.Scrubber`.
"""

import importlib
import logging
import sys
from typing import Any, Final

from ..errors import ConfigurationError
from ..settings import Settings
from .redaction import Event, Scrubber

LEVELS: Final = frozenset({"error", "critical", "exception"})
TAGS: Final = ("account", "worker", "code", "logger")
DRAIN_TIMEOUT: Final = 2.0
"""Seconds to wait for unsent reports when the process ends."""


class Reporter:
    """A structlog processor that reports errors and passes the line on unchanged. Never raises, never waits."""

    def __init__(self, settings: Settings, scrub: Scrubber, *, transport: Any = None) -> None:
        """``transport`` replaces HTTP, for tests. Raises ConfigurationError when the extra is missing or the DSN is invalid."""
        try:
            sdk: Any = importlib.import_module("sentry_sdk")
            atexit_: Any = importlib.import_module("sentry_sdk.integrations.atexit")
            dedupe: Any = importlib.import_module("sentry_sdk.integrations.dedupe")
        except ImportError:
            raise ConfigurationError(
                "ALODIAL_SENTRY_DSN is set, but sentry-sdk is not installed; run: pip install 'alodial[sentry]'"
            ) from None
        dsn = settings.sentry_dsn.get_secret_value() if settings.sentry_dsn else ""
        # The SDK's own errors would come back here.
        logging.getLogger("sentry_sdk.errors").setLevel(logging.CRITICAL + 1)
        self._scrub = scrub
        self._sdk = sdk
        try:
            sdk.init(
                dsn=dsn,
                before_send=self._before_send,
                before_breadcrumb=lambda _crumb, _hint: None,
                max_breadcrumbs=0,
                include_local_variables=False,
                include_source_context=False,
                max_request_body_size="never",
                default_integrations=False,
                auto_enabling_integrations=False,
                integrations=[atexit_.AtexitIntegration(callback=_silent), dedupe.DedupeIntegration()],
                shutdown_timeout=DRAIN_TIMEOUT,
                **({} if transport is None else {"transport": transport}),
            )
        except Exception:  # its text holds the DSN
            raise ConfigurationError("ALODIAL_SENTRY_DSN: not a DSN; copy it whole from Sentry's project") from None

    def __call__(self, _logger: object, _method: str, event: Event) -> Event:
        if event.get("level") in LEVELS and not str(event.get("logger", "")).startswith("sentry_sdk"):
            try:
                self._send(event)
            except Exception:  # whatever goes wrong with the report, the line must be written
                event["sentry"] = "not_reported"
        return event

    def _send(self, event: Event) -> None:
        fields = {name: value for name, value in event.items() if not name.startswith("_") and name != "exc_info"}
        report: dict[str, Any] = {}
        hint: dict[str, Any] = {}
        if info := event.get("exc_info"):
            utils: Any = importlib.import_module("sentry_sdk.utils")
            error = info if isinstance(info, BaseException | tuple) else sys.exc_info()
            report, hint = utils.event_from_exception(error, client_options=self._sdk.get_client().options)
        name = str(fields.get("event", ""))
        report["level"] = "fatal" if fields.get("level") == "critical" else "error"
        report["logentry"] = {"message": name}
        report["tags"] = {key: str(fields[key]) for key in TAGS if key in fields}
        report["extra"] = {key: value for key, value in fields.items() if key not in ("event", "level", "timestamp")}
        self._sdk.capture_event(report, hint=hint)

    def _before_send(self, event: dict[str, Any], _hint: dict[str, Any]) -> Any:
        for name in ("request", "user", "breadcrumbs", "modules"):
            event.pop(name, None)
        event["extra"] = self._scrub(None, "", dict(event.get("extra", {})))
        event["tags"] = self._scrub(None, "", dict(event.get("tags", {})))
        if "logentry" in event:
            event["logentry"] = {"message": self._scrub.text(str(event["logentry"].get("message", "")))}
        for part in event.get("exception", {}).get("values", []):
            part["value"] = self._scrub.text(str(part.get("value", "")))
            for frame in (part.get("stacktrace") or {}).get("frames", []):
                for name in ("vars", "context_line", "pre_context", "post_context"):
                    frame.pop(name, None)
        return self._without_secrets(event)

    def _without_secrets(self, value: Any) -> Any:
        """Hides secrets in whatever fields an SDK adds; numbers stay, as ids and times look like them."""
        if isinstance(value, str):
            return self._scrub.text(value, numbers=False)
        if isinstance(value, dict):
            return {key: self._without_secrets(part) for key, part in value.items()}
        if isinstance(value, list | tuple):
            return [self._without_secrets(part) for part in value]
        return value


def _silent(_pending: int, _timeout: float) -> None:
    """The SDK would write to standard error."""
