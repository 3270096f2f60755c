"""Places the demo's calls, each through its own door."""

import json
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from alodial.calls.queue import CallQueue
from alodial.errors import AlodialError
from alodial.store.records import CallRecord
from alodial_schemas import ENDS

from .http_get import Answer, ask
from .scenarios import DemoCall
from .stack import House


class NotPlaced(AlodialError):
    """A door of the house did not take a call as it should."""

    code = "demo_not_placed"


@dataclass(slots=True)
class Placed:
    """A call under way: its id and the record as it was last seen."""

    call: DemoCall
    id: str
    record: CallRecord

    @property
    def ended(self) -> bool:
        return self.record.state in ENDS

    @property
    def as_announced(self) -> bool:
        """Whether it ended as was announced before it was placed."""
        return (self.record.state, self.record.disposition, self.record.attempt) == (
            self.call.end,
            self.call.disposition,
            self.call.attempts,
        )


def place(call: DemoCall, house: House, queue: CallQueue) -> Placed:
    """Places one call and does to it what it says. Raises NotPlaced, OSError and whatever ``CallQueue`` raises."""
    body = {**call.body, **call.options, **_times(call)}
    match call.door:
        case "Python":
            name = queue.enqueue(body).id
        case "HTTP":
            name = _over_http(call, body, house)
        case "drop-in":
            name = _as_alovoice(body, house)
    if call.then == "cancel":
        _expect(ask(house.web_port, "POST", f"/v1/calls/{name}/cancel", b"", _key(house)), 200, call)
    return Placed(call, name, queue.get(name))


def _times(call: DemoCall) -> dict[str, str]:
    now = datetime.now(UTC)
    seconds = {"not_before": call.starts_in, "expires_at": call.expires_in}
    return {name: (now + timedelta(seconds=s)).isoformat() for name, s in seconds.items() if s is not None}


def _key(house: House) -> dict[str, str]:
    return {"Authorization": f"Bearer {house.api_key}"}


def _over_http(call: DemoCall, body: dict[str, Any], house: House) -> str:
    headers = {**_key(house), "Content-Type": "application/json", "Idempotency-Key": secrets.token_hex(8)}
    text = json.dumps(body).encode()
    first = _expect(ask(house.web_port, "POST", "/v1/calls", text, headers), 202, call)
    if call.then == "repeat":
        again = _expect(ask(house.web_port, "POST", "/v1/calls", text, headers), 200, call)
        if again["id"] != first["id"]:
            raise NotPlaced("the same Idempotency-Key made a second call")
    return str(first["id"])


def _as_alovoice(body: dict[str, Any], house: House) -> str:
    """AloVoice's own multipart with bracket names."""
    boundary = secrets.token_hex(12)
    fields = {f"callfrom[{name}]": value for name, value in body["callfrom"].items()}
    for nth, recipient in enumerate(body["callto"]):
        fields |= {f"callto[{nth}][{name}]": value for name, value in recipient.items()}
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    ]
    text = "".join([*parts, f"--{boundary}--\r\n"]).encode()
    headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
    answer = ask(house.web_port, "POST", f"/requestcall/{house.api_key}", text, headers)
    if answer.status != 200:
        raise NotPlaced(f"the drop-in answered {answer.status}")
    return str(answer.body["answer"]["id"])


def _expect(answer: Answer, status: int, call: DemoCall) -> Any:
    if answer.status != status:
        raise NotPlaced(f"{call.shows}: the web server answered {answer.status} instead of {status}: {answer.body}")
    return answer.body
