"""The transitions of campaigns as operations: the arguments of each script, and what its answer means.

The headers of the files in ``lua/`` list the arguments by name; the lists here are in their order. ``again`` accepts a
file or rows that were submitted before, ``keep`` is for how many seconds a draft is remembered, and ``actor`` is written
into the campaign's activity.
"""

import hashlib
import secrets
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from ..errors import LimitReached, StoreFull
from .answers import read_row, text
from .client import Arg, Operation
from .keys import Keys

CreateOutcome = Literal["created", "resumed", "duplicate", "same", "conflict"]
AppendOutcome = Literal["added", "had", "gap", "closed", "duplicate", "same", "conflict"]
FinishOutcome = Literal["started", "scheduled", "paused", "had", "gone", "duplicate"]
SteerOutcome = Literal["done", "same", "refused", "unknown", "stale"]
Action = Literal["pause", "resume", "cancel", "change"]


class RequestKey(NamedTuple):
    """The hash of an idempotency key and of the request that came with it; "" without a key."""

    hash: str = ""
    digest: str = ""


NO_KEY = RequestKey()

LIMIT_WAIT = 60
"""Seconds after which it is worth while to ask again for room that calls and campaigns of an API key take."""


class Created(NamedTuple):
    """``chunks`` are how many it holds already; ``id`` is the earlier campaign's for duplicate, same and conflict."""

    outcome: CreateOutcome
    id: str
    chunks: int


def _require_room(answer: list[Any]) -> list[Any]:
    if answer[0] == b"full":
        raise StoreFull(text(answer[1]))
    if answer[0] == b"limit":
        raise LimitReached(text(answer[1]), LIMIT_WAIT)
    return answer


def create(
    campaign: str,
    fields: Mapping[str, Arg],
    *,
    draft: str,
    file: str,
    again: bool,
    keep: float,
    actor: str,
    over: bool = False,
    key: RequestKey = NO_KEY,
) -> Operation[Created]:
    """Creates a draft to which rows are appended.

    ``fields`` as in keys.py. ``draft`` is the fingerprint of file and request, ``file`` of the file alone ("" for none).
    ``over`` for a submission that found its draft gone: the campaign that a rival made of it is the answer. Raises StoreFull.
    """
    args: list[Arg] = [campaign, draft, file, int(again), int(over), round(keep * 1000), actor, *key]
    for name, value in fields.items():
        args += (name, value)
    return Operation("create", args, lambda answer: read_row(Created, _require_room(answer)))


class NewChunk(NamedTuple):
    """Packed rows, how many they are, and the problems of the rows left out beside them, packed."""

    rows: int
    blob: bytes
    problems: bytes = b""


class Appended(NamedTuple):
    """``had``: the chunks were there; ``gap``: earlier ones are missing; ``closed``: ``id`` is the campaign's state, or ``ended``
    when its end has passed.

    For duplicate, same and conflict ``id`` is the earlier campaign's.
    """

    outcome: AppendOutcome
    id: str


def append(campaign: str, index: int, chunks: Sequence[NewChunk]) -> Operation[Appended]:
    """Appends chunks of rows to a draft from number ``index`` on, all or none. Raises StoreFull, LimitReached."""
    args: list[Arg] = [campaign, index, "", 0, "", *NO_KEY, "", "{}"]
    for chunk in chunks:
        args += chunk
    return Operation("append", args, lambda answer: read_row(Appended, _require_room(answer)))


def add(
    campaign: str,
    chunks: Sequence[NewChunk],
    *,
    content: str,
    again: bool,
    actor: str,
    totals: str,
    key: RequestKey = NO_KEY,
) -> Operation[Appended]:
    """Appends chunks of rows after the last one of a campaign that is no draft, all or none.

    ``content`` is the fingerprint of these rows, ``totals`` (JSON) is added to the campaign's. Raises
    StoreFull, LimitReached.
    """
    args: list[Arg] = [campaign, -1, content, int(again), secrets.token_hex(8), *key, actor, totals]
    for chunk in chunks:
        args += chunk
    return Operation("append", args, lambda answer: read_row(Appended, _require_room(answer)))


class Finished(NamedTuple):
    """``had`` when it was no draft any more, ``gone`` when the draft was dropped, before or now because it held other rows
    than the totals count; ``id`` is another's for a duplicate.
    """

    outcome: FinishOutcome
    id: str


