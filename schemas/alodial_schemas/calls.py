"""The request models: a two-way call or a call into an IVR menu, validated once and then frozen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Literal, TypeAlias, TypedDict, Unpack

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    StringConstraints,
    Tag,
    ValidationError,
    ValidationInfo,
)
from pydantic_core import PydanticCustomError, from_json

from .dispositions import Disposition
from .errors import FieldProblem, InvalidCall
from .field_problems import ProblemTexts, problem_error, problems_of
from .hidden_characters import NO_HIDDEN
from .phones import DEFAULT_ALLOWED, PhoneError, normalise_phone

MAX_RECIPIENTS: Final = 20
MAX_REFERENCE: Final = 128


def _allowed_in(info: ValidationInfo) -> tuple[str, ...]:
    """The prefixes of `parse_call`. A constructor knows no settings: enqueue checks its numbers against them."""
    allowed: tuple[str, ...] = (info.context or {}).get("allowed", ())
    return allowed


def _number_text(value: object, name: str) -> str:
    """An int or a text as text; anything else, a bool included, is an error."""
    if isinstance(value, str):
        return value
    # 19 digits cover every int that can be meant; turning a longer one into text would be quadratic.
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**19:
        return str(value)
    raise PydanticCustomError("not_text", "{name} must be text or a whole number", {"name": name})


def _e164(value: object, allowed: tuple[str, ...]) -> str:
    try:
        return normalise_phone(_number_text(value, "a phone"), allowed=allowed)
    except PhoneError as exc:
        # Raised as pydantic's own error, so that the code and the remedy reach `problems_of` and no input is kept.
        raise problem_error(FieldProblem("", exc.code, exc.reason, exc.remedy)) from None


def _as_e164(value: object, info: ValidationInfo) -> str:
    return _e164(value, _allowed_in(info))


def _as_line(value: object) -> str:
    return _e164(value, ())


def _as_extid(value: object) -> object:
    return value if value is None else _number_text(value, "extid")


def _as_queue(value: object) -> object:
    return _number_text(value, "queue")


def _as_moment(value: object) -> object:
    """Numbers are refused: seconds or milliseconds could be meant, and a wrong guess rings at night."""
    if value is None or isinstance(value, datetime):
        return value
    if isinstance(value, str) and not value.strip().lstrip("+-").replace(".", "", 1).isdigit():
        return value
    raise PydanticCustomError("not_a_moment", "a time must be ISO 8601 text or a datetime")


def _as_utc(value: datetime) -> datetime:
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise PydanticCustomError("not_a_moment", "the time is outside of the calendar") from None


def _after_start(value: datetime | None, info: ValidationInfo) -> datetime | None:
    start = info.data.get("not_before")
    if value is not None and start is not None and value <= start:
        raise PydanticCustomError("expires_too_early", "expires_at is not after not_before")
    return value


Moment = Annotated[AwareDatetime, BeforeValidator(_as_moment), AfterValidator(_as_utc)]
_Extid = Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]{0,14}$")]
_Reference = Annotated[str, StringConstraints(max_length=MAX_REFERENCE, pattern=NO_HIDDEN)]
_MetaKey = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=NO_HIDDEN)]
_MetaValue = Annotated[str, StringConstraints(max_length=256, pattern=NO_HIDDEN)]
Metadata = Annotated[dict[_MetaKey, _MetaValue], Field(max_length=16)]
_Lang = Annotated[str, StringConstraints(pattern=r"^[A-Za-z-]{2,8}$")]
_Account = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$")]
_QueueName = Annotated[str, BeforeValidator(_as_queue), StringConstraints(pattern=r"^[0-9A-Za-z_.-]{1,32}$")]
_Seconds = Annotated[int, Field(ge=1, le=604_800)]  # a week: a redial later than that is another call


def _not_answered(value: Disposition) -> Disposition:
    if value is Disposition.ANSWERED:
        raise PydanticCustomError("redial_answered", "an answered call is not dialled again")
    return value


_Failure = Annotated[Disposition, AfterValidator(_not_answered)]


class _Frozen(BaseModel):
    # Inputs are hidden because they are phone numbers, and pydantic prints what it refuses.
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class _CallPart(_Frozen):
    """A model whose constructor raises InvalidCall, with the same problems that HTTP answers."""

    _parent: ClassVar[str] = ""  # the field of a call that holds such a part

    if not TYPE_CHECKING:

        def __init__(self, /, **fields: Any) -> None:
            try:
                super().__init__(**fields)
            except ValidationError as exc:
                raise InvalidCall(problems_of(exc, CALL_TEXTS, parent=self._parent)) from None

        # Without this mark pydantic takes the constructor for a validator of nested values, and they lose the context.
        __init__.__pydantic_base_init__ = True


class Phone(_CallPart):
    """One phone: `phone` in E.164 ("+998712037006"), `lang` such as "ru" or None when not given."""

    _parent: ClassVar[str] = "callfrom"

    phone: Annotated[str, BeforeValidator(_as_e164)]
    lang: _Lang | None = None


class Queue(_CallPart):
    """One PBX queue as a recipient: `queue` such as "6000"."""

    _parent: ClassVar[str] = "callto"

    queue: _QueueName


def _target_tag(value: object) -> str:
    if type(value) is Phone:  # most are, and asking an abstract class takes a microsecond
        return "<phone>"
    if isinstance(value, Queue) or (isinstance(value, Mapping) and "queue" in value and "phone" not in value):
        return "<queue>"
    return "<phone>"


# The tags stand in error locations and are taken out of the dotted path by `problems_of`.
Target: TypeAlias = Annotated[
    Annotated[Phone, Tag("<phone>")] | Annotated[Queue, Tag("<queue>")], Discriminator(_target_tag)
]


# A phone and a recipient as `TwoWayCall` takes them; the mappings are {"phone": ..., "lang": ...} and {"queue": ...}.
PhoneInput: TypeAlias = str | int | Phone | Mapping[str, object]
TargetInput: TypeAlias = PhoneInput | Queue

_set = object.__setattr__
# None, or in pydantic before 2.12 an empty dict, which counts when models are compared.
_NO_PRIVATE: Final = Phone(phone="+998712037006").__pydantic_private__


def _unchecked_phone(e164: str) -> Phone:
    """The same as `Phone.model_construct`, at a third of its cost: most calls give their recipients as plain numbers."""
    phone = Phone.__new__(Phone)
    _set(phone, "__dict__", {"phone": e164, "lang": None})
    _set(phone, "__pydantic_fields_set__", {"phone"})
    _set(phone, "__pydantic_extra__", None)
    _set(phone, "__pydantic_private__", _NO_PRIVATE)
    return phone


def _phone_from(value: object, allowed: tuple[str, ...]) -> object:
    """A plain number as a Phone; the rest is left to pydantic, which knows the path for the error."""
    kind = type(value)
    if kind is str or kind is int:
        try:
            return _unchecked_phone(normalise_phone(value if kind is str else str(value), allowed=allowed))  # type: ignore[arg-type] # `kind` is str
        except ValueError:
            return {"phone": value}
    if kind is Phone:
        # Checked again, because it may have been made under a wider allowlist.
        phone: Phone = value  # type: ignore[assignment] # `kind is Phone` is what mypy does not follow
        return phone if not allowed or phone.phone.startswith(allowed) else {"phone": phone.phone, "lang": phone.lang}
    return {"phone": value} if isinstance(value, (str, int)) else value  # bools too, refused by their own message


def _as_phone(value: object, info: ValidationInfo) -> object:
    return _phone_from(value, _allowed_in(info))


def _as_targets(value: object, info: ValidationInfo) -> object:
    if not isinstance(value, (list, tuple)):
        # A single recipient needs no list: AloVoice documents "number(s)".
        value = [value] if isinstance(value, (str, int, Phone, Queue)) else value
        if not isinstance(value, list):
            raise PydanticCustomError("not_a_list", "callto must be a list of phones and queues")
    if len(value) > MAX_RECIPIENTS:
        raise PydanticCustomError("too_many", "callto has {count} entries", {"count": len(value)})
    allowed = _allowed_in(info)
    return [_phone_from(entry, allowed) for entry in value]


class RedialPolicy(_CallPart):
    """When a call that did not get through is dialled again.

    `max_attempts` counts every attempt, the first included (2 to 10). `delays` gives seconds (1 to 604,800) for each
    disposition but answered: the nth time that an attempt ends so, the nth entry is waited, and the last entry repeats.
    """

    _parent: ClassVar[str] = "redial"

    max_attempts: Annotated[int, Field(ge=2, le=10)]
    delays: dict[_Failure, Annotated[list[_Seconds], Field(min_length=1, max_length=9)]]

    if TYPE_CHECKING:

        def __init__(
            self, *, max_attempts: int, delays: Mapping[Disposition, Sequence[int]] | Mapping[str, Sequence[int]]
        ) -> None: ...


class OptionInputs(TypedDict, total=False):
    """`CallOptions` as the constructors take them."""

    extid: str | int | None
    reference: str | None
    not_before: datetime | str | None
    expires_at: datetime | str | None
    priority: Literal["urgent", "normal", "bulk"]
    account: str
    on_unconfirmed: Literal["wait", "redial"]
    redial: RedialPolicy | Mapping[str, object] | None
    metadata: Mapping[str, str]


class CallOptions(_CallPart):
    """The optional fields beside AloVoice's own. Times are kept in UTC."""

    extid: Annotated[_Extid | None, BeforeValidator(_as_extid)] = None
    reference: _Reference | None = None
    not_before: Moment | None = None
    expires_at: Annotated[Moment | None, AfterValidator(_after_start)] = None
    priority: Literal["urgent", "normal", "bulk"] = "normal"
    account: _Account = "default"
    on_unconfirmed: Literal["wait", "redial"] = "wait"
    redial: RedialPolicy | None = None
    metadata: Metadata = Field(default_factory=dict)


