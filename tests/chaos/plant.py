"""The stack of real processes that the chaos tests kill: Redis, sandbox, web and workers, and what can be read of each."""

import json
import signal
from collections import Counter
from pathlib import Path
from typing import Any

from alodial import CallQueue
from alodial.settings import Settings
from alodial_schemas import ENDS
from alodial_workers.demo.stack import ProcessStack

TOKEN = "planted-token-7f3a9c"
CALLBACK_SECRET = "planted-callback-secret-51b2"
API_KEY = "planted-api-key-90dd"


class Plant(ProcessStack):
    """A stack without limits, with known secrets and a ledger file; its processes are killed at the end."""

    def __init__(
        self,
        folder: Path,
        *,
        sandbox: tuple[str, ...] = (),
        redis_options: tuple[str, ...] = (),
        fsync: str = "always",
        **values: Any,
    ) -> None:
        self.ledger = folder / "ledger.jsonl"
        defaults = {
            "provider_token": TOKEN,
            "callback_secret": CALLBACK_SECRET,
            "api_keys": API_KEY,
            "calls_per_second": 0,
            "max_concurrent_calls": 0,
            "provider_timeout": 3,
        }
        options = ("--ledger", str(self.ledger), *sandbox)
        super().__init__(folder, defaults | values, sandbox=options, redis_options=redis_options, fsync=fsync)

    def kill(self, name: str, number: int = signal.SIGKILL) -> None:
        """A signal to one of our own processes; SIGKILL is waited for."""
        process = self.processes[name]
        if process.poll() is None:
            process.send_signal(number)
            if number == signal.SIGKILL:
                process.wait()

    def queue(self) -> CallQueue:
        return CallQueue(settings=Settings(_env_file=None, redis_url=self.redis.url, redis_timeout=5))

    def rings(self) -> Counter[str]:
        """POSTs that rang phones, by extid, as the sandbox wrote them down before it answered."""
        found: Counter[str] = Counter()
        if self.ledger.exists():
            for line in self.ledger.read_text().splitlines():
                found[json.loads(line)["extid"]] += 1
        return found

    def ledger_view(self) -> Any:
        return self.http.get(f"{self.sandbox_url}/sandbox/ledger").json()

    def arrivals(self) -> list[float]:
        """When each POST reached the sandbox, seconds, in order."""
        return [row["monotonic"] for row in self.http.get(f"{self.sandbox_url}/sandbox/arrivals").json()]

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
