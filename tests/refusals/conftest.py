"""A Redis in front of which somebody may refuse."""

from collections.abc import Iterator

import pytest

from alodial.settings import Settings
from alodial.testing.redis_server import EmbeddedRedis

from .proxy import RefusingProxy


@pytest.fixture(scope="module")
def proxy(redis_server: EmbeddedRedis) -> Iterator[RefusingProxy]:
    with RefusingProxy(redis_server.port) as proxy:
        yield proxy


@pytest.fixture
def through(settings: Settings, proxy: RefusingProxy) -> Settings:
    """The settings of the other tests, with the way to Redis that may refuse."""
    values = settings.model_dump() | {"redis_url": proxy.url, "redis_timeout": 2}
    return Settings(_env_file=None, **values)
