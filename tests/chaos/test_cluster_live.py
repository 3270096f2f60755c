"""Two installations on a Redis Cluster under load: a slot moves and a primary dies; nobody is rung twice, no call is lost."""

import os
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from redis_cluster import RedisCluster
from test_failover_live import FROM, FailoverPlant, _wait_for_ends, phone

from alodial import CallQueue, TwoWayCall
from alodial.settings import Settings
from alodial.store.keys import slot_of
from waiting import wait_until

pytestmark = [pytest.mark.chaos, pytest.mark.failover, pytest.mark.timeout(900)]

FULL = os.environ.get("ALODIAL_CHAOS") == "full"
QUEUED = 500 if FULL else 150
SECONDS = 60 if FULL else 20
"""So long calls come in by HTTP, 30 a second of each installation, while it dials 25 a second."""

AWAY = 4.0
"""Seconds after which the dead primary is started again, as a replica of its successor."""


class ClusterPlant(FailoverPlant):
    """One installation's processes, of its own namespace."""

    def __init__(self, folder: Path, cluster: RedisCluster, namespace: str) -> None:
        folder.mkdir()
        super().__init__(folder, cluster, "replica", namespace=namespace)  # type: ignore[arg-type]  # only its url is used
        self.namespace = namespace
        self.slot = slot_of(f"{namespace}:events")

    def queue(self) -> CallQueue:
        given: Any = {"redis_url": self.group.url, "namespace": self.namespace, "durability": "replica"}
        return CallQueue(settings=Settings(_env_file=None, redis_timeout=5, **given))

    def fill(self) -> dict[str, str]:
        """Stores the first calls and begins to take others."""
        self.start_worker("worker-0")
        with self.queue() as queue:
            rows: Any = queue.enqueue_many([TwoWayCall(callfrom=FROM, callto=[phone(n)]) for n in range(QUEUED)])
        self.pacing = self.intake.start(SECONDS)
        return {str(n): row.id for n, row in enumerate(rows)}

    def outcome(self, accepted: dict[str, str]) -> tuple[dict[str, int], list[str], dict[str, int]]:
        """Numbers rung more than once, accepted calls that are gone, and those that did not complete."""
        states = _wait_for_ends(self, 0, accepted | self.intake.accepted)
        twice = {number: n for number, n in self.rings_by_number().items() if n > 1}
        lost = [name for name, state in states.items() if state is None]
        unfinished = Counter(state for state in states.values() if state not in (None, "completed"))
        back = max(
            (after - before for before, after in zip(self.intake.at, self.intake.at[1:], strict=False)), default=0
        )
        print(
            f"CLUSTER {self.namespace}: accepted {len(states)}, rung twice {len(twice)}, lost {len(lost)}, "
            f"not completed {dict(unfinished)}, HTTP took none for {back:.1f} s at most"
        )
        return twice, lost, dict(unfinished)


def test_a_slot_that_moves_and_a_primary_that_dies_ring_nobody_twice(tmp_path: Path) -> None:
    options = ("--min-replicas-to-write", "1", "--min-replicas-max-lag", "5")
    with (
        RedisCluster(tmp_path / "cluster", options=options) as cluster,
        ClusterPlant(tmp_path / "ours", cluster, "alodial") as ours,
        ClusterPlant(tmp_path / "theirs", cluster, "sales") as theirs,
    ):
        plants = (ours, theirs)
        accepted = [plant.fill() for plant in plants]
        for plant in plants:
            wait_until(lambda plant=plant: len(plant.rings()) > 20, within=40, what="calls go out")
        moved = cluster.move(ours.slot, (cluster.owner(ours.slot) + 1) % 3)
        print(f"CLUSTER the slot of {ours.namespace} moved with {moved} keys")
        time.sleep(5)
        dead = cluster.owner(theirs.slot)
        cluster.nodes[dead].kill()
        time.sleep(AWAY)
        cluster.nodes[dead].start()
        for plant in plants:
            plant.pacing.join(150)
        for plant, first in zip(plants, accepted, strict=True):
            assert plant.outcome(first) == ({}, [], {})
            assert len(plant.intake.accepted) == SECONDS * 30
