"""The monitor's door: who gets in, what a session is worth, which forms are taken."""

import asyncio
import json
import re
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.routing import APIRoute
from pydantic import SecretStr

from alodial import monitor
from alodial.api_keys import ApiKeys
from alodial.monitor.session import IDLE_SECONDS, SESSION_SECONDS, Sessions
from alodial.settings import Settings
from alodial.store import sessions
from alodial.store.client import AsyncStore, Store
from alodial.store.keys import Keys
from alodial.web.key_ring import KeyRing
from web.conftest import API_KEY, OTHER_KEY, Web

from .client import Operator, words_on

keys = Keys()

EVIL = "https://evil.example"


def acts_in(web: Web) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in web.log.read_text().splitlines() if line.startswith("{")]
    return [line for line in lines if line.get("event") == "operator.acted"]


def test_the_front_page_is_the_sign_in_page_until_somebody_signs_in(web: Web) -> None:
    page = Operator(web, None).get("/")
    assert page.status_code == 200
    assert 'name="key"' in page.text
    assert "<script" not in page.text
    assert 'action="/sign-out"' not in page.text


def test_an_operator_key_opens_the_monitor_until_sign_out(web: Web) -> None:
    operator = Operator(web, name="Aziza")
    page = operator.get("/")
    assert page.status_code == 200
    assert "Five steps to the first call" in words_on(page)
    assert "key:#1 (Aziza)" in words_on(page)
    assert API_KEY not in page.text
    copied = operator.http.cookies["alodial_session"]
    assert operator.post("/sign-out").status_code == 303
    assert 'name="key"' in operator.get("/").text
    operator.http.cookies.set("alodial_session", copied)
    assert 'name="key"' in operator.get("/").text


def test_the_session_cookie_is_hidden_from_scripts_and_other_sites(web: Web) -> None:
    plain = Operator(web, None).sign_in(API_KEY)
    cookie = next(value for value in plain.headers.get_list("set-cookie") if value.startswith("alodial_session="))
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert f"Max-Age={SESSION_SECONDS}" in cookie
    assert "Secure" not in cookie
    behind_tls = Operator(web, None).sign_in(API_KEY, **{"X-Forwarded-Proto": "https"})
    assert all("Secure" in value for value in behind_tls.headers.get_list("set-cookie"))


def test_a_key_of_a_program_is_said_to_be_one_and_not_to_be_unknown(web: Web) -> None:
    made = web.http.post("/v1/keys", json={"name": "shop", "roles": ["submit", "read"], "own": True}).json()["key"]
    operator = Operator(web, None)
    answer = operator.sign_in(made)
    assert answer.status_code == 403
    assert "This key is right, but it does not open the monitor" in words_on(answer)
    assert "Unknown key" not in words_on(answer)
    assert "alodial_session" not in operator.http.cookies


def test_a_key_that_only_reads_sees_no_form_that_it_may_not_send(web: Web) -> None:
    made = web.http.post("/v1/keys", json={"name": "eyes", "roles": ["read"]}).json()["key"]
    reader = Operator(web, made)
    assert reader.get("/campaigns/new").status_code == 403
    stop = words_on(reader.get("/stop"))
    assert "ask somebody whose key has the role operate" in stop
    assert "no worker sends a request" not in stop


def test_an_unknown_key_is_refused_with_a_message(web: Web) -> None:
    operator = Operator(web, None)
    answer = operator.sign_in("planted-wrong-key-5521")
    assert answer.status_code == 401
    assert "Unknown key. Copy all of it again" in words_on(answer)
    assert "one of ALODIAL_API_KEYS in .env" in words_on(answer)
    assert "alodial_session" not in operator.http.cookies
    assert "planted-wrong-key-5521" not in web.log.read_text()
    assert "planted-wrong-key-5521" not in answer.text


def a_link(settings: Settings) -> str:
    with closing(Store(settings)) as store:
        scope = ApiKeys(settings.api_keys).find(API_KEY)
        assert scope is not None
        return f"/sign-in?code={store.call(sessions.offer_link, scope.scope)}"


def test_a_sign_in_link_opens_the_monitor_once_and_for_ten_minutes(web: Web, settings: Settings) -> None:
    link = a_link(settings)
    with closing(Store(settings)) as store:
        (kept,) = store.redis.scan_iter(keys.PREFIX + "sign-in:*")
        assert link.partition("=")[2] not in kept.decode()
        assert 0 < store.redis.ttl(kept) <= 600
    first, second = Operator(web, None), Operator(web, None)
    answer = first.get(link)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert "key:#1" in words_on(first.get("/"))
    again = second.get(link)
    assert again.status_code == 401
    assert "This sign-in link was used before" in words_on(again)
    assert 'name="key"' in second.get("/").text
    assert link.partition("=")[2] not in web.log.read_text()
    assert second.get("/sign-in").status_code == 401
    assert second.get("/sign-in?code=" + "x" * 200).status_code == 401


