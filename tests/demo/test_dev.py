"""``alodial init`` and ``alodial dev`` as a newcomer uses them: a call within the first minute, and nothing left behind."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
import redis

from alodial.testing.redis_server import free_port
from alodial_workers.dev.processes import ending_text
from monitor.client import Operator, words_on
from waiting import wait_until

ROOT = Path(__file__).parents[2]
PROGRAM = [sys.executable, "-m", "alodial.cli"]


class Dev:
    """``alodial dev --json`` in a folder that ``alodial init`` prepared."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {"PATH": os.environ["PATH"], "HOME": str(folder)}
        subprocess.run([*PROGRAM, "init", "--yes"], cwd=folder, env=self.environment, check=True, capture_output=True)
        # Ports that no other test uses; a person's are the fixed ones.
        self.port, sandbox = free_port(), free_port()
        env = folder / ".env"
        text = env.read_text().replace("127.0.0.1:8090", f"127.0.0.1:{sandbox}")
        env.write_text(text.replace("127.0.0.1:6379", f"127.0.0.1:{free_port()}"))
        self.process = subprocess.Popen(
            [*PROGRAM, "dev", "--json", "--speed", "1000", "--port", str(self.port)],
            cwd=folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=(folder / "dev.log").open("wb"),
            text=True,
        )
        assert self.process.stdout is not None
        self.documents = [json.loads(line) for line in iter(self._line, "")]

    def _line(self) -> str:
        assert self.process.stdout is not None
        if getattr(self, "_ready", False):
            return ""
        line = self.process.stdout.readline()
        self._ready = '"ready"' in line
        return line

    def alodial(self, *args: str) -> dict[str, Any]:
        done = subprocess.run(
            [*PROGRAM, *args],
            cwd=self.folder,
            env=self.environment,
            check=True,
            capture_output=True,
            text=True,
            timeout=60,
        )
        document: dict[str, Any] = json.loads(done.stdout)
        return document

    def end(self, number: int = signal.SIGINT) -> int:
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(60)


@pytest.fixture
def dev(tmp_path: Path) -> Iterator[Dev]:
    dev = Dev(tmp_path)
    yield dev
    dev.end()


def test_newcomers_get_a_first_call_list_and_webhook_as_the_pages_say_and_ctrl_c_ends_everything(dev: Dev) -> None:
    _as_a_developer(dev)
    with _receiver_of_the_page(dev.folder) as (address, printed):
        _as_a_manager_who_reads_russian(dev, address)
        # A new address gets what happens from when the workers know it, which may be after so short a campaign.
        wait_until(lambda: _call_ended_in(dev, printed), what="the first webhook came")
    assert dev.end() == 0
    for document in dev.documents[:-1]:
        if port := document["url"].rstrip("/").rpartition(":")[2].partition("/")[0]:
            with socket.socket() as probe:
                assert probe.connect_ex(("127.0.0.1", int(port))) != 0, f"{document['process']} is still there"


def _call_ended_in(dev: Dev, printed: Path) -> bool:
    dev.alodial("call", "two-way", "--from", "712037006", "--to", "994412860", "--wait", "--json")
    return '"type":"alodial.call.completed"' in printed.read_text()


@contextmanager
def _receiver_of_the_page(folder: Path) -> Iterator[tuple[str, Path]]:
    """Runs the receiver that docs/webhooks.md prints, on a port of its own; its address, and the file of what it prints."""
    program = re.search(
        r"python3 -c '(import http.server.*?)'\n```", (ROOT / "docs/webhooks.md").read_text(), re.DOTALL
    )
    assert program is not None
    port, printed = free_port(), folder / "receiver.log"
    with printed.open("wb") as log:
        receiver = subprocess.Popen([sys.executable, "-c", program[1].replace("9000", str(port))], stdout=log)
    try:
        yield f"http://127.0.0.1:{port}/", printed
    finally:
        receiver.kill()
        receiver.wait()


