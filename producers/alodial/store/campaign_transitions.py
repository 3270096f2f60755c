"""The transitions of campaigns as operations: the arguments of each script, and what its answer means.

The headers of the files in ``lua/`` list the arguments by name; the lists here are in their order. ``again`` accepts a
file or rows that were submitted before, ``keep`` is for how many seconds that is remembered, and ``actor`` is written
into the campaign's activity.
"""

import secrets
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

from . import keys
from .answers import read_row, text
from .client import Arg, Operation

CreateOutcome = Literal["created", "resumed", "duplicate"]
AppendOutcome = Literal["added", "had", "gap", "closed", "duplicate"]
FinishOutcome = Literal["started", "scheduled", "paused", "added", "had", "duplicate"]
SteerOutcome = Literal["done", "same", "refused", "unknown"]
Action = Literal["pause", "resume", "cancel", "change"]

LOADING_LEASE = 60.0
"""Seconds after a chunk during which a campaign with nothing left is not over yet: the next chunk may be on its way."""


class Created(NamedTuple):
    """``chunks`` are how many it holds already; ``id`` is the earlier campaign's for a duplicate."""

    outcome: CreateOutcome
    id: str
    chunks: int


def create(
    campaign: str, fields: Mapping[str, Arg], *, draft: str, file: str, again: bool, keep: float, actor: str
) -> Operation[Created]:
    """Creates a draft to which rows are appended.

    ``fields`` as in keys.py. ``draft`` is the fingerprint of file and request, ``file`` of the file alone ("" for none).
    """
    args: list[Arg] = [campaign, draft, file, int(again), round(keep * 1000), actor]
    for name, value in fields.items():
        args += (name, value)
    return Operation("create", args, lambda answer: read_row(Created, answer))


class NewChunk(NamedTuple):
    """Packed rows, how many they are, and the problems of the rows left out beside them, packed."""

    rows: int
    blob: bytes
    problems: bytes = b""


class Appended(NamedTuple):
    """``had``: the chunks were there; ``gap``: earlier ones are missing; ``id`` is the other campaign's for a duplicate."""

    outcome: AppendOutcome
    id: str


def append(
    campaign: str, index: int, chunks: Sequence[NewChunk], *, content: str = "", again: bool = False, keep: float = 0
) -> Operation[Appended]:
    """Appends chunks of rows from number ``index`` on (-1: after the last), all or none.

    ``content`` is the fingerprint of these rows, for a request that adds rows to a campaign.
    """
    args: list[Arg] = [campaign, index, content, int(again), round(keep * 1000), round(LOADING_LEASE * 1000)]
    args.append(secrets.token_hex(8))
    for chunk in chunks:
        args += chunk
    return Operation("append", args, lambda answer: read_row(Appended, answer))


class Finished(NamedTuple):
    """``added`` to a campaign that runs, ``had`` when it was no draft any more; ``id`` is another's for a duplicate."""

    outcome: FinishOutcome
    id: str


def finish(
    campaign: str,
    *,
    content: str,
    file: str,
    draft: str,
    again: bool,
    keep: float,
    actor: str,
    totals: str,
    how: Literal["start", "pause", "add"] = "start",
    detail: str = "",
) -> Operation[Finished]:
    """Ends a draft whose last row was appended, and starts it or leaves it paused.

    ``content`` is the fingerprint of the rows in whatever order, ``totals`` JSON, ``detail`` goes into the activity.
    """
    args: list[Arg] = [campaign, content, file, int(again), draft, round(keep * 1000), actor, totals, how, detail]
    return Operation("finish", args, lambda answer: read_row(Finished, answer))


class HopperRow(NamedTuple):
    """A campaign's row as a call, in the form in which the script writes it; ``expires_at`` is Unix ms or "".

    ``other_extid`` and ``other_id`` are its names when the first are taken.
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


def fill(
    campaign: str, cursor: int, rows: Sequence[HopperRow], *, chunk: int, offset: int
) -> Operation[list[str] | None]:
    """Makes calls of the rows from ``cursor`` on, in the hopper; the next row is number ``offset`` of ``chunk``.

    Returns the accounts to wake, or None when another process was quicker or the campaign does not run.
    """
    args: list[Arg] = [campaign, cursor, cursor + len(rows), chunk, offset]
    for row in rows:
        args += row
        args.append(keys.buckets(row.body, row.reference))

    def read(answer: list[Any]) -> list[str] | None:
        return [text(name) for name in answer[1:]] if answer[0] == b"filled" else None

    return Operation("fill", args, read)


class Steered(NamedTuple):
    """``same`` when nothing had to change, ``refused`` when ``state`` does not allow the action."""

    outcome: SteerOutcome
    state: str


def steer(
    campaign: str, action: Action, *, actor: str, reason: str = "", changes: Mapping[str, Arg] | None = None
) -> Operation[Steered]:
    """Pauses, resumes, cancels or changes a campaign. ``changes`` are fields as in keys.py; "" removes a field."""
    args: list[Arg] = [campaign, action, actor, reason]
    for name, value in (changes or {}).items():
        args += (name, value)
    return Operation("steer", args, lambda answer: read_row(Steered, answer))
