"""The calls that the demo places, each with the end that it announces beforehand. All numbers are fictional."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from alodial_schemas import Disposition, State

from .stack import UNREADY

Door = Literal["Python", "HTTP", "drop-in"]

_FROM: Final = {"phone": "712037006", "lang": "ru"}
_COMPLETED: Final = State.COMPLETED


@dataclass(frozen=True, slots=True)
class DemoCall:
    """One call: what it shows, what is asked, and how it must end.

    ``starts_in`` and ``expires_in`` are seconds from its placing; ``then`` is what is done to it afterwards.
    """

    shows: str
    body: Mapping[str, Any]
    end: State = _COMPLETED
    disposition: Disposition | None = Disposition.ANSWERED
    door: Door = "Python"
    options: Mapping[str, Any] = field(default_factory=dict)
    attempts: int = 1
    starts_in: float | None = None
    expires_in: float | None = None
    then: Literal["", "cancel", "repeat"] = ""
    star: bool = False
    """Its course is told in full at the end."""
    plain: bool = False
    """One of many of its kind, which are counted and not listed."""


def _number(nth: int, ending: str) -> str:
    """A number that nobody else of the demo has; the sandbox does what its last two digits say."""
    return f"901{nth:04d}{ending}"


def _two_way(*recipients: str) -> dict[str, Any]:
    return {"callfrom": _FROM, "callto": [{"phone": number, "lang": "uz"} for number in recipients]}


def varied() -> list[DemoCall]:
    """One call for each thing worth seeing."""
    n = _number
    return [
        DemoCall("one recipient, who answers", _two_way(n(1, "11"))),
        DemoCall(
            "list of three, third answers",
            _two_way(n(2, "90"), n(3, "91"), n(4, "12")),
            options={"reference": "order-17", "metadata": {"shop": "12"}},
            star=True,
        ),
        DemoCall("list of two, nobody answers", _two_way(n(5, "90"), n(6, "91")), disposition=Disposition.NO_ANSWER),
        DemoCall("busy", _two_way(n(7, "90")), disposition=Disposition.BUSY),
        DemoCall("no answer", _two_way(n(8, "91")), disposition=Disposition.NO_ANSWER, door="HTTP"),
        DemoCall("network congestion", _two_way(n(9, "92")), disposition=Disposition.CONGESTION),
        DemoCall("phone unavailable", _two_way(n(10, "93")), disposition=Disposition.UNAVAILABLE),
        DemoCall(
            "initiator busy",
            {"callfrom": {"phone": "712000190"}, "callto": [{"phone": n(11, "13")}]},
            disposition=Disposition.BUSY,
        ),
        DemoCall(
            "urgent, to a PBX queue",
            {"callfrom": _FROM, "callto": [{"queue": "6000"}]},
            door="HTTP",
            options={"priority": "urgent"},
        ),
        DemoCall(
            "bulk, into an IVR menu",
            {"callto": n(12, "14"), "ivrid": 222, "fromline": "712037006"},
            options={"priority": "bulk"},
        ),
        DemoCall("AloVoice's own request", _two_way(n(13, "15")), door="drop-in"),
        DemoCall("sent twice under one key", _two_way(n(14, "16")), door="HTTP", then="repeat"),
        DemoCall("starts 2 s from now", _two_way(n(15, "17")), starts_in=2),
        DemoCall(
            "canceled before its time",
            _two_way(n(16, "18")),
            State.CANCELED,
            None,
            door="HTTP",
            starts_in=3600,
            then="cancel",
        ),
        DemoCall(
            "account without a token",
            _two_way(n(17, "19")),
            State.EXPIRED,
            None,
            options={"account": UNREADY},
            expires_in=1.5,
        ),
        DemoCall(
            "busy, dialled again once",
            _two_way(n(18, "90")),
            disposition=Disposition.BUSY,
            options={"redial": {"max_attempts": 2, "delays": {"busy": [2]}}},
            attempts=2,
        ),
        DemoCall("refused for good (400)", _two_way(n(19, "86")), State.REJECTED, None, door="HTTP"),
        DemoCall("overloaded once (503)", _two_way(n(20, "81"))),
        DemoCall("answer to the POST lost", _two_way(n(21, "80"))),
        DemoCall("answer is an HTML page", _two_way(n(22, "85"))),
        DemoCall("result before the answer", _two_way(n(23, "83"))),
        DemoCall("result comes twice", _two_way(n(24, "82"))),
        DemoCall("result never comes", _two_way(n(25, "84")), State.TIMED_OUT, None),
        DemoCall("result in a word never seen", _two_way(n(26, "71")), disposition=Disposition.UNKNOWN),
    ]


_PLAIN: Final = (
    ("answers", "20", Disposition.ANSWERED),
    ("busy", "90", Disposition.BUSY),
    ("no answer", "91", Disposition.NO_ANSWER),
    ("answers", "21", Disposition.ANSWERED),
)


def cast(calls: int) -> list[DemoCall]:
    """The varied set, filled up with plain calls to ``calls``."""
    chosen = varied()
    for nth in range(len(chosen), calls):
        shows, ending, disposition = _PLAIN[nth % len(_PLAIN)]
        chosen.append(DemoCall(shows, _two_way(_number(100 + nth, ending)), disposition=disposition, plain=True))
    return chosen