def test_without_any_key_nobody_can_sign_in(redis_server: Any, tmp_path: Path) -> None:
    web = Web(redis_server.url, tmp_path, API_KEYS="")
    try:
        page = httpx.get(web.url)
        assert "ALODIAL_API_KEYS" in page.text
        assert 'name="key"' not in page.text
        assert httpx.get(web.url + "/campaigns", cookies={"alodial_session": "x" * 43}).status_code == 303
    finally:
        web.stop()


def test_a_session_is_worth_nothing_when_forged_changed_over_or_of_other_keys(settings: Settings) -> None:
    async def run() -> None:
        store = AsyncStore(settings)

        def ring(*secrets: str) -> KeyRing:
            return KeyRing(ApiKeys([SecretStr(secret) for secret in secrets]), store)

        ours = Sessions(ring("planted-first-key-1", "planted-other-key-2"), store)
        key = ours.keys.find("planted-first-key-1")
        assert key is not None
        cookie, operator = await ours.open(key, "Aziza\n<b> (key:boss)")
        assert operator.actor == "key:#1 (Azizab keyboss)"
        assert await ours.read(cookie) == operator
        for changed in ("", ".", cookie[:-1], cookie + "x", "й.й", cookie + "x" * 2000, operator.id):
            assert await ours.read(changed) is None
        assert await Sessions(ring("planted-other-key-2"), store).read(cookie) is None
        again = await Sessions(ours.keys, store).read(cookie)  # another process
        assert again == operator
        assert 0 < await store.redis.ttl(keys.session(operator.id)) <= IDLE_SECONDS
        over = json.dumps(json.loads(await store.redis.get(keys.session(operator.id))) | {"opened": 1})
        await store.redis.set(keys.session(operator.id), over)
        assert await ours.read(cookie) is None
        await store.aclose()

    asyncio.run(run())


@pytest.mark.parametrize("address", ["/campaigns", "/campaigns/new", "/campaigns/anything", "/do-not-call", "/now"])
def test_every_screen_asks_for_sign_in_and_comes_back_to_itself(web: Web, address: str) -> None:
    operator = Operator(web, None)
    asked = operator.get(f"{address}?state=paused")
    assert asked.status_code == 303
    assert asked.headers["location"].startswith("/?to=%2F")
    page = operator.get(asked.headers["location"])
    assert f'name="to" value="{address}?state=paused"' in page.text
    assert operator.sign_in(API_KEY, to=address).headers["location"] == address


@pytest.mark.parametrize(
    "to",
    ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)", "/\r\nSet-Cookie: a=b", ""],
)
def test_no_redirect_leads_to_another_site(web: Web, to: str) -> None:
    assert Operator(web, None).sign_in(API_KEY, to=to).headers["location"] == "/"
    assert Operator(web).http.get("/language", params={"set": "ru", "to": to}).headers["location"] == "/"


def test_a_request_that_another_site_made_is_refused(web: Web) -> None:
    operator = Operator(web)
    token = operator.token("/")
    foreign = [
        {"Origin": EVIL},
        {"Origin": "null"},
        {"Origin": ""},
        {"Origin": f"{web.url}.evil.example"},
        {"Origin": web.url, "Sec-Fetch-Site": "cross-site"},
        {"Origin": web.url, "Sec-Fetch-Site": "same-site"},
        {"Origin": web.url, "Sec-Fetch-Site": "none"},
    ]
    for headers in foreign:
        answer = operator.http.post("/do-not-call", data={"form_token": token, "numbers": "901234567"}, headers=headers)
        assert answer.status_code == 403, headers
        assert "did not come from a page of this monitor" in words_on(answer)
        assert Operator(web, None).http.post("/sign-in", data={"key": API_KEY}, headers=headers).status_code == 403
    assert "0 numbers on the list" in words_on(operator.get("/do-not-call"))