class TwoWayCall(CallOptions):
    """The initiator is rung first, then the recipients one after another until one is connected (1 to 20 of them).

    A phone may be given as text, as an int, as {"phone": ..., "lang": ...} or as a Phone; a queue as {"queue": ...} or
    as a Queue.
    """

    callfrom: Annotated[Phone, BeforeValidator(_as_phone)]
    callto: Annotated[tuple[Target, ...], Field(min_length=1), BeforeValidator(_as_targets)]

    # The fields have the types that validation returns; type checkers without pydantic's plugin need those it accepts.
    if TYPE_CHECKING:

        def __init__(
            self,
            *,
            callfrom: PhoneInput,
            callto: str | int | Phone | Queue | Sequence[TargetInput],
            **options: Unpack[OptionInputs],
        ) -> None: ...


class IvrCall(CallOptions):
    """`callto` (E.164) is rung from the line `fromline` (E.164) and put into the IVR menu `ivrid`."""

    callto: Annotated[str, BeforeValidator(_as_e164)]
    ivrid: Annotated[int, Field(ge=1, le=2**31 - 1)]
    fromline: Annotated[str, BeforeValidator(_as_line)]

    if TYPE_CHECKING:

        def __init__(
            self, *, callto: str | int, ivrid: int, fromline: str | int, **options: Unpack[OptionInputs]
        ) -> None: ...


