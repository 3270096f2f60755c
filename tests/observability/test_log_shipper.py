"""Lines on their way to Redis: nobody waits for them, each arrives once, and what does not arrive is counted."""

import json
import os
import signal
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alodial.observability import log_shipper
from alodial.observability.log_shipper import MAX_LINE, LogShipper, truncate
from alodial.settings import Settings
from alodial.store.client import Store
from alodial.store.keys import Keys
from alodial.store.log_stream import LogWriter
from waiting import wait_until

from .conftest import NUMBERS, PLANTED, Processes

keys = Keys()

pytestmark = pytest.mark.alone

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3000),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=12), VALUES, max_size=12), st.integers(0, 9000))
def test_a_cut_line_is_json_of_bounded_length_that_still_names_its_call(fields: dict[str, object], filler: int) -> None:
    names = {"event": "call.failed", "level": "error", "call_id": "0199", "extid": "7", "worker": "w1"}
    line = log_shipper.encode(fields | names | {"exception": "é" * filler})
    short = truncate(line)
    assert len(short) <= MAX_LINE
    assert json.loads(short).items() >= names.items()
    assert short == line or "cut" in short


@given(st.dictionaries(st.text(max_size=12), VALUES | st.floats(allow_nan=False), max_size=6))
def test_a_line_is_printable_ascii_and_reads_as_the_standard_librarys_would(fields: dict[str, object]) -> None:
    line = log_shipper.encode(fields)
    assert line.isascii()
    assert line.isprintable()
    assert json.loads(line) == json.loads(json.dumps(fields))


def test_a_value_that_json_does_not_know_is_written_as_its_text() -> None:
    line = json.loads(log_shipper.encode({"path": os, "text": "\ud800", "infinite": float("inf"), "large": 10**40}))
    assert line == {"path": str(os), "text": "\ud800", "infinite": float("inf"), "large": 10**40}


def test_a_line_of_usual_length_is_left_as_it_is() -> None:
    line = '{"event":"call.submitted"}'
    assert truncate(line) is line


@pytest.mark.parametrize("form", ["json", "console"])
@pytest.mark.slow
def test_lines_arrive_scrubbed_and_in_order_whatever_the_form_on_standard_error(
    processes: Processes, form: str
) -> None:
    processes.env["ALODIAL_LOG_FORMAT"] = form
    program = f"""
import logging, threading
for n in range(300):
    log.info("call.submitted", n=n, extid=str(n), phone={NUMBERS[2]!r}, text="token " + {PLANTED[0]!r})
logging.getLogger("some.library").error("said %s to %s", {PLANTED[1]!r}, "+" + {NUMBERS[2]!r})
try:
    raise RuntimeError({PLANTED[2]!r})
except RuntimeError:
    log.exception("crashed")
log.info("x\\ny", said="a\\x1b[31m")
"""
    process = processes.logging(program)
    assert process.wait(20) == 0
    lines = processes.lines()
    assert [line["n"] for line in lines[:300]] == list(range(300))
    assert [line["event"] for line in lines[301:]] == ["crashed", "x\ny"]
    assert lines[300]["logger"] == "some.library"
    assert {line["worker"] for line in lines} == {"w1"}
    assert {line["level"] for line in lines} == {"info", "error"}
    assert "RuntimeError" in lines[301]["exception"]
    raw = processes.raw()
    for planted in (*PLANTED, *NUMBERS):
        assert planted not in raw


@pytest.mark.slow
def test_the_level_of_the_settings_is_the_level_of_the_stream(processes: Processes) -> None:
    processes.env["ALODIAL_LOG_LEVEL"] = "warning"
    assert processes.logging("log.info('quiet'); log.warning('loud')").wait(20) == 0
    assert [line["event"] for line in processes.lines()] == ["loud"]


@pytest.mark.slow
def test_without_lines_to_keep_none_are_written(processes: Processes) -> None:
    processes.env["ALODIAL_LOGS_KEEP"] = "0"
    assert processes.logging("log.warning('loud')").wait(20) == 0
    assert processes.lines() == []


