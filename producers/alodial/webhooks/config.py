"""Reads and checks the webhook endpoints and signing secrets of the settings."""

import base64
import binascii
import hashlib
import re
import secrets
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from pydantic import SecretStr

from ..errors import ConfigurationError, InvalidEndpoint
from ..settings import Settings

PORTS: Final = (443, 8443)
"""Where https endpoints may listen, unless ALODIAL_WEBHOOK_PRIVATE allows every port."""

PREFIX: Final = "whsec_"
MIN_SECRET: Final = 16
"""Bytes of a secret; Standard Webhooks asks for 24, generators of other programs make 16."""

_HOST: Final = re.compile(r"[A-Za-z0-9_.:-]{1,253}")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A URL that receives events. ``id`` is the first 12 hex digits of its SHA-256; deliveries are stored and listed by it."""

    id: str
    url: SecretStr
    host: str
    port: int
    tls: bool
    target: str
    """Path and query, as the request line has them."""

    @property
    def display_url(self) -> str:
        """The URL for people: scheme and host alone, because a token may stand in the path or the query; the id tells which."""
        scheme, default = ("https", 443) if self.tls else ("http", 80)
        port = "" if self.port == default else f":{self.port}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{scheme}://{host}{port}"


def endpoint_id(url: str) -> str:
    """Returns the id of the endpoint with this URL."""
    return hashlib.sha256(url.encode()).hexdigest()[:12]


def read_endpoint(url: str, number: int, *, private: bool) -> Endpoint:
    """Returns the endpoint of URL ``number`` of ALODIAL_WEBHOOKS; ``private`` allows http and every port.

    Raises ConfigurationError that names the number and never the URL.
    """
    try:
        return parse_endpoint(url, private=private)
    except InvalidEndpoint as exc:
        raise ConfigurationError(f"ALODIAL_WEBHOOKS: URL {number} {exc.problem}; {exc.remedy}") from None


def parse_endpoint(url: str, *, private: bool) -> Endpoint:
    """Returns the endpoint of a URL; ``private`` allows http and every port. Raises InvalidEndpoint, without the URL."""

    def wrong(code: str, problem: str, remedy: str) -> InvalidEndpoint:
        return InvalidEndpoint(f"url_{code}", problem, remedy)

    if not url.isascii() or not url.isprintable() or " " in url or "\\" in url or len(url) > 2000:
        raise wrong("characters", "holds characters that no URL has, or is too long", "write others as %XX")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise wrong("unreadable", "is not a URL", "write https://host/path") from None
    if parts.scheme not in ("https", "http") or not parts.hostname:
        raise wrong("unreadable", "is not a URL", "write https://host/path")
    if parts.scheme == "http" and not private:
        remedy = "set ALODIAL_WEBHOOK_PRIVATE=true to send to it all the same, for development"
        raise wrong("not_https", "is not https", remedy)
    if "@" in parts.netloc:
        raise wrong("user", "holds a user", "put a token into its path or query instead")
    if parts.fragment:
        raise wrong("fragment", "holds a #fragment, which is never sent", "leave it out")
    if not _HOST.fullmatch(parts.hostname):
        raise wrong("host", "has no usable host name", "write https://host/path")
    tls = parts.scheme == "https"
    port = port if port is not None else (443 if tls else 80)
    if not private and port not in PORTS:
        remedy = "set ALODIAL_WEBHOOK_PRIVATE=true to allow every port"
        raise wrong("port", "is at another port than 443 or 8443", remedy)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Endpoint(endpoint_id(url), SecretStr(url), parts.hostname, port, tls, target)


def endpoints_of(settings: Settings) -> list[Endpoint]:
    """Returns the endpoints of the settings, each once. Raises ConfigurationError when one or the secret is wrong."""
    endpoints: dict[str, Endpoint] = {}
    for number, url in enumerate(settings.webhooks, start=1):
        endpoint = read_endpoint(url.get_secret_value(), number, private=settings.webhook_private)
        endpoints.setdefault(endpoint.id, endpoint)
    if endpoints and not settings.webhook_secret:
        raise ConfigurationError(
            "ALODIAL_WEBHOOK_SECRET: the webhooks need one to be signed with; `alodial webhooks secret` makes one"
        )
    keys_of(settings)
    return list(endpoints.values())


def new_secret() -> str:
    """Returns a new secret in the form of Standard Webhooks: ``whsec_`` and 24 random bytes in base64."""
    return PREFIX + base64.b64encode(secrets.token_bytes(24)).decode()


def read_secret(text: str) -> bytes:
    """Returns the key of a secret: the decoded base64 after ``whsec_``, else the bytes of the text itself.

    Raises ConfigurationError when the base64 is invalid or the key shorter than 16 bytes.
    """
    plain = text.removeprefix(PREFIX)
    try:
        key = base64.b64decode(plain, validate=True)
    except (binascii.Error, ValueError):
        if text.startswith(PREFIX):
            raise ConfigurationError("ALODIAL_WEBHOOK_SECRET: the text after whsec_ is not base64") from None
        key = b""
    if not text.startswith(PREFIX) and len(key) < MIN_SECRET:
        key = text.encode()
    if len(key) < MIN_SECRET:
        raise ConfigurationError(
            f"ALODIAL_WEBHOOK_SECRET: shorter than {MIN_SECRET} bytes; `alodial webhooks secret` makes a good one"
        )
    return key


def keys_of(settings: Settings) -> tuple[bytes, ...]:
    """Returns the keys that sign: two while a secret is changed, so that receivers may know either.

    Raises ConfigurationError.
    """
    if len(settings.webhook_secret) > 2:
        raise ConfigurationError("ALODIAL_WEBHOOK_SECRET: at most two, the new one and the one before")
    return tuple(read_secret(secret.get_secret_value()) for secret in settings.webhook_secret)
