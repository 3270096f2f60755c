"""``alodial doctor``: what is set, what is wrong, and the command that mends it."""

import ipaddress
import time
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit

import typer

from ..errors import StoreUnavailable
from .output import console, document, safe, say

if TYPE_CHECKING:
    from ..settings import Settings
    from ..store.redis_checks import RedisCheck

ADVISED_SECRET = 16
SILENT_AFTER = 15.0
SECRET_LISTS = {"callback_secret", "api_keys", "webhooks", "webhook_secret"}
MARKS = {"ok": "[green]ok[/green]     ", "warning": "[yellow]warning[/yellow]", "error": "[red]error[/red]  "}


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document a line on standard output.")] = False,
) -> None:
    """Check the settings, Redis and the workers. Exit code 1 when something is wrong.

    Example: alodial doctor
    """
    from ..settings import load_settings

    settings = load_settings()
    findings = [*_settings(settings), *_store(settings)]
    if as_json:
        document({"settings": shown_settings(settings)})
        for finding in findings:
            document({"name": finding.name, "level": finding.level, "message": finding.message, "hint": finding.hint})
    else:
        out = console()
        out.print("[bold]settings in force[/bold]")
        for name, value in shown_settings(settings).items():
            out.print(f"  {name:<34} {safe(value)}")
        out.print("[bold]findings[/bold]")
        for finding in findings:
            out.print(f"  {MARKS[finding.level]}  {finding.name:<20} {safe(finding.message)}")
            if finding.hint:
                out.print(f"           hint: {safe(finding.hint)}")
    wrong = sum(finding.level == "error" for finding in findings)
    if wrong:
        say(f"error: {wrong} thing{'s' if wrong > 1 else ''} to mend")
    raise typer.Exit(1 if wrong else 0)


def shown_settings(settings: "Settings") -> dict[str, Any]:
    """Every setting by its environment name; of secrets only whether they are set."""
    from pydantic import SecretStr

    shown: dict[str, Any] = {}
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        label = f"ALODIAL_{name.upper()}"
        if name in {"redis_url", "broker_url"}:
            shown[label] = _host(value.get_secret_value()) if value is not None else "not set"
        elif isinstance(value, SecretStr) or value is None:
            shown[label] = "set" if value is not None else "not set"
        elif name in SECRET_LISTS:
            shown[label] = f"{len(value)} set" if value else "not set"
        elif name == "accounts":
            shown[label] = {
                key: {**account.model_dump(exclude={"token"}), "token": "set" if account.token else "not set"}
                for key, account in value.items()
            }
        elif isinstance(value, tuple | frozenset):
            shown[label] = ",".join(str(part) for part in sorted(value)) if value else "none"
        else:
            shown[label] = value
    return shown


def _host(url: str) -> str:
    """The URL without what may hold a password: its user and its query."""
    scheme, _, rest = url.partition("?")[0].partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"


def _settings(settings: "Settings") -> list["RedisCheck"]:
    from ..store.redis_checks import RedisCheck

    found = []
    parts = urlsplit(settings.provider_url)
    if parts.scheme == "https" or _loopback(parts.hostname or ""):
        found.append(RedisCheck("provider.url", "ok", settings.provider_url))
    else:
        found.append(
            RedisCheck(
                "provider.url", "error", "the token would travel in clear text", "ALODIAL_PROVIDER_URL=https://..."
            )
        )
    for name in settings.account_names:
        if settings.account(name).token is None:
            setting = "ALODIAL_PROVIDER_TOKEN=..." if name == "default" else "give it a token in ALODIAL_ACCOUNTS"
            found.append(
                RedisCheck("provider.token", "warning", f"account {name} has no token: workers cannot call", setting)
            )
        else:
            found.append(RedisCheck("provider.token", "ok", f"account {name} has a token"))
    make = "python -c 'import secrets; print(secrets.token_urlsafe(24))'"
    for label, values in (("callback.secret", settings.callback_secret), ("api.keys", settings.api_keys)):
        setting = "ALODIAL_CALLBACK_SECRET" if label == "callback.secret" else "ALODIAL_API_KEYS"
        if not values:
            found.append(
                RedisCheck(label, "warning", f"{setting} is not set: `alodial web` answers nobody there", make)
            )
        elif any(len(value.get_secret_value().partition(";")[0]) < ADVISED_SECRET for value in values):
            found.append(RedisCheck(label, "warning", f"{setting} is shorter than {ADVISED_SECRET} characters", make))
        else:
            found.append(RedisCheck(label, "ok", f"{setting} is set"))
    return [*found, *_api_keys(settings), *_webhooks(settings)]


def _api_keys(settings: "Settings") -> list["RedisCheck"]:
    from ..api_keys import ApiKeys
    from ..errors import ConfigurationError
    from ..store.redis_checks import RedisCheck

    try:
        ApiKeys(settings.api_keys)
    except ConfigurationError as exc:
        return [RedisCheck("api.keys", "error", str(exc), "docs/http.md says how a key is written")]
    return []


def _webhooks(settings: "Settings") -> list["RedisCheck"]:
    from ..errors import ConfigurationError
    from ..store.redis_checks import RedisCheck
    from ..webhooks.config import endpoints_of

    try:
        endpoints = endpoints_of(settings)
    except ConfigurationError as exc:
        return [RedisCheck("webhooks", "error", str(exc), "docs/webhooks.md")]
    if not endpoints:
        return []
    found = [RedisCheck("webhooks", "ok", f"{len(endpoints)} endpoint{'s' if len(endpoints) != 1 else ''}, signed")]
    if settings.webhook_private:
        message = "ALODIAL_WEBHOOK_PRIVATE allows http and addresses of this network"
        found.append(
            RedisCheck("webhooks.private", "warning", message, "leave it out where people outside choose the URLs")
        )
    return found


def _loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _store(settings: "Settings") -> list["RedisCheck"]:
    from ..store import holds, redis_checks, webhooks, workers
    from ..store.client import Store
    from ..store.sansio import run

    store = Store(settings)
    try:
        found = store.call(redis_checks.inspect)
        beats = store.call(workers.heartbeats)
        stopped = store.call(holds.stopped)
        held = store.call(holds.held)
        fared = store.call(run, webhooks.health_steps())
    except StoreUnavailable as exc:
        return [redis_checks.RedisCheck("redis", "error", str(exc), "start Redis, or correct ALODIAL_REDIS_URL")]
    finally:
        store.close()
    if stopped is not None:
        found.append(
            redis_checks.RedisCheck("stop", "warning", f"the emergency stop is on: {stopped}", "alodial resume")
        )
    for pause in held:
        message = f"account {pause.account} waits {pause.seconds:.0f} s more ({pause.why})"
        found.append(
            redis_checks.RedisCheck(
                "account",
                "error" if pause.breaker else "warning",
                message,
                "check its token, then: alodial resume" if pause.breaker else "",
            )
        )
    found += [
        redis_checks.RedisCheck(
            "webhook",
            "warning",
            f"{one.url} is switched off ({one.off_reason}), {one.parked} events parked",
            f"alodial webhooks enable {one.id}",
        )
        for one in fared
        if not one.enabled
    ]
    now = time.time() * 1000
    living = [beat for beat in beats if now - beat.at < SILENT_AFTER * 1000]
    if living:
        found.append(
            redis_checks.RedisCheck(
                "workers", "ok", ", ".join(f"{beat.name} ({beat.in_flight} in flight)" for beat in living)
            )
        )
    else:
        found.append(redis_checks.RedisCheck("workers", "warning", "no worker is alive: calls wait", "alodial worker"))
    return found
