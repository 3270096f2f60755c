"""Erases a person for a request, of a program or of somebody at the monitor: one at a time in a process."""

import asyncio

from starlette.requests import Request

from alodial_schemas import FieldProblem, PhoneError, any_phone

from ..calls.erasure import Eraser, ErasureReport
from ..calls.threads import WORK
from ..errors import InvalidCall
from .context import app_context
from .problems import RETRY_AFTER, Refusal


class OneErasure:
    """Says whether an erasure is under way: each looks through the whole store and keeps a thread for seconds or minutes."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()

    async def run(self, request: Request, number: str, actor: str, *, apply: bool) -> ErasureReport:
        """Erases a number in E.164, or counts what would be erased. Raises Refusal 503 while another one is under way."""
        if self._lock.locked():
            detail = "Another person is being erased; send it again."
            raise Refusal(503, "overloaded", detail, headers={"Retry-After": RETRY_AFTER})
        async with self._lock:
            store = app_context(request).queue.thread_store
            return await WORK.run(Eraser(store, number, apply=apply).run, actor)


def number_to_erase(request: Request, phone: str) -> str:
    """The number in E.164, of whatever country. Raises InvalidCall."""
    try:
        return any_phone(phone, app_context(request).settings.allowed_prefixes)
    except PhoneError as exc:
        raise InvalidCall([FieldProblem("phone", exc.code, exc.reason, exc.remedy)]) from None
