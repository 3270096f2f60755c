"""Every route of the app with two tenants: no id, extid, number, title or reference of one is in any byte for the other."""

import json
import re
import time
from collections.abc import Iterator, Sequence
from typing import Any

import httpx
import pytest
from starlette.routing import Route

from alodial.server.app import create_app
from alodial.settings import Settings

from .conftest import CRM, SHOP, Clients

NUMBERS = ("901110011", "902220022", "903330033", "904440044")
"""The foreign tenant's: a call's recipient, a row, an added row, a listed number."""

INTERFACE = ("/v1/", "/requestcall/")
WITHOUT_KEYS = ("/callbacks/", "/static", "/docs", "/openapi")


def routes(found: Sequence[Any] | None = None) -> Iterator[tuple[str, str]]:
    """Method and path of every route, from the app itself."""
    for route in create_app(Settings(_env_file=None)).routes if found is None else found:
        if isinstance(route, Route):
            for method in sorted(set(route.methods or {"GET"}) - {"HEAD"}):
                yield method, route.path
        elif (router := getattr(route, "original_router", route)) and getattr(router, "routes", None):
            yield from routes(router.routes)


def furnish(client: httpx.Client) -> set[str]:
    """Gives a tenant one of everything. Returns the texts that nobody else may see."""

    def ok(answer: httpx.Response) -> Any:
        assert answer.status_code in (200, 202), answer.text
        return answer.json()

    body = {
        "callfrom": "712037006",
        "callto": [NUMBERS[0]],
        "reference": "secret-reference",
        "metadata": {"k": "secret-meta"},
    }
    call = ok(client.post("/v1/calls", json=body | {"extid": "4815162342"}))
    other = ok(client.post("/v1/calls", json=body))
    call_request = {"kind": "two-way", "callfrom": "712037006"}
    campaign = ok(
        client.post("/v1/campaigns", json={"name": "secret-title", "call": call_request, "rows": [NUMBERS[1]]})
    )
    rows = {"file": ("secret-file.csv", f"phone\n{NUMBERS[2]}\n".encode(), "text/csv")}
    ok(client.post(f"/v1/campaigns/{campaign['id']}/rows", files=rows))
    ok(client.post("/v1/dnc", json={"numbers": [NUMBERS[3]], "reason": "secret-reason"}))
    ok(client.post(f"/v1/calls/{other['id']}/cancel"))
    texts = {"secret-reference", "secret-meta", "secret-title", "secret-file", "secret-reason", *NUMBERS}
    return texts | {call["id"], call["extid"], other["id"], other["extid"], campaign["id"]}


def bodies_for(texts: set[str], own: dict[str, str]) -> list[Any]:
    """Bodies that name what is foreign, and some that are right."""
    call = {"callfrom": "712037006", "callto": [NUMBERS[0]], "extid": "4815162342"}
    campaign = {"name": "secret-title", "call": {"kind": "two-way", "callfrom": "712037006"}, "rows": [NUMBERS[1]]}
    foreign = sorted(texts, key=len)[-1]
    return [
        None,
        {},
        call,
        [call],
        campaign,
        {"numbers": [NUMBERS[3]]},
        {"numbers": [NUMBERS[3]], "campaign": foreign},
        {"numbers": [NUMBERS[3]], "campaign": own["campaign"]},
        {"call": foreign},
    ]


def read(client: httpx.Client, method: str, path: str, **request: Any) -> tuple[int, str]:
    """The answer's head and body; of a stream all events until the tenant's own last one."""
    until = time.monotonic() + 1
    with client.stream(method, path, timeout=10, **request) as answer:
        text = json.dumps(dict(answer.headers))
        if not answer.headers.get("content-type", "").startswith("text/event-stream"):
            return answer.status_code, text + answer.read().decode("utf-8", "replace")
        for line in answer.iter_lines():
            text += line
            if "own-reference" in line or time.monotonic() > until:
                break
        return answer.status_code, text


@pytest.mark.slow
def test_no_route_shows_one_tenant_anything_of_another(by: Clients) -> None:
    foreign = furnish(by(CRM))
    call_body = {"callfrom": "712037006", "callto": ["977076909"], "reference": "own-reference"}
    call_request = {"kind": "two-way", "callfrom": "712037006"}
    own = {
        "call": by(SHOP).post("/v1/calls", json=call_body).json()["id"],
        "campaign": by(SHOP)
        .post("/v1/campaigns", json={"name": "a", "call": call_request, "rows": ["977076909"]})
        .json()["id"],
    }
    names = [*sorted(name for name in foreign if name[0].isdigit() or name == "secret-title"), *own.values()]
    walked, leaks = 0, []
    sent = ""
    for method, path in sorted(
        routes(), key=lambda route: route[0] != "GET"
    ):  # what it sends itself it may read afterwards
        if path.startswith(WITHOUT_KEYS):
            continue
        places = [re.sub(r"\{[^}]*\}", name, path) for name in names] if "{" in path else [path]
        if path == "/requestcall/{key}":
            places = [f"/requestcall/{SHOP}"]
        queries = (
            "",
            "?limit=1",
            f"?phone={NUMBERS[0]}&number={NUMBERS[3]}",
            "?reference=secret-reference",
            "?state=canceled",
        )
        # The monitor's forms are refused before a body of JSON is looked at: they need a session.
        bodies = bodies_for(foreign, own) if path.startswith(INTERFACE) else [None, {}]
        if method != "POST":
            bodies = [None]
        for place in places:
            for query in queries if method == "GET" and "{" not in path else ("",):
                for body in (
                    bodies if place in (places[0], places[-1], places[-2 if len(places) > 1 else 0]) else [None]
                ):
                    request = {"json": body} if body is not None else {}
                    if "events" in path:
                        request["headers"] = {"Last-Event-ID": "0"}
                    status, text = read(by(SHOP), method, place + query, **request)
                    walked += 1
                    sent += "" if body is None else json.dumps(body)
                    said = place + query + sent
                    leaks += [
                        f"{method} {place}{query} {status}: {word}"
                        for word in foreign
                        if word in text and word not in said
                    ]
    assert leaks == []
    assert walked > 200