@pytest.mark.slow
def test_a_one_shot_command_writes_no_lines(processes: Processes) -> None:
    assert processes.run("call", "two-way", "--from", NUMBERS[0], "--to", NUMBERS[1]).returncode == 0
    assert processes.lines() == []


@pytest.mark.slow
def test_the_stream_is_bounded(processes: Processes) -> None:
    processes.env["ALODIAL_LOGS_KEEP"] = "1000"
    assert processes.logging("for n in range(9000): log.info('call.submitted', n=n)").wait(30) == 0
    numbers = [line["n"] for line in processes.lines()]
    # Redis throws whole nodes away, of at most 100 lines each.
    assert 1000 <= len(numbers) <= 1100
    assert numbers == list(range(9000 - len(numbers), 9000))


BLOCKED = """
import time
from alodial.observability import logging as logs
plain = structlog.get_config()["processors"]
def seconds(processors):
    structlog.configure(processors=processors, cache_logger_on_first_use=False)
    log = structlog.get_logger("measured")
    began = time.perf_counter()
    for n in range(2000):
        log.info("call.submitted", n=n, call_id="0199c0de-7000-7000-8000-00c8f5b3e5d1", extid="220861354010065", ms=5)
    return time.perf_counter() - began
without = [one for one in plain if getattr(one, "__name__", "") not in ("rendered", "processor")]
assert len(without) == len(plain) - 1
print("ready", flush=True)
sys.stdin.readline()
pairs = [(seconds(without), seconds(plain)) for _ in range(6)]
print(min(b for _, b in pairs) / min(a for a, _ in pairs), flush=True)
sys.stdin.readline()
"""


@pytest.mark.slow
def test_work_does_not_wait_for_a_redis_that_stands_still(processes: Processes) -> None:
    process = processes.logging(BLOCKED)
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    processes.pause_redis()
    process.stdin.write("\n")
    process.stdin.flush()
    # 12,000 lines, so that the buffer is full too. One round trip of a second would make it a hundred times.
    assert float(process.stdout.readline()) < 1.5
    processes.wake_redis()
    process.stdin.close()
    assert process.wait(20) == 0


@pytest.mark.slow
def test_what_found_no_room_is_counted_and_told_and_nothing_else_is_lost_or_doubled(processes: Processes) -> None:
    program = """
log.info("before")
print(flush=True)
sys.stdin.readline()
for n in range(15_000):
    log.info("call.submitted", n=n)
print(flush=True)
sys.stdin.readline()
log.info("after")
"""
    process = processes.logging(program)
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdout.readline()
    wait_until(lambda: len(processes.lines()) == 1)
    processes.pause_redis()
    process.stdin.write("\n")
    process.stdin.flush()
    process.stdout.readline()
    processes.wake_redis()
    lines = wait_until(lambda: (found := processes.lines())[-1]["event"] == "log.dropped" and found)
    process.stdin.close()
    assert process.wait(20) == 0
    dropped = lines[-1]
    assert (dropped["level"], dropped["worker"]) == ("warning", "w1")
    numbers = [line["n"] for line in lines if "n" in line]
    assert numbers == list(range(len(numbers)))
    assert len(numbers) + dropped["lines"] == 15_000
    assert dropped["lines"] >= 4000
    assert processes.lines()[-1]["event"] == "after"
    with processes.redis.client() as client:
        assert client.get(keys.LOGS_LOST) == str(dropped["lines"]).encode()
        assert 0 < client.ttl(keys.LOGS_LOST) <= 86_400


@pytest.mark.slow
def test_lines_wait_for_a_redis_that_was_killed_and_come_once(processes: Processes) -> None:
    program = """
import time
for n in range(400):
    log.info("call.submitted", n=n)
    time.sleep(0.005)
"""
    process = processes.logging(program)
    for _ in range(3):
        wait_until(lambda: len(processes.lines()) % 7, within=5)
        processes.redis.kill()
        processes.redis.start()
    assert process.wait(30) == 0
    assert [line["n"] for line in processes.lines()] == list(range(400))


