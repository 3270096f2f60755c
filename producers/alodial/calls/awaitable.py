"""Campaigns, do-not-call lists and webhook endpoints for an event loop: each method runs in a thread and is awaited."""

from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from functools import wraps
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar

from ..campaigns.service import CampaignService
from ..do_not_call import DoNotCall
from ..webhooks.admin import WebhookAdmin
from .threads import CONTROL, EXPORTS, READS, WORK, ThreadPool

P = ParamSpec("P")
S = TypeVar("S")
S_co = TypeVar("S_co", covariant=True)
T = TypeVar("T")

ROWS = 500
"""Rows that an async iterator fetches in one thread call."""


class InThreads(Generic[S_co]):
    """Wraps a service with blocking methods. ``blocking`` is that service, for code that runs in a thread itself."""

    def __init__(self, blocking: S_co) -> None:
        self.blocking = blocking


def _awaited(
    method: Callable[Concatenate[S, P], T], pool: ThreadPool = READS
) -> Callable[Concatenate[InThreads[S], P], Coroutine[Any, Any, T]]:
    """``pool`` runs the method."""

    @wraps(method)
    async def run(self: InThreads[S], /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await pool.run(method, self.blocking, *args, **kwargs)

    return run


def _iterated(
    method: Callable[Concatenate[S, P], Iterator[T]],
) -> Callable[Concatenate[InThreads[S], P], AsyncIterator[T]]:
    @wraps(method)
    async def iterate(self: InThreads[S], /, *args: P.args, **kwargs: P.kwargs) -> AsyncIterator[T]:
        async for block in EXPORTS.iterate(method(self.blocking, *args, **kwargs), ROWS):
            for row in block:
                yield row

    return iterate


class AsyncCampaigns(InThreads[CampaignService]):
    """The methods of :class:`~alodial.campaigns.service.CampaignService`; ``problems`` and ``rows`` are async iterators."""

    activity = _awaited(CampaignService.activity)
    add = _awaited(CampaignService.add, WORK)
    cancel = _awaited(CampaignService.cancel, CONTROL)
    change = _awaited(CampaignService.change, CONTROL)
    check = _awaited(CampaignService.check, WORK)
    clone = _awaited(CampaignService.clone, WORK)
    get = _awaited(CampaignService.get)
    list = _awaited(CampaignService.list)
    pause = _awaited(CampaignService.pause, CONTROL)
    problems = _iterated(CampaignService.problems)
    resume = _awaited(CampaignService.resume, CONTROL)
    retry_failed = _awaited(CampaignService.retry_failed, WORK)
    rows = _iterated(CampaignService.rows)
    submit = _awaited(CampaignService.submit, WORK)


class AsyncDoNotCall(InThreads[DoNotCall]):
    """The methods of :class:`~alodial.do_not_call.DoNotCall`; ``every`` is an async iterator."""

    add = _awaited(DoNotCall.add, CONTROL)
    add_file = _awaited(DoNotCall.add_file, WORK)
    add_lines = _awaited(DoNotCall.add_lines, WORK)
    count = _awaited(DoNotCall.count)
    erased = _awaited(DoNotCall.erased)
    every = _iterated(DoNotCall.every)
    find = _awaited(DoNotCall.find)
    listed = _awaited(DoNotCall.listed)
    page = _awaited(DoNotCall.page)
    remove = _awaited(DoNotCall.remove, CONTROL)


class AsyncWebhookAdmin(InThreads[WebhookAdmin]):
    """The methods of :class:`~alodial.webhooks.admin.WebhookAdmin`."""

    add = _awaited(WebhookAdmin.add)
    added = _awaited(WebhookAdmin.added)
    disable = _awaited(WebhookAdmin.disable)
    enable = _awaited(WebhookAdmin.enable)
    find = _awaited(WebhookAdmin.find)
    history = _awaited(WebhookAdmin.history)
    list = _awaited(WebhookAdmin.list)
    remove = _awaited(WebhookAdmin.remove)
    resend = _awaited(WebhookAdmin.resend, WORK)
    resend_parked = _awaited(WebhookAdmin.resend_parked, WORK)
    test = _awaited(WebhookAdmin.test)
