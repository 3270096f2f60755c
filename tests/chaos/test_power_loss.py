"""A power failure of Redis' host: its last second is gone, the workers and their POSTs are not."""

import time
from pathlib import Path

import pytest
from plant import Plant

from alodial import TwoWayCall
from waiting import wait_until

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(600)]

CALLS = 400
LOST = 1.0
"""Seconds of changes that are not on the disk."""


def size_of(files: Path) -> dict[str, int]:
    return {str(path.relative_to(files)): path.stat().st_size for path in files.rglob("*") if path.is_file()}


def lose_power(plant: Plant, *, seconds: float) -> None:
    """Ends Redis with SIGKILL and cuts its append-only file to what it was some seconds before, as the disk would."""
    folder = plant.folder / "redis"
    before = size_of(folder)
    time.sleep(seconds)
    plant.redis.kill()
    for path in [path for path in folder.rglob("*") if path.is_file() and ".aof" in path.name]:
        kept = before.get(str(path.relative_to(folder)))
        if kept is None:
            path.unlink()
        else:
            with path.open("r+b") as file:
                file.truncate(kept)


@pytest.mark.parametrize("down", [0.0, 20.0], ids=["back at once", "away for longer than a lease"])
def test_no_phone_rings_twice_when_redis_loses_its_last_second_and_workers_live(tmp_path: Path, down: float) -> None:
    with Plant(
        tmp_path,
        fsync="no",
        sandbox=("--speed", "60", "--answer-delay", "0.3"),
        calls_per_second="40",
        result_timeout="60",
        channel_timeout="20",
    ) as plant:
        for name in ("worker-0", "worker-1", "worker-2"):
            plant.start_worker(name)
        with plant.queue() as queue:
            rows = queue.enqueue_many(
                TwoWayCall(callfrom="712037006", callto=[f"90{n:05d}10"], reference=f"row-{n}") for n in range(CALLS)
            )
        wait_until(lambda: len(plant.rings()) > 100, within=60, what="a quarter has rung")
        before = len(plant.rings())
        lose_power(plant, seconds=LOST)
        lost = len(plant.rings()) - before
        time.sleep(down)
        plant.redis.start()
        wait_until(lambda: plant.all_ended(CALLS), within=200, what="every call ended", every=0.5)
        rings = plant.rings()
        counts = plant.counts()
        print(f"rang in the lost second: {lost}; ends: {counts}")
        assert {extid: n for extid, n in rings.items() if n > 1} == {}
        assert set(rings) == {row.extid for row in rows if not isinstance(row, Exception)}, "and nobody is forgotten"
        assert sum(counts.values()) == CALLS
        # Results that were answered 200 in that second are gone: with `fast` their calls time out, and nothing else is wrong.
        assert counts.get("completed", 0) + counts.get("timed_out", 0) == CALLS
        assert counts.get("timed_out", 0) <= 2 * lost
