"""What a step of the pacer and a claim cost beside many live campaigns that have nothing to do, or may not go now.

Counts the commands that Redis runs inside of both scripts, and their time. Beside the many there is one campaign that may be
called.
"""

import argparse
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from alodial import CallQueue
from alodial.settings import Settings
from alodial.store import call_transitions, redis_checks
from alodial.store.keys import Keys
from alodial.testing.redis_server import EmbeddedRedis
from alodial_schemas.campaigns import CampaignRequest, parse_campaign
from alodial_workers.hopper import HopperFiller

keys = Keys()

KINDS = ("paused", "scheduled", "running", "channels full")
TIMES = 20
FULL = f"{keys.PREFIX}full:default:n"


def request(name: str, **policy: Any) -> CampaignRequest:
    """A campaign at any hour of the day."""
    call = {"kind": "ivr", "ivrid": 7, "fromline": "712037006"}
    hours = {"windows": "daily 00:00-24:00"}
    return parse_campaign(
        {"name": name, "call": call, "policy": {"hours": hours, "priority": "normal", **policy}}, allowed=()
    )


class Field:
    """A store in which campaigns of one kind grow in number."""

    def __init__(self, kind: str, url: str) -> None:
        self.kind = kind
        self.settings = Settings(
            _env_file=None, redis_url=url, calls_per_second=0, max_concurrent_calls=0, courtesy_hours="off"
        )
        self.queue = CallQueue(settings=self.settings)
        self.store = self.queue.store
        self.epoch = redis_checks.epoch(self.store.redis, keys)
        self.filler = HopperFiller(self.store, self.settings)
        self.count = 0
        later = datetime.now(UTC) + timedelta(days=3)
        policies: dict[str, dict[str, Any]] = {
            "scheduled": {"starts_at": later.isoformat()},
            "channels full": {"channels": 1},
        }
        self.policy = policies.get(kind, {})

    def grow(self, count: int) -> None:
        """Submits until there are so many, and lets pacers do all that there is to do."""
        while self.count < count:
            self.count += 1
            self.submit(f"{self.count}", 3, paused=self.kind == "paused", **self.policy)
        self.submit("other", 200)
        quiet_since = time.monotonic()
        while time.monotonic() - quiet_since < 3:
            pace = self.store.run(call_transitions.pace(self.filler.rooms()))
            for hopper in pace.hoppers:
                self.filler.fill(hopper)
                quiet_since = time.monotonic()
        while self.kind == "channels full" and self.store.redis.scard(FULL) < self.count:
            self.claim()

    def submit(self, name: str, rows: int, *, paused: bool = False, **policy: Any) -> None:
        numbers = [f"+99890{n:07}" for n in range(rows)]
        self.queue.campaigns.submit(numbers, request(name, **policy), actor="bench", again=True, paused=paused)

    def pace(self) -> None:
        self.store.run(call_transitions.pace(self.filler.rooms()))

    def claim(self) -> call_transitions.Claim:
        return self.store.run(
            call_transitions.claim(
                self.settings,
                "default",
                self.settings.account("default"),
                epoch=self.epoch,
                room=1,
                horizon=0,
                attend=0,
            )
        )

    def cost(self, act: Callable[[], object]) -> tuple[float, float]:
        """Commands and microseconds of Redis for this, the mean of some."""
        client: Any = self.store.redis
        client.config_resetstat()
        for _ in range(TIMES):
            act()
        stats = client.info("commandstats")
        ran = sum(
            row["calls"] for name, row in stats.items() if not name.startswith(("cmdstat_config", "cmdstat_info"))
        )
        return ran / TIMES, stats["cmdstat_evalsha"]["usec"] / TIMES


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--counts", default="1,1000,5000", help="how many campaigns, separated by commas")
    counts = [int(count) for count in parser.parse_args().counts.split(",")]
    print(f"{'campaigns':>20} {'pace: commands':>16} {'us':>8} {'claim: commands':>16} {'us':>8}")
    for kind in KINDS:
        with EmbeddedRedis(fsync="no") as server:
            field = Field(kind, server.url)
            for count in counts:
                field.grow(count)
                pace, claim = field.cost(field.pace), field.cost(field.claim)
                print(f"{count:>6} {kind:>13} {pace[0]:16.0f} {pace[1]:8.0f} {claim[0]:16.0f} {claim[1]:8.0f}")


if __name__ == "__main__":
    main()
