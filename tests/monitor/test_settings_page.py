"""The page of settings: values with their sources, and no secret."""

from pathlib import Path
from typing import Any

from web.conftest import API_KEY, SECRET, Web

from .client import Operator, words_on


def test_settings_are_shown_with_their_sources_and_without_a_secret(redis_server: Any, tmp_path: Path) -> None:
    token = "planted-token-8891"  # looked for on the page
    (tmp_path / ".env").write_text(f"ALODIAL_PROVIDER_TOKEN={token}\nALODIAL_MAX_TRIES=7\n")
    web = Web(redis_server.url, tmp_path, LOG_LEVEL="info")
    try:
        page = Operator(web).get("/settings")
        shown = words_on(page)
        assert page.status_code == 200
        assert "ALODIAL_MAX_TRIES 7 .env" in shown
        assert "ALODIAL_LOG_LEVEL info environment" in shown
        assert "ALODIAL_PROVIDER_TOKEN set .env" in shown
        assert "ALODIAL_RETRY_BASE 1.0 default" in shown
        assert (
            "Records of calls, after their end, with the names and results in them 30 d ALODIAL_CALL_RETENTION" in shown
        )
        assert "Do-not-call lists, and the hashes of erased numbers until somebody removes it" in shown
        assert token not in page.text
        assert API_KEY not in page.text
        assert SECRET not in page.text
        assert Operator(web, None).get("/settings").status_code == 303
    finally:
        web.stop()
