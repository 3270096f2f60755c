"""``alodial web``: the HTTP server."""

from typing import Annotated

import typer


def _has_keys() -> bool:
    """Returns whether keys were made at run time; False while Redis is away."""
    from ..errors import StoreUnavailable
    from ..store import key_records
    from .session import open_queue

    try:
        with open_queue() as queue:
            return bool(queue.store.run_steps(key_records.version))
    except StoreUnavailable:
        return False


def web(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 chooses a free one and prints it.")] = 8080,
    drain: Annotated[
        float,
        typer.Option(
            min=0,
            max=60,
            help="Seconds for which it goes on after SIGTERM while /readyz is 503, for balancers that check.",
        ),
    ] = 0,
) -> None:
    """Serve the HTTP API, callbacks and the monitor.

    Keys and the callback secret are read from the environment or .env, so that no list of processes shows them.

    Example: alodial web --port 8080
    """
    from ..errors import ConfigurationError
    from ..server.serve import serve
    from ..settings import load_settings
    from ..settings.environment import is_loopback

    settings = load_settings()
    if not settings.api_keys and not is_loopback(host) and not _has_keys():
        raise ConfigurationError(
            f"ALODIAL_API_KEYS: is not set, no key was made, and other machines can reach {host}; "
            "alodial keys create NAME, or listen on 127.0.0.1"
        )
    serve(settings, host, port, drain)