@pytest.mark.slow
def test_a_process_ends_although_redis_is_away(processes: Processes) -> None:
    process = processes.logging("log.info('before'); print(flush=True); sys.stdin.readline(); log.info('after')")
    assert process.stdout is not None
    process.stdout.readline()
    processes.redis.kill()
    assert process.stdin is not None
    process.stdin.close()
    assert process.wait(20) == 0
    processes.redis.start()


@pytest.mark.slow
def test_a_redis_at_its_limit_of_memory_stops_nobody_and_gets_the_lines_later(processes: Processes) -> None:
    with processes.redis.client() as client:
        client.config_set("maxmemory", 1)
        process = processes.logging("log.info('a'); print(flush=True); sys.stdin.readline(); log.info('b')")
        assert process.stdout is not None
        process.stdout.readline()
        assert processes.lines() == []
        client.config_set("maxmemory", 0)
    wait_until(lambda: [line["event"] for line in processes.lines()] == ["a"])
    assert process.stdin is not None
    process.stdin.close()
    assert process.wait(20) == 0
    assert [line["event"] for line in processes.lines()] == ["a", "b"]


@pytest.mark.slow
def test_forked_children_write_for_themselves(processes: Processes) -> None:
    program = """
import os, time
log.info("parent", n=0)
for child in (1, 2):
    if os.fork() == 0:
        log.info("child", n=child)
        from alodial.observability.logging import drain
        drain()
        os._exit(0)
for child in (1, 2):
    os.wait()
log.info("parent", n=3)
"""
    assert processes.logging(program).wait(20) == 0
    assert sorted(line["n"] for line in processes.lines()) == [0, 1, 2, 3]


def test_lines_whose_answer_was_lost_are_not_written_again(store: Store) -> None:
    writer = LogWriter(store.redis, keys, "p1", 1000)
    other = LogWriter(store.redis, keys, "p2", 1000)
    lines = [b'{"n":%d}' % n for n in range(6)]
    writer.append(0, lines[:2])
    other.append(0, [b'{"other":1}'])
    # Half of a batch arrives, then the connection is gone.
    store.redis.xadd(keys.LOGS, {"l": lines[2], "p": "p1", "n": 2})
    writer._unsure = True
    writer.append(2, lines[2:])
    kept = [fields[b"l"] for _, fields in store.redis.xrange(keys.LOGS)]
    assert [line for line in kept if b"other" not in line] == lines


def test_a_shipper_that_cannot_reach_redis_keeps_a_bounded_buffer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_shipper, "LINES", 10)
    shipper = LogShipper(Settings(_env_file=None, redis_url="redis://127.0.0.1:1/0", redis_timeout=0.1), {})
    for n in range(1000):
        shipper.put(f'{{"n":{n}}}')
    assert len(shipper._lines) <= 10
    # Those that the thread holds are the only others.
    assert 1000 - shipper.dropped <= 10 + log_shipper.BATCH
    assert shipper.dropped >= 480


def test_a_signal_may_log_in_the_middle_of_a_line(settings: Settings) -> None:
    shipper = LogShipper(settings, {})
    before = signal.signal(signal.SIGUSR1, lambda *_: shipper.put('{"event":"signal"}'))
    try:
        with shipper._lock:
            os.kill(os.getpid(), signal.SIGUSR1)
            for _ in range(100):
                shipper.put('{"event":"line"}')
    finally:
        signal.signal(signal.SIGUSR1, before)
    shipper.drain(5)
    assert shipper.dropped == 0


def test_a_line_for_which_there_is_no_thread_leaves_with_the_next(
    settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    shipper = LogShipper(settings, {})
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        shipper.put('{"event":"first"}')
    shipper.put('{"event":"second"}')
    wait_until(
        lambda: (
            [fields[b"l"] for _, fields in store.redis.xrange(keys.LOGS)]
            == [b'{"event":"first"}', b'{"event":"second"}']
        )
    )
