"""Asks for the callback address as AloVoice would: through ALODIAL_PUBLIC_URL, from outside and back. Nothing is stored by it."""

import json
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import quote

from ..settings import Settings
from ..store.redis_checks import Level, RedisCheck

TIMEOUT = 5.0
MAX_BODY = 4096
NAME = "callback_address"


class _StayHere(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_args: Any, **_options: Any) -> None:
        return None


def check_callback_address(settings: Settings) -> RedisCheck | None:
    """Returns what the callback address answers; None where ALODIAL_PUBLIC_URL or the secret is not set."""
    if not settings.public_url or not settings.callback_secret:
        return None
    secret = quote(settings.callback_secret[0].get_secret_value(), safe="")
    opener = urllib.request.build_opener(_StayHere)
    try:
        with opener.open(f"{settings.public_url}/callbacks/alovoice/{secret}", timeout=TIMEOUT) as answer:
            status, body, target = answer.status, answer.read(MAX_BODY), ""
    except urllib.error.HTTPError as exc:
        status, body, target = exc.code, exc.read(MAX_BODY), exc.headers.get("Location", "")
    except (OSError, ValueError) as exc:
        cause = getattr(exc, "reason", exc)
        message = f"{settings.public_url} cannot be reached from here ({type(cause).__name__}); AloVoice may reach it"
        return RedisCheck(NAME, "warning", message, "open it from a machine outside, such as a telephone")
    level, message, hint = judge(status, body, target)
    return RedisCheck(NAME, level, f"{settings.public_url}/callbacks/alovoice/SECRET {message}", hint)


def judge(status: int, body: bytes, target: str = "") -> tuple[Level, str, str]:
    """Returns level, message and remedy for an answer. ``target`` is where a redirect leads; no secret of it is repeated."""
    try:
        code = json.loads(body).get("code")
    except (ValueError, AttributeError):
        code = None
    if status == 405 and code == "method_not_allowed":
        return "ok", "reaches alodial web, which knows the secret", ""
    if 300 <= status < 400:
        scheme = target.partition("://")[0] if "://" in target else ""
        hint = (
            f"write ALODIAL_PUBLIC_URL and AloVoice's callback address with {scheme or 'the address that it leads to'}"
        )
        return "error", "is redirected, and a POST may be lost on the way", hint
    if status in (401, 403):
        return "error", f"asks AloVoice to sign in ({status})", "let the proxy pass /callbacks/ without signing in"
    if status == 404 and code == "not_found":
        hint = "give all processes the same ALODIAL_CALLBACK_SECRET, or correct ALODIAL_PUBLIC_URL"
        return "error", "reaches alodial web, which does not know the secret", hint
    hint = "let the proxy pass /callbacks/ to alodial web, with its path unchanged"
    return "error", f"does not reach alodial web (it answers {status})", hint
