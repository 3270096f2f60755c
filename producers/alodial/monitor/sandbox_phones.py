"""The phones of a sandbox, which a person plays: what rings, and what is done with it.

What comes back is taken for hostile: whoever answers at that address may be no sandbox of ours.
"""

import json
from datetime import datetime
from http.client import HTTPException
from typing import Annotated, Final, Literal
from urllib.parse import quote

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from ..settings import Settings
from .sandbox_told import exchange, may_be_sandbox

Did = Literal["done", "late", "gone"]
Why = Literal["real", "away", "other"]

Short = Annotated[str, StringConstraints(max_length=200)]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z_]{1,20}$")]
Number = Annotated[int, Field(ge=0, le=2**63)]


def _of_our_days(moment: datetime) -> datetime:
    if not 2000 < moment.year < 3000:
        # At the ends of the calendar another zone's clock cannot be told.
        raise ValueError("not of our days")
    return moment


Moment = Annotated[AwareDatetime, AfterValidator(_of_our_days)]


class NoSandbox(Exception):
    """Nobody's phones can be played; ``why`` is ``real`` for AloVoice itself, ``away`` for no answer, ``other`` for an
    answer that no sandbox gives."""

    def __init__(self, why: Why) -> None:
        self.why: Final = why
        super().__init__(why)


class _Told(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", strict=False)


class Line(_Told):
    """One phone or queue of a call, in the order in which they are rung."""

    party: Name
    number: Short
    state: Name


class Phone(_Told):
    """One call in hand, or one of the last that were. ``turn`` goes back with an act, so that it hits nothing else."""

    id: Number
    extid: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    stage: Name
    turn: Number
    since: Moment
    until: Moment | None
    alone: bool
    dialstatus: Short | None
    lines: Annotated[tuple[Line, ...], Field(min_length=1, max_length=50)]
    hidden: Number
    acts: Annotated[tuple[Name, ...], Field(max_length=20)]
    sent: Name | None
    fate: Name | None

    @property
    def rung(self) -> Line | None:
        """Who rings now."""
        return next((line for line in self.lines if line.state == "ringing"), None)


class Hand(_Told):
    """``speed`` is how many times faster than life; ``hand_seconds`` are real ones that a phone waits."""

    sandbox: Literal["alodial"]
    by_hand: bool
    hand_seconds: Annotated[float, Field(ge=0, le=1e6)]
    held: Number
    most: Number
    speed: Annotated[float, Field(gt=0, le=1e6)]
    callback: bool
    phones: Annotated[tuple[Phone, ...], Field(max_length=200)]


async def _ask(settings: Settings, method: str, path: str, body: object = None) -> tuple[int, bytes]:
    """Raises NoSandbox."""
    if not may_be_sandbox(settings.provider_url):
        raise NoSandbox("real")
    try:
        return await exchange(settings.provider_url, method, path, body)
    except (OSError, HTTPException):
        raise NoSandbox("away") from None
    except ValueError:
        raise NoSandbox("other") from None


async def look(settings: Settings) -> Hand:
    """What is in hand. Raises NoSandbox."""
    status, body = await _ask(settings, "GET", "/sandbox/phones")
    if status != 200:
        raise NoSandbox("other")
    try:
        return Hand.model_validate(json.loads(body))
    except (ValueError, RecursionError):
        raise NoSandbox("other") from None


async def switch(settings: Settings, *, on: bool) -> None:
    """New calls come into hand, or play themselves. Raises NoSandbox."""
    status, _ = await _ask(settings, "POST", "/sandbox/hand", {"on": on})
    if status != 200:
        raise NoSandbox("other")


async def act(settings: Settings, extid: str, call_id: int, turn: int, what: str) -> Did:
    """``late`` when the phone has moved on meanwhile, ``gone`` when the call is not in hand any more. Raises NoSandbox."""
    path = f"/sandbox/calls/{quote(extid, safe='')}/act"
    status, _ = await _ask(settings, "POST", path, {"act": what, "id": call_id, "turn": turn})
    if status not in (200, 404, 409):
        raise NoSandbox("other")
    return {200: "done", 404: "gone", 409: "late"}[status]  # type: ignore[return-value]  # mypy does not follow a dict
