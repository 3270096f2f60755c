"""The operations on campaigns: what each script is given and what its answer means."""

import secrets
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple, cast

from . import keys
from .client import Arg, Operation

CreateOutcome = Literal["created", "resumed", "duplicate"]
AppendOutcome = Literal["added", "had", "gap", "closed", "duplicate"]
FinishOutcome = Literal["started", "scheduled", "paused", "added", "had", "duplicate"]
SteerOutcome = Literal["done", "same", "refused", "unknown"]
Action = Literal["pause", "resume", "cancel", "change"]

LOADING_LEASE = 60.0
"""Seconds after a chunk during which a campaign with nothing left is not over yet: the next chunk may be on its way."""


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


class Created(NamedTuple):
    """``chunks`` are how many it holds already; ``id`` is the first's for a duplicate."""

    outcome: CreateOutcome
    id: str
    chunks: int


def create(
    campaign: str,
    fields: Mapping[str, Arg],
    *,
    draft: str,
    file: str,
    again: bool,
    keep: float,
    actor: str,
) -> Operation[Created]:
    """A draft for rows to be appended to. ``draft`` names file and request, ``file`` the file alone ("" for none)."""
    args: list[Arg] = [campaign, draft, file, int(again), round(keep * 1000), actor]
    for name, value in fields.items():
        args += (name, value)

    def read(answer: Any) -> Created:
        return Created(cast(CreateOutcome, _text(answer[0])), _text(answer[1]), int(answer[2]))

    return Operation("create", args, read)


class NewChunk(NamedTuple):
    rows: int
    blob: bytes
    problems: bytes = b""


class Appended(NamedTuple):
    """``id`` is the other campaign's for a duplicate."""

    outcome: AppendOutcome
    id: str


def append(
    campaign: str, index: int, chunks: Sequence[NewChunk], *, content: str = "", again: bool = False, keep: float = 0
) -> Operation[Appended]:
    """Chunks of rows from number ``index`` on (-1: after the last), all or none. ``content``: these rows' fingerprint."""
    args: list[Arg] = [campaign, index, content, int(again), round(keep * 1000), round(LOADING_LEASE * 1000)]
    args.append(secrets.token_hex(8))
    for chunk in chunks:
        args += chunk
    return Operation("append", args, lambda answer: Appended(cast(AppendOutcome, _text(answer[0])), _text(answer[1])))


class Finished(NamedTuple):
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
    """The last row is there. ``content`` is the fingerprint of the rows in whatever order."""
    args: list[Arg] = [campaign, content, file, int(again), draft, round(keep * 1000), actor, totals, how, detail]
    return Operation("finish", args, lambda answer: Finished(cast(FinishOutcome, _text(answer[0])), _text(answer[1])))


class HopperRow(NamedTuple):
    """A campaign's row as a call. Texts ready to be written; ``expires_at`` Unix ms or empty."""

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
    """Rows from ``cursor`` on into the hopper; the next one is ``offset`` in ``chunk``.

    Answers the accounts to ring, None when another was quicker or the campaign does not run.
    """
    args: list[Arg] = [campaign, cursor, cursor + len(rows), chunk, offset]
    for row in rows:
        args += row
        args.append(keys.buckets(row.body, row.reference))

    def read(answer: list[Any]) -> list[str] | None:
        return [_text(name) for name in answer[1:]] if answer[0] == b"filled" else None

    return Operation("fill", args, read)


class Steered(NamedTuple):
    outcome: SteerOutcome
    state: str


def steer(
    campaign: str, action: Action, *, actor: str, reason: str = "", changes: Mapping[str, Arg] | None = None
) -> Operation[Steered]:
    """Pauses, resumes, cancels or changes; ``changes`` with "" take a field away."""
    args: list[Arg] = [campaign, action, actor, reason]
    for name, value in (changes or {}).items():
        args += (name, value)
    return Operation("steer", args, lambda answer: Steered(cast(SteerOutcome, _text(answer[0])), _text(answer[1])))
