"""Two web processes behind a proxy: a rolling restart loses no request, and an upload is that of both."""

import asyncio
import os
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from alodial.server.serve import WebServer
from alodial.settings import Settings
from alodial.testing.redis_server import free_port
from monitor.client import Operator, words_on
from outside.text import ROOT
from waiting import wait_until
from web.conftest import API_KEY, TWO_WAY, Web

PROXIES = ROOT / "deploy" / "proxy"
CLIENTS = 4


def program(name: str) -> str:
    path = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")
    if path is None:
        pytest.skip(f"{name} is not installed here")
    return path


def accepts(port: int) -> bool:
    try:
        httpx.get(f"http://127.0.0.1:{port}/healthz", timeout=5, trust_env=False)
    except httpx.ConnectError:
        return False
    return True


class Pair:
    """Two web processes with one Redis and one folder, and the shipped nginx.conf in front of them."""

    def __init__(self, redis_url: str, folder: Path) -> None:
        self.redis_url = redis_url
        self.folder = folder
        self.ports = [free_port() for _ in range(3)]
        with ThreadPoolExecutor(2) as threads:
            self.webs = list(threads.map(self.start, range(2)))
        self.url = f"http://127.0.0.1:{self.ports[2]}"
        self.nginx = subprocess.Popen(
            [program("nginx"), "-p", str(folder), "-e", str(folder / "error.log"), "-c", str(self._configuration())]
        )
        wait_until(lambda: accepts(self.ports[2]))

    def start(self, at: int) -> Web:
        return Web(self.redis_url, self.folder, port=self.ports[at], TRUSTED_PROXIES="127.0.0.1")

    def _configuration(self) -> Path:
        server = (PROXIES / "nginx.conf").read_text()
        server = re.sub(r"^ +ssl_.*$", "", server, flags=re.MULTILINE)
        for shipped, here in (
            ("listen 443 ssl;", f"listen 127.0.0.1:{self.ports[2]};"),
            ("127.0.0.1:8080", f"127.0.0.1:{self.ports[0]}"),
            ("127.0.0.1:8081", f"127.0.0.1:{self.ports[1]}"),
            ("/var/log/nginx", str(self.folder)),
        ):
            assert shipped in server
            server = server.replace(shipped, here)
        kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        temporary = "".join(f"{kind}_temp_path {self.folder}/{kind};\n" for kind in kinds)
        user = "user root;\n" if os.geteuid() == 0 else ""
        main = self.folder / "main.conf"
        main.write_text(
            f"{user}daemon off;\npid {self.folder}/nginx.pid;\nworker_processes 1;\n"
            f"events {{ worker_connections 256; }}\nhttp {{\n{temporary}{server}}}\n"
        )
        return main

    def answered(self) -> Counter[str]:
        """The requests that each process answered, by its port."""
        lines = (self.folder / "alodial.log").read_text().splitlines()
        return Counter(line.rpartition(":")[2] for line in lines)

    def stop(self) -> None:
        self.nginx.terminate()
        self.nginx.wait(15)
        for web in self.webs:
            web.stop()


@pytest.fixture
def pair(settings: Settings, tmp_path: Path) -> Iterator[Pair]:
    program("nginx")
    pair = Pair(settings.redis_url.get_secret_value(), tmp_path)
    yield pair
    pair.stop()


class Load:
    """Programs that ask and place calls through the proxy without a pause, and what they were answered."""

    def __init__(self, url: str) -> None:
        self.answers: Counter[tuple[str, int]] = Counter()
        self._url = url
        self._ended = threading.Event()
        self._keys = count()
        self._threads = [threading.Thread(target=self._run) for _ in range(CLIENTS)]
        for thread in self._threads:
            thread.start()

    def _run(self) -> None:
        headers = {"Authorization": f"Bearer {API_KEY}"}
        with httpx.Client(base_url=self._url, headers=headers, timeout=20, trust_env=False) as http:
            while not self._ended.is_set():
                self.answers["GET", http.get("/v1/calls?limit=1").status_code] += 1
                key = {"Idempotency-Key": f"load-{next(self._keys)}"}
                self.answers["POST", http.post("/v1/calls", json=TWO_WAY, headers=key).status_code] += 1
                time.sleep(0.005)

    def stop(self) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join(30)


