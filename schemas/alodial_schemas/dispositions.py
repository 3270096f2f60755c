"""The dispositions of a finished attempt, and the only table that translates AloVoice's `dialstatus` into them."""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

# Longer than any word of a PBX; the limit keeps a hostile megabyte cheap.
_MAX_WORD: Final = 64


class Disposition(StrEnum):
    """The outcome of one attempt. `unknown` is a value: AloVoice does not list its statuses."""

    ANSWERED = "answered"
    NO_ANSWER = "no_answer"
    BUSY = "busy"
    CONGESTION = "congestion"
    UNAVAILABLE = "unavailable"
    CANCELED = "canceled"
    REJECTED = "rejected"
    UNKNOWN = "unknown"


# Keys are written in capitals without spaces, underscores and hyphens; see `disposition_of`.
DIALSTATUSES: Final[Mapping[str, Disposition]] = MappingProxyType(
    {
        "ANSWER": Disposition.ANSWERED,
        "ANSWERED": Disposition.ANSWERED,
        "BUSY": Disposition.BUSY,
        "NOANSWER": Disposition.NO_ANSWER,
        "CANCEL": Disposition.CANCELED,
        "CANCELED": Disposition.CANCELED,
        "CANCELLED": Disposition.CANCELED,
        "CONGESTION": Disposition.CONGESTION,
        "CHANUNAVAIL": Disposition.UNAVAILABLE,
        "DONTCALL": Disposition.REJECTED,
        "TORTURE": Disposition.REJECTED,
        "INVALIDARGS": Disposition.REJECTED,
    }
)

_DROPPED: Final = str.maketrans("", "", " \t\r\n_-")


def disposition_of(dialstatus: object) -> Disposition:
    """Returns the disposition of a provider's `dialstatus`, whatever its case, spaces, underscores and hyphens.

    Anything that the table lacks, text or not, is `unknown`.
    """
    if not isinstance(dialstatus, str) or len(dialstatus) > _MAX_WORD:
        return Disposition.UNKNOWN
    return DIALSTATUSES.get(dialstatus.translate(_DROPPED).upper(), Disposition.UNKNOWN)
