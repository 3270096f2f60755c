"""The result that AloVoice POSTs after a call, in each encoding that its documentation leaves open."""

import json
from typing import Final
from urllib.parse import urlencode

from .ledger import LedgerCall
from .result_forms import Encoding, Spelling
from .simulation import PlannedTry

# A line of the account for two-way calls, which name none.
_TRUNK: Final = "712000000"
_LISTS: Final = ("id", "from_number", "to_number")
# A fixed boundary is safe: no field can hold it.
_BOUNDARY: Final = "----alodial-sandbox-7MA4YWxkTrZu0gW"

# A dial status that no table lists.
UNSEEN_STATUS: Final = "VOICEMAIL_FULL"


def result_of(call: LedgerCall, base_url: str) -> dict[str, object]:
    """The documented fields. Times are Unix seconds without the speed: at `--speed 60` a talk of 20 s still lasts 20."""
    plan, request = call.plan, call.request
    begin = int(call.begun)
    answered = plan.answered
    return {
        "id": [call.id + leg for leg in range(plan.rung)],
        "from_number": [] if request.initiator is None else [request.initiator],
        "to_number": [] if plan.taken_by is None else [plan.taken_by],
        "trunk_number": request.fromline or _TRUNK,
        "begin_time": begin,
        "answer_time": 0 if answered is None else begin + round(answered),
        "end_time": begin + round(plan.ended),
        "duration": 0 if answered is None else round(plan.ended) - round(answered),
        "dialstatus": plan.dialstatus,
        "record": "" if answered is None else f"{base_url}/sandbox/records/{call.id}.wav",
        "externalid": as_javascript_number(request.extid),
        "attempts": [_attempt(entry, begin) for entry in plan.tries],
    }


def conflicting(result: dict[str, object]) -> dict[str, object]:
    """A contradicting result of the same call: not answered if it was answered, answered if it was not."""
    return result | {"dialstatus": "NOANSWER" if result["dialstatus"] == "ANSWER" else "ANSWER"}


def as_javascript_number(extid: str | None) -> int | None:
    """The extid after JavaScript's `Number(extid)`: digits above 2^53 change; None where it is not a number."""
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
        return [str(item) for item in value]
    return ["" if value is None else str(value)]


def _attempt(entry: PlannedTry, begin: int) -> dict[str, object]:
    return {
        "to_number": entry.number,
        "dialstatus": entry.dialstatus,
        "begin_time": begin + round(entry.begin),
        "answer_time": 0 if entry.answer is None else begin + round(entry.answer),
        "end_time": begin + round(entry.end),
    }
