"""The HTTP side: see README.md here and docs/http.md. The web framework is loaded when something of it is asked for."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .app import create_app
    from .server import serve

__all__ = ["create_app", "serve"]


def __getattr__(name: str) -> Any:
    if name == "create_app":
        from .app import create_app  # noqa: PLC0415  # `alodial --help` imports this package's command alone

        return create_app
    if name == "serve":
        from .server import serve  # noqa: PLC0415  # as above

        return serve
    raise AttributeError(name)
