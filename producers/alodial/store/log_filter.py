"""Which log lines are wanted, looked at twice: by bytes, which is quick, and what is left by its fields."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Any, Final

from .records import CallRecord

LEVELS: Final = ("debug", "info", "warning", "error", "critical")
CALL_FIELDS: Final = ("call_id", "extid", "record")
"""Where a line names its call: by its id, by an attempt's extid, or by the first attempt's."""


@dataclass(frozen=True, slots=True)
class LogFilter:
    """Only lines that fit every field that is given. ``level`` is the least, ``worker`` a name or its beginning, ``event``
    a pattern such as ``call.*``; ``call`` are names of one call: its id and its attempts' extids. ``since`` and ``until``
    are Unix ms of when the line was written."""

    call: frozenset[str] = frozenset()
    extid: str = ""
    campaign: str = ""
    account: str = ""
    worker: str = ""
    level: str = ""
    event: str = ""
    since: int | None = None
    until: int | None = None
    _needles: tuple[tuple[bytes, ...], ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        needles = [_spelled(self.call)] if self.call else []
        needles += [_spelled([text]) for text in (self.extid, self.campaign, self.account, self.worker) if text]
        if self.level in LEVELS[1:]:
            needles.append(tuple(f'"level":"{name}"'.encode() for name in LEVELS[LEVELS.index(self.level) :]))
        plain = self.event.partition("*")[0].partition("?")[0].partition("[")[0]
        if plain:
            needles.append(_spelled([plain]))
        object.__setattr__(self, "_needles", tuple(needles))

    def may_fit(self, line: bytes) -> bool:
        """False for a line that certainly does not fit; its JSON need not be read."""
        return all(any(needle in line for needle in one) for one in self._needles)

    def fits(self, fields: Mapping[str, Any]) -> bool:
        """Does the line with these fields fit?"""
        if self.call and not any(str(fields.get(name, "")) in self.call for name in CALL_FIELDS):
            return False
        if any(wanted and str(fields.get(name, "")) != wanted for name, wanted in self._exact()):
            return False
        if self.worker and not str(fields.get("worker", "")).startswith(self.worker):
            return False
        if self.level and rank(fields.get("level")) < LEVELS.index(self.level):
            return False
        if self.event and not fnmatchcase(str(fields.get("event", "")), self.event):
            return False
        return (self.since is None and self.until is None) or self._in_time(fields)

    def _exact(self) -> tuple[tuple[str, str], ...]:
        return ("extid", self.extid), ("campaign", self.campaign), ("account", self.account)

    def _in_time(self, fields: Mapping[str, Any]) -> bool:
        at = written_at(fields)
        if at is None:
            return False
        return (self.since is None or at >= self.since) and (self.until is None or at < self.until)


def rank(level: object) -> int:
    """How grave a level is, from 0; one that nobody knows counts as info."""
    return LEVELS.index(level) if isinstance(level, str) and level in LEVELS else 1


def written_at(fields: Mapping[str, Any]) -> int | None:
    """Unix ms of when the line was written, by its process's clock; None without a readable one."""
    try:
        at = datetime.fromisoformat(fields["timestamp"])
    except (KeyError, TypeError, ValueError):
        return None
    return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000)


def _spelled(texts: Iterable[str]) -> tuple[bytes, ...]:
    """As the texts stand within a line's JSON."""
    return tuple(json.dumps(text)[1:-1].encode() for text in texts)


def names_of_call(asked: str, record: CallRecord | None) -> frozenset[str]:
    """Every name that lines may give a call: its id and the extids of all its attempts; as asked when it is not known."""
    if record is None:
        return frozenset({asked})
    extids = {str(one["extid"]) for one in record.attempts if one.get("extid")}
    return frozenset({record.id, record.extid}) | extids
