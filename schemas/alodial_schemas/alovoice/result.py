"""Parses the results that AloVoice posts: any of its encodings and spellings into `CallResult`, without exceptions.

AloVoice does not state the encoding, spells its list fields in four ways and sends a text back as an int. An unreadable
body comes back as `Unreadable`, so that the caller can keep the raw body for an operator. An extid that is
not exact to the last digit is left out with a warning: a result must never complete the neighbour of its call.
"""

from __future__ import annotations

import hashlib
import json
import re
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any, Final
from urllib.parse import parse_qsl

from pydantic import BaseModel, ConfigDict, Field

from ..dispositions import Disposition, disposition_of
from .request import MAX_FIELDS, FieldsError, nest

MAX_BODY: Final = 1024 * 1024  # bytes, after unpacking; the intake itself stops at 256 KiB
MAX_RESULTS: Final = 1000
MAX_ATTEMPTS: Final = 100
MAX_ENTRIES: Final = 64
MAX_TEXT: Final = 2000
_MAX_DIALSTATUS: Final = 200
_MAX_DEPTH: Final = 6
_MAX_WARNINGS: Final = 50
_EXACT: Final = 2**53  # from here on JavaScript's numbers skip integers


class CallResult(BaseModel):
    """A result in its normal form. Times are UTC, `duration` is in seconds, `dialstatus` is the provider's own word.

    `warnings` says what was left out and why; it is no part of `public()` and `digest()`.
    """

    model_config = ConfigDict(frozen=True)

    extid: str | None = None
    call_ids: list[int] = Field(default_factory=list)
    from_numbers: list[str] = Field(default_factory=list)
    to_numbers: list[str] = Field(default_factory=list)
    trunk_number: str | None = None
    begin_time: datetime | None = None
    answer_time: datetime | None = None
    end_time: datetime | None = None
    duration: int | float | None = None
    dialstatus: str = ""
    record: str | None = None
    attempts: list[dict[str, Any]] = Field(default_factory=list)
    warnings: list[str] = Field(default_factory=list)

    @property
    def disposition(self) -> Disposition:
        return disposition_of(self.dialstatus)

    @property
    def talk_seconds(self) -> int:
        """Seconds of conversation as `talk_seconds` counts them; 0 for a call that was not answered."""
        answered = self.disposition is Disposition.ANSWERED
        return talk_seconds(self.answer_time, self.end_time, self.duration) if answered else 0

    def public(self) -> dict[str, Any]:
        """Returns the `result` of events and HTTP: times as "2026-01-02T03:04:05Z" (with milliseconds if there are any)."""
        return {
            "call_ids": list(self.call_ids),
            "from_numbers": list(self.from_numbers),
            "to_numbers": list(self.to_numbers),
            "trunk_number": self.trunk_number,
            "begin_time": _iso(self.begin_time),
            "answer_time": _iso(self.answer_time),
            "end_time": _iso(self.end_time),
            "duration": self.duration,
            "dialstatus": self.dialstatus,
            "record": self.record,
            "attempts": [dict(attempt) for attempt in self.attempts],
        }

    def digest(self) -> str:
        """Returns 32 hexadecimal digits, the same for the same result in every encoding: the key against duplicates."""
        normal = json.dumps({"extid": self.extid, **self.public()}, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(normal.encode()).hexdigest()[:32]


def talk_seconds(answer_time: datetime | None, end_time: datetime | None, duration: float | None) -> int:
    """Returns the seconds of conversation of an answered call: from answer to end, or its duration without those times."""
    if answer_time is not None and end_time is not None:
        return max(0, round((end_time - answer_time).total_seconds()))
    return max(0, round(duration or 0))


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A body, or an entry of a list, that is no result: the reason, and a hint for an operator."""

    reason: str
    hint: str | None = None


def _iso(time: datetime | None) -> str | None:
    if time is None:
        return None
    return time.isoformat(timespec="milliseconds" if time.microsecond else "seconds").removesuffix("+00:00") + "Z"


# --- values -----------------------------------------------------------------------------------------------------------


class _TextFloat(float):
    """A JSON number with a point or an exponent, and its text."""

    text: str

    @classmethod
    def read(cls, text: str) -> _TextFloat:
        number = cls(text)
        number.text = text
        return number


class _RepeatedValues(list[Any]):
    """The values of a name that a JSON object holds more than once."""


_DIGITS: Final = re.compile(r"[0-9]{1,20}")
_INTEGRAL: Final = re.compile(r"([0-9]{1,20})\.0{1,20}")
_DECIMAL: Final = re.compile(r"[+-]?[0-9]{1,20}(?:\.[0-9]{1,20})?(?:[eE][+-]?[0-9]{1,3})?")
_SIMPLE: Final = re.compile(r"-?[0-9]{1,15}(?:\.[0-9]{1,15})?")
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_NOTHING: Final = frozenset({"", "null", "undefined", "None"})


def _clean(text: str, max_length: int = MAX_TEXT) -> str:
    """The text, bounded and without lone surrogates, which no later step could encode."""
    return _SURROGATE.sub("\N{REPLACEMENT CHARACTER}", text[:max_length])


def exact_extid(value: object) -> tuple[str | None, str | None]:
    """Returns `(extid, None)` when the value is exact to the last digit, else `(None, reason)`.

    Exact are ints, texts of digits (spaces around them do not count) and numbers such as 1732345678901.0, all from 1 to
    2^53-1. A number with an exponent has been rounded by its writer; no extid has a leading zero; nothing is guessed.
    """
    if value is None:
        return None, "externalid is null"
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None, f"externalid is of the type {type(value).__name__}, not a number or digits"
    if isinstance(value, float):
        text = value.text if isinstance(value, _TextFloat) else repr(float(value))
    elif isinstance(value, int):
        if value < 0:
            return None, "externalid is negative: it may have been cut to 32 bits on its way"
        text = str(value) if value < _EXACT else "9" * 20
    else:
        text = value[:MAX_TEXT].strip(" \t\r\n")
    integral = _INTEGRAL.fullmatch(text)
    digits = integral[1] if integral else text
    if _DIGITS.fullmatch(digits) is None:
        if re.fullmatch(r"-[0-9]{1,20}", digits):
            return None, "externalid is negative: it may have been cut to 32 bits on its way"
        if re.fullmatch(r"[0-9]+(?:\.[0-9]*)?[eE][+-]?[0-9]+", digits[:100]):
            return None, "externalid is written with an exponent, so digits of it may be lost"
        return None, "externalid is not a whole number" if digits else "externalid is empty"
    if digits[0] == "0":
        return None, "externalid is zero or has a leading zero, and no extid has one"
    if int(digits) >= _EXACT:
        return None, "externalid is 2^53 or more, where JavaScript rounds"
    return digits, None


def _decimal(value: object) -> Decimal | None:
    """The exact number of a JSON number or a text; None for anything else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return Decimal(value) if -(10**20) < value < 10**20 else None
    if isinstance(value, float):
        value = value.text if isinstance(value, _TextFloat) else repr(value)
    if not isinstance(value, str) or _DECIMAL.fullmatch(text := value.strip()) is None:
        return None
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    # An exponent of 999 would become an int of a thousand digits further on.
    return number if not number or abs(number.adjusted()) <= 20 else None


_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
# 2000-01-01 and 2100-01-01 in seconds. The same span in milliseconds does not overlap it, so the two are told apart.
_EARLIEST: Final = 946_684_800
_LATEST: Final = 4_102_444_800


def _moment(value: object, name: str, warnings: list[str]) -> datetime | None:
    number = _decimal(value)
    if number is None:
        if isinstance(value, str) and (moment := _iso_moment(value)) is not None:
            return moment
        if value is not None:
            warnings.append(f"{name} is not a time")
        return None
    if number == 0:  # AloVoice sends 0 as the answer time of a call that was not answered
        return None
    if number < 0:
        warnings.append(f"{name} is negative")
        return None
    milliseconds = number if _EARLIEST * 1000 <= number <= _LATEST * 1000 else number * 1000
    if not _EARLIEST * 1000 <= milliseconds <= _LATEST * 1000:
        warnings.append(f"{name} is outside of the years 2000 to 2100")
        return None
    return _EPOCH + timedelta(milliseconds=int(milliseconds.to_integral_value()))


def _iso_moment(text: str) -> datetime | None:
    """ISO 8601 with a zone. Without a zone it could be UTC or Tashkent, five hours apart, so it is not taken."""
    try:
        moment = datetime.fromisoformat(text.strip()[:40])
        if moment.tzinfo is None or not 2000 <= moment.year <= 2100:
            return None
        moment = moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def _duration(value: object, warnings: list[str]) -> int | float | None:
    number = _decimal(value)
    # A month: no conversation lasts that long, and milliseconds or a timestamp in the wrong field would.
    if number is not None and 0 <= number <= 31 * 86_400:
        return int(number) if number == number.to_integral_value() else float(number)
    if value is not None:
        warnings.append("duration is not a number of seconds")
    return None


def _text_of(value: object) -> str | None:
    """A scalar as text; whole floats without their point, as the same number in a form would be written."""
    if isinstance(value, str):
        return _clean(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        text = value.text if isinstance(value, _TextFloat) else repr(value)
        integral = _INTEGRAL.fullmatch(text)
        return integral[1] if integral else text[:MAX_TEXT]
    return None


# --- the fields of one result -----------------------------------------------------------------------------------------

# Keys are in small letters without underscores; see `_grouped`.
_FIELDS: Final = {
    "id": "id",
    "fromnumber": "from_number",
    "tonumber": "to_number",
    "trunknumber": "trunk_number",
    "begintime": "begin_time",
    "answertime": "answer_time",
    "endtime": "end_time",
    "duration": "duration",
    "dialstatus": "dialstatus",
    "record": "record",
    "externalid": "externalid",
    "extid": "externalid",
    "attempts": "attempts",
}
_WRAPPERS: Final = ("result", "results", "data", "answer")
_NAME: Final = re.compile(r"(?:\[\])?([A-Za-z_]{1,40})(\[[0-9]{0,4}\])?")


@lru_cache(maxsize=256)
def _field(key: str) -> str | None:
    """The field that a name in a body means. Cached: a body has a dozen names, and they are always the same."""
    matched = _NAME.fullmatch(key.strip()[:64])
    return None if matched is None else _FIELDS.get(matched[1].replace("_", "").lower())


def _grouped(obj: dict[str, Any]) -> dict[str, list[Any]]:
    """Each known field's values, whether its name is `id`, `[]id`, `id[]` or `id[0]`, in any case."""
    groups: dict[str, list[Any]] = {}
    for key, value in obj.items():
        # No field has a longer name, and it would only push others out of the cache.
        name = _field(key) if len(key) <= 200 else None
        if name is None:
            continue
        if name == "externalid" and isinstance(value, _RepeatedValues):
            groups.setdefault(name, []).extend(value)
        else:
            groups.setdefault(name, []).append(value)
    return groups


_NUMBERS: Final = re.compile(r"\s*\+?[0-9]{1,20}(?:\s*,\s*\+?[0-9]{1,20})+\s*")


def _spread(values: list[Any]) -> list[Any]:
    """A flat list of the scalars in the values: lists, objects keyed by index, JSON text of a list, or themselves."""
    if len(values) == 1 and type(values[0]) is int:
        return values
    flat: list[Any] = []
    for value in values[: MAX_ENTRIES + 1]:
        if isinstance(value, str) and value.lstrip()[:1] == "[":
            parsed = _json(value)[0]
            value = parsed if isinstance(parsed, list) else value  # noqa: PLW2901 - the text's own content
        if isinstance(value, dict):
            value = list(value.values())  # noqa: PLW2901 - the keys are indexes
        if isinstance(value, list):
            flat.extend(item for item in value[: MAX_ENTRIES + 1] if not isinstance(item, (list, dict)))
        elif isinstance(value, str) and "," in value and _NUMBERS.fullmatch(value[:MAX_TEXT]):
            flat.extend(value[:MAX_TEXT].split(","))
        else:
            flat.append(value)
    return [item for item in flat if not (item is None or (isinstance(item, str) and item.strip() in _NOTHING))]


def _bounded(items: list[Any], name: str, warnings: list[str]) -> list[Any]:
    if len(items) > MAX_ENTRIES:
        warnings.append(f"{name} has more than {MAX_ENTRIES} entries; the rest is left out")
    return items[:MAX_ENTRIES]


def _single(values: list[Any], name: str, warnings: list[str]) -> Any:
    items = _spread(values)
    if not items:
        return None
    if any(item != items[0] for item in items[1:]):
        warnings.append(f"{name} has several values; the first is taken")
    return items[0]


def _call_ids(values: list[Any], warnings: list[str]) -> list[int]:
    ids: list[int] = []
    for item in _bounded(_spread(values), "id", warnings):
        text = (_text_of(item) or "").strip()
        if re.fullmatch(r"[0-9]{1,18}", text):
            ids.append(int(text))
        else:
            warnings.append("an id is not a whole number and is left out")
    return ids


def _numbers(values: list[Any], name: str, warnings: list[str]) -> list[str]:
    texts = [(_text_of(item) or "").strip() for item in _bounded(_spread(values), name, warnings)]
    return [text for text in texts if text]


def _dialstatus(values: list[Any], warnings: list[str]) -> str:
    # Kept as it came, spaces and all: an unknown status of today may be needed tomorrow.
    texts = [value for value in values if isinstance(value, str)]
    raw = texts[0] if texts else _text_of(_single(values, "dialstatus", warnings))
    if raw and len(raw) > _MAX_DIALSTATUS:
        warnings.append(f"dialstatus is cut to {_MAX_DIALSTATUS} characters")
    return _clean(raw or "", _MAX_DIALSTATUS)


def _record(values: list[Any], warnings: list[str]) -> str | None:
    value = _single(values, "record", warnings)
    if value is None:
        return None
    text = value.strip() if isinstance(value, str) else ""
    scheme = re.match(r"([A-Za-z][A-Za-z0-9+.-]{0,30}):", text)
    # A link is followed by people and programs, so a javascript: or file: link is not handed on; the raw body keeps it.
    if not text or len(text) > MAX_TEXT or not text.isprintable() or (scheme and scheme[1].lower() not in _LINKS):
        warnings.append("record is not a link to a web page and is left out")
        return None
    return text


_LINKS: Final = frozenset({"http", "https"})

# Names of attempt fields whose values are numbers of telephones or ids: text, whatever an encoding makes of them.
_TEXT_KEY: Final = re.compile(
    r"number|phone|call(?:ed|er|from|to)|^(?:from|to|src|dst|key|text|line|queue)$|trunk|ext|lang"
)


def _scalar(key: str, value: object) -> object:
    """The same value for a number and its text, so that a form and a JSON body give the same attempt; None if empty."""
    if value is None or value == "":
        return None
    text = _text_of(value) or ""
    if _TEXT_KEY.search(key.lower()):
        return text
    if _SIMPLE.fullmatch(text):
        number = Decimal(text)
        return int(number) if number == number.to_integral_value() else float(number)
    return {"true": True, "false": False, "null": None}.get(text, text)


def _tidy(key: str, value: object, depth: int = 0) -> object:
    """An attempt's value, bounded; empty containers are None, because a form cannot say "empty list"."""
    if depth >= _MAX_DEPTH and isinstance(value, (dict, list)):
        return "..."
    if isinstance(value, dict):
        named = {_clean(str(name), 100): item for name, item in list(value.items())[:MAX_ENTRIES]}
        tidy = {name: _tidy(name, item, depth + 1) for name, item in named.items()}
        return {name: item for name, item in tidy.items() if item is not None} or None
    if isinstance(value, list):
        items = [_tidy(key, item, depth + 1) for item in value[:MAX_ENTRIES]]
        return [item for item in items if item is not None] or None
    return _scalar(key, value)


def _attempt(value: object) -> dict[str, Any] | None:
    if isinstance(value, str) and value.lstrip()[:1] == "{":
        parsed = _json(value)[0]
        value = parsed if isinstance(parsed, dict) else value
    if isinstance(value, dict):
        tidy = _tidy("", value)
        return tidy if isinstance(tidy, dict) else None
    value = _tidy("text" if isinstance(value, str) else "value", value)
    if value is None:
        return None
    return {"text" if isinstance(value, str) else "value": value}


def _is_index(key: str) -> bool:
    return len(key) <= 3 and key.isascii() and key.isdigit()


def _attempt_list(value: object) -> list[Any]:
    """The tries in a list, an object keyed by anything, JSON text, other text or nothing."""
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
        parsed = _json(value)[0]
        value = parsed if isinstance(parsed, (dict, list)) else value
    if isinstance(value, list):
        return value
    if not isinstance(value, dict):
        return [] if value is None or (isinstance(value, str) and value.strip() in _NOTHING) else [value]
    if value and all(_is_index(key) for key in value):
        return [value[key] for key in sorted(value, key=int)]
    if value and all(isinstance(item, dict) for item in value.values()):
        # Keyed by a number or an id: the key says something, so it goes into the attempt.
        return [{"key": key, **item} for key, item in value.items()]
    return [value]


def _attempts(values: list[Any], warnings: list[str]) -> list[dict[str, Any]]:
    raw = _attempt_list(values[0]) if len(values) == 1 else [item for value in values for item in _attempt_list(value)]
    if len(raw) > MAX_ATTEMPTS:
        warnings.append(f"attempts has more than {MAX_ATTEMPTS} entries; the rest is left out")
    return [attempt for item in raw[:MAX_ATTEMPTS] if (attempt := _attempt(item)) is not None]


def _externalid(values: list[Any], warnings: list[str]) -> str | None:
    answers = [exact_extid(value) for value in values]
    if not answers:
        warnings.append("externalid is missing")
        return None
    extids = {extid for extid, _ in answers}
    if len(extids) > 1:
        warnings.append("externalid is given more than once with different values")
        return None
    if answers[0][1] is not None:
        warnings.append(answers[0][1])
    return answers[0][0]


def _result(obj: dict[str, Any], depth: int = 0) -> list[CallResult | Unreadable]:
    groups = _grouped(obj)
    if not groups:
        for name in _WRAPPERS:
            inner = obj.get(name)
            if isinstance(inner, str) and inner.lstrip()[:1] in ("{", "["):
                inner = _json(inner)[0]
            if isinstance(inner, (dict, list)) and depth < 2:
                return _results(inner, depth + 1)
        return [
            Unreadable(
                "the object has none of a result's fields",
                "a result has fields such as externalid, dialstatus and begin_time",
            )
        ]
    warnings: list[str] = []

    def values(name: str) -> list[Any]:
        return groups.get(name, [])

    def moment(name: str) -> datetime | None:
        return _moment(_single(values(name), name, warnings), name, warnings)

    begin, answer, end = moment("begin_time"), moment("answer_time"), moment("end_time")
    if begin and answer and answer < begin:
        warnings.append("answer_time is before begin_time")
    if begin and end and end < begin:
        warnings.append("end_time is before begin_time")
    trunk = (_text_of(_single(values("trunk_number"), "trunk_number", warnings)) or "").strip()
    return [
        CallResult(
            extid=_externalid(values("externalid"), warnings),
            call_ids=_call_ids(values("id"), warnings),
            from_numbers=_numbers(values("from_number"), "from_number", warnings),
            to_numbers=_numbers(values("to_number"), "to_number", warnings),
            trunk_number=trunk or None,
            begin_time=begin,
            answer_time=answer,
            end_time=end,
            duration=_duration(_single(values("duration"), "duration", warnings), warnings),
            dialstatus=_dialstatus(values("dialstatus"), warnings),
            record=_record(values("record"), warnings),
            attempts=_attempts(values("attempts"), warnings),
            warnings=warnings[:_MAX_WARNINGS],
        )
    ]


def _results(value: object, depth: int = 0) -> list[CallResult | Unreadable]:
    if isinstance(value, dict):
        return _result(value, depth)
    if not isinstance(value, list):
        return [Unreadable("the body is neither an object nor a list of objects")]
    if not value:
        return [Unreadable("the list is empty")]
    read: list[CallResult | Unreadable] = []
    for index, item in enumerate(value[:MAX_RESULTS]):
        if not isinstance(item, dict):
            read.append(Unreadable(f"entry {index} of the list is not an object"))
            continue
        try:
            read.extend(_result(item, depth))
        except (MemoryError, OSError):
            raise
        except Exception as exc:  # noqa: BLE001,RUF100 - an entry that trips the parser must not take its neighbours along
            read.append(Unreadable(f"entry {index} of the list could not be read ({type(exc).__name__})"))
    if len(value) > MAX_RESULTS:
        read.append(
            Unreadable(
                f"the list holds {len(value)} results and only the first {MAX_RESULTS} were read",
                "split the kept body and replay the rest",
            )
        )
    return read


# --- encodings --------------------------------------------------------------------------------------------------------


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    unique = dict(pairs)
    if len(unique) == len(pairs):
        return unique
    repeated: dict[str, _RepeatedValues] = {}
    for key, value in pairs:
        repeated.setdefault(key, _RepeatedValues()).append(value)
    return {key: values[0] if len(values) == 1 else values for key, values in repeated.items()}


def _integer(text: str) -> int | str:
    # Longer ones stay text: Python refuses 4,301 digits with a ValueError, and no field of a result needs 40.
    return int(text) if len(text) <= 40 else text


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_object,
    parse_float=_TextFloat.read,
    parse_int=_integer,
    parse_constant=_TextFloat.read,
    strict=False,
)


def _json(text: str) -> tuple[object, str | None]:
    """`(value, None)`, or `(None, reason)`."""
    try:
        value: object = _DECODER.decode(text)
    except RecursionError:
        return None, "the JSON is nested too deeply"
    except ValueError as exc:
        if isinstance(exc, json.JSONDecodeError):
            return None, f"it is not JSON at character {exc.pos}"
        return None, "it is not JSON"
    return value, None


def _decoded(body: bytes) -> str:
    """Text from UTF-8, from UTF-16 with its byte order mark, else from cp1251, the charset of Russian servers.

    The declared charset is ignored: Russian text in cp1251 is practically never valid UTF-8, and headers err.
    """
    if body[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return body.decode("utf-16", "replace")
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError:
        return body.decode("cp1251", "replace")


def _inflated(body: bytes) -> bytes | Unreadable:
    unpacker = zlib.decompressobj(wbits=31)
    try:
        plain = unpacker.decompress(body, MAX_BODY + 1)
    except zlib.error:
        return Unreadable("the body begins like gzip and cannot be unpacked")
    if len(plain) > MAX_BODY:
        return Unreadable(f"the body is over {MAX_BODY} bytes once unpacked")
    return plain if unpacker.eof else Unreadable("the gzip body is cut off")


def _form(text: str) -> object:
    try:
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS)
    except UnicodeDecodeError:
        pairs = parse_qsl(text, keep_blank_values=True, encoding="cp1251", errors="replace", max_num_fields=MAX_FIELDS)
    return nest(pairs)


_PART_NAME: Final = re.compile(r'[;\s]name=(?:"((?:\\.|[^"\\])*)"|([^;\s"]+))', re.IGNORECASE)


def _boundary(body: bytes, content_type: str) -> bytes | None:
    """The declared boundary when the body has it, else that of the body's first line."""
    matched = re.search(r'boundary=(?:"([^"]{1,200})"|([^;,\s"]{1,200}))', content_type, re.IGNORECASE)
    if matched:
        declared = (matched[1] or matched[2]).encode("utf-8", "replace")
        if b"--" + declared in body:
            return declared
    first = body.lstrip()[:256].splitlines()[:1]
    return first[0][2:].strip() or None if first and first[0].startswith(b"--") else None


def _multipart(body: bytes, content_type: str) -> object:
    boundary = _boundary(body, content_type)
    if boundary is None:
        raise FieldsError("the multipart body has no boundary")
    delimiter = re.compile(rb"(?:\A|\r?\n)--" + re.escape(boundary) + rb"(?:[ \t]*\r?\n|(--))")
    pairs: list[tuple[str, str]] = []
    start: int | None = None
    for mark in delimiter.finditer(body.lstrip(b"\r\n") if body[:2] != b"--" else body):
        if start is not None:
            head, gap, value = mark.string[start : mark.start()].partition(b"\r\n\r\n")
            if not gap:
                head, _, value = head.partition(b"\n\n")
            name = _PART_NAME.search(_decoded(head[:4000]))
            if name is not None:
                written = re.sub(r"\\(.)", r"\1", name[1]) if name[1] is not None else name[2]
                pairs.append((written.replace("%22", '"'), _decoded(value)))
        if mark[1] is not None:
            return nest(pairs)
        start = mark.end()
        if len(pairs) > MAX_FIELDS:
            break
    # Without the end mark a value may be cut, and an extid that lost its last digits is another call's.
    raise FieldsError("the multipart body is cut off or has too many parts")


def _parsed(body: bytes, content_type: str) -> list[CallResult | Unreadable]:
    """Tries every encoding that the body can have, whatever its header says; the first that yields a result wins."""
    text = _decoded(body).strip(" \t\r\n\0\ufeff")
    if not text:
        return [Unreadable("the body is empty")]
    declared = content_type.partition(";")[0].strip().lower()
    refusals: list[list[CallResult | Unreadable]] = []

    def accepted(value: object) -> list[CallResult | Unreadable] | None:
        read = _results(value)
        if any(isinstance(entry, CallResult) for entry in read):
            return read
        refusals.append(read)
        return None

    if text[0] in '{["' or "json" in declared:
        value, problem = _json(text)
        if isinstance(value, str):  # JSON within JSON: encoded twice on its way
            value, problem = _json(value)
        if problem is None:
            if (read := accepted(value)) is not None:
                return read
        else:
            refusals.append([Unreadable(problem, f"it was sent as {declared[:80]}" if declared else None)])
    dashes = text.startswith("--")
    if dashes or declared.startswith("multipart/"):
        try:
            if (read := accepted(_multipart(body, content_type))) is not None:
                return read
        except FieldsError as exc:
            refusals.append([Unreadable(str(exc))])
    if "=" in text and not dashes:
        try:
            if (read := accepted(_form(text))) is not None:
                return read
        except ValueError as exc:
            refusals.append([Unreadable(str(exc) if isinstance(exc, FieldsError) else "the form has too many fields")])
    return refusals[0] if refusals else [Unreadable("it is neither JSON, nor a form, nor multipart")]


def parse_results(body: bytes, content_type: str | None) -> list[CallResult | Unreadable]:
    """Returns every result of a callback's body, in order; at least one entry.

    Keep a result whose `extid` is None aside: it has no exact externalid, and its `warnings` say why. Whatever is wrong
    with the body, nothing is raised for it; only MemoryError and OSError, which say nothing about the body, are.
    """
    try:
        if body[:2] == b"\x1f\x8b":
            plain = _inflated(body)
            if isinstance(plain, Unreadable):
                return [plain]
            body = plain
        if len(body) > MAX_BODY:
            return [Unreadable(f"the body is over {MAX_BODY} bytes")]
        return _parsed(body, content_type or "")
    except (MemoryError, OSError):
        raise
    except Exception as exc:  # noqa: BLE001,RUF100 - whatever error a hostile body provokes, the body is kept
        return [Unreadable(f"it could not be read ({type(exc).__name__})")]
