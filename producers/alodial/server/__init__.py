"""Mounts HTTP for programs and the monitor for people into one application. The web framework is loaded on first use."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .app import create_app
    from .serve import serve

__all__ = ["create_app", "serve"]


def __getattr__(name: str) -> Any:
    if name == "create_app":
        from .app import create_app  # noqa: PLC0415  # `alodial --help` imports this package's command alone

        return create_app
    if name == "serve":
        from .serve import serve  # noqa: PLC0415  # as above

        return serve
    raise AttributeError(name)
