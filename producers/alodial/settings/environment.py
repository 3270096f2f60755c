"""Where settings come from, and what is wrong with a value as it stands there. Knows names and texts, no setting's meaning."""

import difflib
import io
import ipaddress
import os
import re
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from pydantic import BaseModel, SecretStr

from ..errors import ConfigurationError

PREFIX: Final = "ALODIAL_"
ENV_FILE: Final = ".env"
REDIS_SCHEMES: Final = ("redis", "rediss", "unix", "redis+sentinel", "redis+cluster")
OTHER_NAMES: Final = frozenset(
    {"ALODIAL_DEBUG", "ALODIAL_CHAOS", "ALODIAL_SANDBOX_CALLBACK_URL", "ALODIAL_SANDBOX_TOKEN"}
)
"""Variables of commands and tests, which are no settings."""

_LISTED_SECRETS: Final = frozenset({"callback_secret", "api_keys", "webhooks", "webhook_secret", "alerts"})

_SPOILED_BY_SLASHES: Final = re.compile(r"^[a-z+]+://[^/?#@]*[/?#].*@")


def variable_of(field: str) -> str:
    """The variable of the environment that sets a field."""
    return f"{PREFIX}{field.upper()}"


def read_env_file(path: Path = Path(ENV_FILE)) -> dict[str, str]:
    """Returns the ``ALODIAL_*`` variables of a ``.env``; none where there is no file.

    Raises ConfigurationError for a file that cannot be read or that somebody else can change, with the remedy.
    """
    _check_owner(path)
    # Loaded here: a program that gives its settings itself needs no file.
    from dotenv import dotenv_values  # noqa: PLC0415

    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return {}
    except OSError as exc:
        raise ConfigurationError(f"{path} cannot be read ({exc.strerror}); make it readable for this user") from None
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in raw:
        raise ConfigurationError(f"{path} is UTF-16 text; save it as UTF-8")
    try:
        # Windows' editors put a mark before the first name.
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        line = raw.count(b"\n", 0, exc.start) + 1
        raise ConfigurationError(f"{path} is not UTF-8 text (line {line}); save it as UTF-8") from None
    values = dotenv_values(stream=io.StringIO(text))
    return {name: value for name, value in values.items() if name.startswith(PREFIX) and value is not None}


def _check_owner(path: Path) -> None:
    """Raises ConfigurationError for a file, or its folder, of another user of this machine: they could change what runs."""
    try:
        owners = {path.stat().st_uid, path.resolve().parent.stat().st_uid}
    except OSError:
        return
    if not owners <= {os.getuid(), 0}:
        raise ConfigurationError(
            f"{path}: it or its folder belongs to another user, who could set ALODIAL_ settings in it; "
            "start in a folder of your own, or take the file over with chown"
        )


def unknown_names(known: Collection[str], names: Iterable[str]) -> dict[str, str | None]:
    """Returns the ``ALODIAL_*`` names that are no settings, each with the nearest name that is one, or None."""
    unknown: dict[str, str | None] = {}
    for name in sorted(set(names)):
        if not name.startswith(PREFIX) or name in known or name in OTHER_NAMES:
            continue
        unknown[name] = _nearest(name, known)
    return unknown


def unknown_keyword(name: str, known: Collection[str]) -> str:
    """Returns a sentence for a keyword of ``Settings`` that is no setting."""
    return _not_a_setting(name, _nearest(name, known))


def _nearest(name: str, known: Collection[str]) -> str | None:
    near = difflib.get_close_matches(name, known, 1, 0.8)
    return near[0] if near else None


def _not_a_setting(name: str, near: str | None) -> str:
    remedy = f"did you mean {near}?" if near else "docs/settings.md lists them all"
    return f"{name} is not a setting; {remedy}"


def unknown_settings(known: Collection[str]) -> list[str]:
    """Returns a sentence for each ``ALODIAL_*`` name in the environment and in ``.env`` that is no setting."""
    return [_not_a_setting(*unknown) for unknown in unknown_names(known, [*os.environ, *read_env_file()]).items()]


