"""The witness: counts, arrivals, the file that outlives the process."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import httpx
import pytest

from alodial_workers.sandbox.run import bind
from waiting import wait_until

from .conftest import Receiver, Sandbox, sandbox_with


@contextmanager
def sandbox_process(*options: str) -> Generator[tuple[subprocess.Popen[str], Sandbox], None, None]:
    process = subprocess.Popen(
        [sys.executable, "-m", "alodial_workers.sandbox", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("sandbox listening on http://127.0.0.1:"), line
        sandbox = Sandbox(line.rpartition(" ")[2].strip())
        with sandbox.http:
            yield process, sandbox
    finally:
        process.kill()
        process.communicate()


def test_arrivals_are_listed_in_order_with_both_clocks_whatever_became_of_them() -> None:
    with sandbox_with() as sandbox:
        sandbox.two_way("901234501", extid="1")
        sandbox.two_way("901234586", extid="2")
        sandbox.post({})
        arrivals = sandbox.http.get("/sandbox/arrivals").json()
    assert [(one["extid"], one["outcome"]) for one in arrivals] == [("1", "rung"), ("2", "reject"), (None, "malformed")]
    assert all(one["monotonic"] <= two["monotonic"] and one["wall"] <= two["wall"] for one, two in pairwise(arrivals))


def test_calls_are_listed_in_pages() -> None:
    with sandbox_with() as sandbox:
        for extid in ("1", "2", "3"):
            sandbox.two_way("901234501", extid=extid)
        page = sandbox.http.get("/sandbox/calls").json()
        assert [call["extid"] for call in page["calls"]] == ["1", "2", "3"]
        rest = sandbox.http.get("/sandbox/calls", params={"after": page["calls"][1]["id"]}).json()
        assert [call["extid"] for call in rest["calls"]] == ["3"]
        assert rest["next"] == page["next"] == page["calls"][2]["id"]
        assert sandbox.http.get("/sandbox/calls", params={"after": "x"}).status_code == 400


def test_the_oldest_calls_are_dropped_and_the_ledger_says_so() -> None:
    with sandbox_with(max_calls=3) as sandbox:
        for extid in ("1", "1", "2", "3", "4"):
            sandbox.two_way("901234501", extid=extid)
        ledger = sandbox.ledger()
        assert ledger["extids"] == {"2": 1, "3": 1, "4": 1}
        assert (ledger["dropped"], ledger["rung"], ledger["limit"]) == (2, 5, 3)
        assert sandbox.http.get("/sandbox/calls/1").status_code == 404


def test_calls_in_progress_are_counted_until_their_result_is_delivered(receiver: Receiver) -> None:
    receiver.refuse = 1_000_000
    with sandbox_with(callback_url=receiver.url, callback_retry_seconds=0.02) as sandbox:
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda n: sandbox.two_way("901234501", extid=str(n)), range(1, 11)))
        assert sandbox.ledger()["in_progress"] == 10
        receiver.refuse = 0
        wait_until(lambda: sandbox.ledger()["in_progress"] == 0)


def test_a_call_takes_a_channel_until_its_phones_hang_up_and_not_until_its_result_is_delivered(
    receiver: Receiver,
) -> None:
    receiver.refuse = 1_000_000
    with sandbox_with(callback_url=receiver.url, callback_retry_seconds=0.02) as sandbox:
        for n in range(1, 4):
            sandbox.two_way("901234501", extid=str(n))
            wait_until(lambda n=n: '"ended"' in sandbox.http.get(f"/sandbox/calls/{n}").text)  # type: ignore[misc]  # lambda default
        assert (sandbox.ledger()["in_progress"], sandbox.ledger()["peak_concurrent"]) == (3, 1)
        receiver.refuse = 0
        wait_until(lambda: sandbox.ledger()["in_progress"] == 0)


@pytest.mark.slow
def test_the_ledger_file_tells_who_was_rung_after_the_sandbox_was_killed(tmp_path: Path) -> None:
    file = tmp_path / "ledger.jsonl"
    with sandbox_process("--ledger", str(file), "--speed", "60") as (process, sandbox):
        sandbox.two_way("901234501", extid="1")
        sandbox.two_way("901234586", extid="2")
        with pytest.raises(httpx.RemoteProtocolError):
            sandbox.two_way("901234580", extid="3")
        process.kill()
        process.wait()
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert [(line["extid"], line["first"]) for line in lines] == [("1", "712037006"), ("3", "712037006")]
    assert all(isinstance(line["at"], float) for line in lines)


@pytest.mark.slow
@pytest.mark.parametrize("signal_number", [signal.SIGTERM, signal.SIGINT])
def test_a_stopped_sandbox_exits_with_0_and_logs_neither_token_nor_number_nor_callback_url(
    receiver: Receiver, signal_number: signal.Signals
) -> None:
    options = ("--callback-url", receiver.url, "--speed", "5000", "--fault", "double=1")
    with sandbox_process(*options) as (process, sandbox):
        assert sandbox.two_way("901234501", extid="1").status_code == 200
        receiver.results(2)
        wait_until(lambda: sandbox.ledger()["in_progress"] == 0)
        sandbox.two_way("901234501", extid="2")
        process.send_signal(signal_number)
        out, err = process.communicate(timeout=10)
    assert process.returncode == 0
    assert "sandbox.call_ended" in err
    assert "Traceback" not in err
    for secret in ("/requestcall/token", "s3cret", "712037006", "901234501"):
        assert secret not in out + err


def test_kept_connections_are_served_without_waiting_for_an_acknowledgement() -> None:
    """asyncio turns Nagle's algorithm off only for sockets that name their protocol."""
    listener, _ = bind("127.0.0.1", 0)
    with listener:
        assert listener.proto == socket.IPPROTO_TCP
