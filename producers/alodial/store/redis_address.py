"""Names a Redis that does not answer: its address without a password, what failed, and which setting the address is from."""

import hmac
import os
import ssl
from collections.abc import Iterator
from functools import lru_cache
from socket import gaierror

import redis.exceptions

from ..errors import ConfigurationError
from ..settings import Settings
from ..settings.environment import ENV_FILE, read_env_file
from .local_errors import LOCAL_WORDS, local_code
from .redis_errors import PASSING_CODES, error_code

SETTING = "ALODIAL_REDIS_URL"
_WORDS = {
    "NOAUTH": "wrong password",
    "WRONGPASS": "wrong password",
    "MAXCLIENTS": "it has too many clients",
}
_REFUSALS = {
    "BUSY": "it runs a long script",
    "CLUSTERDOWN": "its cluster is down",
    "LOADING": "it is loading its data",
    "MASTERDOWN": "a replica without its primary",
    "MISCONF": "it cannot save to its disk: free some space there",
    "NOPERM": "its user may not run this command: ACL SETUSER gives the right",
    "NOREPLICAS": "too few replicas follow it for min-replicas-to-write",
    "READONLY": "a replica: name the primary, or its Sentinels",
    "TRYAGAIN": "its cluster is moving data",
}
"""What a refusal means to whoever runs Redis, and what to do about those that do not end by themselves."""


def address_of(url: str) -> str:
    """Returns ``host:port`` of a Redis URL, the list of them for Sentinels and a Cluster, the path of a socket."""
    scheme, _, rest = url.partition("://")
    hosts, _, path = rest.partition("?")[0].rpartition("@")[2].partition("/")
    if scheme == "unix":
        return f"/{path}"
    port = 26379 if scheme == "redis+sentinel" else 6379
    nodes = [node.strip() for node in hosts.split(",") if node.strip()] or ["localhost"]
    return ",".join(node if node.rpartition("]")[2].count(":") else f"{node}:{port}" for node in nodes)


_TIMED_OUT = "timed out"
_NO_TLS = "TLS: no secure connection could be made"
_NOT_REDIS = "it answers as no Redis does"
_CLOSED = "it closed the connection"


def _chain(exc: BaseException) -> Iterator[BaseException]:
    current: BaseException | None = exc
    while current is not None:
        yield current
        current = current.__cause__ or current.__context__


def failure_cause(exc: BaseException) -> str:
    """Returns what failed between us and Redis or AloVoice, in words that hold no address and no secret, such as ``refused``."""
    code = error_code(exc)
    if code in _WORDS:
        return _WORDS[code]
    for part in _chain(exc):
        match part:
            case redis.exceptions.AuthenticationError():
                return "wrong password"
            case ssl.SSLCertVerificationError():
                return "TLS: certificate not trusted"
            case ssl.SSLError():
                return _NO_TLS
            case redis.exceptions.InvalidResponse():
                return _NOT_REDIS
            case gaierror():
                return "name not found"
            case ConnectionRefusedError():
                return "refused"
            case TimeoutError() | redis.exceptions.TimeoutError():
                return _TIMED_OUT
            case OSError() | MemoryError() if code := local_code(part):
                return LOCAL_WORDS[code]
            case _:
                # asyncio makes a single error of several, whose numbers are only in its text.
                text = str(part)
                if "Connect call failed" in text or "Connection refused" in text:
                    return "refused"
                if "closed by server" in text or isinstance(part, ConnectionResetError):
                    return _CLOSED
                if "invalid username-password" in text or "Authentication required" in text:
                    return "wrong password"
    return type(exc).__name__


@lru_cache(maxsize=8)
def _source(url: str, environment: str | None) -> str:
    if environment == url:
        return f"{SETTING} in the environment"
    try:
        if read_env_file().get(SETTING) == url:
            return f"{SETTING} in {ENV_FILE}"
    except ConfigurationError:
        pass
    if hmac.compare_digest(Settings.model_fields["redis_url"].default.get_secret_value().encode(), url.encode()):
        return f"the default of {SETTING}"
    return "your program's settings"


def unavailable_text(exc: BaseException, settings: Settings) -> str:
    """Returns the sentence for people about a Redis that cannot work now."""
    url = settings.redis_url.get_secret_value()
    where = f"Redis at {address_of(url)}"
    code = error_code(exc)
    if code in PASSING_CODES and code not in _WORDS:
        meaning = _REFUSALS.get(code)
        return f"{where} refuses ({code}: {meaning})" if meaning else f"{where} refuses ({code})"
    source = _source(url, os.environ.get(SETTING))
    return f"{where} did not answer ({_cause_for(url, exc)}); the address comes from {source}"


def _cause_for(url: str, exc: BaseException) -> str:
    """The cause, and what to write instead where one side probably speaks TLS and the other does not."""
    cause = failure_cause(exc)
    if url.startswith("rediss://") and cause in (_TIMED_OUT, _NO_TLS):
        return f"{cause}: if this Redis is without TLS, write redis:// and not rediss://"
    if url.startswith("redis://") and cause == _NOT_REDIS:
        return f"{cause}: if it has TLS, write rediss:// and not redis://"
    if url.startswith("redis://") and cause == _CLOSED:
        return f"{cause}: it was stopped, or it has TLS and needs rediss:// in place of redis://"
    return cause
