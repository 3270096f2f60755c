"""Places the demo's calls: from Python, over HTTP, and as AloVoice's own request."""

import json
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from alodial.calls.queue import CallQueue
from alodial.errors import AlodialError
from alodial.store.records import CallRecord
from alodial_schemas import ENDS

from .scenarios import DemoCall
from .stack import ProcessStack


class NotPlaced(AlodialError):
    """The web server did not accept a call as it should."""

    code = "demo_not_placed"


@dataclass(slots=True)
class PlacedCall:
    """A call of the demo, and its record as it was last read."""

    call: DemoCall
    record: CallRecord

    @property
    def ended(self) -> bool:
        """Whether it is at one of its ends."""
        return self.record.state in ENDS

    @property
    def as_announced(self) -> bool:
        """Whether it ended as expected."""
        record, call = self.record, self.call
        return (record.state, record.disposition, record.attempt) == (call.end, call.disposition, call.attempts)


def place(call: DemoCall, stack: ProcessStack, queue: CallQueue) -> PlacedCall:
    """Places a call and does to it what its ``then`` says. Raises NotPlaced, and the errors of CallQueue."""
    now = datetime.now(UTC)
    seconds = {"not_before": call.starts_in, "expires_at": call.expires_in}
    times = {name: (now + timedelta(seconds=s)).isoformat() for name, s in seconds.items() if s is not None}
    body = {**call.body, **call.options, **times}
    key = {"Authorization": f"Bearer {stack.values['api_keys']}"}
    match call.through:
        case "Python":
            id = queue.enqueue(body).id
        case "HTTP":
            headers = {**key, "Idempotency-Key": secrets.token_hex(8)}
            id = _post(stack, "/v1/calls", 202, json=body, headers=headers)["id"]
            if call.then == "repeat" and _post(stack, "/v1/calls", 200, json=body, headers=headers)["id"] != id:
                raise NotPlaced("the same Idempotency-Key made a second call")
        case "drop-in":
            # AloVoice's own multipart form with bracket names.
            fields = {f"callfrom[{name}]": value for name, value in body["callfrom"].items()}
            fields |= {f"callto[0][{name}]": value for name, value in body["callto"][0].items()}
            form = {name: (None, value) for name, value in fields.items()}
            id = str(_post(stack, f"/requestcall/{stack.values['api_keys']}", 200, files=form)["answer"]["id"])
    if call.then == "cancel":
        _post(stack, f"/v1/calls/{id}/cancel", 200, headers=key)
    return PlacedCall(call, queue.get(id))


def _post(stack: ProcessStack, path: str, status: int, **request: Any) -> Any:
    try:
        answer = stack.http.post(stack.web_url + path, **request)
        if answer.status_code == status:
            return answer.json()
    except (httpx.HTTPError, json.JSONDecodeError) as exc:
        # Its text may hold the path, and the path a key.
        raise NotPlaced(f"no usable answer from the web server: {type(exc).__name__}") from exc
    raise NotPlaced(f"the web server answered {answer.status_code} instead of {status}: {answer.text[:500]}")
