"""The POST of the asyncio peers: pyreqwest, the fastest client that they may choose."""

from typing import Any

from feeder import BODY
from pyreqwest.client import ClientBuilder

IN_FLIGHT = 512

_clients: list[Any] = []


async def post(url: str, extid: str) -> None:
    """Raises for a status other than 2xx."""
    if not _clients:
        builder = ClientBuilder().max_connections(IN_FLIGHT).pool_max_idle_per_host(IN_FLIGHT)
        _clients.append(builder.error_for_status(True).build())
    request = _clients[0].post(url).header("content-type", "application/x-www-form-urlencoded")
    await (await request.body_text(BODY + extid).build().send()).text()
