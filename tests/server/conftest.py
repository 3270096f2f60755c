"""The server of the HTTP tests."""

from web.conftest import shared_web, web

__all__ = ["shared_web", "web"]
