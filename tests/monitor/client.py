"""A browser without a screen: signs in, fills in forms as a page gave them."""

import html
import re
from typing import Any

import httpx

from web.conftest import API_KEY, Web

TOKEN = re.compile(r'name="form_token" value="([0-9a-f]+)"')


class Operator:
    """Somebody at the monitor of one ``alodial web``."""

    def __init__(self, web: Web, key: str | None = API_KEY, *, name: str = "", language: str = "en") -> None:
        self.origin = web.url
        self.http = httpx.Client(
            base_url=web.url, headers={"Origin": web.url, "Accept-Language": language}, timeout=20, trust_env=False
        )
        if key is not None:
            answer = self.sign_in(key, name=name)
            assert answer.status_code == 303, answer.text

    def sign_in(self, key: str, *, name: str = "", to: str = "/", **headers: str) -> httpx.Response:
        fields = {"key": key, "name": name, "to": to, "form_token": self.token("/")}
        return self.http.post("/sign-in", data=fields, headers=headers)

    def get(self, address: str, **headers: str) -> httpx.Response:
        return self.http.get(address, headers=headers)

    def token(self, address: str) -> str:
        found = TOKEN.search(self.get(address).text)
        assert found is not None
        return found[1]

    def post(
        self, address: str, fields: dict[str, Any] | None = None, *, page: str = "/", **headers: str
    ) -> httpx.Response:
        """As a form of ``page`` would send it."""
        return self.http.post(address, data={"form_token": self.token(page)} | (fields or {}), headers=headers)

    def upload(self, content: bytes, filename: str = "rows.csv", **fields: str) -> httpx.Response:
        """The form of a new campaign, sent; the answer leads to the draft."""
        data = {"form_token": self.token("/campaigns/new"), "callfrom": "712037006", "account": "default"} | fields
        return self.http.post("/campaigns/new", data=data, files={"file": (filename, content)})

    def confirm(self, address: str, **fields: str) -> httpx.Response:
        """Presses the button of the draft's last page."""
        page = self.get(f"{address}/confirm")
        version = re.search(r'name="version" value="([0-9a-f]+)"', page.text)
        assert version is not None, words_on(page)
        return self.post(f"{address}/submit", {"version": version[1]} | fields, page=address)


def words_on(page: httpx.Response | str) -> str:
    """What can be read on a page: without tags, with single spaces."""
    text = page if isinstance(page, str) else page.text
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", text)).split())
