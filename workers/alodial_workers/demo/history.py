"""``alodial demo --history FILE``: weeks of plausible calls that have ended, in an archive of SQLite, for looking at reports.

The calls are made as Redis would hold them, and written by the archive's own code, counts included.
"""

import json
import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from rich.console import Console

from alodial.archive.counts import counter
from alodial.archive.engine import open_engine, writing
from alodial.archive.migrate import migrate
from alodial.archive.rows import ArchivedCall, archived_call
from alodial.archive.write import write_calls, write_campaigns
from alodial.errors import ConfigurationError
from alodial_schemas.ids import make_id

CALLS_A_DAY: Final = 600
BATCH: Final = 1000

LINES: Final = {"712000000": 5, "781130000": 3, "555000000": 1}
OPERATORS: Final = {"90": 6, "91": 5, "93": 4, "94": 4, "95": 3, "97": 3, "99": 4, "33": 2, "88": 2}
COLLEAGUES: Final = ("+998712037006", "+998712037011", "+998712037024", "+998712037031")
NAMES: Final = (
    "Aziza Karimova",
    "Bekzod Aliyev",
    "Dilnoza Rahimova",
    "Sardor Umarov",
    "Madina Yusupova",
    "Timur Saidov",
)
HOURS: Final = {9: 6, 10: 9, 11: 10, 12: 7, 13: 4, 14: 7, 15: 8, 16: 9, 17: 9, 18: 8, 19: 5}
"""How many calls begin in each hour, beside each other."""

ANSWERED: Final = {
    9: 0.28,
    10: 0.38,
    11: 0.44,
    12: 0.35,
    13: 0.27,
    14: 0.33,
    15: 0.37,
    16: 0.4,
    17: 0.47,
    18: 0.53,
    19: 0.49,
}
"""The share of people who answer, by hour."""

NO_ANSWER: Final = {"no_answer": 6, "busy": 3, "unavailable": 2, "congestion": 1}
DIALSTATUS: Final = {
    "answered": "ANSWER",
    "no_answer": "NOANSWER",
    "busy": "BUSY",
    "unavailable": "CHANUNAVAIL",
    "congestion": "CONGESTION",
}


def write_history(path: Path, days: int, zone: ZoneInfo, *, today: date | None = None) -> int:
    """Writes the calls of so many days before today, and returns how many. Raises ConfigurationError for a file that exists.

    The same days give the same calls.
    """
    if path.exists():
        raise ConfigurationError(f"{path} exists; name a new file")
    today = today or datetime.now(zone).date()
    rng = random.Random(today.toordinal())  # no secret
    engine = open_engine(f"sqlite:///{path.resolve()}")
    try:
        migrate(engine)
        written, count = 0, counter(zone)
        campaigns = {week: _campaign(week, zone) for week in _weeks(today, days)}
        with writing(engine) as connection:
            write_campaigns(connection, list(campaigns.values()))
        batch: list[ArchivedCall] = []
        for day in (today - timedelta(days=n) for n in range(days, 0, -1)):
            batch += calls_of(day, campaigns[_week(day)]["campaign_id"], zone, rng)
            while len(batch) >= BATCH or (batch and day == today - timedelta(days=1)):
                with writing(engine) as connection:
                    written += write_calls(connection, batch[:BATCH], count)
                batch = batch[BATCH:]
        return written
    finally:
        engine.dispose()


def print_history(path: Path, days: int) -> None:
    """Writes a history in Tashkent's time, and prints how to look at it. Raises ConfigurationError for a file that exists."""
    console = Console(highlight=False)
    with console.status("writing calls"):
        written = write_history(path, days, ZoneInfo("Asia/Tashkent"))
    url = f"sqlite:///{path.resolve()}"
    console.print(f"{written} calls of {days} days are in {path}", soft_wrap=True)
    console.print("Look at them in a shell, or in the monitor of alodial dev:")
    console.print(f"export ALODIAL_ARCHIVE_URL={url}", soft_wrap=True)
    console.print("alodial report hours\nalodial calls list --limit 5")


def _week(day: date) -> date:
    return day - timedelta(days=day.weekday())


def _weeks(today: date, days: int) -> list[date]:
    return sorted({_week(today - timedelta(days=n)) for n in range(1, days + 1)})


def _campaign(week: date, zone: ZoneInfo) -> dict[str, Any]:
    begin = int(datetime.combine(week, time(9), zone).timestamp() * 1000)
    return {
        "campaign_id": f"reminders-{week:%Y-%m-%d}",
        "name": f"Reminders {week:%d.%m}",
        "owner": "",
        "state": "completed",
        "created_at": begin,
        "ended_at": begin + 6 * 86_400_000,
        "record": "{}",
    }


