"""Reports on the screen lead to their calls, and are downloaded."""

import io
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import openpyxl
import pytest

from alodial.errors import ConfigurationError
from alodial.settings import Settings
from alodial_workers.demo.history import write_history
from web.conftest import Web

from .client import Operator, words_on

ZONE = ZoneInfo("Asia/Tashkent")


@pytest.fixture
def history(redis_server: Any, settings: Settings, tmp_path: Path) -> Web:
    """An installation with an archive of a day of invented calls."""
    path = tmp_path / "history.db"
    assert write_history(path, 1, ZONE) > 50
    with pytest.raises(ConfigurationError):
        write_history(path, 2, ZONE)
    return Web(redis_server.url, tmp_path, ARCHIVE_URL=f"sqlite:///{path}")


def test_every_figure_of_an_invented_history_leads_to_its_calls(history: Web) -> None:
    try:
        operator = Operator(history)
        for by in ("outcome", "day", "weekday", "hour", "operator", "line", "campaign", "initiator"):
            shown = words_on(operator.get(f"/reports?by={by}"))
            assert "Answer rate" in shown, by
        page = operator.get("/reports?by=outcome").text
        address = page.partition('data-label="Calls"><a href="')[2].partition('"')[0].replace("&amp;", "&")
        assert "/calls/" in operator.get(address).text
        assert "disposition=answered" in address
        wrong = words_on(operator.get("/calls?hour=24"))
        assert "a value that does not exist" in wrong
        ids = _all_ids(history)
        assert history.http.get("/v1/reports/outcomes").json()["total"]["calls"] == len(ids) == len(set(ids))
        lines = operator.get("/reports.csv?by=hour").content.decode("utf-8-sig").splitlines()
        sheet: Any = openpyxl.load_workbook(io.BytesIO(operator.get("/reports.xlsx?by=hour").content)).active
        assert lines[0].startswith("Hour,Calls,Attempts")
        assert [len(lines) - 1, lines[1].split(",")[2]] == [sheet.max_row - 1, str(sheet.cell(2, 3).value)]
        assert operator.get("/reports?since=2026-11-20&until=2026-11-01").status_code == 422
    finally:
        history.stop()


def _all_ids(web: Web) -> list[str]:
    ids: list[str] = []
    cursor = ""
    while cursor is not None:
        page = web.http.get("/v1/calls", params={"limit": 200, "cursor": cursor}).json()
        ids += [call["id"] for call in page["calls"]]
        cursor = page["cursor"]
    return ids


def test_without_an_archive_the_screen_says_how_to_get_it(web: Web) -> None:
    assert "ALODIAL_ARCHIVE_URL" in words_on(Operator(web).get("/reports"))
