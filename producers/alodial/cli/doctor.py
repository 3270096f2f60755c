"""``alodial doctor``: shows the settings in force and checks them, Redis and the workers."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

import typer

from .arguments import Json
from .language import reader
from .output import console, count_of, docs_page, document, safe, say

if TYPE_CHECKING:
    from ..i18n import Translator
    from ..observability.diagnosis import Diagnosis, Severity
    from ..settings import Settings
    from ..store.client import Store
    from ..store.redis_checks import Level, RedisCheck

CHECKED_HERE = frozenset(
    {
        *(
            "stopped",
            "store_full",
            "no_worker",
            "worker_loop_failing",
            "web_loop_failing",
            "webhook_disabled",
            "callback_secret_missing",
        ),
        *("store_evicts", "store_cluster", "store_not_durable", "store_loses_on_failover"),
    }
)
"""Codes of findings that have a check of their own here, or are named by one of the settings."""

LEVELS: "dict[Severity, Level]" = {"problem": "error", "warning": "warning", "info": "info"}
"""Levels of checks for the severities of findings."""

COLOURS = {"ok": "green", "info": "cyan", "warning": "yellow", "error": "red"}


def doctor(as_json: Json = False) -> None:
    """Check the settings, Redis and the workers. Exit code 1 if something is wrong.

    Example: alodial doctor
    """
    from ..settings import load_settings
    from ..settings.environment import sources, visible_settings

    settings = load_settings()
    values = visible_settings(settings)
    t = None if as_json else reader()
    checks = _check_all(settings, t)
    if t is None:
        document({"settings": values, "sources": sources(values)})
        for check in checks:
            row = {"name": check.name, "code": check.finding, "level": check.level}
            document({**row, "message": check.message, "hint": check.hint})
    else:
        out = console()
        out.print(f"[bold]{t('terminal.settings')}[/bold]")
        origins = sources(values)
        for name, value in values.items():
            out.print(
                f"  {name:<34} {safe(_as_written(value))}"
                + ("" if origins[name] == "default" else f"  ({origins[name]})")
            )
        out.print(f"[bold]{t('terminal.checks')}[/bold]")
        marks = {level: t(f"terminal.level.{level}") for level in COLOURS}
        width = max(map(len, marks.values()))
        for check in (_spoken(check, t.language) for check in checks):
            mark = f"[{COLOURS[check.level]}]{marks[check.level]:<{width}}[/]"
            out.print(f"  {mark}  {check.name:<20} {safe(check.message)}")
            if check.hint:
                out.print(f"  {'':<{width}}  {t('terminal.hint')}: {safe(check.hint)}")
        if all(check.level in ("ok", "info") for check in checks):
            out.print(f"[green]{t('terminal.no_problems')}[/green]")
    errors = sum(check.level == "error" for check in checks)
    if errors:
        say(f"error: {count_of(errors, 'problem') if t is None else t.count('terminal.problems', errors)}")
    raise typer.Exit(1 if errors else 0)


def _as_written(value: object) -> object:
    """A setting's value as it is written in ``.env``."""
    if value in ("", {}):
        return "not set"
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.15g}" if isinstance(value, float) else value


def _spoken(check: "RedisCheck", language: str) -> "RedisCheck":
    from dataclasses import replace

    from ..i18n import DEFAULT, translated

    if language == DEFAULT:
        return check
    return replace(check, message=translated(check.message, language), hint=translated(check.hint, language))


