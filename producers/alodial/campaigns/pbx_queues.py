"""Which names are queues of the PBX: those of ALODIAL_QUEUES, or whatever cannot be a phone number."""

from ..settings import Settings

MAX_DIGITS = 6
"""Digits of a queue's number where the queues are not listed: a longer one may ring a phone past the allowed prefixes."""


def queue_problem(name: str, settings: Settings) -> tuple[str, str, str] | None:
    """Returns code, problem and remedy of a name that is no known queue, None for one that is."""
    if settings.queues:
        if name in settings.queues:
            return None
        return "queue_unknown", "is no queue of ALODIAL_QUEUES", f"use one of {', '.join(settings.queues)}"
    if sum(character.isdigit() for character in name) <= MAX_DIGITS:
        return None
    return "queue_is_number", f"has more than {MAX_DIGITS} digits, as a phone has", "list your queues in ALODIAL_QUEUES"
