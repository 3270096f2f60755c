"""POST /callbacks/alovoice/{secret}: kept whole before the 200, in Redis or on disk, always in order."""

import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from alodial.testing.redis_server import EmbeddedRedis
from waiting import wait_until

from .conftest import SECRET, Web

INBOX = "alodial:{dial}:inbox"


def kept(server: EmbeddedRedis) -> list[tuple[bytes, bytes]]:
    with server.client() as client:
        return [(fields[b"b"], fields[b"t"]) for _, fields in client.xrange(INBOX)]


@pytest.fixture
def own_redis() -> Iterator[EmbeddedRedis]:
    with EmbeddedRedis(fsync="always") as server:
        yield server


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b'{"externalid":1}', "application/json"),
        (b"", ""),
        (b"\x00\xff\r\n", "text/plain; charset=cp1251"),
        (b"externalid=1", "application/x-www-form-urlencoded"),
        (b"\x1f\x8b", "x" * 1000),
    ],
)
def test_whatever_it_holds_is_kept_byte_for_byte(
    web: Web, redis_server: EmbeddedRedis, body: bytes, content_type: str
) -> None:
    answer = web.http.post(web.callback, content=body, headers={"Content-Type": content_type})
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    assert kept(redis_server) == [(body, content_type[:256].encode())]


def test_a_chunked_body_is_kept_whole(web: Web, redis_server: EmbeddedRedis) -> None:
    assert web.http.post(web.callback, content=iter([b"a" * 70_000, b"", b"b" * 70_000])).status_code == 200
    assert kept(redis_server)[0][0] == b"a" * 70_000 + b"b" * 70_000


def test_while_the_secret_changes_the_log_says_that_results_come_with_the_former_one(
    redis_server: EmbeddedRedis, tmp_path: Path
) -> None:
    web = Web(redis_server.url, tmp_path, CALLBACK_SECRET=f"planted-new-secret-77aa,{SECRET}")
    try:
        before = len(kept(redis_server))
        assert web.http.post("/callbacks/alovoice/planted-new-secret-77aa", content=b"new").status_code == 200
        assert web.http.post("/callbacks/alovoice/neither", content=b"neither").status_code == 404
        web.logged("callback.forged")
        assert "callback.former_secret" not in web.log.read_text()
        for _ in range(3):
            assert web.http.post(web.callback, content=b"old").status_code == 200
        assert len(web.logged("callback.former_secret")) == 1
        assert [body for body, _ in kept(redis_server)[before:]] == [b"new", b"old", b"old", b"old"]
    finally:
        web.stop()


def test_a_wrong_secret_looks_like_an_unknown_address(web: Web, redis_server: EmbeddedRedis) -> None:
    unknown = httpx.post(f"{web.url}/nothing/here", content=b"x")
    wrong = [
        httpx.request(method, web.url + path, content=b"x" * size)
        for method, path, size in (
            ("POST", "/callbacks/alovoice/wrong", 1),
            ("POST", "/callbacks/alovoice/wrong", 300_000),
            ("POST", f"/callbacks/alovoice/{SECRET[:-1]}", 1),
            ("POST", f"/callbacks/alovoice/{SECRET}x", 1),
            ("POST", f"/callbacks/alovoice/{SECRET}/", 1),
            ("POST", f"/callbacks//alovoice/{SECRET}", 1),
            ("POST", f"/callbacks/alovoice/{SECRET}/x", 1),
            ("POST", "/callbacks/alovoice/%00", 1),
            ("POST", "/callbacks/alovoice/", 1),
            ("GET", "/callbacks/alovoice/wrong", 0),
            ("PUT", "/callbacks/alovoice/wrong", 0),
        )
    ]
    changing = {"x-request-id", "date"}
    shape = [(k, v) for k, v in unknown.headers.items() if k not in changing]
    for answer in wrong:
        assert answer.status_code == 404
        assert answer.text == unknown.text
        assert [(k, v) for k, v in answer.headers.items() if k not in changing] == shape
    assert kept(redis_server) == []


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "OPTIONS", "DELETE"])
def test_other_methods_keep_nothing_and_answer_405(web: Web, redis_server: EmbeddedRedis, method: str) -> None:
    answer = web.http.request(method, web.callback)
    assert answer.status_code == 405
    assert answer.headers["allow"] == "POST"
    assert SECRET not in answer.text + str(answer.headers)
    assert kept(redis_server) == []


def test_a_declared_body_above_the_limit_is_refused_before_it_is_read(web: Web) -> None:
    with socket.create_connection(("127.0.0.1", web.port), timeout=10) as line:
        line.sendall(f"POST {web.callback} HTTP/1.1\r\nHost: x\r\nContent-Length: 262145\r\n\r\n".encode())
        answer = line.recv(4096)
        assert answer.startswith(b"HTTP/1.1 413")
        assert b"connection: close" in answer.lower()


def test_the_largest_body_allowed_is_kept(web: Web, redis_server: EmbeddedRedis) -> None:
    assert web.http.post(web.callback, content=b"x" * 262_144).status_code == 200
    assert len(kept(redis_server)[0][0]) == 262_144