def _check_all(settings: "Settings", t: "Translator | None") -> list["RedisCheck"]:
    """Every check; one that says the same as a finding of ``alodial status`` is as severe as that."""
    from dataclasses import replace

    from ..errors import StoreUnavailable
    from ..observability.diagnosis import STORE_AWAY
    from ..store import mark
    from ..store.client import Store
    from ..store.redis_checks import RedisCheck

    checks = list(_check_settings(settings))
    store = Store(settings)
    try:
        checks += _check_redis(store, t)
        severities = {finding.code: LEVELS[finding.severity] for finding in reversed(_findings(store))}
        if "worker_silent" not in severities and store.call(mark.read) is None:
            severities["no_worker"] = "warning"  # none was ever started: what is set up may be right all the same
    except StoreUnavailable as exc:
        remedy = "start Redis, or correct ALODIAL_REDIS_URL"
        return [*checks, RedisCheck("redis", LEVELS["problem"], str(exc), remedy, STORE_AWAY)]
    finally:
        store.close()
    return [
        check if check.level == "ok" else replace(check, level=severities.get(check.finding, check.level))
        for check in checks
    ]


def _findings(store: "Store") -> "list[Diagnosis]":
    """What ``alodial status`` says with the same settings, the worst first."""
    from ..observability.diagnosis import diagnose
    from ..observability.process_findings import settings_findings
    from ..store import overview

    now = store.call(overview.read, store.settings)
    return diagnose(now, own=settings_findings(store.settings))


def _check_settings(settings: "Settings") -> Iterator["RedisCheck"]:
    from ..api_keys import MIN_SECRET, ApiKeys
    from ..errors import ConfigurationError
    from ..observability.setting_risks import risks
    from ..settings import variables
    from ..settings.environment import unknown_settings
    from ..store.redis_checks import RedisCheck

    for sentence in unknown_settings(variables()):
        yield RedisCheck("setting_unknown", "warning", sentence, "correct the name, or remove the variable")
    taken = risks(settings)
    for risk in taken:
        level: Literal["warning", "error"] = "warning" if settings.accept_risk else "error"
        yield RedisCheck(risk.label, level, risk.problem, risk.remedy)
    if "provider.url" not in {risk.label for risk in taken}:
        yield RedisCheck("provider.url", "ok", settings.provider_url)
    for name in settings.account_names:
        if settings.account(name).token is None:
            problem = f"account {name} has no token: workers cannot place its calls"
            hint = "ALODIAL_PROVIDER_TOKEN=..." if name == "default" else "add a token in ALODIAL_ACCOUNTS"
            yield RedisCheck("provider.token", "warning", problem, hint)
        else:
            yield RedisCheck("provider.token", "ok", f"account {name} has a token")
    generate = "python -c 'import secrets; print(secrets.token_urlsafe(24))'"
    for label, name, values in (
        ("callback.secret", "ALODIAL_CALLBACK_SECRET", settings.callback_secret),
        ("api.keys", "ALODIAL_API_KEYS", settings.api_keys),
    ):
        if not values:
            problem = f"{name} is not set: `alodial web` refuses all such requests"
            code = "callback_secret_missing" if label == "callback.secret" else ""
            yield RedisCheck(label, "warning", problem, generate, code)
        elif any(len(value.get_secret_value().partition(";")[0]) < MIN_SECRET for value in values):
            problem = f"{name} is shorter than {MIN_SECRET} characters: `alodial web` does not start"
            yield RedisCheck(label, "error", problem, generate)
        else:
            yield RedisCheck(label, "ok", f"{name} is set")
    try:
        ApiKeys(settings.api_keys)
    except ConfigurationError as exc:
        yield RedisCheck("api.keys", "error", str(exc), f"{docs_page('http.md')} describes the form of keys")
    from .callback_check import check_callback_address

    if (answer := check_callback_address(settings)) is not None:
        yield answer
    yield from _check_webhooks(settings)
    yield _check_spool(settings)


def _check_spool(settings: "Settings") -> "RedisCheck":

    from ..store.redis_checks import RedisCheck
    from ..web.callbacks.spool import unwritable

    if problem := unwritable(settings.spool_folder, make=False):
        problem = f"`alodial web` cannot keep results here while Redis is away: {problem}"
        return RedisCheck("spool_not_writable", "error", problem, "ALODIAL_SPOOL_DIR=a folder that its user may write")
    return RedisCheck("spool", "ok", f"{settings.spool_folder} can be written")


