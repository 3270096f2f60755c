"""The monitor's screens on the real ``alodial web`` of tests/web, on an emptied Redis."""

from web.conftest import API_KEY, OTHER_KEY, SECRET, TWO_WAY, Web, shared_web, web

__all__ = ["API_KEY", "OTHER_KEY", "SECRET", "TWO_WAY", "Web", "shared_web", "web"]
