"""``alodial web``: the HTTP server."""

import ipaddress
from typing import Annotated

import typer


def is_loopback(host: str) -> bool:
    """Returns whether only this machine can reach the host."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def web(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 chooses a free one and prints it.")] = 8080,
) -> None:
    """Serve the HTTP API, callbacks and the monitor.

    Example: ALODIAL_API_KEYS=... ALODIAL_CALLBACK_SECRET=... alodial web --port 8080
    """
    from ..errors import ConfigurationError
    from ..server.serve import serve
    from ..settings import load_settings

    settings = load_settings()
    if not settings.api_keys and not is_loopback(host):
        raise ConfigurationError(
            f"ALODIAL_API_KEYS: is not set, and other machines can reach {host}; set it, or listen on 127.0.0.1"
        )
    serve(settings, host, port)
