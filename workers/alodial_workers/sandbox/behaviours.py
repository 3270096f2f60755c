"""What a number does when it rings, and what trouble a request makes: the magic endings as two tables."""

from enum import StrEnum
from typing import Final


class Behaviour(StrEnum):
    """What a number does when it rings."""

    ANSWERS = "answers"
    BUSY = "busy"
    NO_ANSWER = "no_answer"
    CONGESTION = "congestion"
    UNAVAILABLE = "unavailable"
    CANCELED = "canceled"  # the person on the line gives up while this number rings


class Trouble(StrEnum):
    """What goes wrong between AloVoice and its customer, independently of the phones."""

    UNAUTHORIZED = "unauthorized"
    UNSEEN_STATUS = "unseen_status"
    UNREADABLE = "unreadable"
    LATE = "late"
    CONFLICT = "conflict"
    ANSWER_LOST = "answer_lost"
    REFUSE = "refuse"
    DOUBLE = "double"
    EARLY = "early"
    NO_CALLBACK = "no_callback"
    HTML = "html"
    REJECT = "reject"
    THROTTLE = "throttle"
    SLOW = "slow"
    ERROR = "error"


# These act on every number that rings.
BEHAVIOUR_ENDINGS: Final = {
    "90": Behaviour.BUSY,
    "91": Behaviour.NO_ANSWER,
    "92": Behaviour.CONGESTION,
    "93": Behaviour.UNAVAILABLE,
}

# These act through the first recipient's number, or the number that an IVR call rings.
TROUBLE_ENDINGS: Final = {
    "70": Trouble.UNAUTHORIZED,
    "71": Trouble.UNSEEN_STATUS,
    "72": Trouble.UNREADABLE,
    "73": Trouble.LATE,
    "74": Trouble.CONFLICT,
    "80": Trouble.ANSWER_LOST,
    "81": Trouble.REFUSE,
    "82": Trouble.DOUBLE,
    "83": Trouble.EARLY,
    "84": Trouble.NO_CALLBACK,
    "85": Trouble.HTML,
    "86": Trouble.REJECT,
    "87": Trouble.THROTTLE,
    "88": Trouble.SLOW,
    "89": Trouble.ERROR,
}

# No phone rings when the request meets one of these.
REFUSALS: Final = frozenset({Trouble.UNAUTHORIZED, Trouble.REFUSE, Trouble.REJECT, Trouble.THROTTLE})

# A magic ending of these acts on the first POST of an extid only, so that the repeat gets through.
ONCE: Final = frozenset({Trouble.REFUSE, Trouble.THROTTLE})


def normal_number(number: str) -> str:
    """The `+` spelling of a number written as 9 national digits, 998 and digits, or `+` and digits."""
    digits = "".join(c for c in number if c.isdigit())
    return f"+998{digits}" if len(digits) == 9 else f"+{digits}"