@pytest.mark.slow
def test_a_rolling_restart_behind_nginx_loses_no_request_and_no_upload(pair: Pair) -> None:
    # The requests of one client alternate between the processes.
    operator = Operator(SimpleNamespace(url=pair.url), name="Aziza")  # type: ignore[arg-type]  # its address is all it needs
    address = operator.upload(b"phone\n994412860\n977076909\n", name="Debts").headers["location"]
    wait_until(lambda: f"{address}/confirm" in operator.get(address).text)
    served = pair.answered()
    assert all(served[str(port)] >= 3 for port in pair.ports[:2]), served

    with httpx.Client(base_url=pair.url, timeout=15, trust_env=False) as http:
        assert http.get("/metrics").status_code == 404
        with http.stream("GET", "/v1/events", headers={"Authorization": f"Bearer {API_KEY}"}) as stream:
            placed = pair.webs[0].place().json()
            # Events come through the proxy as they happen: the stream does not end.
            assert any(placed["id"] in line for line in stream.iter_lines())

    load = Load(pair.url)
    try:
        for at in range(2):
            assert pair.webs[at].stop() == 0
            pair.webs[at] = pair.start(at)
    finally:
        load.stop()
    assert set(load.answers) == {("GET", 200), ("POST", 202)}, load.answers
    assert load.answers["POST", 202] > 20

    submitted = operator.confirm(address)
    assert submitted.status_code == 303, words_on(submitted)
    wait_until(lambda: operator.get(address).headers.get("location", "").endswith("?done=submit"))


@pytest.mark.slow
def test_a_process_that_will_stop_is_not_ready_and_serves_on_until_it_does(settings: Settings, tmp_path: Path) -> None:
    web = Web(settings.redis_url.get_secret_value(), tmp_path, drain=60)
    try:
        assert web.http.get("/readyz").status_code == 200
        web.process.send_signal(signal.SIGTERM)
        wait_until(lambda: web.http.get("/readyz").status_code == 503)
        ready = web.http.get("/readyz").json()
        assert ready["code"] == "stopping"
        placed = web.place()
        assert (placed.status_code, placed.headers["connection"]) == (202, "close")
        assert web.http.get("/healthz").status_code == 200
    finally:
        web.http.close()
        web.process.send_signal(signal.SIGINT)
        web.process.wait(30)


def test_who_connected_before_the_socket_closes_is_answered() -> None:
    async def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"ok")
        writer.close()

    async def run() -> None:
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        server = await asyncio.start_server(answer, sock=listener)
        address = listener.getsockname()
        # The loop has not looked since: the kernel alone knows of it, and closing the socket would reset it.
        client = socket.create_connection(address)
        client.setblocking(False)
        web: Any = SimpleNamespace(servers=[server], _places=SimpleNamespace(silent={}))
        await WebServer._stop_listening(web, [listener])
        async with asyncio.timeout(15):
            assert await asyncio.get_running_loop().sock_recv(client, 10) == b"ok"
        client.close()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(address)

    asyncio.run(run())


@pytest.mark.parametrize(
    ("name", "arguments"),
    [("haproxy", ["-c", "-f"]), ("caddy", ["adapt", "--validate", "--adapter", "caddyfile", "--config"])],
)
def test_the_examples_are_what_the_proxies_understand(name: str, arguments: list[str], tmp_path: Path) -> None:
    path = program(name)
    file = PROXIES / {"haproxy": "haproxy.cfg", "caddy": "Caddyfile"}[name]
    there = tmp_path / file.name
    there.write_text(re.sub(r" ssl crt \S+$", "", file.read_text(), flags=re.MULTILINE))
    environment: dict[str, Any] = os.environ | {"HOME": str(tmp_path)}
    done = subprocess.run(
        [path, *arguments, str(there)], capture_output=True, text=True, timeout=60, check=False, env=environment
    )
    assert done.returncode == 0, done.stderr


def test_every_example_checks_both_processes_and_never_sends_a_post_twice() -> None:
    texts = {path.name: path.read_text() for path in PROXIES.iterdir() if path.name != "README.md"}
    assert set(texts) == {"nginx.conf", "Caddyfile", "haproxy.cfg"}
    for text in texts.values():
        plain = re.sub(r"#.*", "", text)
        assert {"127.0.0.1:8080", "127.0.0.1:8081"} <= set(re.findall(r"127\.0\.0\.1:\d+", plain))
        assert "non_idempotent" not in plain
        assert not re.search(r"retry-on (?!conn-failure$)|lb_retry_match", plain, re.MULTILINE)
        assert "/metrics" in plain
