"""The monitor: pages for people, rendered on the server. See README.md."""

from fastapi import APIRouter

from . import (
    audit_page,
    call,
    callbacks,
    calls,
    calls_bulk,
    calls_export,
    campaign_downloads,
    campaign_rows,
    campaigns,
    channels,
    do_not_call,
    do_not_call_file,
    emergency_stop,
    erasure,
    failed,
    keys,
    logs,
    new_campaign,
    now,
    provider_check,
    recordings,
    reports,
    saved_filters,
    sessions,
    settings_page,
    sign_in,
    static_files,
    submit_draft,
    unconfirmed,
    webhooks,
    workers,
)
from .context import MonitorContext, make_context
from .unknown_address import answer_unknown_address

router = APIRouter(include_in_schema=False)
# Routes with a fixed path come before routes that take any name.
for screen in (
    static_files,
    sign_in,
    sessions,
    keys,
    audit_page,
    settings_page,
    now,
    provider_check,
    calls,
    calls_bulk,
    calls_export,
    recordings,
    saved_filters,
    call,
    unconfirmed,
    failed,
    submit_draft,
    new_campaign,
    campaign_downloads,
    campaign_rows,
    campaigns,
    do_not_call,
    do_not_call_file,
    logs,
    webhooks,
    workers,
    callbacks,
    channels,
    reports,
    emergency_stop,
    erasure,
):
    router.include_router(screen.router)

__all__ = ["MonitorContext", "answer_unknown_address", "make_context", "router"]
