"""The result that AloVoice POSTs after a call, and the ways in which its undocumented body may be written."""

import json
from typing import Final
from urllib.parse import urlencode

from .config import Encoding, Spelling
from .ledger import LedgerCall
from .simulation import PlannedTry

# A line of the account for two-way calls, which name none.
_TRUNK: Final = "712000000"
_LISTS: Final = ("id", "from_number", "to_number")
# A fixed boundary is safe: no field can hold it.
_BOUNDARY: Final = "----alodial-sandbox-7MA4YWxkTrZu0gW"

# A word that no table of dial statuses lists.
UNSEEN_STATUS: Final = "VOICEMAIL_FULL"


def result_of(call: LedgerCall, base_url: str) -> dict[str, object]:
    """The documented fields. Times are Unix seconds in life's length: at `--speed 60` a talk of 20 s still lasts 20."""
    course, order = call.course, call.order
    begin = int(call.begun)
    answered = course.answered
    return {
        "id": [call.id + leg for leg in range(course.legs)],
        "from_number": [] if order.initiator is None else [order.initiator],
        "to_number": [] if course.taken_by is None else [course.taken_by],
        "trunk_number": order.fromline or _TRUNK,
        "begin_time": begin,
        "answer_time": 0 if answered is None else begin + round(answered),
        "end_time": begin + round(course.ended),
        "duration": 0 if answered is None else round(course.ended) - round(answered),
        "dialstatus": course.dialstatus,
        "record": "" if answered is None else f"{base_url}/sandbox/records/{call.id}.wav",
        "externalid": as_javascript_number(order.extid),
        "attempts": [_attempt(one, begin) for one in course.tries],
    }


def conflicting(result: dict[str, object]) -> dict[str, object]:
    """The same call told otherwise: an answered one as not answered, any other as answered."""
    return result | {"dialstatus": "NOANSWER" if result["dialstatus"] == "ANSWER" else "ANSWER"}


def as_javascript_number(extid: str | None) -> int | None:
    """The extid after `Number(extid)`: a double, so digits beyond 2^53 change, and null where it was no number."""
    return int(float(extid)) if extid is not None and extid.isascii() and extid.isdigit() else None


def encode(result: dict[str, object], encoding: Encoding, spelling: Spelling) -> tuple[str, bytes]:
    """The content type and the body of a result."""
    spelled = {spelling.replace("id", name) if name in _LISTS else name: value for name, value in result.items()}
    if encoding == "json":
        return "application/json", json.dumps(spelled).encode()
    fields = [(name, text) for name, value in spelled.items() for text in _texts(name, value)]
    if encoding == "form":
        return "application/x-www-form-urlencoded", urlencode(fields).encode()
    parts = [
        f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{text}\r\n' for name, text in fields
    ]
    return f"multipart/form-data; boundary={_BOUNDARY}", ("".join(parts) + f"--{_BOUNDARY}--\r\n").encode()


def unreadable(result: dict[str, object]) -> tuple[str, bytes]:
    """A result cut off in the middle of its JSON."""
    body = json.dumps(result).encode()
    return "application/json", body[: len(body) // 2]


def _texts(name: str, value: object) -> list[str]:
    if name == "attempts":
        return [json.dumps(value)]
    if isinstance(value, list):
        return [str(one) for one in value]
    return ["" if value is None else str(value)]


def _attempt(one: PlannedTry, begin: int) -> dict[str, object]:
    return {
        "to_number": one.number,
        "dialstatus": one.dialstatus,
        "begin_time": begin + round(one.begin),
        "answer_time": 0 if one.answer is None else begin + round(one.answer),
        "end_time": begin + round(one.end),
    }
