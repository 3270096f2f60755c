"""A whole plant of real processes on loopback: Redis, sandbox, web and workers, each of which can be killed for real."""

import json
import os
import random
import signal
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from alodial import CallQueue
from alodial.settings import Settings
from alodial.testing.redis_server import EmbeddedRedis, free_port
from alodial_schemas import ENDS

TOKEN = "planted-token-7f3a9c"
CALLBACK_SECRET = "planted-callback-secret-51b2"
API_KEY = "planted-api-key-90dd"

WORKER = """
from alodial.settings import load_settings
from alodial_workers.main import run_worker
raise SystemExit(run_worker(load_settings()))
"""
WEB = """
import sys
from alodial.settings import load_settings
from alodial.server.serve import serve
serve(load_settings(), "127.0.0.1", int(sys.argv[1]))
"""


def wait_until(condition: Callable[[], Any], *, within: float, what: str, every: float = 0.05) -> Any:
    """The condition's first true value. Fails with ``what`` when there is none in time."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(every)
    raise AssertionError(f"not within {within:.0f} s: {what}")


class Plant:
    """Started by ``with``; everything it started is killed by pid at its end. Logs of all processes are in ``folder``."""

    def __init__(
        self,
        folder: Path,
        *,
        sandbox: tuple[str, ...] = (),
        redis_options: tuple[str, ...] = (),
        fsync: str = "always",
        **settings: str,
    ) -> None:
        self.folder = folder
        (folder / "redis").mkdir(parents=True, exist_ok=True)
        self.redis = EmbeddedRedis(folder=folder / "redis", fsync=fsync, options=redis_options)
        self.ledger = folder / "ledger.jsonl"
        self._sandbox_options = sandbox
        self.sandbox_url = ""
        self.web_port = free_port()
        self._more = settings
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.env: dict[str, str] = {}

    @property
    def callback_url(self) -> str:
        return f"http://127.0.0.1:{self.web_port}/callbacks/alovoice/{CALLBACK_SECRET}"

    def __enter__(self) -> Self:
        self.redis.start()
        try:
            port = free_port()
            self.sandbox_url = f"http://127.0.0.1:{port}"
            self.env = {
                **{name: value for name, value in os.environ.items() if not name.startswith("ALODIAL_")},
                "ALODIAL_REDIS_URL": self.redis.url,
                "ALODIAL_PROVIDER_URL": self.sandbox_url,
                "ALODIAL_PROVIDER_TOKEN": TOKEN,
                "ALODIAL_CALLBACK_SECRET": CALLBACK_SECRET,
                "ALODIAL_API_KEYS": API_KEY,
                "ALODIAL_CALLS_PER_SECOND": "0",
                "ALODIAL_COURTESY_HOURS": "off",
                "ALODIAL_MAX_CONCURRENT_CALLS": "0",
                "ALODIAL_PROVIDER_TIMEOUT": "3",
                "ALODIAL_LOG_FORMAT": "json",
                "ALODIAL_SPOOL_DIR": str(self.folder / "spool"),
                **self._more,
            }
            self.start(
                "sandbox",
                [
                    "-m",
                    "alodial_workers.sandbox",
                    "--port",
                    str(port),
                    "--callback-url",
                    self.callback_url,
                    "--ledger",
                    str(self.ledger),
                    *self._sandbox_options,
                ],
            )
            self.start_web()
            wait_until(lambda: self.reachable(f"{self.sandbox_url}/healthz"), within=20, what="sandbox listens")
            wait_until(
                lambda: self.reachable(f"http://127.0.0.1:{self.web_port}/healthz"), within=20, what="web listens"
            )
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        for process in self.processes.values():
            if process.poll() is None:
                process.kill()
        for process in self.processes.values():
            process.wait()
        self.redis.stop()

    def start(self, name: str, args: list[str]) -> None:
        """A Python process with the plant's settings; its output goes to ``folder/name.log``."""
        with (self.folder / f"{name.partition('-')[0]}.log").open("ab") as out:
            self.processes[name] = subprocess.Popen(
                [sys.executable, *args], stdout=out, stderr=out, stdin=subprocess.DEVNULL, env=self.env
            )

    def start_web(self) -> None:
        self.start("web", ["-c", WEB, str(self.web_port)])

    def start_worker(self, name: str) -> None:
        self.start(name, ["-c", WORKER])

    def kill(self, name: str, number: int = signal.SIGKILL) -> None:
        """A signal to one of our own processes; SIGKILL is waited for."""
        process = self.processes[name]
        if process.poll() is None:
            process.send_signal(number)
            if number == signal.SIGKILL:
                process.wait()

    def reachable(self, url: str) -> bool:
        try:
            with urllib.request.urlopen(url, timeout=1) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def settings(self) -> Settings:
        return Settings(_env_file=None, redis_url=self.redis.url, redis_timeout=5)  # type: ignore[call-arg]  # pydantic-settings' own

    def queue(self) -> CallQueue:
        return CallQueue(settings=self.settings())

    def rings(self) -> Counter[str]:
        """POSTs that rang phones, by extid, as the sandbox wrote them down before it answered."""
        found: Counter[str] = Counter()
        if self.ledger.exists():
            for line in self.ledger.read_text().splitlines():
                found[json.loads(line)["extid"]] += 1
        return found

    def ledger_view(self) -> Any:
        with urllib.request.urlopen(f"{self.sandbox_url}/sandbox/ledger", timeout=5) as answer:
            return json.load(answer)

    def arrivals(self) -> list[float]:
        """When each POST reached the sandbox, seconds, in order."""
        with urllib.request.urlopen(f"{self.sandbox_url}/sandbox/arrivals", timeout=5) as answer:
            rows = json.load(answer)
        return [row["monotonic"] for row in (rows["arrivals"] if isinstance(rows, dict) else rows)]

    def counts(self) -> dict[str, int]:
        """Calls by state as the store counts them."""
        with self.redis.client() as client:
            return {k.decode(): int(v) for k, v in client.hgetall("alodial:{dial}:counts").items() if int(v)}

    def all_ended(self, calls: int) -> bool:
        try:
            counts = self.counts()
        except Exception:
            return False
        return sum(counts.get(state, 0) for state in ENDS) >= calls

    def terminal_events(self) -> Counter[str]:
        """Terminal events by call id, over the whole stream."""
        ends = {f"alodial.call.{state}" for state in ENDS}
        found: Counter[str] = Counter()
        with self.redis.client() as client:
            last = "-"
            while rows := client.xrange("alodial:events", min=last, count=2000):
                for _, fields in rows:
                    event = json.loads(fields[b"event"])
                    if event["type"] in ends:
                        found[event["subject"]] += 1
                last = f"({rows[-1][0].decode()}"
        return found

    def log_text(self) -> str:
        return "\n".join(path.read_text(errors="replace") for path in sorted(self.folder.glob("*.log")))


def killer(plant: Plant, workers: list[str], rng: random.Random) -> Iterator[str]:
    """Kills one worker at random and starts it again, each time it is asked."""
    while True:
        name = rng.choice(workers)
        plant.kill(name)
        plant.start_worker(name)
        yield name
