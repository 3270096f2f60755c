"""``alodial logs``, ``/v1/logs`` and the Logs screen over lines that several real processes wrote."""

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from monitor.client import Operator, words_on
from waiting import wait_until
from web.conftest import API_KEY, Web

from .conftest import PLANTED, Processes, Reader

pytestmark = [pytest.mark.slow, pytest.mark.alone]

CALL = "01a20925-eded-7160-805d-65c0407bc0d0"
WRITES = f"""
log.info("call.submitted", call_id="{CALL}", extid="100000000000001", account="default", phone="+998901234567")
log.warning("call.unconfirmed", call_id="{CALL}", extid="100000000000001", campaign="c1", url="https://x/{PLANTED[0]}")
log.error("sweeper.failed", error="<script>alert(1)</script>")
"""


@pytest.fixture
def written(processes: Processes) -> Processes:
    """Three lines of each of two processes."""
    for name in ("dialer-1:1", "dialer-2:7"):
        assert processes.logging(WRITES, name).wait(20) == 0
    wait_until(lambda: len(processes.lines()) == 6)
    return processes


def documents(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_lines_of_every_process_are_there_oldest_first(written: Processes) -> None:
    done = written.run("logs", "--json")
    assert done.returncode == 0
    lines = documents(done.stdout)
    assert {line["worker"] for line in lines} == {"dialer-1:1", "dialer-2:7"}
    assert [line["timestamp"] for line in lines] == sorted(line["timestamp"] for line in lines)
    assert PLANTED[0] not in done.stdout
    assert "+998901234567" not in done.stdout


@pytest.mark.parametrize(
    ("words", "events"),
    [
        (("--level", "warning"), ["call.unconfirmed", "sweeper.failed"] * 2),
        (("--level", "error"), ["sweeper.failed"] * 2),
        (("--call", CALL), ["call.submitted", "call.unconfirmed"] * 2),
        (("--call", "100000000000001"), ["call.submitted", "call.unconfirmed"] * 2),
        (("--extid", "100000000000001", "--worker", "dialer-2"), ["call.submitted", "call.unconfirmed"]),
        (("--campaign", "c1"), ["call.unconfirmed"] * 2),
        (("--event", "call.*", "--worker", "dialer-1:1"), ["call.submitted", "call.unconfirmed"]),
        (("--since", "1h"), ["call.submitted", "call.unconfirmed", "sweeper.failed"] * 2),
        (("--until", "1h"), []),
        (("--limit", "1"), ["sweeper.failed"]),
        (("--call", "nobody"), []),
    ],
)
def test_they_are_narrowed_by_call_extid_campaign_level_worker_and_time(
    written: Processes, words: tuple[str, ...], events: list[str]
) -> None:
    done = written.run("logs", "--json", *words)
    assert done.returncode == 0, done.stderr
    assert [line["event"] for line in documents(done.stdout)] == events


def test_a_wrong_filter_is_wrong_usage(written: Processes) -> None:
    for words in (("--level", "loud"), ("--since", "yesterday"), ("--limit", "-1")):
        assert written.run("logs", *words).returncode == 2


def test_a_follower_sees_what_other_processes_write_and_outlives_redis(written: Processes) -> None:
    follower = written.alodial("logs", "-f", "--json", "--limit", "1")
    reader = Reader(follower.stdout)
    wait_until(lambda: len(reader.lines) == 1)
    assert written.logging("log.info('later.one')").wait(20) == 0
    wait_until(lambda: json.loads(reader.lines[-1])["event"] == "later.one")
    written.redis.kill()
    written.redis.start()
    assert written.logging("log.info('later.two')").wait(20) == 0
    wait_until(lambda: json.loads(reader.lines[-1])["event"] == "later.two")
    follower.send_signal(signal.SIGINT)
    assert follower.wait(60) == 130
    events = [json.loads(line)["event"] for line in reader.lines]
    assert events == ["sweeper.failed", "later.one", "later.two"]


def test_for_people_it_is_one_line_each_that_cannot_command_the_terminal(written: Processes) -> None:
    assert written.logging(r"log.warning('odd', text='\x1b[31mred\nnext')").wait(20) == 0
    done = written.run("logs", "--limit", "1")
    assert "\x1b" not in done.stdout
    assert done.stdout.count("\n") == 1
    assert "odd" in done.stdout


@pytest.fixture
def web(written: Processes, tmp_path: Path) -> Iterator[Web]:
    (tmp_path / "web").mkdir()
    web = Web(written.redis.url, tmp_path / "web", LOG_LEVEL="warning")
    yield web
    web.stop()


def test_over_http_they_come_in_pages(web: Web) -> None:
    first = web.http.get("/v1/logs?limit=4").json()
    rest = web.http.get(f"/v1/logs?limit=4&cursor={first['cursor']}").json()
    assert (len(first["lines"]), len(rest["lines"])) == (4, 2)
    assert [line["event"] for line in web.http.get("/v1/logs?level=error").json()["lines"]] == ["sweeper.failed"] * 2
    assert len(web.http.get(f"/v1/logs?call={CALL}").json()["lines"]) == 4
    for wrong in ("level=loud", "since=x", "limit=0", "cursor=x"):
        assert web.http.get(f"/v1/logs?{wrong}").status_code == 422, wrong


def test_the_screen_shows_them_with_links_and_as_texts(web: Web) -> None:
    operator = Operator(web)
    page = operator.get("/logs")
    shown = words_on(page)
    assert "dialer-1:1" in shown
    assert "call.unconfirmed" in shown
    assert "<script>alert" not in page.text
    assert "&lt;script&gt;alert(1)" in page.text
    assert API_KEY not in page.text
    only = words_on(operator.get("/logs?level=error&worker=dialer-2"))
    assert "sweeper.failed" in only
    assert "call.unconfirmed" not in only.partition("Newest lines")[2]
    assert "This is no time." in words_on(operator.get("/logs?since=x"))