def test_a_form_that_was_not_made_for_this_session_is_refused(web: Web) -> None:
    operator, other = Operator(web), Operator(web, OTHER_KEY)
    again = Operator(web)
    for token in ("", "0" * 64, other.token("/"), again.token("/")):
        answer = operator.http.post("/do-not-call", data={"form_token": token, "numbers": "901234567"})
        assert answer.status_code == 403
    folder = web.folder / "var" / "uploads"
    before = set(folder.glob("*"))
    sent = operator.http.post(
        "/campaigns/new", data={"form_token": other.token("/")}, files={"file": ("rows.csv", b"phone\n901234567\n")}
    )
    assert sent.status_code == 403
    assert set(folder.glob("*")) == before
    assert "0 numbers on the list" in words_on(operator.get("/do-not-call"))


def addresses(router: Any) -> list[tuple[str, str]]:
    found = []
    for route in router.routes:
        if isinstance(route, APIRoute):
            found += [(method, route.path) for method in route.methods]
        elif hasattr(route, "original_router"):
            found += addresses(route.original_router)
    return found


def test_no_act_can_be_done_without_a_form_of_ours(web: Web) -> None:
    operator = Operator(web)
    acts = sorted({path for method, path in addresses(monitor.router) if method == "POST"} - {"/sign-in"})
    assert len(acts) >= 7
    for path in acts:
        address = re.sub(r"\{\w+\}", "x", path)
        files = {"file": ("rows.csv", b"phone\n")} if path in ("/campaigns/new", "/do-not-call/import") else None
        assert operator.http.post(address, data={"reason": "x"}, files=files).status_code == 403, path
        assert Operator(web, None).http.post(address, data={"reason": "x"}, files=files).status_code == 401, path


def test_every_act_leaves_an_audit_line_that_names_who(web: Web) -> None:
    operator = Operator(web, name="Bobur")
    operator.post("/do-not-call", {"numbers": "901234567"}, page="/do-not-call")
    operator.post("/sign-out")

    def mine() -> list[str]:
        return [line["act"] for line in acts_in(web) if line["actor"].endswith("(Bobur)")]

    deadline = time.monotonic() + 10  # lines are written by a thread of their own
    while len(mine()) < 3 and time.monotonic() < deadline:
        time.sleep(0.02)
    assert mine() == ["sign_in", "dnc.add", "sign_out"]
    assert API_KEY not in web.log.read_text()
    assert "901234567" not in web.log.read_text()


@pytest.mark.parametrize("address", ["/", "/campaigns", "/campaigns/new", "/do-not-call", "/campaigns/none"])
def test_pages_are_strict_about_what_they_load(web: Web, address: str) -> None:
    page = Operator(web).get(address)
    assert page.headers["content-security-policy"].startswith("default-src 'self'")
    assert page.headers["cache-control"] == "no-store"
    assert not re.search(r"""(src|href|action|hx-\w+)=["']?(https?:)?//""", page.text)
    assert " style=" not in page.text
    assert "<style" not in page.text
    assert not re.search(r"\son\w+=", page.text)
    assert all("src=" in tag for tag in re.findall(r"<script[^>]*>", page.text))
    assert "&#34;includeIndicatorStyles&#34;:false" in page.text


def test_the_pages_files_come_with_their_types_and_nothing_else_does(web: Web) -> None:
    for name, kind in (("monitor.css", "text/css"), ("htmx.min.js", "text/javascript"), ("icon.svg", "image/svg+xml")):
        answer = httpx.get(f"{web.url}/static/{name}")
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith(kind)
        again = httpx.get(f"{web.url}/static/{name}", headers={"If-None-Match": answer.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
    for name in ("README.md", "htmx.LICENSE.txt", "..%2Fsession.py", "%2e%2e/session.py"):
        assert httpx.get(f"{web.url}/static/{name}").status_code == 404


def test_the_colours_follow_the_device_until_others_are_chosen_and_are_remembered(web: Web) -> None:
    operator = Operator(web)
    assert "data-colours" not in operator.get("/calls?state=queued").text
    # The switch leads back to the same filter.
    assert 'name="to" value="/calls?state=queued"' in operator.get("/calls?state=queued").text
    chosen = operator.get("/colours?set=dark&to=/calls%3Fstate%3Dqueued")
    assert chosen.headers["location"] == "/calls?state=queued"
    page = operator.get("/calls").text
    assert 'data-colours="dark"' in page
    assert '<meta name="color-scheme" content="dark">' in page
    assert 'value="dark" aria-pressed="true"' in page
    operator.get("/colours?set=pink&to=/")
    assert 'data-colours="dark"' in operator.get("/calls").text
    assert operator.get("/colours?set=system&to=//evil.example").headers["location"] == "/"
    assert "data-colours" not in operator.get("/calls").text
