"""The server itself: probes, metrics, pages, headers, the OpenAPI document, how it starts and ends."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from alodial.cli.web import web as web_command
from alodial.errors import ConfigurationError
from alodial.settings import load_settings
from alodial.settings.environment import is_loopback
from alodial.testing.redis_server import EmbeddedRedis
from web.conftest import API_KEY, OTHER_KEY, SECRET, TWO_WAY, Web, in_a_year


def test_it_is_alive_and_ready(web: Web) -> None:
    assert web.http.get("/healthz").json() == {"status": "ok"}
    ready = web.http.get("/readyz").json()
    assert ready["status"] == "ok"
    assert {finding["name"] for finding in ready["findings"]} >= {"redis.reachable", "redis.eviction"}


def test_metrics_show_what_the_store_holds(web: Web) -> None:
    web.place()
    web.place(TWO_WAY | {"priority": "urgent", "not_before": in_a_year()})
    web.http.post(web.callback, content=b"x")
    web.http.post("/callbacks/alovoice/wrong")
    text = web.http.get("/metrics").text
    for line in (
        'alodial_calls{state="queued"} 1.0',
        'alodial_calls{state="scheduled"} 1.0',
        'alodial_ready_calls{account="default",priority="normal"} 1.0',
        'alodial_ready_calls{account="default",priority="bulk"} 0.0',
        'alodial_channels_in_use{account="default"} 0.0',
        "alodial_scheduled_calls 1.0",
        "alodial_awaiting_results 0.0",
        "alodial_inbox_entries 1.0",
        "alodial_orphan_results 0.0",
        "alodial_dead_results 0.0",
        "alodial_spool_bytes 0.0",
        "alodial_stopped 0.0",
        "alodial_store_up 1.0",
    ):
        assert line in text.splitlines()
    assert re.search(r'alodial_callbacks_total\{outcome="forged"\} [1-9]', text)


@pytest.mark.parametrize(
    "path", ["/", "/docs", "/style.css", "/openapi.json", "/healthz", "/nothing", "/v1/calls", "/metrics"]
)
def test_every_answer_has_the_security_headers_and_an_id(web: Web, path: str) -> None:
    answer = httpx.get(web.url + path)
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["content-security-policy"].startswith("default-src 'self'")
    assert re.fullmatch(r"[0-9a-f]{16}", answer.headers["x-request-id"])
    assert "server" not in answer.headers


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_pages_load_nothing_from_other_hosts_and_nothing_inline(web: Web, path: str) -> None:
    page = httpx.get(web.url + path)
    assert page.status_code == 200
    assert not re.search(r"""(src|href)=["']?(https?:)?//""", page.text)
    assert "<script" not in page.text
    assert "style=" not in page.text
    for link in re.findall(r'href="([^"]+)"', page.text):
        assert httpx.get(web.url + link).status_code == 200


def test_an_unknown_address_is_a_problem_document(web: Web) -> None:
    answer = httpx.get(web.url + "/nothing")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"] == "urn:alodial:problem:not_found"
    wrong = web.http.put("/v1/calls")
    assert wrong.status_code == 405
    assert wrong.json()["code"] == "method_not_allowed"
    assert wrong.headers["allow"] == "GET, POST"


def test_the_openapi_document_names_every_route_and_resolves_every_reference(web: Web) -> None:
    document = httpx.get(web.url + "/openapi.json").json()
    assert set(document["paths"]) >= {
        "/v1/calls",
        "/v1/calls/batch",
        "/v1/calls/{name}",
        "/v1/calls/{name}/cancel",
        "/v1/events",
        "/requestcall/{key}",
        "/callbacks/alovoice/{secret}",
        "/healthz",
        "/readyz",
        "/metrics",
    }
    for reference in re.findall(r'"\$ref": "#/components/schemas/([^"]+)"', json.dumps(document)):
        assert reference in document["components"]["schemas"]
    assert document["paths"]["/v1/calls"]["post"]["security"] == [{"ApiKey": []}]
    answers = document["paths"]["/v1/calls"]["post"]["responses"]
    assert set(answers) == {*("200", "202", "400", "401", "403", "408", "409", "413", "422", "429", "503")}
    assert "application/problem+json" in answers["422"]["content"]


def test_the_examples_of_the_openapi_document_are_calls_that_are_taken(web: Web) -> None:
    document = httpx.get(web.url + "/openapi.json").json()
    body = document["paths"]["/v1/calls"]["post"]["requestBody"]["content"]["application/json"]
    for example in body["examples"].values():
        assert web.place(example["value"]).status_code == 202
    example = document["paths"]["/requestcall/{key}"]["post"]["requestBody"]["content"]["multipart/form-data"][
        "example"
    ]
    sent = web.http.post(f"/requestcall/{API_KEY}", files={name: (None, text) for name, text in example.items()})
    assert sent.status_code == 200