def finish(
    campaign: str,
    *,
    content: str,
    file: str,
    draft: str,
    again: bool,
    actor: str,
    totals: str,
    how: Literal["start", "pause"] = "start",
) -> Operation[Finished]:
    """Ends a draft whose last row was appended, and starts it or leaves it paused.

    ``content`` is the fingerprint of the rows in whatever order, ``totals`` is JSON; its ``good`` is the number of rows that
    whoever asks has read, and a draft with another number is dropped.
    """
    args: list[Arg] = [campaign, content, file, int(again), draft, actor, totals, how]
    return Operation("finish", args, lambda answer: read_row(Finished, answer))


class Dropped(NamedTuple):
    """``kept`` when the campaign is no draft any more; ``state`` is "" when it was gone."""

    outcome: Literal["dropped", "kept"]
    state: str


def drop(campaign: str, draft: str = "") -> Operation[Dropped]:
    """Deletes a campaign that is still a draft."""
    return Operation("drop", [campaign, draft], lambda answer: read_row(Dropped, answer))


class HopperRow(NamedTuple):
    """A campaign's row as a call, in the form in which the script writes it; ``expires_at`` is Unix ms or "".

    ``other_extid`` and ``other_id`` are its names when the first are taken. ``own_expires`` is "" unless the end of the
    campaign decides ``expires_at``: then it is the row's own limit, "-" without one, because that end may be moved.
    """

    extid: str
    id: str
    body: str
    reference: str
    metadata: str
    expires_at: int | str
    zone: str
    other_extid: str
    other_id: str
    own_expires: int | str = ""


class Filled(NamedTuple):
    """``stale``: another process was quicker, the campaign does not run, or Redis has no room. ``limited``: the campaign's API
    key may place only ``room`` more calls today. ``accounts`` are to be woken.
    """

    outcome: Literal["filled", "stale", "limited"]
    accounts: list[str]
    room: int = 0


def fill(campaign: str, cursor: int, rows: Sequence[HopperRow], *, chunk: int, offset: int) -> Operation[Filled]:
    """Makes calls of the rows from ``cursor`` on, in the hopper; the next row is number ``offset`` of ``chunk``."""
    args: list[Arg] = [campaign, cursor, cursor + len(rows), chunk, offset]
    for row in rows:
        args += row
        args.append(Keys.buckets(row.body, row.reference))

    def read(answer: list[Any]) -> Filled:
        if answer[0] == b"room":
            return Filled("limited", [], int(answer[1]))
        if answer[0] == b"filled":
            return Filled("filled", [text(name) for name in answer[1:]])
        return Filled("stale", [])

    return Operation("fill", args, read)


class Steered(NamedTuple):
    """``same`` when nothing had to change, ``refused`` when ``state`` does not allow the action.

    ``stale`` when the request is another one than the change was made from; the state ``ended`` means that the campaign's
    end has passed and cannot be moved.
    """

    outcome: SteerOutcome
    state: str


def steer(
    campaign: str,
    action: Action,
    *,
    actor: str,
    reason: str = "",
    request: str = "",
    changes: Mapping[str, Arg] | None = None,
) -> Operation[Steered]:
    """Pauses, resumes, cancels or changes a campaign.

    ``changes`` are fields as in keys.py; "" removes a field. ``request`` is the field "req" that they were made from.
    """
    expected = hashlib.sha1(request.encode(), usedforsecurity=False).hexdigest()
    args: list[Arg] = [campaign, action, actor, reason, expected]
    for name, value in (changes or {}).items():
        args += (name, value)
    return Operation("steer", args, lambda answer: read_row(Steered, answer))


INSTALLATION = "@"
"""Instead of a campaign: the midnights of the whole installation."""


def calendar(
    campaign: str, moments: Iterable[tuple[int, bool]], *, source: str = "", zone: str = "", days: Iterable[int] = ()
) -> Operation[bool]:
    """Replaces the moments when the hours open (True) and close, and the local midnights to come, all Unix ms.

    The daily caps begin anew at midnight. ``source`` says what the calendar was made from; ``zone`` is that of rows whose
    hours follow the number. False when there is no such campaign.
    """
    named = [f"{'o' if opens else 'c'}{at}" for at, opens in moments]
    args: list[Arg] = [campaign, zone, source, len(named), *named, *days]
    return Operation("calendar", args, bool)
