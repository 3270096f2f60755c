"""The call that a request describes, read from the nested object that AloVoice's parser would build."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

Kind = Literal["two-way", "ivr"]

# XXXXXXXX or +XXXXXXXXXXXXXX on AloVoice's page; its examples have 9 digits.
_PHONE = re.compile(r"\+?[0-9]{3,15}")
_DIGITS = re.compile(r"[0-9]{1,20}")


class MalformedRequest(ValueError):
    """The body is not a call. The text names the field, the problem and the remedy; `status` is the HTTP answer."""

    status = 400


@dataclass(frozen=True, slots=True)
class Recipient:
    """A phone, or a PBX queue."""

    number: str
    is_queue: bool = False


@dataclass(frozen=True, slots=True)
class CallRequest:
    """A requested call: `initiator` for a two-way call, `fromline` and `ivrid` for an IVR call, recipients for both."""

    kind: Kind
    recipients: tuple[Recipient, ...]
    extid: str | None
    initiator: str | None = None
    fromline: str | None = None
    ivrid: str | None = None

    @property
    def first(self) -> str:
        """The number that rings first."""
        return self.initiator or self.recipients[0].number


def read_call_request(body: Mapping[str, object]) -> CallRequest:
    """Reads a nested body; JSON text in `callfrom` and `callto` is read as JSON. Raises MalformedRequest."""
    extid = _extid(body.get("extid"))
    callto = _unwrapped(body.get("callto"), "callto")
    if body.get("ivrid") not in (None, ""):
        return CallRequest(
            kind="ivr",
            recipients=(Recipient(_phone(callto, "callto")),),
            extid=extid,
            fromline=_phone(body.get("fromline"), "fromline"),
            ivrid=_digits(body.get("ivrid"), "ivrid"),
        )
    callfrom = _unwrapped(body.get("callfrom"), "callfrom")
    if isinstance(callfrom, Mapping):  # noqa: SIM108  # on one line it is too long to read
        initiator = _phone(callfrom.get("phone"), "callfrom.phone")
    else:
        initiator = _phone(callfrom, "callfrom")
    return CallRequest(kind="two-way", recipients=_recipients(callto), extid=extid, initiator=initiator)


def _recipients(callto: object) -> tuple[Recipient, ...]:
    if not isinstance(callto, Sequence) or isinstance(callto, str):
        return (_recipient(callto, "callto"),)
    if not callto:
        raise MalformedRequest("callto: the list is empty; give at least one phone or queue")
    return tuple(_recipient(entry, f"callto[{at}]") for at, entry in enumerate(callto))


def _recipient(entry: object, field: str) -> Recipient:
    if isinstance(entry, Mapping):
        if entry.get("queue") not in (None, ""):
            return Recipient(_digits(entry.get("queue"), f"{field}.queue"), is_queue=True)
        return Recipient(_phone(entry.get("phone"), f"{field}.phone"))
    return Recipient(_phone(entry, field))


def _unwrapped(value: object, field: str) -> object:
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
        try:
            return json.loads(value)
        except (ValueError, RecursionError) as problem:
            raise MalformedRequest(
                f"{field}: not readable as JSON; send bracket names or well-formed JSON"
            ) from problem
    return value


def _text(value: object) -> str:
    # bool is an int, but True is not a phone number.
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""


def _phone(value: object, field: str) -> str:
    if value is None or value == "":
        raise MalformedRequest(f"{field}: missing; send the number to ring")
    text = _text(value)
    if _PHONE.fullmatch(text) is None:
        raise MalformedRequest(f"{field}: not a phone number; send 3 to 15 digits, with or without a leading +")
    return text


def _digits(value: object, field: str) -> str:
    text = _text(value)
    if _DIGITS.fullmatch(text) is None:
        raise MalformedRequest(f"{field}: not a number; send 1 to 20 digits")
    return text


def _extid(value: object) -> str | None:
    if value in (None, ""):
        return None
    text = _text(value)
    if not 0 < len(text) <= 128 or not text.isprintable():
        raise MalformedRequest("extid: not a short text or an integer; send up to 15 digits")
    return text
