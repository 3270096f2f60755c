"""Every setting: name, type, unit, default, and what it is for. docs/settings.md is made from here."""

import math
from datetime import date
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from ..key_limits import DEFAULT_OWN_LIMITS, FrequencyCap
from . import environment

Seconds = float
SecretList = Annotated[tuple[SecretStr, ...], NoDecode]
TextList = Annotated[tuple[str, ...], NoDecode]

SECRETS = (
    *("redis_url", "broker_url", "provider_token", "callback_secret", "api_keys"),
    *("webhook_secret", "sentry_dsn", "archive_url"),
)
BURST_SECONDS = 0.2
"""By default the calls of so long start together: a worker wakes for each tick, which costs more than a call."""

DEFAULT_ACCOUNT = "default"
DEFAULT_NAMESPACE = "alodial"
DEFAULT_HOURS = "09:00-20:00"
DEFAULT_COURTESY_HOURS = "08:00-21:00"


class AccountSettings(BaseModel):
    """An AloVoice account: one token with its own limits, in which 0 means no limit."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    token: SecretStr | None = None
    calls_per_second: float = Field(5, ge=0, le=100_000)
    max_concurrent_calls: int = Field(10, ge=0, le=1_000_000)
    burst: int | None = Field(None, ge=1)
    daily_calls: int = Field(0, ge=0)
    daily_minutes: int = Field(0, ge=0)

    @field_validator("token", mode="before")
    @classmethod
    def _secret(cls, value: object) -> object:
        return environment.checked_secret(value)

    @property
    def burst_calls(self) -> int:
        """Calls that may start at once: those of BURST_SECONDS at the rate, at least 2."""
        return self.burst if self.burst is not None else max(2, math.ceil(self.calls_per_second * BURST_SECONDS))


class SettingsFields(BaseSettings):
    """Every setting with its unit, default and bounds. Times are in seconds. ``Settings`` checks what no bound can say."""

    model_config = SettingsConfigDict(
        env_prefix="ALODIAL_",
        env_file=".env",
        env_file_encoding="utf-8-sig",
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
        allow_inf_nan=False,
    )

    redis_url: SecretStr = Field(
        SecretStr("redis://127.0.0.1:6379/0"), description="The Redis of the call store. The URL may hold a password."
    )
    broker_url: SecretStr | None = Field(None, description="The Redis of Dramatiq, when it is not the store's.")
    namespace: str = Field(
        DEFAULT_NAMESPACE,
        description="Begins every key in Redis: installations with different ones share a Redis and see nothing of each other. "
        "Letters, digits, - and _, at most 40.",
    )
    redis_timeout: Seconds = Field(2, gt=0, le=60, description="How long to wait for an answer of Redis.")
    durability: Literal["fast", "fsync", "replica"] = Field(
        "fast", description="What Redis confirms before a POST leaves: nothing more, its file, or a replica."
    )
    accept_risk: bool = Field(
        False,
        description="Run although Redis could lose calls, all countries are allowed, or AloVoice is asked in clear text.",
    )

    provider_url: str = Field("https://cld.alovoice.uz", description="The address of AloVoice or of the sandbox.")
    provider_was: str = Field(
        "",
        description="The host of ALODIAL_PROVIDER_URL before you changed it: workers refuse a store of another provider.",
    )
    provider_token: SecretStr | None = Field(None, description="The token of the default account.")
    provider_body: Literal["multipart-brackets", "multipart-json", "json"] = Field(
        "multipart-brackets", description="The format of the request body."
    )
    provider_timeout: Seconds = Field(10, gt=0, le=120, description="A whole exchange: connect, send, answer.")
    calls_per_second: float = Field(
        5, ge=0, le=100_000, description="Calls a second of the default account over all workers; 0 for no limit."
    )
    max_concurrent_calls: int = Field(
        10, ge=0, le=1_000_000, description="Channels of the default account; 0 for no limit."
    )
    burst: int | None = Field(
        None,
        ge=1,
        description="Calls that may start together under a rate limit; by default those of 200 ms at the rate, at least 2.",
    )
    daily_calls: int = Field(0, ge=0, description="Calls a day of the default account; 0 for no limit.")
    daily_minutes: int = Field(0, ge=0, description="Minutes of talk a day of the default account; 0 for no limit.")
    accounts: dict[str, AccountSettings] = Field(default_factory=dict, description="Further accounts, as JSON by name.")
    refused_statuses: frozenset[int] = Field(
        frozenset({400, 404, 405, 409, 413, 415, 422}), description="HTTP statuses that refuse a call for good."
    )
    unsent_statuses: frozenset[int] = Field(
        frozenset(), description="Further HTTP statuses after which no telephone rang; such calls are retried."
    )

    result_timeout: Seconds = Field(7200, gt=0, description="How long to wait for a result.")
    channel_timeout: Seconds = Field(3600, gt=0, description="How long a call without a result holds its channel.")
    max_tries: int = Field(
        10, ge=1, le=100, description="POSTs of one attempt that AloVoice refused for now, after which the call fails."
    )
    unreachable_timeout: Seconds = Field(
        86400,
        gt=0,
        description="How long a call without expires_at waits while no connection to AloVoice comes about; then it fails.",
    )
    retry_base: Seconds = Field(1, gt=0, description="The first delay of a retry; it doubles each time, with jitter.")
    retry_max: Seconds = Field(300, gt=0, description="The longest delay of a retry.")
    unconfirmed_redial_delay: Seconds = Field(
        120, ge=0, description='Delay before on_unconfirmed="redial" dials again.'
    )
    orphan_timeout: Seconds = Field(600, ge=0, description="How long a result with an unknown extid is retried.")

    callback_secret: SecretList = Field(
        (), description="The secret in the callback URL; two, comma-separated, while you change it."
    )
    callback_port: int = Field(
        0,
        ge=0,
        le=65535,
        description="A port of `alodial web` for callbacks and probes alone, beside its own; 0 for none.",
    )
    file_cpu_seconds: Seconds = Field(
        300, gt=0, description="Processor time that web spends on checking and storing the file of one request."
    )
    operator_port: int = Field(
        0,
        ge=0,
        le=65535,
        description="A port of `alodial web` for metrics, API documents and probes, which are then nowhere else; 0 for none.",
    )
    callback_sources: TextList = Field(
        (),
        description="Addresses that callbacks may come from, such as `203.0.113.0/24`, comma-separated. Default: all.",
    )
    api_keys: SecretList = Field(
        (),
        description="Keys of the HTTP API, comma-separated; a key with fewer rights: `KEY;name=shop;roles=submit+read;own`.",
    )
    own_key_limits: str = Field(
        DEFAULT_OWN_LIMITS,
        description="Limits of the keys marked `own`, where a key names no other: `daily_calls=5000;recipient_cap=3/1d`.",
    )
    api_requests_per_second: float = Field(
        1000, ge=0, le=1_000_000, description="Requests a second of each key in each web process; 0 for no limit."
    )
    trusted_proxies: TextList = Field(
        (),
        description="Addresses of the proxies in front of `alodial web`, such as `10.0.0.0/8`, comma-separated: "
        "their `X-Forwarded-For` is the client's address.",
    )
    public_url: str = Field(
        "",
        description="Where browsers reach `alodial web`, such as https://calls.example.uz; other host names are refused.",
    )
    trusted_user_header: str = Field(
        "", description="The header in which a trusted proxy names the person it signed in, such as `Remote-User`."
    )
    trusted_groups_header: str = Field(
        "X-Forwarded-Groups", description="The header in which it names that person's groups, comma-separated."
    )
    group_roles: TextList = Field(
        (), description="Roles of groups: `dispatchers=submit+read,admins=submit+read+operate`. Others have none."
    )
    webhooks: SecretList = Field((), description="URLs to which events are sent, comma-separated.")
    webhook_secret: SecretList = Field(
        (),
        description="Signs the webhooks; two, comma-separated, while you change it. `alodial webhooks secret` makes one.",
    )
    webhook_private: bool = Field(
        False, description="Send webhooks also to http URLs, private addresses and any port, for development."
    )
    webhook_timeout: Seconds = Field(15, gt=0, le=60, description="A whole exchange with a webhook's receiver.")
    allowed_prefixes: TextList = Field(
        ("+998",),
        description="E.164 prefixes of the numbers that may be called, comma-separated; * for all.",
    )
    timezone: str = Field("Asia/Tashkent", description="The time zone of calling hours and reports.")
    language: Literal["en", "ru", "uz"] | None = Field(
        None,
        description="The language of alerts, and of what commands say to people. None: English, and the terminal's language.",
    )
    calling_hours: str = Field(
        DEFAULT_HOURS,
        description="Hours of campaigns without hours of their own: `mon-fri 09:00-18:00; sat 10:00-14:00`.",
    )
    courtesy_hours: str = Field(
        DEFAULT_COURTESY_HOURS, description="No campaign places calls outside of these hours; `off` lifts that."
    )
    closing_margin: Seconds = Field(
        60,
        ge=0,
        le=3600,
        description="Campaigns stop this long before their hours end: a call may ring that much later.",
    )
    holidays: Annotated[tuple[date, ...], NoDecode] = Field(
        (), description="Days on which no campaign places calls, such as 2027-03-21, comma-separated."
    )
    frequency_caps: Annotated[tuple[FrequencyCap, ...], NoDecode] = Field(
        (), description="How often one number may be called, in all calls and roles: `3/1d,1/1h`. Default: no cap."
    )
    own_numbers: TextList = Field(
        (), description="Your own phones, such as those of agents, to which no cap applies. Comma-separated, +998..."
    )
    queues: TextList = Field((), description="Queues of the PBX; without them any name of up to 6 digits is one.")
    upload_dir: str | None = Field(
        None,
        description="Folder of uploaded files, on a disk that web processes share; by default `uploads` in ALODIAL_SPOOL_DIR.",
    )
    upload_max_bytes: int = Field(
        4 * 1024**3,
        ge=1024 * 1024,
        description="Above this size of all uploaded files together further ones are refused (503).",
    )

    call_retention: Seconds = Field(30 * 86400, ge=86400, description="How long an ended call's record is kept.")
    archive_url: SecretStr | None = Field(
        None,
        description="The database in which `alodial archive` keeps what has ended: `sqlite:///archive.db` or "
        "`postgresql+psycopg://USER:PASSWORD@HOST/DATABASE`; needs `alodial[archive]`.",
    )
    live_retention: Seconds = Field(
        86400,
        ge=3600,
        description="How long an ended call's record stays in Redis once the archive has it.",
    )
    archive_mask_months: int = Field(
        0, ge=0, le=1200, description="Months after which numbers and texts of archived calls are masked; 0 for never."
    )
    archive_months: int = Field(
        0, ge=0, le=1200, description="Months after which archived calls are deleted, by whole months; 0 for never."
    )
    idempotency_retention: Seconds = Field(
        48 * 3600, ge=86400, description="How long an Idempotency-Key is remembered after its call's end."
    )
    events_keep: int = Field(100_000, ge=1000, description="Events kept for later readers.")
    events_max_age: Seconds = Field(
        7 * 86400, ge=3600, description="When an event beyond those kept is dropped, even if a group has not read it."
    )
    events_max_bytes: int = Field(
        512 * 1024 * 1024,
        ge=1024 * 1024,
        description="Above this size of the event stream the oldest events are dropped, even if a group has not read them.",
    )
    spool_dir: str = Field("var/spool", description="The folder in which callbacks are kept while Redis is away.")
    spool_max_bytes: int = Field(256 * 1024 * 1024, ge=1024, description="Above this size callbacks are answered 503.")

    schedule_ahead: Seconds = Field(
        400 * 86400, ge=86400, description="How far ahead the times of calls and campaigns that come by a key may lie."
    )
    max_in_flight: int = Field(
        2048,
        ge=1,
        le=4096,
        description="POSTs under way in one worker process; fewer where the system allows it fewer open files.",
    )
    log_format: Literal["console", "json"] | None = Field(
        None, description="By default console on a terminal, else json."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="The lowest level logged.")
    logs_keep: int = Field(
        50_000,
        ge=0,
        le=10_000_000,
        description="Log lines of all processes kept in Redis for `alodial logs`; 0 for none.",
    )

    audit_keep: int = Field(
        100_000, ge=1000, le=10_000_000, description="Acts kept for `alodial audit`; as many again of keys marked own."
    )

    sentry_dsn: SecretStr | None = Field(
        None, description="The Sentry project to which workers and web send errors; needs `alodial[sentry]`."
    )
    alerts: SecretList = Field(
        (), description="Apprise URLs that get findings, comma-separated; needs `alodial[alerts]`."
    )
    alert_reminder: Seconds = Field(
        3600, ge=0, description="How often a problem that lasts is sent again; 0 for never."
    )
