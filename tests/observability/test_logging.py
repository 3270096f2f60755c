"""Logs: no secret and no whole number in any line, one line an event, and never a reason to stop dialling."""

import io
import json
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from alodial.observability.logging import NonBlockingStream, configure
from alodial.observability.redaction import HIDDEN, Scrubber, secrets_of
from alodial.settings import Settings

SECRETS = {
    "ALODIAL_PROVIDER_TOKEN": "planted-token-7f3a9c",
    "ALODIAL_CALLBACK_SECRET": "planted-callback-secret-51b2,planted-older-secret-8c1d",
    "ALODIAL_API_KEYS": "planted-api-key-90dd",
    "ALODIAL_WEBHOOK_SECRET": "whsec_planted77aa",
    "ALODIAL_REDIS_URL": "redis://user:planted%2Fredis%40pass@127.0.0.1:1/0",
    "ALODIAL_BROKER_URL": "redis://127.0.0.1:1/0?password=planted-broker-pass",
    "ALODIAL_ACCOUNTS": '{"north": {"token": "planted-north-token-11"}}',
}
PLANTED = (
    "planted-token-7f3a9c",
    "planted-callback-secret-51b2",
    "planted-older-secret-8c1d",
    "planted-api-key-90dd",
    "whsec_planted77aa",
    "planted%2Fredis%40pass",
    "planted/redis@pass",
    "planted-broker-pass",
    "planted-north-token-11",
)
NUMBERS = ("998901234567", "901234567", "712037006")

PROGRAM = """
import asyncio, logging, sys, threading, warnings
import dramatiq, httpx, structlog
from dramatiq.brokers.stub import StubBroker
from alodial.observability.logging import configure
from alodial.settings import load_settings
from alodial_workers.alovoice.client import AloVoiceClient
from alodial_workers.submit import submit

settings = load_settings()
configure(settings, worker="w1")
PLANTED = %r
NUMBERS = %r
log = structlog.get_logger("test")

for planted in (*PLANTED, *NUMBERS, "+998 " + NUMBERS[1]):
    text = f"begin {planted} end"
    log.info("in.text", text=text, error=ValueError(text), deep={"a": [text, {text: (text,)}]}, raw=text.encode())
    log.warning(text)
    log.bind(bound=text).error("bound")
    with structlog.contextvars.bound_contextvars(context=text):
        log.info("context")
    logging.getLogger("some.library").error("%%s and %%r", text, {"k": text})
    logging.getLogger("uvicorn.access").error('"POST /callbacks/alovoice/%%s"', planted)
    logging.getLogger("uvicorn.error").error(text)
    try:
        try:
            raise KeyError(text)
        except KeyError as inner:
            raise RuntimeError(f"https://cld.alovoice.uz/requestcall/{planted}") from inner
    except RuntimeError as exc:
        log.exception("crashed")
        log.error("crashed", exc_info=exc)
        logging.getLogger("some.library").exception("crashed %%s", text)
for number in NUMBERS:
    log.info("number", phone=number, to="+" + number, fromline=int(number), deep={"callto": [int(number)]})
    log.info("ids", extid=number, call_id="0190-" + number, record=number, entry=number + "0000-0", account="default")

actor_broker = StubBroker()
dramatiq.set_broker(actor_broker)

@dramatiq.actor(max_retries=0)
def failing(text):
    raise RuntimeError(text)

failing.send(f"{PLANTED[0]} {NUMBERS[0]}")
worker = dramatiq.Worker(actor_broker, worker_timeout=10)
worker.start()
actor_broker.join("default", timeout=5000, fail_fast=False)
worker.join()
worker.stop()

class Echo(httpx.BaseTransport):
    def handle_request(self, request):
        return httpx.Response(200)

logging.getLogger().setLevel(logging.DEBUG)
httpx.Client(transport=Echo()).post(f"https://cld.alovoice.uz/requestcall/{PLANTED[0]}", json={"phone": NUMBERS[0]})

async def lost():
    async def fail():
        raise RuntimeError(f"{PLANTED[0]} {NUMBERS[0]}")
    task = asyncio.ensure_future(fail())
    await asyncio.sleep(0.01)
    del task
    import gc
    gc.collect()

asyncio.run(lost())

def die():
    raise RuntimeError(f"{PLANTED[0]} {NUMBERS[0]}")

thread = threading.Thread(target=die)
thread.start()
thread.join()
warnings.warn(f"{PLANTED[0]} {NUMBERS[0]}")
print("done")
die()
"""


