"""The check as the monitor's page runs it, found by the entry point group ``alodial.provider_check``."""

import time
from dataclasses import asdict
from typing import Any

from alodial.settings import Settings
from alodial.store.provider_checks import CheckWriter

from ..sandbox.cassette import Cassette, cassette_text
from .plan import facts
from .probe import Step
from .run import Series, Terminal, address_steps, place_and_wait, proposed

WAIT = 180.0
"""Seconds for AloVoice's callback."""
ANSWER_WITHIN = 120.0
"""Seconds for the answer to "Did your phone ring?"; without it no further form is tried."""


async def look_at_address(settings: Settings) -> list[dict[str, Any]]:
    """Returns the steps without ringing, as dictionaries of :class:`Step`."""
    return [asdict(step) async for step in address_steps(settings)]


def known_facts(cassette: str) -> list[dict[str, Any]]:
    """Returns what is known about AloVoice by a recorded exchange, "" without any, as dictionaries of ``Fact``."""
    return [asdict(fact) for fact in facts(_parsed(cassette))]


def _parsed(cassette: str) -> Cassette | None:
    try:
        return Cassette.model_validate_json(cassette) if cassette else None
    except ValueError:
        return None


def ring(settings: Settings, phone: str, account: str, writer: CheckWriter) -> None:
    """Places the call, which somebody confirmed, and writes what becomes of it. Blocks for minutes.

    Raises AlodialError, PhoneError, KeyError for an unknown account.
    """

    def step(step: Step) -> None:
        writer.write("step", **asdict(step))

    def exchange(kind: str, about: str, text: str) -> None:
        writer.write("exchange", name=kind, about=about, text=text)

    def say(_: str) -> None:
        """The page has words of its own, in the reader's language."""

    operator = Terminal(step, say, exchange, lambda _: writer.ask(ANSWER_WITHIN), asks=True)
    series = Series(settings, phone, account, operator)
    began = time.monotonic()
    good = place_and_wait(settings, series, operator, WAIT)
    cassette = series.cassette()
    if cassette is not None:
        writer.keep_cassette(cassette_text(cassette))
    for line in proposed(settings, series):
        writer.write("proposal", setting=line.setting, value=line.value, line=line.line)
    writer.write("end", ok=good is True, seconds=round(time.monotonic() - began))
