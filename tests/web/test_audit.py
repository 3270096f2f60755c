"""The audit: every act by API and monitor, with who and from where; nothing washes it away and no change stays hidden."""

import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from alodial import monitor
from alodial.server.app import create_app
from alodial.settings import Settings
from alodial.store import audit
from alodial.store.client import Store
from alodial.store.keys import Keys
from alodial.web.audit import NOT_ACTS, is_act
from monitor.client import Operator, words_on

from .conftest import API_KEY, TWO_WAY, Web

keys = Keys()

SHOP = "planted-key-shop-77aa"


@pytest.fixture
def shop_web(settings: Settings, redis_server: Any, tmp_path: Path) -> Iterator[Web]:
    web = Web(redis_server.url, tmp_path, API_KEYS=f"{API_KEY};name=boss,{SHOP};name=shop;roles=submit+read;own")
    yield web
    web.stop()


def acts(store: Store) -> list[dict[str, Any]]:
    return [line.to_dict() for line in store.run_steps(audit.page)]


def test_acts_of_programs_are_recorded_with_key_address_and_target(web: Web, store: Store) -> None:
    call = web.place().json()
    assert web.http.post(f"/v1/calls/{call['id']}/cancel").status_code == 200
    assert web.http.post("/v1/dnc", json={"numbers": ["994412860"]}).status_code == 200
    assert web.http.post("/v1/calls/none/cancel").status_code == 404
    web.http.get("/v1/calls")
    done = acts(store)
    assert [act["act"] for act in done] == ["POST /v1/dnc", "POST /v1/calls/{name}/cancel"]
    assert (done[1]["actor"], done[1]["address"], done[1]["target"]) == ("key:#1", "127.0.0.1", call["id"])
    assert done[1]["via"] == "api"
    assert done[0]["target"].strip() == "99***2860"
    listed = web.http.get("/v1/audit").json()["acts"]
    assert listed[1]["hash"] == done[1]["hash"]
    assert API_KEY not in str(done)


def test_every_route_that_changes_something_is_recorded() -> None:
    app = create_app(Settings(_env_file=None))  # type: ignore[call-arg]
    document = app.openapi()
    changing = {
        path
        for path, methods in document["paths"].items()
        for method in methods
        if method in ("post", "put", "patch", "delete") and path.startswith("/v1/")
    }
    assert len(changing) > 12
    assert {path for path in changing if not is_act("POST", path)} == set(NOT_ACTS)
    assert is_act("GET", "/v1/campaigns/{name}/results.csv")
    assert not is_act("GET", "/v1/calls")


def test_acts_of_people_name_the_key_and_a_typed_name_cannot_pass_for_one(shop_web: Web, store: Store) -> None:
    operator = Operator(shop_web, name="key:shop")
    operator.post("/stop", {"reason": "wrong list"}, page="/stop")
    stop = next(act for act in acts(store) if act["act"] == "stop")
    assert (stop["actor"], stop["stated_name"], stop["via"]) == ("key:boss", "keyshop", "monitor")
    assert (stop["target"], stop["address"]) == ("wrong list", "127.0.0.1")
    page = words_on(operator.get("/audit"))
    assert "key:boss (keyshop)" in page
    assert "wrong list" in page


def test_wrong_keys_and_the_acts_of_own_keys_push_nothing_out(shop_web: Web, store: Store) -> None:
    Operator(shop_web).post("/stop", {"reason": "first"}, page="/stop")
    with shop_web.client("planted-wrong-key-5521") as wrong:
        for _ in range(30):
            wrong.post("/v1/dnc", json={"numbers": ["994412860"]})
    with shop_web.client(SHOP) as shop:
        for _ in range(3):
            call = shop.post("/v1/calls", json=TWO_WAY).json()
            assert shop.post(f"/v1/calls/{call['id']}/cancel").status_code == 200
        audit.write(
            store, audit.entry(1, actor="key:rival", address="", act="x", target="", via="api"), own=True, keep=1000
        )
        seen = shop.get("/v1/audit").json()["acts"]
        assert [(act["actor"], act["act"]) for act in seen] == [("key:shop", "POST /v1/calls/{name}/cancel")] * 3
        assert len(shop.get("/v1/audit", params={"limit": 2}).json()["acts"]) == 2
    assert store.redis.xlen(keys.audit(own=False)) == 2  # the sign-in and the stop
    assert store.redis.xlen(keys.audit(own=True)) == 4