def environment(**given: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ALODIAL_")}
    return {**kept, **SECRETS, **given}


@pytest.fixture(scope="module", params=["json", "console"])
def written(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """The form, and everything that a process wrote which tried hard to give its secrets away."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM % (PLANTED, NUMBERS)],
        env=environment(ALODIAL_LOG_FORMAT=request.param, ALODIAL_LOG_LEVEL="debug"),
        cwd=tmp_path_factory.mktemp("logs"),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout == "done\n", done.stderr[-3000:]
    return request.param, done.stderr


def test_no_planted_secret_is_in_any_line(written: tuple[str, str]) -> None:
    _, text = written
    assert text.count(HIDDEN) > 100
    assert [secret for secret in PLANTED if secret in text] == []


def test_no_whole_number_is_in_any_line_but_in_ids(written: tuple[str, str]) -> None:
    _, text = written
    lines = [line for line in text.splitlines() if "0190-" not in line]
    assert [line for line in lines if any(number in line for number in NUMBERS)] == []
    assert "99890***4567" in text


def test_ids_stay_readable(written: tuple[str, str]) -> None:
    form, text = written
    lines = [line for line in text.splitlines() if "0190-" in line]
    assert len(lines) == len(NUMBERS)
    for number, line in zip(NUMBERS, lines, strict=True):
        if form == "json":
            event = json.loads(line)
            assert (event["extid"], event["record"], event["entry"]) == (number, number, f"{number}0000-0")
        assert line.count(number) == 4


def test_every_line_of_the_json_form_is_json(written: tuple[str, str]) -> None:
    form, text = written
    if form == "json":
        events = [json.loads(line) for line in text.splitlines()]
        assert {event["worker"] for event in events} == {"w1"}
        assert all("level" in event and "timestamp" in event for event in events)


# --- in this process --------------------------------------------------------------------------------------------------


class Kept:
    """What was logged through a configuration of its own; module loggers of the product are not touched."""

    def __init__(self, form: str) -> None:
        self.out = io.StringIO()
        self.settings = Settings(
            _env_file=None, provider_token=PLANTED[0], log_format=form, log_level="info", redis_url="redis://h/0"
        )
        configure(self.settings, stream=self.out)
        self.log = structlog.get_logger("fresh")

    def take(self) -> str:
        text = self.out.getvalue()
        self.out.seek(0)
        self.out.truncate()
        return text


@pytest.fixture(params=["json", "console"])
def kept(request: pytest.FixtureRequest) -> Iterator[Kept]:
    root, hooks = logging.getLogger(), (sys.excepthook, threading.excepthook)
    handlers, level, before = root.handlers[:], root.level, structlog.get_config()
    levels = {name: logging.getLogger(name).level for name in ("httpx", "httpcore", "uvicorn.access", "hpack")}
    try:
        yield Kept(request.param)
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        structlog.configure(**before)
        logging.captureWarnings(False)
        sys.excepthook, threading.excepthook = hooks
        for name, value in levels.items():
            logging.getLogger(name).setLevel(value)


@examples(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
@given(st.text(st.characters(categories=["Cc", "Cf", "Zl", "Zp", "Lu", "Po"]), min_size=1))
def test_one_event_is_one_line_whatever_the_provider_said(kept: Kept, said: str) -> None:
    kept.log.info("call.unconfirmed", status=said, nested={"k": [said]})
    kept.log.warning(f"x{said}")
    logging.getLogger("library").warning("said %s", said)
    text = kept.take()
    assert text.count("\n") == 3
    assert all(line.isprintable() for line in text.split("\n"))


def test_a_traceback_can_forge_no_line_and_no_colour(kept: Kept) -> None:
    try:
        raise RuntimeError("x\n2026-01-01T00:00:00Z [info] call.submitted\r\x1b[31mred\u2028")
    except RuntimeError:
        kept.log.exception("crashed")
        logging.getLogger("library").exception("crashed")
    lines = kept.take().rstrip("\n").split("\n")
    assert all(line.isprintable() for line in lines)
    begun = [line for line in lines if line.startswith(("2026-01-01", "{"))]
    assert len([line for line in begun if line.startswith("2026-01-01")]) == 0


def test_a_level_below_the_setting_is_not_written(kept: Kept) -> None:
    kept.log.debug("quiet")
    logging.getLogger("library").info("quiet")
    logging.getLogger("httpx").error("HTTP Request: POST https://cld.alovoice.uz/requestcall/x")
    assert kept.take() == ""


def test_secrets_of_settings_are_all_found_and_short_ones_left_in_words() -> None:
    found = secrets_of(Settings(_env_file=None, provider_token="abc", api_keys="planted-api-key-90dd"))
    assert found == ("planted-api-key-90dd",)


def test_a_short_secret_is_hidden_in_a_value_that_is_no_longer_than_it() -> None:
    line = Scrubber(["s3cr", "another-secret"])(None, "info", {"event": "s3cr", "extid": "s3cr", "n": 7, "phone": 7})
    assert line == {"event": HIDDEN, "extid": HIDDEN, "n": 7, "phone": "***"}


def test_a_scoped_key_and_what_a_webhooks_url_holds_are_secrets() -> None:
    settings = Settings(
        _env_file=None,
        api_keys="planted-shop-key-77aa;name=shop;roles=submit",
        webhooks="https://hooks.example/services/T0AB12/plantedpathtoken99?sig=planted-query-token",
    )
    scrub = Scrubber(secrets_of(settings))
    for secret in ("planted-shop-key-77aa", "plantedpathtoken99", "planted-query-token"):
        for text in (f"refused {secret}", f"POST /services/T0AB12/{secret} failed"):
            assert secret not in str(scrub(None, "info", {"event": "x", "detail": text}))
    line = scrub(
        None, "info", {"event": "x", "detail": "POST /services/T0AB12/plantedpathtoken99?sig=planted-query-token"}
    )
    assert line["detail"] == "POST [hidden]"


def test_ids_stay_whole_and_numbers_are_masked_by_their_field() -> None:
    scrub = Scrubber(())
    ids = {"request_id": "27998901234567ea", "trace_id": "9989012345671234", "detail": "id 27f9989012345e71"}
    assert scrub(None, "info", {"event": "x", **ids}) == {"event": "x", **ids}
    line = scrub(None, "info", {"event": "x", "phone": "901234567", "detail": "rang 901234567"})
    assert "901234567" not in str(line)


def test_a_text_that_comes_again_and_again_is_hidden_each_time_and_masked_wherever_it_stands() -> None:
    scrub = Scrubber(("planted-token",))
    for _ in range(3):
        line = scrub(None, "info", {"event": "sent planted-token to 901234567", "worker": "host901234567:12"})
        assert line["event"] == "sent [hidden] to 90***4567"
        assert line["worker"] == "host901234567:12"
        line = scrub(None, "info", {"event": "host901234567:12", "phone": "call.submitted"})
        assert line == {"event": "host90***4567:12", "phone": "***"}
        assert scrub(None, "info", {"event": "call.submitted"}) == {"event": "call.submitted"}


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(), st.lists))
def test_scrubbing_never_raises_and_hides_in_any_nesting(value: Any) -> None:
    scrubbed = Scrubber(("planted-token",))(None, "info", {"event": "x", "value": [value, "planted-token"]})
    assert "planted-token" not in str(scrubbed)


# --- pipes ------------------------------------------------------------------------------------------------------------

FLOOD = """
import sys, time
import structlog
from alodial.observability.logging import configure
from alodial.settings import load_settings
configure(load_settings(), non_blocking=True)
log = structlog.get_logger("flood")
slowest = 0.0
for n in range(30_000):
    began = time.monotonic()
    log.info("call.submitted", n=n, filler="x" * 100)
    slowest = max(slowest, time.monotonic() - began)
print(f"{slowest:.3f}", flush=True)
sys.stdin.read()
log.info("call.last")
"""


@pytest.fixture(params=["", "1"], ids=["buffered", "unbuffered"])
def process(request: pytest.FixtureRequest) -> "Iterator[subprocess.Popen[str]]":
    """As people start it, and as many containers do."""
    with subprocess.Popen(
        [sys.executable, "-c", FLOOD],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(ALODIAL_LOG_FORMAT="json", PYTHONUNBUFFERED=request.param),
        text=True,
    ) as flooding:
        yield flooding
        flooding.kill()


@pytest.mark.slow
def test_a_log_pipe_that_nobody_reads_blocks_nobody_and_what_was_dropped_is_counted(
    process: "subprocess.Popen[str]",
) -> None:
    assert process.stdout is not None
    assert float(process.stdout.readline()) < 2
    _, text = process.communicate(input="", timeout=30)
    events = [json.loads(line) for line in text.splitlines()]
    dropped = max(event["lines"] for event in events if event["event"] == "log.dropped")
    assert dropped > 1000
    # 30,000 and the last one, each of them either here or counted.
    assert len([event for event in events if event["event"] != "log.dropped"]) + dropped == 30_001
    assert process.returncode == 0


LEAVING = """
import os
from alodial.observability.logging import configure, drain
from alodial.settings import Settings
import structlog
configure(Settings(_env_file=None), non_blocking=True)
for n in range(3_000):
    structlog.get_logger("alodial.submit").info("call.submitted", n=n)
drain()
os._exit(0)
"""


def test_a_process_that_is_replaced_writes_its_last_lines_before() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LEAVING],
        capture_output=True,
        env=environment(ALODIAL_LOG_FORMAT="json"),
        text=True,
        timeout=60,
        check=True,
    )
    assert len(done.stderr.splitlines()) == 3_000


@pytest.mark.slow
def test_a_process_ends_although_nobody_reads_its_logs(process: "subprocess.Popen[str]") -> None:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdout.readline()
    began = time.monotonic()
    process.stdin.close()
    assert process.wait(timeout=30) == 0
    assert time.monotonic() - began < 10


@pytest.mark.slow
def test_a_closed_log_pipe_stops_nobody(process: "subprocess.Popen[str]") -> None:
    assert process.stderr is not None
    assert process.stdin is not None
    assert process.stdout is not None
    process.stderr.close()
    assert float(process.stdout.readline()) < 2
    process.stdin.close()
    assert process.wait(timeout=30) == 0


def test_a_non_blocking_stream_counts_what_its_closed_pipe_did_not_take() -> None:
    class Closed(io.StringIO):
        def write(self, _text: str) -> int:
            raise BrokenPipeError

    stream = NonBlockingStream(Closed())
    stream.write("a\n")
    stream.drain(5)
    deadline = time.monotonic() + 5
    while stream.dropped == 0 and time.monotonic() < deadline:
        time.sleep(0.001)
    assert stream.dropped == 1
