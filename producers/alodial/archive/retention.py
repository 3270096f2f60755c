"""Masks and deletes what is old enough, by policy. Whole months are deleted, in PostgreSQL with their partitions."""

import json
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, Engine, delete, func, select, update

from alodial_schemas import mask_numbers

from ..settings import Settings
from .counts import days_with_initiators, mask_initiators
from .engine import reading, writing
from .packing import packed, unpacked
from .partitions import drop_partitions, month_of
from .rows import DAY_MS, day_of
from .schema import ATTEMPTS, AUDIT, CALLS, CAMPAIGNS, EVENTS, ROWS
from .write import add_to_total

SLICE: Final = 500
"""Calls of one transaction while texts are masked."""

KEPT_FIELDS: Final = frozenset(
    {*("extid", "id", "s", "a", "p", "g", "w", "of", "dp", "why", "n", "rt", "u", "v", "tl", "ri", "nb", "x", "cx")}
)
"""Fields of a record that hold no number and no text of a caller."""


class RetentionPolicy(NamedTuple):
    """After so many months texts are masked, or everything is deleted; 0 for never."""

    mask_months: int = 0
    months: int = 0

    @classmethod
    def of(cls, settings: Settings) -> "RetentionPolicy":
        """The policy of the settings."""
        return cls(settings.archive_mask_months, settings.archive_months)


class PolicyDone(NamedTuple):
    """How many days were deleted, and how many calls were masked."""

    days: int
    masked: int


def months_before(day: date, months: int) -> date:
    """The same day so many months before, or the last day of that month."""
    index = day.year * 12 + day.month - 1 - months
    for last in (day.day, 30, 29, 28):
        try:
            return date(index // 12, index % 12 + 1, last)
        except ValueError:
            continue
    raise ValueError("no such month")


def apply_policy(engine: Engine, policy: RetentionPolicy, now_ms: int) -> PolicyDone:
    """Applies the policy as of now. Raises ArchiveUnavailable; what was done by then is done."""
    today = day_of(now_ms)
    days = delete_before(engine, month_of(months_before(today, policy.months))) if policy.months else 0
    masked = mask_before(engine, months_before(today, policy.mask_months)) if policy.mask_months else 0
    return PolicyDone(days, masked)


def delete_before(engine: Engine, day: date) -> int:
    """Deletes calls, attempts and events of the months before this first of one, campaigns with their rows that ended
    before it, and acts of that time. Returns how many days of calls there were."""
    with reading(engine) as connection:
        days = list(connection.execute(select(CALLS.c.day).where(CALLS.c.day < day).distinct()).scalars())
        others = connection.execute(select(func.count()).select_from(EVENTS).where(EVENTS.c.day < day)).scalar_one()
    if engine.dialect.name == "postgresql":
        with writing(engine) as connection:
            gone = connection.execute(select(func.count()).select_from(CALLS).where(CALLS.c.day < day)).scalar_one()
            drop_partitions(connection, day)
            add_to_total(connection, -gone)
    else:
        for old in sorted({*days, *_event_days(engine, day)} if others else days):
            with writing(engine) as connection:
                connection.execute(delete(EVENTS).where(EVENTS.c.day == old))
                connection.execute(delete(ATTEMPTS).where(ATTEMPTS.c.day == old))
                add_to_total(connection, -connection.execute(delete(CALLS).where(CALLS.c.day == old)).rowcount)
    with writing(engine) as connection:
        _delete_campaigns(connection, day)
    return len(days)


def _event_days(engine: Engine, day: date) -> Sequence[date]:
    with reading(engine) as connection:
        return list(connection.execute(select(EVENTS.c.day).where(EVENTS.c.day < day).distinct()).scalars())


def _ms(day: date) -> int:
    return (day.toordinal() - 719_163) * DAY_MS


def _delete_campaigns(connection: Connection, day: date) -> None:
    old = select(CAMPAIGNS.c.campaign_id).where(CAMPAIGNS.c.ended_at < _ms(day))
    connection.execute(delete(ROWS).where(ROWS.c.campaign_id.in_(old)))
    connection.execute(delete(CAMPAIGNS).where(CAMPAIGNS.c.ended_at < _ms(day)))
    connection.execute(delete(AUDIT).where(AUDIT.c.at < _ms(day)))


def masked_record(record: bytes) -> bytes:
    """A record without numbers and without texts of callers: its states, times and figures stay."""
    fields: dict[str, Any] = json.loads(unpacked(record))
    kept = {
        name: value
        for name, value in fields.items()
        if name in KEPT_FIELDS or (name[:1] in "ad" and name[1:].isdigit())
    }
    body = json.loads(fields.get("b") or "{}")
    kept["b"] = json.dumps(_masked_body(body), ensure_ascii=False, separators=(",", ":"))
    return packed(json.dumps(kept, ensure_ascii=False, separators=(",", ":")))


def _masked_body(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _masked_body(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_masked_body(inner) for inner in value]
    return mask_numbers(value) if isinstance(value, str) else value


def mask_before(engine: Engine, day: date) -> int:
    """Masks calls of the days before this one with the counts of their initiators, deletes their events, and empties rows of
    campaigns that ended before it. Returns how many calls were masked.
    """
    total = 0
    while True:
        with writing(engine) as connection:
            rows = connection.execute(select(CALLS).where(CALLS.c.day < day, CALLS.c.masked == 0).limit(SLICE)).all()
            for row in rows:
                _mask(connection, dict(row._mapping))
        total += len(rows)
        if len(rows) < SLICE:
            break
    with writing(engine) as connection:
        connection.execute(delete(EVENTS).where(EVENTS.c.day < day))
        old = select(CAMPAIGNS.c.campaign_id).where(CAMPAIGNS.c.ended_at < _ms(day))
        connection.execute(
            update(ROWS).where(ROWS.c.campaign_id.in_(old), ROWS.c.cells != "").values(phone="", cells="")
        )
    _mask_counts(engine, day)
    return total


def _mask_counts(engine: Engine, day: date) -> None:
    """Masks the counts of initiators. Their days are local, so that the last one may hold calls that are not masked yet."""
    with reading(engine) as connection:
        days = days_with_initiators(connection, day - timedelta(days=1))
    for counted in days:
        with writing(engine) as connection:
            mask_initiators(connection, counted)


def _mask(connection: Connection, row: dict[str, Any]) -> None:
    same = (CALLS.c.day == row["day"], CALLS.c.call_id == row["call_id"])
    recipients = " ".join(mask_numbers(number) for number in row["recipients"].split())
    connection.execute(
        update(CALLS)
        .where(*same)
        .values(
            masked=1,
            initiator=mask_numbers(row["initiator"]),
            recipients=recipients,
            search="",
            reference="",
            record=masked_record(row["record"]),
        )
    )
    attempts = select(ATTEMPTS.c.attempt, ATTEMPTS.c.recipient).where(
        ATTEMPTS.c.day == row["day"], ATTEMPTS.c.call_id == row["call_id"]
    )
    for number, recipient in connection.execute(attempts).all():
        connection.execute(
            update(ATTEMPTS)
            .where(ATTEMPTS.c.day == row["day"], ATTEMPTS.c.call_id == row["call_id"], ATTEMPTS.c.attempt == number)
            .values(recipient=mask_numbers(recipient), recording="")
        )
