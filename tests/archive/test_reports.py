"""Reports are sums of the archive's counts, for those who may see the calls."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
from sqlalchemy import Engine
from test_counts import LATE, ZONE, a_call

from alodial.archive.counts import counter
from alodial.archive.engine import open_engine, writing
from alodial.archive.migrate import migrate
from alodial.archive.read_connection import ReadConnections
from alodial.archive.report_query import BY, best_of, lower_bound, make_row, read_query
from alodial.archive.reports import ReportReader
from alodial.archive.write import write_calls
from alodial.cli.report import _figures
from alodial.server.app import create_app
from alodial.settings import Settings

NOW = datetime(2026, 11, 26, tzinfo=UTC)


def rows_of(reader: ReportReader, report: str, *by: str, **options: Any) -> list[dict[str, Any]]:
    query, problems = read_query(report, by, None, None, ZONE, now=NOW, **options)
    assert not problems
    return [row.to_dict() for row in reader.make(query).rows]


def test_a_report_sums_the_calls_of_a_group(engine: Engine, archive_url: str) -> None:
    with writing(engine) as connection:
        calls = [a_call(n, line="712000000" if n % 2 else "", campaign_id="spring") for n in range(1, 5)]
        calls += [a_call(9, disposition="no_answer", talk_seconds=0, initiator="+998712037006", owner="shop")]
        calls += [a_call(10, created_at=LATE + 60_000)]
        write_calls(connection, calls, counter(ZONE))
    reader = ReportReader(ReadConnections(archive_url))
    outcomes = {row["outcome"]: (row["calls"], row["attempts"]) for row in rows_of(reader, "outcomes")}
    assert outcomes == {"answered": (5, 10), "no_answer": (1, 2)}
    assert [(row["line"], row["calls"]) for row in rows_of(reader, "outcomes", "line")] == [("", 4), ("712000000", 2)]
    (spring,) = rows_of(reader, "campaigns")
    assert (spring["campaign"], spring["answer_rate"], spring["average_talk_seconds"]) == ("spring", 1, 31)
    assert [(row["weekday"], row["calls"]) for row in rows_of(reader, "outcomes", "weekday")] == [(1, 5), (2, 1)]
    assert [(row["hour"], row["attempts"]) for row in rows_of(reader, "hours", "hour")] == [(0, 6), (1, 1), (23, 5)]
    (shop,) = rows_of(reader, "outcomes", "initiator", owner="shop")
    assert (shop["initiator"], shop["calls"]) == ("+998712037006", 1)
    for report, choices in BY.items():
        assert all(rows_of(reader, report, name) for name in choices)


def test_the_terminal_names_the_units_of_the_time_that_people_talked() -> None:
    row = make_row({"outcome": "answered"}, (59, 59, 59, 1954), 84, hours=False)
    assert "32 min 34 s" in _figures(row)


def test_the_best_hour_is_not_that_of_three_lucky_calls() -> None:
    lucky = make_row({"hour": 8}, (3, 3, 3, 60), 1000, hours=True)
    few, many = ({"hour": hour} for hour in (9, 10))
    rows = [
        lucky,
        make_row(few, (40, 40, 18, 0), 1000, hours=True),
        make_row(many, (900, 900, 400, 0), 1000, hours=True),
    ]
    assert best_of(rows) is rows[2]
    assert best_of([lucky]) is None
    assert 0.41 < lower_bound(400, 900) < 400 / 900


def test_a_query_that_is_not_counted_is_refused_with_its_remedy() -> None:
    def problems(*by: str, since: int | None = None, until: int | None = None) -> set[str]:
        return {p.code for p in read_query("outcomes", by, since, until, ZoneInfo("UTC"), now=NOW)[1]}

    assert problems("colour") == {"not_a_choice"}
    assert problems("day", "line", "outcome") == {"too_many"}
    assert problems("initiator", "line") == {"not_counted"}
    assert problems(since=0) == problems(since=LATE, until=LATE - 86_400_000) == {"bad_range"}


def test_over_http_a_key_marked_own_counts_its_own_calls_alone(settings: Settings, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/archive.db"
    engine = open_engine(url)
    migrate(engine)
    at = int((datetime.now(UTC) - timedelta(days=1)).timestamp() * 1000)
    with writing(engine) as connection:
        write_calls(
            connection, [a_call(n, created_at=at, owner="shop" if n < 3 else "") for n in range(8)], counter(ZONE)
        )
    engine.dispose()
    keys = "planted-key-of-all;name=all,planted-key-of-shop;name=shop;roles=read;own"
    archived = settings.model_validate({**dict(settings), "archive_url": url, "api_keys": keys})

    async def ask(settings: Settings, *paths: str, key: str) -> list[httpx.Response]:
        app = create_app(settings)
        transport, headers = httpx.ASGITransport(app), {"Authorization": f"Bearer {key}"}
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1", headers=headers) as http,
        ):
            return [await http.get(f"/v1/reports/{path}") for path in paths]

    paths = ("outcomes", "hours?by=weekday,hour", "outcomes?by=colour&until=yesterday&color=1", "colours")
    outcomes, hours, refused, unknown = asyncio.run(ask(archived, *paths, key="planted-key-of-all"))
    assert (outcomes.json()["total"]["calls"], hours.json()["total"]["attempts"]) == (8, 16)
    assert refused.headers["content-type"] == "application/problem+json"
    assert {error["field"] for error in refused.json()["errors"]} == {"by", "until", "color"}
    assert unknown.status_code == 404
    (own,) = asyncio.run(ask(archived, "outcomes", key="planted-key-of-shop"))
    assert own.json()["total"]["calls"] == 3
    (none,) = asyncio.run(ask(settings, "hours", key="planted-api-key-90dd"))
    assert (none.status_code, "ALODIAL_ARCHIVE_URL" in none.json()["detail"]) == (404, True)
