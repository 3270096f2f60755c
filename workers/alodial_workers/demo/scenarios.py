"""The calls that the demo places, each with its expected end. All numbers are fictional."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from alodial_schemas import Disposition, State

# An account without a token: its calls wait until they expire.
UNREADY: Final = "unready"
INITIATOR: Final = "712037006"


@dataclass(frozen=True, slots=True)
class DemoCall:
    """A call: a title, its request, and the end to expect.

    ``starts_in`` and ``expires_in`` are seconds from its placing; ``then`` is done to it afterwards. ``detailed``: the report
    has its whole course. ``plain``: one of many alike, which the tables count in one row.
    """

    title: str
    body: Mapping[str, Any]
    end: State = State.COMPLETED
    disposition: Disposition | None = Disposition.ANSWERED
    through: Literal["Python", "HTTP", "drop-in"] = "Python"
    options: Mapping[str, Any] = field(default_factory=dict)
    attempts: int = 1
    starts_in: float | None = None
    expires_in: float | None = None
    then: Literal["", "cancel", "repeat"] = ""
    detailed: bool = False
    plain: bool = False


def _two_way(*recipients: str) -> dict[str, Any]:
    callto = [{"phone": f"901{digits}", "lang": "uz"} for digits in recipients]
    return {"callfrom": {"phone": INITIATOR, "lang": "ru"}, "callto": callto}


_QUEUE: Final = {"callfrom": {"phone": INITIATOR}, "callto": [{"queue": "6000"}]}
_IVR: Final = {"callto": "901001214", "ivrid": 222, "fromline": INITIATOR}
_BUSY_INITIATOR: Final = {"callfrom": {"phone": "712000190"}, "callto": [{"phone": "901001113"}]}
_ORDER: Final = {"reference": "order-17", "metadata": {"shop": "12"}}
_REDIAL: Final = {"redial": {"max_attempts": 2, "delays": {"busy": [2]}}}
_BUSY, _NO_ANSWER = Disposition.BUSY, Disposition.NO_ANSWER

# The sandbox does what the last two digits of a number say; no number occurs twice.
VARIED: Final = (
    DemoCall("one recipient, who answers", _two_way("000111")),
    DemoCall("list of three, third answers", _two_way("000290", "000391", "000412"), options=_ORDER, detailed=True),
    DemoCall("list of two, nobody answers", _two_way("000590", "000691"), disposition=_NO_ANSWER),
    DemoCall("busy", _two_way("000790"), disposition=_BUSY),
    DemoCall("no answer", _two_way("000891"), disposition=_NO_ANSWER, through="HTTP"),
    DemoCall("network congestion", _two_way("000992"), disposition=Disposition.CONGESTION),
    DemoCall("phone unavailable", _two_way("001093"), disposition=Disposition.UNAVAILABLE),
    DemoCall("initiator busy", _BUSY_INITIATOR, disposition=_BUSY),
    DemoCall("urgent, to a PBX queue", _QUEUE, through="HTTP", options={"priority": "urgent"}),
    DemoCall("bulk, into an IVR menu", _IVR, options={"priority": "bulk"}),
    DemoCall("AloVoice's own request", _two_way("001315"), through="drop-in"),
    DemoCall("sent twice under one key", _two_way("001416"), through="HTTP", then="repeat"),
    DemoCall("starts 2 s from now", _two_way("001517"), starts_in=2),
    DemoCall(
        "canceled before its time", _two_way("001618"), State.CANCELED, None, "HTTP", starts_in=3600, then="cancel"
    ),
    DemoCall(
        "account without a token", _two_way("001719"), State.EXPIRED, None, options={"account": UNREADY}, expires_in=1.5
    ),
    DemoCall("busy, dialled again once", _two_way("001890"), disposition=_BUSY, options=_REDIAL, attempts=2),
    DemoCall("refused for good (400)", _two_way("001986"), State.REJECTED, None, "HTTP"),
    DemoCall("overloaded once (503)", _two_way("002081")),
    DemoCall("answer to the POST lost", _two_way("002180")),
    DemoCall("answer is an HTML page", _two_way("002285")),
    DemoCall("result before the answer", _two_way("002383")),
    DemoCall("result comes twice", _two_way("002482")),
    DemoCall("result never comes", _two_way("002584"), State.TIMED_OUT, None),
    DemoCall("result with an unknown status", _two_way("002671"), disposition=Disposition.UNKNOWN),
)
_PLAIN: Final = (
    ("answers", "20", Disposition.ANSWERED),
    ("busy", "90", _BUSY),
    ("no answer", "91", _NO_ANSWER),
    ("answers", "21", Disposition.ANSWERED),
)


def demo_calls(count: int) -> list[DemoCall]:
    """The varied calls, filled up to ``count`` with plain ones."""
    calls = list(VARIED)
    for nth in range(len(calls), count):
        title, ending, disposition = _PLAIN[nth % len(_PLAIN)]
        calls.append(DemoCall(title, _two_way(f"{100 + nth:04d}{ending}"), disposition=disposition, plain=True))
    return calls
