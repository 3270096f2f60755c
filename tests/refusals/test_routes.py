"""A Redis that refuses, at each route of the app: 503 with its code or what needs no Redis, and never a fault of ours."""

import re
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from alodial.settings import Settings
from alodial.testing.redis_server import EmbeddedRedis
from api.test_tenant_walk import routes
from monitor.client import Operator
from web.conftest import API_KEY, SECRET, TWO_WAY, Web

from .proxy import REFUSALS, RefusingProxy, refusals_for

CAMPAIGN = {"name": "a", "call": {"kind": "two-way", "callfrom": "712037006"}, "rows": ["977076909"]}
BODIES: dict[str, Any] = {
    "/v1/calls": TWO_WAY,
    "/v1/calls/batch": [TWO_WAY],
    "/v1/campaigns": CAMPAIGN,
    "/v1/campaigns/check": CAMPAIGN,
    "/v1/campaigns/{name}/change": {"pace": 5},
    "/v1/dnc": {"numbers": ["977076909"]},
    "/v1/dnc/remove": {"numbers": ["977076909"]},
    "/v1/keys": {"name": "shop", "roles": ["read"]},
    "/v1/webhooks/{id}/resend": {"since": "2027-01-01T00:00:00Z"},
    "/requestcall/{key}": TWO_WAY,
}
PLACES = {"key": API_KEY, "secret": SECRET, "act": "cancel"}
FAULTS = ("Traceback", '"request.failed"', '"loop.failed"')


@pytest.fixture
def web(proxy: RefusingProxy, settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    web = Web(proxy.url, tmp_path_factory.mktemp("web"), REDIS_TIMEOUT="2")
    yield web
    assert web.stop() == 0


def test_every_route_says_that_redis_refuses_and_none_fails(
    web: Web, proxy: RefusingProxy, redis_server: EmbeddedRedis
) -> None:
    operator = Operator(web)
    token = operator.token("/")
    answers: Counter[int] = Counter()
    for place, (method, path) in enumerate(sorted(routes())):
        address = re.sub(r"\{([a-z]+)\}", lambda found: PLACES.get(found[1], "x"), path)
        is_api = path.startswith(("/v1/", "/requestcall/", "/callbacks/alovoice"))
        client = web.http if is_api else operator.http
        body: dict[str, Any] = {}
        if method == "POST":
            body = {"json": BODIES.get(path, {})} if is_api else {"data": {"form_token": token, "key": API_KEY}}
        for code, error in refusals_for(place, 2):
            with proxy.refusing(error), client.stream(method, address, **body) as answer:
                status = answer.status_code
                answers[status] += 1
                assert status < 500 or status == 503, (method, path, code, status)
                if "event-stream" not in answer.headers.get("content-type", "") and status == 503:
                    text = answer.read().decode()
                    assert "Traceback" not in text, (method, path, code)
                    if path.startswith("/v1/"):
                        expected = "store_full" if "OOM" in code else "store_unavailable"
                        assert answer.json().get("code") == expected, (method, path, code, text)
    operator.http.close()
    assert answers[503] > 100, answers
    for code, error in REFUSALS.items():
        with proxy.refusing(error):
            kept = web.http.post(web.callback, json={"extid": "1", "status": code})
            assert kept.status_code == 200, (code, kept.text)
            assert web.http.get("/healthz").status_code == 200
    # What was answered 200 is in the inbox once Redis takes it, and the calls that were refused are not there.
    deadline = time.monotonic() + 15
    with redis_server.client() as client:
        while (kept := client.xlen("alodial:{dial}:inbox")) < len(REFUSALS) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert kept == len(REFUSALS)
    faults = [line for line in web.log.read_text().splitlines() if any(fault in line for fault in FAULTS)]
    assert faults == [], faults[0]