def _as_a_manager_who_reads_russian(dev: Dev, receiver: str) -> None:
    """The way of docs/campaigns.ru.md, in a browser that asks for Russian."""
    ready = dev.documents[-1]
    web: Any = SimpleNamespace(url=ready["monitor"].rstrip("/"))
    operator = Operator(web, ready["key"], language="ru")
    assert 'lang="ru"' in operator.get("/").text
    added = operator.post("/webhooks", {"url": receiver}, page="/webhooks")
    assert added.status_code == 200, words_on(added)
    assert "whsec_" in added.text
    people = "ФИО;Телефон клиента\nИванова Анна;90 123-45-21\nПетров Пётр;8 90 123 45 22\nСидоров;12\n"
    uploaded = operator.upload(people.encode("cp1251"), "клиенты.csv")
    assert uploaded.status_code == 303, words_on(uploaded)
    draft = uploaded.headers["location"]
    wait_until(
        lambda: "2 годных" in words_on(operator.get(draft)) or "годных 2" in words_on(operator.get(draft)),
        what="the file is checked",
    )
    page = words_on(operator.get(draft))
    assert "1 с ошибкой" in page or "с ошибкой 1" in page
    submitted = operator.confirm(draft)
    assert submitted.status_code == 303, words_on(submitted)
    places: list[str] = []

    def leads_on() -> bool:
        places.append(operator.get(draft).headers.get("location", ""))
        return places[-1] != ""

    wait_until(leads_on, what="the campaign is there")
    campaign = places[-1]
    wait_until(lambda: "завершена" in words_on(operator.get(campaign)), what="the campaign ended")
    assert "Ответили" in words_on(operator.get(campaign))


def _as_a_developer(dev: Dev) -> None:
    started = [document["process"] for document in dev.documents if "process" in document]
    assert started == ["redis", "sandbox", "web", "worker", "archive"], (dev.folder / "dev.log").read_text()
    redis_url = next(document["url"] for document in dev.documents if document["process"] == "redis")
    with redis.Redis.from_url(redis_url, decode_responses=True) as client:
        synced: Any = client.config_get("appendfsync")
    assert synced == {"appendfsync": "always"}, "as the .env that init writes asks for"
    ready = dev.documents[-1]
    call = httpx.post(
        f"{ready['api']}/calls",
        headers={"Authorization": f"Bearer {ready['key']}"},
        json={"callfrom": "712037006", "callto": ["994412860"], "reference": "order-1"},
        trust_env=False,
    )
    assert call.status_code == 202
    record = dev.alodial("call", "two-way", "--from", "712037006", "--to", "994412890", "--wait", "--json")
    assert (record["state"], record["disposition"]) == ("completed", "busy")
    Path(dev.folder / "people.csv").write_text("phone\n901234567\n901234568\n")
    dev.alodial("campaign", "submit", "people.csv", "--from", "712037006", "--name", "first", "--json")
    assert httpx.get(ready["monitor"], trust_env=False, follow_redirects=True).status_code == 200
    link = re.search(r"http://[\w.:]+/sign-in\?code=[\w-]+", (dev.folder / "dev.log").read_text())
    assert link is not None
    with httpx.Client(trust_env=False, follow_redirects=True) as browser:
        assert 'action="/sign-out"' in browser.get(link[0]).text


def test_it_ends_when_its_redis_is_killed_and_says_where_the_log_is(dev: Dev) -> None:
    with redis.Redis(port=int(re.search(r":(\d+)/0", (dev.folder / ".env").read_text())[1])) as client:  # type: ignore[index]
        os.kill(client.info("server")["process_id"], signal.SIGKILL)
    assert dev.process.wait(60) == 1
    said = (dev.folder / "dev.log").read_text()
    assert f"error: the Redis was killed by signal 9; its last lines are in {dev.folder}/var/redis/redis.log" in said


def test_a_terminal_that_is_closed_ends_everything(dev: Dev) -> None:
    web = f"http://127.0.0.1:{dev.port}/healthz"
    assert httpx.get(web, trust_env=False).is_success
    assert dev.end(signal.SIGHUP) == 0
    with pytest.raises(httpx.ConnectError):
        httpx.get(web, trust_env=False)


def test_it_names_what_is_missing(tmp_path: Path) -> None:
    done = subprocess.run([*PROGRAM, "dev"], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert done.stderr.splitlines()[0] == "error: .env does not exist; write one with: alodial init"


def test_a_port_that_is_taken_is_named_with_the_remedy(tmp_path: Path) -> None:
    init = subprocess.run([*PROGRAM, "init", "--yes"], cwd=tmp_path, check=True, capture_output=True, text=True)
    assert "warning" not in init.stderr
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        command = [*PROGRAM, "dev", "--port", str(port)]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert f"error: port {port}, which the web needs, is taken; choose another one with --port" in done.stderr


def test_a_process_that_is_killed_is_said_to_be_and_not_to_have_ended_by_itself() -> None:
    assert ending_text("worker", -9) == "the worker was killed by signal 9"
    assert ending_text("worker", 1) == "the worker ended with exit code 1"