def test_an_endless_chunked_body_is_cut_off_and_memory_stays_flat(web: Web, redis_server: EmbeddedRedis) -> None:
    web.http.post(web.callback, content=b"warm")
    before = web.memory_kib()
    chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"
    sent = 0
    with socket.create_connection(("127.0.0.1", web.port), timeout=10) as line:
        line.sendall(f"POST {web.callback} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
        try:
            while sent < 256 * 1024 * 1024:
                line.sendall(chunk)
                sent += len(chunk)
        except OSError:
            pass  # the server hung up, as it should
    # What the kernel buffers on both sides of a loopback connection is a few MiB.
    assert sent < 64 * 1024 * 1024
    assert web.memory_kib() - before < 20 * 1024
    assert len(kept(redis_server)) == 1


@pytest.mark.slow
def test_a_dripping_body_and_a_dripping_head_are_cut_off_within_ten_seconds(web: Web) -> None:
    begun = time.monotonic()
    starts = (
        f"POST {web.callback} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n",
        "POST /callbacks/alovoice/wrong HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n",
        f"POST {web.callback} HTTP/1.1\r\nX-",
        "\r\n",
        "",
    )
    lines = [socket.create_connection(("127.0.0.1", web.port), timeout=30) for _ in starts]
    for line, start in zip(lines, starts, strict=True):
        line.sendall(start.encode())

    def drip(line: socket.socket) -> None:
        try:
            while True:
                line.sendall(b"x" if line is not lines[3] else b"\r\n")
                time.sleep(0.5)
        except OSError:
            return

    drippers = [threading.Thread(target=drip, args=(line,), daemon=True) for line in lines[:4]]
    for dripper in drippers:
        dripper.start()
    for line in lines:
        try:
            while line.recv(4096):
                pass
        except ConnectionError:
            pass
        assert time.monotonic() - begun < 20  # 10 s, and room for a machine with two busy cores
    for line in lines:
        line.close()


def test_a_head_above_its_limit_is_refused(web: Web) -> None:
    with socket.create_connection(("127.0.0.1", web.port), timeout=10) as line:
        line.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n")
        answer = b""
        try:
            for n in range(4000):
                line.sendall(b"X-%d: " % n + b"y" * 100 + b"\r\n")
            answer = line.recv(4096)
        except OSError:
            answer = b"HTTP/1.1 431 (hung up)"
        assert answer.startswith(b"HTTP/1.1 431")


def test_a_connection_that_goes_away_in_the_middle_leaves_nothing(web: Web, redis_server: EmbeddedRedis) -> None:
    with socket.create_connection(("127.0.0.1", web.port), timeout=10) as line:
        line.sendall(f"POST {web.callback} HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc".encode())
    assert web.http.get("/healthz").status_code == 200
    assert kept(redis_server) == []
    assert "request.failed" not in web.log.read_text()


@pytest.mark.slow
def test_callbacks_outlive_an_outage_of_redis_in_order(own_redis: EmbeddedRedis, tmp_path: Path) -> None:
    web = Web(own_redis.url, tmp_path)
    try:
        for n in range(5):
            assert web.http.post(web.callback, content=b"%d" % n).status_code == 200
        own_redis.kill()
        for n in range(5, 40):
            assert web.http.post(web.callback, content=b"%d" % n, headers={"Content-Type": "a/b"}).status_code == 200
        assert list(web.spool.glob("*.spool"))
        assert "alodial_store_up 0.0" in web.http.get("/metrics").text
        assert web.http.get("/readyz").status_code == 503
        placed = web.place()
        assert (placed.status_code, placed.json()["code"]) == (503, "store_unavailable")
        assert placed.headers["retry-after"]
        assert web.http.post("/v1/calls/batch", json=[]).status_code == 202
        own_redis.start()
        n = 40
        deadline = time.monotonic() + 20
        while list(web.spool.glob("*.spool")):
            assert time.monotonic() < deadline
            assert web.http.post(web.callback, content=b"%d" % n).status_code == 200
            n += 1
        assert web.http.post(web.callback, content=b"%d" % n).status_code == 200
        assert [body for body, _ in kept(own_redis)] == [b"%d" % i for i in range(n + 1)]
        assert web.http.get("/v1/calls").json()["calls"] == []
    finally:
        assert web.stop() == 0


@pytest.mark.slow
def test_what_a_killed_process_left_on_disk_is_stored_by_the_next_one(own_redis: EmbeddedRedis, tmp_path: Path) -> None:
    web = Web(own_redis.url, tmp_path)
    own_redis.kill()
    for n in range(10):
        assert web.http.post(web.callback, content=b"%d" % n).status_code == 200
    web.kill()
    own_redis.start()
    next_web = Web(own_redis.url, tmp_path)
    try:
        wait_until(lambda: len(kept(own_redis)) == 10)
        assert [body for body, _ in kept(own_redis)] == [b"%d" % i for i in range(10)]
        wait_until(lambda: not list(next_web.spool.glob("*")))
    finally:
        assert next_web.stop() == 0


@pytest.mark.slow
def test_a_storm_through_a_crash_of_redis_loses_nothing_that_was_answered(
    own_redis: EmbeddedRedis, tmp_path: Path
) -> None:
    web = Web(own_redis.url, tmp_path)
    answered: set[bytes] = set()

    def send(worker: int) -> None:
        with web.client(None) as client:
            for n in range(150):
                body = b"%d-%d" % (worker, n)
                if client.post(web.callback, content=body).status_code == 200:
                    answered.add(body)

    try:
        with ThreadPoolExecutor(8) as pool:
            running = [pool.submit(send, worker) for worker in range(8)]
            wait_until(lambda: len(answered) > 200)
            own_redis.kill()
            wait_until(lambda: len(answered) > 500)
            own_redis.start()
            for future in running:
                future.result()
        assert len(answered) == 1200
        wait_until(lambda: {body for body, _ in kept(own_redis)} >= answered)
    finally:
        assert web.stop() == 0


@pytest.mark.slow
def test_a_silent_redis_is_not_waited_for(own_redis: EmbeddedRedis, tmp_path: Path) -> None:
    web = Web(own_redis.url, tmp_path)
    assert own_redis.process is not None
    try:
        assert web.http.post(web.callback, content=b"0").status_code == 200
        os.kill(own_redis.process.pid, signal.SIGSTOP)
        begun = time.monotonic()
        assert web.http.post(web.callback, content=b"1").status_code == 200
        assert web.http.post(web.callback, content=b"2").status_code == 200
        assert time.monotonic() - begun < 6
        begun = time.monotonic()
        with ThreadPoolExecutor(20) as pool:
            assert {answer.status_code for answer in pool.map(lambda _: web.place(), range(20))} == {503}
        # 2 s for the one that asked and no more for those behind it, and room for a machine with two busy cores.
        assert time.monotonic() - begun < 5
        os.kill(own_redis.process.pid, signal.SIGCONT)
        wait_until(lambda: not list(web.spool.glob("*.spool")))
        bodies = [body for body, _ in kept(own_redis)]
        # The first try of 1 may have arrived after all; the result's own content tells such twins apart further on.
        assert list(dict.fromkeys(bodies)) == [b"0", b"1", b"2"]
    finally:
        os.kill(own_redis.process.pid, signal.SIGCONT)
        assert web.stop() == 0


@pytest.mark.slow
def test_a_full_spool_refuses_and_keeps_what_it_has(own_redis: EmbeddedRedis, tmp_path: Path) -> None:
    web = Web(own_redis.url, tmp_path, SPOOL_MAX_BYTES="4096")
    try:
        own_redis.kill()
        statuses = [web.http.post(web.callback, content=b"x" * 500).status_code for _ in range(12)]
        assert statuses.count(200) >= 5
        assert statuses[-1] == 503
        refused = web.http.post(web.callback, content=b"x" * 500)
        assert refused.headers["retry-after"]
        assert refused.json()["code"] == "overloaded"
        own_redis.start()
        wait_until(lambda: len(kept(own_redis)) == statuses.count(200))
        wait_until(lambda: web.http.post(web.callback, content=b"again").status_code == 200)
    finally:
        assert web.stop() == 0


@pytest.mark.slow
def test_a_spool_that_cannot_be_written_refuses(own_redis: EmbeddedRedis, tmp_path: Path) -> None:
    (tmp_path / "spool").write_text("a file where the folder should be")
    web = Web(own_redis.url, tmp_path)
    try:
        assert web.http.post(web.callback, content=b"1").status_code == 200
        own_redis.kill()
        assert web.http.post(web.callback, content=b"2").status_code == 503
        own_redis.start()
        wait_until(lambda: web.http.post(web.callback, content=b"3").status_code == 200)
        assert kept(own_redis)[0][0] == b"1"
    finally:
        assert web.stop() == 0


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/callbacks/alovoice/another-secret-0123", "secret"),
        (f"/callbacks/alovoice/{SECRET}/", "trailing_slash"),
        (f"//callbacks/alovoice/{SECRET}", "double_slash"),
        (f"/callbacks//alovoice/{SECRET}", "double_slash"),
        (f"/callbacks/alovoice/%22{SECRET}%22", "quotes"),
        (f"/callbacks/alovoice/{SECRET}%0A", "quotes"),
    ],
)
def test_a_callback_that_is_refused_is_counted_with_what_is_wrong_with_its_address(
    web: Web, redis_server: EmbeddedRedis, path: str, reason: str
) -> None:
    with socket.create_connection(("127.0.0.1", web.port)) as conn:
        head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{{}}"
        conn.sendall(head.encode())
        assert conn.recv(4096).split(b" ")[1] == b"404"
    counted = "alodial:{dial}:callbacks:refused"
    with redis_server.client() as client:
        wait_until(lambda: client.hget(counted, reason) is not None)
        assert SECRET not in str(client.hgetall(counted))
        assert 280_000 < client.pttl(counted) <= 300_000