def test_a_changed_removed_or_cut_entry_shows(store: Store) -> None:
    def fill() -> None:
        store.redis.flushdb()
        for n in range(5):
            act = audit.entry(n, actor="cli:x", address="", act="stop", target=str(n), via="cli")
            audit.write(store, act, own=False, keep=1000)

    def check() -> audit.ChainCheck:
        return store.run_steps(audit.verify, own=False)

    fill()
    assert (check().entries, check().broken) == (5, None)
    ids: Any = [id for id, _ in store.redis.xrange(keys.audit(own=False))]  # type: ignore[union-attr]
    store.redis.xdel(keys.audit(own=False), ids[2])
    assert check().broken == ids[3].decode()
    fill()
    ids = [id for id, _ in store.redis.xrange(keys.audit(own=False))]  # type: ignore[union-attr]
    store.redis.xdel(keys.audit(own=False), ids[4])
    assert check().broken is not None
    fill()
    entries: Any = store.redis.xrange(keys.audit(own=False))
    store.redis.delete(keys.audit(own=False))
    for id, fields in entries:
        changed = json.loads(fields[b"e"]) | ({"actor": "cli:y"} if fields[b"e"].count(b'"2"') else {})
        raw = json.dumps(changed, ensure_ascii=True, sort_keys=True)
        store.redis.xadd(keys.audit(own=False), {"e": raw, "h": fields[b"h"]}, id=id)
    assert check().broken == entries[2][0].decode()


def test_an_entry_whose_answer_was_lost_is_there_once_and_one_that_came_late_chains_anew(store: Store) -> None:
    first, second = (audit.entry(n, actor="cli:x", address="", act="stop", target=str(n), via="cli") for n in range(2))
    assert store.run(audit.append("", first, own=False, keep=1000))[0]
    assert store.run(audit.append("", first, own=False, keep=1000))[0]
    assert not store.run(audit.append("", second, own=False, keep=1000))[0]
    audit.write(store, second, own=False, keep=1000)
    assert store.run_steps(audit.verify, own=False) == audit.ChainCheck(
        False, 2, None, audit.chained(audit.chained("", first.to_json()), second.to_json())
    )


def test_a_store_that_takes_no_more_undoes_no_act(web: Web, store: Store) -> None:
    operator = Operator(web)
    store.redis.set(keys.audit(own=False), "in the way")  # every entry fails
    try:
        assert "Stopped" in words_on(operator.post("/stop", {"reason": "wrong list"}, page="/stop"))
    finally:
        store.redis.delete(keys.audit(own=False))
    assert web.logged("audit.write_failed", "stop")


def test_every_screen_with_a_form_records_what_was_done() -> None:
    folder = Path(monitor.__file__).parent
    acting = {path.name for path in folder.glob("*.py") if "@router.post" in path.read_text()}
    assert len(acting) > 10
    assert {name for name in acting if "audit(request, operator" not in (folder / name).read_text()} == set()


def test_strangers_do_not_wash_the_log_out(web: Web) -> None:
    before, began = len(web.log.read_text().splitlines()), time.monotonic()
    with web.client("planted-wrong-key-5521") as wrong:
        assert {wrong.get("/v1/calls").status_code for _ in range(300)} == {401, 429}
        assert {wrong.post("/sign-in", data={"key": "x"}).status_code for _ in range(300)} == {403}
    for head in (
        b"GET / HTTP/1.1\r\nX\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    ):
        for _ in range(150):
            with socket.create_connection(("127.0.0.1", int(web.url.rpartition(":")[2])), timeout=15) as connection:
                connection.sendall(head)
                assert connection.recv(100)
    assert web.logged("request.refused", "unauthorized")
    assert web.logged("Invalid HTTP request received.")
    assert len(web.log.read_text().splitlines()) - before < 100 + 8 * (time.monotonic() - began)


def test_a_key_does_not_wash_the_log_out(web: Web) -> None:
    before, began = len(web.log.read_text().splitlines()), time.monotonic()
    for _ in range(500):
        assert web.http.post("/v1/calls", json={}).status_code == 422
    assert web.logged("request.refused", "invalid_call")
    assert len(web.log.read_text().splitlines()) - before < 250 + 11 * (time.monotonic() - began)
