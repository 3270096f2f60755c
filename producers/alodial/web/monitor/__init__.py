"""The monitor: pages for people, made on the server. See README.md."""

from fastapi import APIRouter

from . import assets, campaigns, dnc, downloads, front, sign, uploads
from .desk import Desk, make_desk

router = APIRouter(include_in_schema=False)
# What has a word of its own stands before what takes any name.
for screen in (assets, sign, front, uploads, downloads, campaigns, dnc):
    router.include_router(screen.router)

__all__ = ["Desk", "make_desk", "router"]
