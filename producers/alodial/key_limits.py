"""The limits of one API key: what it may use of the installation. No I/O."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Final, NamedTuple, Self

DEFAULT_OWN_LIMITS: Final = (
    "recipient_cap=10/1h;initiator_cap=120/1h;waiting_calls=1000000;stored_bytes=1073741824;event_streams=10;files=2"
)
"""Those of keys marked own, where neither the setting nor the key says otherwise."""

PRIORITIES: Final = ("urgent", "normal", "bulk")

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_MAX_COUNT: Final = 10**12
_UNITS: Final = {"d": 86400, "h": 3600, "m": 60, "s": 1}


class FrequencyCap(NamedTuple):
    """A limit of ``calls`` within any ``seconds`` for one number."""

    calls: int
    seconds: int

    @classmethod
    def read(cls, text: str) -> Self:
        """Reads ``3/1d`` or ``1/90m``; units are s, m, h and d. Raises ValueError for anything else."""
        match = re.fullmatch(r"([1-9][0-9]{0,2})/([1-9][0-9]{0,3})([smhd])", text)
        if match is None:
            raise ValueError("write calls/time, such as 3/1d or 1/2h")
        calls, count, unit = match.groups()
        return cls(int(calls), int(count) * _UNITS[unit])

    def __str__(self) -> str:
        """The cap as :meth:`read` reads it."""
        unit = next(unit for unit, seconds in _UNITS.items() if self.seconds % seconds == 0)
        return f"{self.calls}/{self.seconds // _UNITS[unit]}{unit}"


@dataclass(frozen=True, slots=True)
class KeyLimits:
    """The limits of one key. 0, None or an empty set is no limit; both sources of keys fill it (:func:`read_limits`).

    ``daily_calls`` are calls and rows of campaigns placed in a day of the installation's time zone. ``waiting_calls`` are calls
    and rows that have not ended, ``stored_bytes`` what these and ended ones take in Redis; ``calls_per_second`` is how fast
    calls and rows become ready. ``accounts`` and ``priorities`` are those that it may use. ``recipient_cap`` is how often it
    may call a number, ``initiator_cap`` how often it may ring one as the first phone of two, rows of campaigns included.
    ``event_streams`` and ``files`` are at once, and with ``requests_per_second`` for each web process.
    """

    daily_calls: int = 0
    waiting_calls: int = 0
    stored_bytes: int = 0
    accounts: frozenset[str] = frozenset()
    priorities: frozenset[str] = frozenset()
    recipient_cap: FrequencyCap | None = None
    initiator_cap: FrequencyCap | None = None
    calls_per_second: float = 0
    event_streams: int = 0
    files: int = 0
    requests_per_second: float = 0


NO_LIMITS: Final = KeyLimits()
LATER_LIMITS: Final = frozenset({"initiator_cap"})
"""Limits that came after keys were first stored with theirs: a key that was made without one is written with 0."""
LIMIT_NAMES: Final = tuple(field.name for field in fields(KeyLimits))


def read_limits(values: Mapping[str, str], base: KeyLimits = NO_LIMITS) -> KeyLimits:
    """Returns ``base`` with the limits that ``values`` holds as texts, by their names in :class:`KeyLimits`.

    ``accounts`` and ``priorities`` have + between them, caps are such as 3/1d, and 0 lifts a limit.
    Raises ValueError, which names the limit and how to write it.
    """
    changes: dict[str, object] = {}
    for name, text in values.items():
        try:
            changes[name] = _READERS[name](text)
        except KeyError:
            raise ValueError(f"{name[:32]} is no limit; use {', '.join(LIMIT_NAMES)}") from None
        except ValueError as exc:
            raise ValueError(f"{name}: {exc}") from None
    return replace(base, **changes)  # type: ignore[arg-type]  # each reader returns its field's type


def limits_from_text(text: str, base: KeyLimits = NO_LIMITS) -> KeyLimits:
    """As :func:`read_limits` from ``name=value;name=value``. Raises ValueError."""
    values: dict[str, str] = {}
    for part in filter(None, (part.strip() for part in text.split(";"))):
        name, _, value = part.partition("=")
        if name in values:
            raise ValueError(f"{name[:32]} is written twice")
        values[name] = value
    return read_limits(values, base)


def limits_to_text(limits: KeyLimits, lifted: frozenset[str] = frozenset()) -> str:
    """The limits as :func:`limits_from_text` reads them; "" for none. Those of ``lifted`` that are none are written as 0."""
    return ";".join(
        f"{name}={_text(value) if value else 0}"
        for name in LIMIT_NAMES
        if (value := getattr(limits, name)) or name in lifted
    )


def with_later_limits(limits: str, defaults: KeyLimits) -> KeyLimits:
    """The stored limits of a key marked own. It gets the default of a limit that was not there yet when it was made."""
    later = {name: getattr(defaults, name) for name in LATER_LIMITS}
    return limits_from_text(limits, replace(NO_LIMITS, **later))


def _text(value: object) -> str:
    if isinstance(value, FrequencyCap):
        return str(value)
    return (
        "+".join(sorted(value))
        if isinstance(value, frozenset)
        else f"{value:g}"
        if isinstance(value, float)
        else str(value)
    )


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or int(text[:20]) > _MAX_COUNT:
        raise ValueError("write a whole number, 0 for no limit")
    return int(text)


def _rate(text: str) -> float:
    if not re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,3})?", text):
        raise ValueError("write a number such as 2 or 0.5, 0 for no limit")
    return float(text)


def _cap(text: str) -> FrequencyCap | None:
    return None if text == "0" else FrequencyCap.read(text)


def _accounts(text: str) -> frozenset[str]:
    names = frozenset(text.split("+"))
    if not all(map(_NAME.fullmatch, names)):
        raise ValueError("write account names with + between them")
    return names


def _priorities(text: str) -> frozenset[str]:
    names = frozenset(text.split("+"))
    if not names <= set(PRIORITIES):
        raise ValueError(f"use {', '.join(PRIORITIES)} with + between them")
    return names


_READERS: Final = {
    "daily_calls": _count,
    "waiting_calls": _count,
    "stored_bytes": _count,
    "accounts": _accounts,
    "priorities": _priorities,
    "recipient_cap": _cap,
    "initiator_cap": _cap,
    "calls_per_second": _rate,
    "event_streams": _count,
    "files": _count,
    "requests_per_second": _rate,
}