CallRequest: TypeAlias = TwoWayCall | IvrCall

_KNOWN: Final[Mapping[str, tuple[str, ...]]] = {
    "": tuple(dict.fromkeys((*TwoWayCall.model_fields, *IvrCall.model_fields))),
    "callfrom": tuple(Phone.model_fields),
    "callto": (*Phone.model_fields, *Queue.model_fields),
    "redial": tuple(RedialPolicy.model_fields),
}

_REMEDIES: Final[Mapping[str, str]] = {
    "extid": "give 1 to 15 digits without a leading zero, and use reference for a text of your own",
    "reference": "give up to 128 characters without control or invisible characters",
    "metadata": "give up to 16 entries, keys of 1 to 64 and values of up to 256 characters, without control or invisible "
    "characters",
    "lang": "give 2 to 8 letters, such as ru or uz",
    "account": "give up to 32 small letters, digits, _ or -, such as default",
    "queue": "give 1 to 32 letters, digits, dots, _ or -, such as 6000",
    "ivrid": "give the menu's number, such as 222",
    "max_attempts": "give 2 to 10, the first attempt included",
    "delays": "give for each disposition but answered a list of 1 to 9 whole seconds from 1 to 604800",
    "priority": "give urgent, normal or bulk",
    "on_unconfirmed": "give wait or redial",
    "not_before": "give ISO 8601 with a zone, such as 2026-01-02T09:00:00+05:00",
    "expires_at": "give ISO 8601 with a zone, such as 2026-01-02T20:00:00+05:00, later than not_before",
    "callfrom": 'give a phone such as "712037006" or {"phone": "712037006", "lang": "ru"}',
    "callto": 'give a list of 1 to 20 entries such as "994412860" or {"queue": "6000"}, for an IVR call one phone',
    "phone": "write 9 digits such as 712037006, or + and the country code",
    "fromline": "give the line's number such as 712037006",
    "redial": 'give an object such as {"max_attempts": 3, "delays": {"busy": [60, 300]}}',
}

_OBJECT_REMEDY: Final = 'give an object such as {"callfrom": "712037006", "callto": ["994412860"]}'

_PROBLEMS: Final[Mapping[str, tuple[str, str]]] = {
    "missing": ("missing", "is missing"),
    "string_pattern_mismatch": ("bad_text", "holds characters that are not allowed, or is too long or too short"),
    "string_too_long": ("too_long", "is too long"),
    "string_too_short": ("too_short", "is too short"),
    "string_unicode": ("bad_text", "holds half of a character (a lone surrogate)"),
    "string_type": ("not_text", "must be text"),
    "not_text": ("not_text", "must be text or a whole number"),
    "timezone_aware": ("zone_missing", "has no zone, and a zone is needed"),
    "expires_too_early": ("expires_too_early", "is not after not_before"),
    "too_many": ("too_many", f"has more than {MAX_RECIPIENTS} entries"),
    "too_long": ("too_many", "has too many entries"),
    "too_short": ("too_few", "has no entries"),
    "not_a_list": ("not_a_list", "must be a list of phones and queues"),
    "literal_error": ("not_a_choice", "is none of the choices"),
    "enum": ("not_a_choice", "is none of the dispositions"),
    "int_parsing": ("not_a_number", "must be a number"),
    "int_type": ("not_a_number", "must be a number"),
    "int_from_float": ("not_a_number", "must be a whole number"),
    "redial_answered": ("redial_answered", "has delays for answered, and an answered call is not dialled again"),
    "not_a_moment": ("not_a_time", "is not a time"),
    "invalid_key": ("bad_key", "has a key that is not text"),
}


