"""Reports in a real browser: they fit every screen, and a figure leads to its calls."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from alodial.settings import Settings
from alodial_workers.demo.history import write_history
from web.conftest import Web

from .conftest import Visitor

pytestmark = pytest.mark.slow


@pytest.fixture
def web(redis_server: Any, settings: Settings, tmp_path: Path) -> Iterator[Web]:
    """An installation with an archive of a week of invented calls."""
    write_history(tmp_path / "history.db", 7, ZoneInfo("Asia/Tashkent"))
    web = Web(redis_server.url, tmp_path, ARCHIVE_URL=f"sqlite:///{tmp_path / 'history.db'}")
    yield web
    web.stop()


def test_reports_fit_every_screen_have_no_fault_of_access_and_lead_to_their_calls(
    visit: Callable[..., Visitor], axe: str
) -> None:
    for width, scheme, locale in ((1440, "light", "en-GB"), (768, "dark", "ru-RU"), (320, "light", "uz-UZ")):
        visitor = visit(width=width, scheme=scheme, locale=locale)
        visitor.sign_in()
        for by in ("outcome", "hour"):
            visitor.go(f"/reports?by={by}")
            visitor.picture(f"reports-{by}-{width}-{scheme}")
            assert not visitor.too_wide(), (by, width)
            assert visitor.faults(axe) == [], (by, width)
        visitor.page.click("table.report tbody a >> nth=0")
        visitor.page.wait_for_selector("table.calls")
        visitor.picture(f"reports-calls-{width}-{scheme}")
        assert "times=called" in visitor.page.url
        assert not visitor.too_wide(), width
        assert visitor.faults(axe) == [], width
        assert visitor.complaints == []