def _pick(rng: random.Random, weights: dict[Any, int]) -> Any:
    return rng.choices(list(weights), list(weights.values()))[0]


def calls_of(
    day: date, campaign: str, zone: ZoneInfo, rng: random.Random, *, count: int = CALLS_A_DAY
) -> Iterator[ArchivedCall]:
    """About ``count`` calls of a working day."""
    share = {5: 0.5, 6: 0.15}.get(day.weekday(), 1.0)
    for _ in range(round(count * share * rng.uniform(0.85, 1.15))):
        at = datetime.combine(day, time(_pick(rng, HOURS), rng.randrange(60), rng.randrange(60)), zone)
        extid = str(rng.randrange(10**14, 10**15))
        raw = _record(extid, int(at.timestamp() * 1000), campaign if rng.random() < 0.7 else "", zone, rng)
        if (row := archived_call(extid, raw)) is not None:
            yield row


def _record(extid: str, at: int, campaign: str, zone: ZoneInfo, rng: random.Random) -> dict[bytes, bytes]:
    """A call as Redis holds it after its end."""
    line, phone = _pick(rng, LINES), f"+998{_pick(rng, OPERATORS)}{rng.randrange(10**6, 10**7)}"
    body: dict[str, Any] = {"callfrom": {"phone": rng.choice(COLLEAGUES)}, "callto": [{"phone": phone}]}
    if campaign:
        body = {"callto": phone, "ivrid": 7, "fromline": f"+998{line}"}
    id = make_id(extid)
    fields: dict[str, Any] = {
        "id": f"{at >> 16:08x}-{at & 0xFFFF:04x}{id[13:]}",
        "b": json.dumps(body),
        "v": 3,
        "m": json.dumps({"name": rng.choice(NAMES)}),
        "r": f"order-{rng.randrange(10_000, 99_999)}",
    }
    if campaign:
        fields |= {"g": campaign, "ri": rng.randrange(1, 5000)}
    timeline = [f"queued {at}"]
    if rng.random() < 0.02:
        end, why = rng.choice((("rejected", "http_422"), ("expired", "expired"), ("canceled", "canceled_by_operator")))
        fields |= {"s": end, "why": why, "tl": ";".join([*timeline, f"{end} {at + 900} {why}"])}
        return _encoded(fields)
    now = at
    for attempt in range(1, 4 if campaign else 2):
        now += rng.randrange(300, 4000)
        hour = datetime.fromtimestamp(now / 1000, zone).hour
        reached = rng.random() < ANSWERED.get(hour, 0.3)
        disposition = "answered" if reached else _pick(rng, NO_ANSWER)
        talk = min(900, int(rng.lognormvariate(3.6, 0.8))) if reached else 0
        over = now + 1000 * (rng.randrange(4, 30) + talk)
        fields |= {
            f"a{attempt}": f"{now} demo",
            f"d{attempt}": disposition,
            f"o{attempt}": json.dumps({"outcome": "taken", "code": "", "ms": 40, "status": 200, "body": ""}),
            f"r{attempt}": json.dumps(_result(now, over, talk, disposition, line, phone, rng)),
            "n": attempt,
            "s": "completed",
            "dp": disposition,
        }
        if attempt > 1:
            fields[f"x{attempt}"] = str(rng.randrange(10**14, 10**15))
        timeline += [f"submitting {now} demo", f"submitted {now + 45}"]
        if reached or attempt == (3 if campaign else 1) or rng.random() < 0.3:
            break
        timeline.append(f"scheduled {over} {disposition}")
        now = over + 1000 * rng.choice((300, 900, 3600))
    timeline.append(f"completed {over} {fields['dp']}")
    return _encoded(fields | {"tl": ";".join(timeline)})


def _result(
    begin: int, over: int, talk: int, disposition: str, line: str, phone: str, rng: random.Random
) -> dict[str, Any]:
    def iso(ms: int) -> str:
        return datetime.fromtimestamp(ms / 1000, UTC).isoformat()

    return {
        "call_ids": [rng.randrange(10**6, 10**7)],
        "from_numbers": [],
        "to_numbers": [phone[4:]],
        "trunk_number": line,
        "begin_time": iso(begin),
        "answer_time": iso(over - 1000 * talk) if talk else None,
        "end_time": iso(over),
        "duration": talk,
        "dialstatus": DIALSTATUS[disposition],
        "record": None,
        "attempts": [],
    }


def _encoded(fields: dict[str, Any]) -> dict[bytes, bytes]:
    return {name.encode(): str(value).encode() for name, value in fields.items()}
