"""The monitor: pages for people, made on the server. See README.md."""

from fastapi import APIRouter

from . import (
    assets,
    call,
    callbacks,
    calls,
    calls_bulk,
    campaigns,
    dnc,
    downloads,
    failed,
    front,
    logs,
    phone,
    sign,
    stop,
    unconfirmed,
    uploads,
    webhooks,
    workers,
)
from .desk import Desk, make_desk

router = APIRouter(include_in_schema=False)
# What has a word of its own stands before what takes any name.
for screen in (
    assets,
    sign,
    front,
    calls,
    calls_bulk,
    call,
    unconfirmed,
    failed,
    uploads,
    downloads,
    campaigns,
    dnc,
    logs,
    webhooks,
    workers,
    callbacks,
    stop,
    phone,
):
    router.include_router(screen.router)

__all__ = ["Desk", "make_desk", "router"]
