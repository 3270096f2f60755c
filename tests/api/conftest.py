"""One ``alodial web`` with keys of every kind."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from alodial.settings import Settings
from web.conftest import Web

ALL, READ, SUBMIT, OPERATE = (f"planted-key-{name}-5f1e" for name in ("all", "read", "submit", "operate"))
SHOP, CRM = "planted-key-shop-77aa", "planted-key-crm-77ab"
KEYS = ",".join(
    (
        ALL,
        f"{READ};name=reader;roles=read",
        f"{SUBMIT};name=submitter;roles=submit",
        f"{OPERATE};roles=operate;name=operator",
        f"{SHOP};name=shop;roles=submit+read;own",
        f"{CRM};own;name=crm",
    )
)


@pytest.fixture(scope="module")
def served(
    request: pytest.FixtureRequest, redis_server: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Web]:
    """With the module's ``KEYS``, where it has some."""
    keys = getattr(request.module, "KEYS", KEYS)
    web = Web(redis_server.url, tmp_path_factory.mktemp("web"), API_KEYS=keys)
    yield web
    assert web.stop() == 0


@pytest.fixture
def web(served: Web, settings: Settings) -> Web:
    """On an emptied Redis."""
    return served


class Clients:
    """Clients by key, closed together."""

    def __init__(self, web: Web) -> None:
        self._web = web
        self._open: dict[str, httpx.Client] = {}

    def __call__(self, key: str) -> httpx.Client:
        return self._open.setdefault(key, self._web.client(key))

    def close(self) -> None:
        for client in self._open.values():
            client.close()


@pytest.fixture
def by(web: Web) -> Iterator[Clients]:
    clients = Clients(web)
    yield clients
    clients.close()
