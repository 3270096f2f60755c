"""The settings of a process: the fields, and the rules that no bound of one field can say."""

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import SecretStr, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails
from pydantic_core.core_schema import ValidationInfo
from pydantic_settings import SettingsError

from alodial_schemas import normalise_phone

from ..errors import ConfigurationError
from ..key_limits import FrequencyCap, limits_from_text
from . import environment
from .fields import (
    DEFAULT_ACCOUNT,
    DEFAULT_COURTESY_HOURS,
    DEFAULT_HOURS,
    DEFAULT_NAMESPACE,
    SECRETS,
    AccountSettings,
    Seconds,
    SettingsFields,
)


class Settings(SettingsFields):
    """The settings of every alodial process, from keywords, the environment and ``.env``. Times are in seconds.

    Printing it shows no secret. Raises ConfigurationError that names each wrong setting and its rule, and no value.
    """

    if not TYPE_CHECKING:  # for editors and type checkers the fields are the parameters

        def __init__(self, **values: Any) -> None:
            _refuse_unknown(values)
            if "_env_file" not in values:
                environment.read_env_file()  # for its errors: the library would raise its own, with tracebacks
            try:
                super().__init__(**values)
            except ValidationError as exc:
                raise ConfigurationError("; ".join([_problem(error) for error in exc.errors()])) from None
            except SettingsError as exc:
                # Its text is: error parsing value for field "accounts" from source "EnvSettingsSource"
                name = environment.variable_of(str(exc).partition('"')[2].partition('"')[0])
                raise ConfigurationError(f"{name}: is not JSON; docs/settings.md shows the form") from None

    @field_validator("redis_url", "broker_url")
    @classmethod
    def _redis(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and (problem := environment.redis_url_problem(value.get_secret_value())):
            raise ValueError(problem)
        return value

    @field_validator("archive_url")
    @classmethod
    def _archive(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and (problem := environment.archive_url_problem(value.get_secret_value())):
            raise ValueError(problem)
        return value

    @field_validator(
        "callback_secret",
        "api_keys",
        "webhooks",
        "webhook_secret",
        "allowed_prefixes",
        "holidays",
        "own_numbers",
        "queues",
        "trusted_proxies",
        "group_roles",
        "callback_sources",
        "alerts",
        mode="before",
    )
    @classmethod
    def _split(cls, value: object, info: ValidationInfo) -> object:
        if isinstance(value, str) and info.field_name == "alerts":
            return environment.listed_urls(value)
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    # Declared after what splits and strips lists: pydantic runs the last one first, so this sees what was written.
    @field_validator(*SECRETS, mode="before")
    @classmethod
    def _secrets(cls, value: object) -> object:
        return environment.checked_secret(value)

    @field_validator("allowed_prefixes")
    @classmethod
    def _prefixes(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if "*" in value:
            return ()
        for prefix in value:
            if not (prefix.startswith("+") and prefix[1:].isascii() and prefix[1:].isdigit()):
                raise ValueError("each prefix is + and digits, such as +998")
        return value

    @field_validator("trusted_proxies", "callback_sources")
    @classmethod
    def _networks(cls, value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        if problem := environment.networks_problem(value, may_be_all=info.field_name == "callback_sources"):
            raise ValueError(problem)
        return value

    @field_validator("frequency_caps", mode="before")
    @classmethod
    def _caps(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        return tuple(FrequencyCap.read(part.strip()) for part in value.split(",") if part.strip())

    @field_validator("own_numbers")
    @classmethod
    def _numbers(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(normalise_phone(number, allowed=()) for number in value)

    @field_validator("own_key_limits")
    @classmethod
    def _own_key_limits(cls, value: str) -> str:
        limits_from_text(value)
        return value

    @field_validator("calling_hours", "courtesy_hours")
    @classmethod
    def _hours(cls, value: str, info: ValidationInfo) -> str:
        usable = (DEFAULT_HOURS, DEFAULT_COURTESY_HOURS, *(("off",) if info.field_name == "courtesy_hours" else ()))
        if value not in usable:
            from alodial_schemas.campaigns import parse_hours  # noqa: PLC0415  # a plain producer need not load it

            parse_hours(value)
        return value

    @field_validator("namespace")
    @classmethod
    def _namespace(cls, value: str) -> str:
        if problem := environment.namespace_problem(value):
            raise ValueError(problem)
        return value

    @field_validator("timezone")
    @classmethod
    def _zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError) as exc:
            raise ValueError("is not a zone of the tz database; write for example Asia/Tashkent") from exc
        return value

    @field_validator("provider_url")
    @classmethod
    def _url(cls, value: str) -> str:
        if problem := environment.web_address_problem(value):
            raise ValueError(problem)
        return value.rstrip("/")

    @field_validator("public_url")
    @classmethod
    def _public(cls, value: str) -> str:
        if value and (not value.startswith(("https://", "http://")) or not urlsplit(value).hostname):
            raise ValueError("must be https://host, as people write it in their browser")
        return value.rstrip("/")

    @model_validator(mode="after")
    def _default_account_is_not_named_twice(self) -> Self:
        if DEFAULT_ACCOUNT in self.accounts:
            raise ValueError(
                "ALODIAL_ACCOUNTS: 'default' is set by ALODIAL_PROVIDER_TOKEN and its limits; give this one another name"
            )
        return self

    @model_validator(mode="after")
    def _keys_do_not_outlive_their_calls(self) -> Self:
        # Once the call of a key is deleted, the same request would ring again.
        if self.call_retention < self.idempotency_retention:
            raise ValueError("ALODIAL_CALL_RETENTION: must not be shorter than ALODIAL_IDEMPOTENCY_RETENTION")
        return self

    @model_validator(mode="after")
    def _masked_before_they_are_deleted(self) -> Self:
        if self.archive_months and self.archive_mask_months > self.archive_months:
            raise ValueError("ALODIAL_ARCHIVE_MASK_MONTHS: must not be above ALODIAL_ARCHIVE_MONTHS")
        return self

    @property
    def live_life(self) -> Seconds:
        """Seconds after its end from which on a record may be gone from Redis: sooner where an archive takes it."""
        if self.archive_url is None:
            return self.call_retention
        return min(self.call_retention, self.live_retention)

    def account(self, name: str) -> AccountSettings:
        """The account of that name. Raises KeyError when there is none."""
        if name == DEFAULT_ACCOUNT:
            return AccountSettings(
                token=self.provider_token,
                calls_per_second=self.calls_per_second,
                max_concurrent_calls=self.max_concurrent_calls,
                burst=self.burst,
                daily_calls=self.daily_calls,
                daily_minutes=self.daily_minutes,
            )
        return self.accounts[name]

    @property
    def spool_folder(self) -> Path:
        """Where callbacks are kept while Redis is away; each namespace has its own."""
        return Path(self.spool_dir) / self._own_folder

    @property
    def upload_folder(self) -> Path:
        """Where uploaded files are while they are read; each namespace has its own."""
        return Path(self.upload_dir) / self._own_folder if self.upload_dir else self.spool_folder / "uploads"

    @property
    def _own_folder(self) -> str:
        # Not the bare name: "uploads" is a namespace too.
        return "" if self.namespace == DEFAULT_NAMESPACE else f"of-{self.namespace}"

    @cached_property
    def account_names(self) -> tuple[str, ...]:
        """The default account's name, then those of ``accounts``."""
        return (DEFAULT_ACCOUNT, *self.accounts)


def _refuse_unknown(keywords: dict[str, Any]) -> None:
    """Raises ConfigurationError for a keyword that is no setting; the library's own begin with an underscore."""
    known = Settings.model_fields
    if unknown := [name for name in keywords if name not in known and not name.startswith("_")]:
        raise ConfigurationError("; ".join(environment.unknown_keyword(name, known) for name in unknown))


def _problem(error: ErrorDetails) -> str:
    """The setting's name and the rule that it breaks, without its value."""
    if not error["loc"]:
        return environment.value_problem(error, None)
    name, *inner = (str(part) for part in error["loc"])
    example = Settings.model_fields[name].get_default() if name in Settings.model_fields and not inner else None
    path = "".join(f" {part}:" for part in (".".join(inner),) if part)
    return f"{environment.variable_of(name)}:{path} {environment.value_problem(error, example)}"