def sources(known: Collection[str]) -> dict[str, str]:
    """Returns where each setting comes from: ``environment``, ``.env`` or ``default``. The environment wins."""
    file = read_env_file()
    return {name: "environment" if name in os.environ else ENV_FILE if name in file else "default" for name in known}


def namespace_problem(value: str) -> str | None:
    """Returns what is wrong with the first part of the names of keys in Redis, or None."""
    # ASCII only: it stands in patterns of SCAN and in the names of cookies.
    if re.fullmatch(r"[A-Za-z0-9_-]{1,40}", value):
        return None
    if len(value) > 40:
        return "is longer than 40 characters"
    return "may have only letters a-z and A-Z, digits, - and _, such as sales-2"


def visible_settings(settings: BaseModel) -> dict[str, Any]:
    """Returns the value of every setting by its environment name; of a secret only whether it is set."""
    visible: dict[str, Any] = {}
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        label = f"{PREFIX}{name.upper()}"
        if name in {"redis_url", "broker_url", "archive_url"}:
            visible[label] = without_password(value.get_secret_value()) if value is not None else "not set"
        elif isinstance(value, SecretStr) or value is None:
            visible[label] = "set" if value is not None else "not set"
        elif name in _LISTED_SECRETS:
            visible[label] = f"{len(value)} set" if value else "not set"
        elif name == "accounts":
            visible[label] = {
                key: {**account.model_dump(exclude={"token"}), "token": "set" if account.token else "not set"}
                for key, account in value.items()
            }
        elif isinstance(value, tuple | frozenset):
            visible[label] = ",".join(str(part) for part in sorted(value)) if value else "none"
        else:
            visible[label] = value
    return visible


def without_password(url: str) -> str:
    """The URL without its user and its query, which may hold a password too."""
    scheme, _, rest = url.partition("?")[0].partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"


def listed_urls(text: str) -> tuple[str, ...]:
    """Returns the URLs of a list; a comma within one of them does not end it."""
    return tuple(part for part in re.split(r",?\s+|,(?=[a-z][a-z0-9+.-]*://)", text.strip().rstrip(",")) if part)


def secret_problem(text: str) -> str | None:
    """Returns what is wrong with a secret as it was written, None for a usable one."""
    if not text.strip():
        return "is empty; write a value, or remove the line"
    if text[-1] in "\r\n":
        return "ends with a line break, which would be a part of it; remove it"
    if text != text.strip():
        return "begins or ends with white space, which would be a part of it; remove it"
    if len(text) >= 2 and text[0] == text[-1] and text[0] in "\"'":
        return "stands in quotes, which would be a part of it; remove them"
    return None


def checked_secret(value: object) -> object:
    """Returns the value. Raises ValueError for text or a SecretStr that is no usable secret."""
    text = value.get_secret_value() if isinstance(value, SecretStr) else value
    if isinstance(text, str) and (problem := secret_problem(text)):
        raise ValueError(problem)
    return value


def redis_url_problem(url: str) -> str | None:
    """Returns what is wrong with the address of a Redis, without its password; None for a usable one."""
    scheme, separator, rest = url.partition("://")
    if not separator or scheme not in REDIS_SCHEMES:
        return f"must begin with one of {', '.join(s + '://' for s in REDIS_SCHEMES)}, such as redis://127.0.0.1:6379/0"
    if scheme == "unix":
        return None
    if any(char.isspace() for char in rest):
        return "has white space in it; write the hosts with commas only"
    if _SPOILED_BY_SLASHES.match(url) or "#" in rest:
        return "has a /, ? or # in its user or password; write %2F, %3F or %23 instead"
    hosts, _, path = rest.rpartition("@")[2].partition("?")[0].partition("/")
    for host in hosts.split(","):
        if problem := _host_problem(host):
            return problem
    parts = [part for part in path.split("/") if part]
    database = parts[1:2] if scheme == "redis+sentinel" else parts[:1]
    if scheme == "redis+cluster" and parts not in ([], ["0"]):
        return "names a database; a Redis Cluster has only number 0"
    if database and not database[0].isdecimal():
        return "names a database that is not a number; it ends in a number such as /0"
    return None


