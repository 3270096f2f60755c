"""Takes secrets and numbers out of an exchange, for the terminal and for the cassette. Pure."""

import re
from collections.abc import Sequence

from alodial.store.inbox import InboxEntry
from alodial_schemas import mask_numbers

from ..sandbox.cassette import EXTID, PHONE, Cassette, CassetteCallback, CassettePost
from .attempt import Attempt
from .plan import next_step

_DIGITS = re.compile(r"(?<!\d)\d{7,}(?!\d)")
_LINK = re.compile(r"https?(?:://|%3A%2F%2F)[^\s\"'<>&,\\]+", re.IGNORECASE)
LINK = "https://example.invalid/record"
KEPT_HEADERS = ("content-type", "retry-after", "server", "x-powered-by")


def readable(data: bytes) -> str:
    """Returns bytes as text that gives them back: what is no UTF-8 is escaped."""
    return data.decode("utf-8", "backslashreplace")


def without_secrets(text: str, secrets: Sequence[str]) -> str:
    """Returns a text without the secrets of the settings (longest first)."""
    for secret in secrets:
        text = text.replace(secret, "***")
    return text


def for_terminal(data: bytes, secrets: Sequence[str]) -> str:
    """Returns an exchange's bytes as text: secrets out, numbers masked as in logs."""
    return mask_numbers(without_secrets(readable(data), secrets))


def for_cassette(data: bytes, secrets: Sequence[str], wire_phone: str, extids: Sequence[str], now: int) -> str:
    """Returns a body's text for a cassette: places for the number and the extid, other numbers and links made up.

    A moment (Unix seconds within two days of ``now``) stays: it says nothing about a person.
    """
    text = without_secrets(readable(data), secrets)
    for extid in extids:
        text = re.sub(rf"(?<!\d){re.escape(extid)}(?!\d)", EXTID, text)
    digits = wire_phone.lstrip("+")
    text = re.sub(rf"(?:(?:\+|%2B)?998|\+|%2B)?{re.escape(digits)}(?!\d)", PHONE, text)
    text = _LINK.sub(LINK, text)

    def made_up(match: "re.Match[str]") -> str:
        run = match[0]
        if len(run) == 10 and abs(int(run) - now) < 2 * 86_400:
            return run
        return run[:2] + "0" * (len(run) - 2)

    return _DIGITS.sub(made_up, text)


def cassette_of(
    attempts: Sequence[Attempt],
    callbacks: Sequence[tuple[float, InboxEntry]],
    *,
    secrets: Sequence[str],
    wire_phone: str,
    recorded_at: str,
    now: int,
) -> Cassette | None:
    """Returns the cassette of a series, None when nothing was POSTed. ``callbacks`` have their seconds after the POST."""
    extids = [attempt.extid for attempt in attempts]

    def masked(data: bytes) -> str:
        return for_cassette(data, secrets, wire_phone, extids, now)

    posts = []
    for attempt in attempts:
        if attempt.request is None or attempt.verdict is None or next_step(attempt.verdict) == "unreachable":
            continue
        answer = attempt.answer
        headers = {} if answer is None else {n: answer.headers[n] for n in KEPT_HEADERS if n in answer.headers}
        posts.append(
            CassettePost(
                form=attempt.form,
                status=None if answer is None else answer.status,
                headers={name: masked(value.encode()) for name, value in headers.items()},
                body="" if answer is None else masked(answer.body)[: 64 * 1024],
                rang=next_step(attempt.verdict) in ("understood", "may_ring"),
                outcome=attempt.verdict.outcome,
            )
        )
    results = [
        CassetteCallback(
            after=round(max(0.0, after), 1),
            content_type=entry.content_type,
            body=masked(entry.body)[: 256 * 1024],
            address=entry.address,
        )
        for after, entry in callbacks[:16]
    ]
    return Cassette(recorded_at=recorded_at, posts=tuple(posts), callbacks=tuple(results)) if posts else None
