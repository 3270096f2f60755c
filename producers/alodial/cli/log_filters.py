"""The filters of ``alodial logs`` as they were typed, made into what the store looks for."""

from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from ..queue import CallQueue
    from ..store.log_filter import LogFilter


def level_of(text: str | None) -> str:
    """Raises BadParameter."""
    from ..store.log_filter import LEVELS  # noqa: PLC0415  # --help need not load it

    word = (text or "").lower()
    if word and word not in LEVELS:
        raise typer.BadParameter(f"--level {text!r}: use one of {', '.join(LEVELS)}")
    return word


def names_of(queue: "CallQueue", call: str | None) -> frozenset[str]:
    """Every name that a call's lines may give it; its own if no such call is kept any more. Raises StoreUnavailable."""
    from ..store.log_filter import names_of_call  # noqa: PLC0415  # as above
    from ..store.reads import find  # noqa: PLC0415  # as above

    return frozenset() if call is None else names_of_call(call, queue.store.call(lambda client: find(client, call)))


def filter_of(
    names: frozenset[str],
    *,
    extid: str | None,
    campaign: str | None,
    account: str | None,
    worker: str | None,
    level: str | None,
    event: str | None,
    since: int | None,
    until: int | None,
) -> "LogFilter":
    from ..store.log_filter import LogFilter  # noqa: PLC0415  # as above

    return LogFilter(
        call=names,
        extid=extid or "",
        campaign=campaign or "",
        account=account or "",
        worker=worker or "",
        level=level or "",
        event=event or "",
        since=since,
        until=until,
    )