def archive_url_problem(url: str) -> str | None:
    """Returns what is wrong with the address of the archive, without its password; None for a usable one."""
    scheme, _, rest = url.partition("://")
    if scheme == "sqlite":
        if rest.startswith("/") and rest.strip("/") and "?" not in rest:
            return None
        return "names no file; write sqlite:///archive.db, or sqlite:////var/lib/alodial/archive.db with four slashes"
    if scheme != "postgresql+psycopg":
        return "must begin with sqlite:/// or postgresql+psycopg://"
    if _SPOILED_BY_SLASHES.match(url) or "#" in rest:
        return "has a /, ? or # in its user or password; write %2F, %3F or %23 instead"
    if not rest.rpartition("@")[2].partition("?")[0].partition("/")[2]:
        return "names no database; it ends in /DATABASE"
    return None


def _host_problem(host: str) -> str | None:
    bare = re.sub(r"^\[[^\]]*\]", "", host)
    if bare.count(":") > 1:
        return "has an IPv6 address without brackets; write [::1]:6379"
    port = bare.partition(":")[2]
    if port and not (port.isdecimal() and 0 < int(port) < 65536):  # TCP's ports
        return "has a port that is not a number from 1 to 65535"
    return None


def web_address_problem(url: str) -> str | None:
    """Returns what is wrong with an address of which only scheme, host and port count; None for a usable one."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return "must be http(s)://host[:port]"
    if parts.scheme not in {"http", "https"} or not parts.hostname or "@" in parts.netloc or any(map(str.isspace, url)):
        return "must be http(s)://host[:port] without user, query or fragment"
    if parts.query or parts.fragment or "?" in url or "#" in url:
        return "must be http(s)://host[:port] without user, query or fragment"
    if parts.path.strip("/"):
        return f"has a path; write {parts.scheme}://{parts.netloc} alone, alodial adds AloVoice's path itself"
    return None


def networks_problem(texts: Iterable[str], *, may_be_all: bool) -> str | None:
    """What is wrong with a list of addresses and networks; None when nothing is."""
    for text in texts:
        try:
            network = ipaddress.ip_network(text)
        except ValueError:
            return "each entry is an address or a network, such as 203.0.113.7 or 10.0.0.0/8"
        if network.prefixlen == 0 and not may_be_all:
            return "names all addresses there are, which is nobody to trust; name those of your proxies"
    return None


def value_problem(error: Mapping[str, Any], example: object) -> str:
    """Returns pydantic's complaint in plain words. ``example`` is a usable value, such as the default."""
    context: Mapping[str, Any] = error.get("ctx") or {}
    such_as = "" if example in (None, "", (), {}) or isinstance(example, SecretStr) else f", such as {example}"
    match error["type"]:
        case "string_type":
            return "must be text"
        case "float_parsing" | "float_type" | "finite_number":
            return f"must be a number{such_as}"
        case "int_parsing" | "int_type" | "int_from_float" | "int_parsing_size":
            return f"must be a whole number{such_as}"
        case "bool_parsing" | "bool_type":
            return "must be true or false"
        case "literal_error":
            return f"must be one of {context.get('expected', '')}".replace("'", "")
        case "greater_than":
            return f"must be above {context['gt']:g}{such_as}"
        case "greater_than_equal":
            return f"must be at least {context['ge']:g}{such_as}"
        case "less_than":
            return f"must be below {context['lt']:g}{such_as}"
        case "less_than_equal":
            return f"must be at most {context['le']:g}{such_as}"
        case _:
            return str(error["msg"]).removeprefix("Value error, ")


def is_loopback(host: str) -> bool:
    """Returns whether only this machine can reach the host."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