def _check_webhooks(settings: "Settings") -> Iterator["RedisCheck"]:
    from ..errors import ConfigurationError
    from ..store.redis_checks import RedisCheck
    from ..webhooks.config import endpoints_of

    try:
        endpoints = endpoints_of(settings)
    except ConfigurationError as exc:
        yield RedisCheck("webhooks", "error", str(exc), docs_page("webhooks.md"))
        return
    if endpoints:
        yield RedisCheck("webhooks", "ok", f"{count_of(len(endpoints), 'endpoint')}, signed")
        if settings.webhook_private:
            problem = "ALODIAL_WEBHOOK_PRIVATE allows http and addresses of this network"
            yield RedisCheck("webhooks.private", "warning", problem, "remove it if outsiders choose the URLs")


def _check_findings(store: "Store", t: "Translator | None") -> Iterator["RedisCheck"]:
    """The findings of ``alodial status`` that no other check covers, by the same codes."""
    from ..i18n import ENGLISH
    from ..observability.diagnosis import diagnose, render_remedy, render_sentence
    from ..store import overview
    from ..store.redis_checks import RedisCheck

    t = t or ENGLISH
    for finding in diagnose(store.call(overview.read, store.settings)):
        if finding.code not in CHECKED_HERE:
            texts = render_sentence(finding, t), render_remedy(finding, t)
            yield RedisCheck(finding.code, LEVELS[finding.severity], *texts)


def _check_redis(store: "Store", t: "Translator | None" = None) -> Iterator["RedisCheck"]:
    from alodial_schemas.counts import count_text

    from ..observability.process_findings import broker_problem
    from ..store import holds, redis_checks, webhooks, workers
    from ..store.call_context import SILENT_AFTER
    from ..store.redis_checks import RedisCheck

    namespace = store.keys.namespace
    yield RedisCheck("namespace", "ok", f"namespace {namespace}: keys begin with {store.keys.PREFIX}")
    yield from store.call(redis_checks.inspect_for, store.settings)
    if problem := broker_problem(store.settings):
        message = f"the broker's Redis (ALODIAL_BROKER_URL) does not answer: {problem}"
        yield RedisCheck("broker_unreachable", "error", message, "start it, or correct ALODIAL_BROKER_URL")
    yield from _check_findings(store, t)
    stopped = store.call(holds.stopped)
    if stopped is not None:
        yield RedisCheck("stop", "warning", f"the emergency stop is on: {stopped}", "alodial resume", "stopped")
    for endpoint in store.run_steps(webhooks.health_steps):
        if not endpoint.enabled:
            problem = f"{endpoint.url} is off ({endpoint.off_reason}), {count_text(endpoint.parked, 'event')} parked"
            yield RedisCheck(
                "webhook", "warning", problem, f"alodial webhooks enable {endpoint.id}", "webhook_disabled"
            )
    now = store.server_ms()
    alive = [beat for beat in store.call(workers.heartbeats) if now - beat.at < SILENT_AFTER * 1000]
    if alive:
        names = ", ".join(f"{beat.name} ({beat.in_flight} in flight)" for beat in alive)
        yield RedisCheck("workers", "ok", names)
    else:
        yield RedisCheck("workers", "warning", "no worker is alive: calls wait", "alodial worker", "no_worker")
    web = [beat for beat in store.call(workers.heartbeats, store.keys.WEB) if now - beat.at < SILENT_AFTER * 1000]
    for code, process, beats in (
        ("worker_loop_failing", "worker", alive),
        ("web_loop_failing", "web process", web),
    ):
        for beat in beats:
            for loop, error in sorted(beat.failing.items()):
                problem = f"{loop} of {process} {beat.name} fails ({error}); it tries again by itself"
                yield RedisCheck(code, "error", problem, f"alodial logs --worker {beat.name} --level error")