@pytest.mark.slow
def test_without_keys_every_route_says_which_setting_is_missing(
    redis_server: Any, settings: object, tmp_path: Path
) -> None:
    web = Web(redis_server.url, tmp_path, API_KEYS="", CALLBACK_SECRET="")
    try:
        for method, path in (
            ("POST", "/v1/calls"),
            ("GET", "/v1/calls"),
            ("GET", "/v1/calls/1"),
            ("GET", "/v1/events"),
        ):
            answer = httpx.request(method, web.url + path, headers={"Authorization": "Bearer x"})
            assert answer.status_code == 401
            assert "ALODIAL_API_KEYS" in answer.json()["detail"]
        assert httpx.post(f"{web.url}/requestcall/x", json={}).status_code == 401
        assert httpx.post(f"{web.url}/callbacks/alovoice/x", content=b"x").status_code == 404
    finally:
        assert web.stop() == 0


@pytest.mark.slow
def test_a_redis_that_throws_calls_away_is_not_ready(tmp_path: Path) -> None:
    with EmbeddedRedis(options=("--maxmemory-policy", "allkeys-lru")) as server:
        web = Web(server.url, tmp_path)
        try:
            answer = web.http.get("/readyz")
            assert answer.status_code == 503
            assert answer.json()["code"] == "store_unfit"
            assert any("noeviction" in finding["hint"] for finding in answer.json()["findings"])
        finally:
            assert web.stop() == 0


@pytest.mark.slow
def test_it_starts_without_redis_and_says_so(tmp_path: Path) -> None:
    web = Web("redis://127.0.0.1:1/0", tmp_path)
    try:
        assert web.http.get("/healthz").status_code == 200
        assert web.http.get("/readyz").status_code == 503
        assert web.place().status_code == 503
        for path in ("/v1/calls", "/v1/calls/1", "/v1/events"):
            assert web.http.get(path).json()["code"] == "store_unavailable"
        assert web.http.post("/v1/calls/1/cancel").status_code == 503
        assert web.http.post("/v1/calls/batch", json=[TWO_WAY]).status_code == 503
        assert web.http.post(f"/requestcall/{API_KEY}", json=TWO_WAY).status_code == 503
    finally:
        assert web.stop() == 0


def test_it_listens_beyond_loopback_only_when_keys_are_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALODIAL_REDIS_URL", "redis://127.0.0.1:1/0")  # a Redis of this machine may hold keys
    load_settings.cache_clear()
    with pytest.raises(ConfigurationError, match="ALODIAL_API_KEYS"):
        web_command(host="0.0.0.0")
    assert [
        is_loopback(host)
        for host in ("127.0.0.1", "::1", "localhost", "127.9.9.9", "0.0.0.0", "::", "10.0.0.1", "example.org")
    ] == [
        True,
        True,
        True,
        True,
        False,
        False,
        False,
        False,
    ]


@pytest.mark.slow
def test_a_port_in_use_is_named(web: Web, tmp_path: Path) -> None:
    program = f"from alodial.cli.web import web; web(port={web.port})"
    ran = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert ran.returncode != 0
    assert f"port {web.port}" in ran.stderr


def test_no_secret_and_no_number_is_in_any_output(web: Web) -> None:
    numbers = ("712037116", "994412117")
    body = {"callfrom": numbers[0], "callto": [numbers[1]]}
    answers = (
        web.place(body),
        web.place(body | {"callto": [numbers[1], "x"]}),
        web.place(body | {numbers[0]: "x"}),
        web.http.post(f"/requestcall/{API_KEY}", json=body | {"extid": "x"}),
        web.http.post(f"/requestcall/{API_KEY}x", json=body),
        web.http.get(f"/requestcall/{API_KEY}"),
        web.http.get(f"/requestcall/{API_KEY}/"),
        web.http.post(web.callback, content=b"x"),
        web.http.get(web.callback),
        web.http.post(web.callback + "x"),
        web.http.post(web.callback, content=b"x" * 300_000),
        web.http.get("/metrics"),
        web.http.get("/docs"),
        web.http.get("/openapi.json"),
        web.http.get("/readyz"),
        httpx.get(f"{web.url}/v1/calls?phone={numbers[0]}xx", headers={"Authorization": f"Bearer {API_KEY}"}),
        httpx.get(f"{web.url}/v1/calls?{numbers[0]}=1", headers={"Authorization": f"Bearer {OTHER_KEY}"}),
    )
    for text in (*(str(answer.headers) + answer.text for answer in answers), web.log.read_text()):
        for planted in (API_KEY, OTHER_KEY, SECRET, *numbers):
            assert planted not in text


def test_the_command_does_not_load_the_web_framework() -> None:
    program = "import sys, alodial.cli.web; print(sorted({'fastapi', 'uvicorn', 'starlette'} & set(sys.modules)))"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert ran.stdout.strip() == "[]"