_OTHER_KIND: Final[Mapping[str, tuple[str, str]]] = {
    "callfrom": ("belongs to a two-way call, and this is an IVR call", "use fromline, or leave out ivrid and fromline"),
    "ivrid": ("belongs to an IVR call, and this is a two-way call", "use IvrCall, or leave it out"),
    "fromline": ("belongs to an IVR call, and this is a two-way call", "use IvrCall, or leave it out"),
}

CALL_TEXTS: Final = ProblemTexts(_KNOWN, _REMEDIES, _PROBLEMS, _OTHER_KIND)


def parse_call(obj: object, *, allowed: tuple[str, ...] = DEFAULT_ALLOWED) -> CallRequest:
    """Returns the call of a request body. `allowed` are E.164 prefixes, as in `normalise_phone`.

    A body with `ivrid` or `fromline`, or whose `callto` is a plain number without a `callfrom`, is an IVR call. Raises
    InvalidCall that names every bad field.
    """
    if not isinstance(obj, Mapping):
        raise InvalidCall([FieldProblem("", "not_an_object", "must be an object", _OBJECT_REMEDY)])
    body = obj if type(obj) is dict else dict(obj)
    lone_number = "callfrom" not in body and isinstance(body.get("callto"), (str, int))
    model = IvrCall if lone_number or "ivrid" in body or "fromline" in body else TwoWayCall
    try:
        return model.model_validate(body, context={"allowed": allowed})
    except ValidationError as exc:
        raise InvalidCall(problems_of(exc, CALL_TEXTS)) from None


def _target_json(target: Phone | Queue) -> str:
    # Every validated phone, lang and queue is made of letters, digits and "_.+-", which JSON does not escape.
    if type(target) is Phone:
        if target.lang is None:
            return f'{{"phone":"{target.phone}"}}'
        return f'{{"phone":"{target.phone}","lang":"{target.lang}"}}'
    return f'{{"queue":"{target.queue}"}}'  # type: ignore[union-attr] # a Queue: the union has two members


def body_json(call: CallRequest) -> str:
    """Returns the call's canonical body, compact JSON: AloVoice's own part, phones in E.164, no unset fields, in a fixed order.

    Written by hand: validated phones, languages and queues need no escaping.
    """
    if type(call) is TwoWayCall:
        targets = ",".join([_target_json(target) for target in call.callto])
        return f'{{"callfrom":{_target_json(call.callfrom)},"callto":[{targets}]}}'
    return f'{{"callto":"{call.callto}","ivrid":{call.ivrid},"fromline":"{call.fromline}"}}'  # type: ignore[union-attr] # as above


def request_from_body(json_text: str) -> dict[str, Any]:
    """Returns the canonical body as an object, from `body_json`'s text. Raises ValueError for text that is not JSON."""
    body: dict[str, Any] = from_json(json_text)
    return body


Party: TypeAlias = Literal["initiator", "recipient", "queue", "ivr"]


def parties_of(body: Mapping[str, Any]) -> list[tuple[Party, str]]:
    """Returns whom a canonical body (`body_json`) connects, in the order of ringing, with the number or queue of each.

    The line of an IVR call does not ring. Raises ValueError for anything that is no canonical body: Redis may hold
    bodies that our own validation has not seen.
    """
    try:
        callto = body["callto"]
        if isinstance(callto, str):
            return [("ivr", callto)]
        parties: list[tuple[Party, str]] = [("initiator", body["callfrom"]["phone"])]
        parties += [("queue", to["queue"]) if "queue" in to else ("recipient", to["phone"]) for to in callto]
    except (TypeError, LookupError) as exc:
        raise ValueError(f"the body is not canonical: {type(exc).__name__}") from None
    if not all(isinstance(name, str) for _, name in parties):
        raise ValueError("the body is not canonical: a phone or a queue is not text")
    return parties


def numbers_of(body: Mapping[str, Any]) -> list[str]:
    """Returns the numbers that a canonical body rings, in order. Raises ValueError as `parties_of` does.

    The scripts have the same rule (`numbers_of` in store/lua/campaign.lua); a test holds the two together.
    """
    return [name for party, name in parties_of(body) if party != "queue"]
