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

from .call_problems import MAX_RECIPIENTS, MAX_REFERENCE, OTHER_KIND, PROBLEMS, REMEDIES
from .dispositions import Disposition
from .errors import FieldProblem, InvalidCall
from .field_problems import ProblemTexts, problem_error, problems_of
from .hidden_characters import NO_HIDDEN
from .phones import DEFAULT_ALLOWED, PhoneError, normalise_phone


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

# The setters of a model's slots themselves: `object.__setattr__` looks for them by name each time.
_set_fields = BaseModel.__dict__["__dict__"].__set__
_set_names = BaseModel.__dict__["__pydantic_fields_set__"].__set__
_set_extra = BaseModel.__dict__["__pydantic_extra__"].__set__
_set_private = BaseModel.__dict__["__pydantic_private__"].__set__
_new = object.__new__
# None, or in pydantic before 2.12 an empty dict, which counts when models are compared.
_NO_PRIVATE: Final = Phone(phone="+998712037006").__pydantic_private__


def _unchecked_phone(e164: str) -> Phone:
    """The same as `Phone.model_construct`, at a fifth of its cost: most calls give their recipients as plain numbers."""
    phone = _new(Phone)
    _set_fields(phone, {"phone": e164, "lang": None})
    _set_names(phone, {"phone"})
    _set_extra(phone, None)
    _set_private(phone, _NO_PRIVATE)
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

    else:

        def __init__(self, /, **fields: Any) -> None:
            if type(self) is not TwoWayCall or not _fill_plain(self, fields):
                super().__init__(**fields)

        __init__.__pydantic_base_init__ = True  # as above


_UNSET: Final = TwoWayCall.model_validate({"callfrom": "712037006", "callto": ["712037006"]}).__dict__


def _fill_plain(call: TwoWayCall, fields: dict[str, Any]) -> bool:
    """Makes of a new object what pydantic makes of phones and a reference, at half of its cost; most calls have no more.

    False for anything else, valid or not, and the object is as new: pydantic reads it, and names the problem.
    """
    callto, reference = fields.get("callto"), None
    if "callfrom" not in fields or not (type(callto) is list or type(callto) is tuple):
        return False
    if len(fields) != 2:
        reference = fields.get("reference")
        if len(fields) != 3 or type(reference) is not str or len(reference) > MAX_REFERENCE:
            return False
        if not (reference.isascii() and reference.isprintable()):
            return False
    if not 1 <= len(callto) <= MAX_RECIPIENTS:
        return False
    try:
        initiator, targets = _plain_phone(fields["callfrom"]), tuple([_plain_phone(target) for target in callto])
    except ValueError:
        return False
    values = {**_UNSET, "reference": reference, "metadata": {}, "callfrom": initiator, "callto": targets}
    _set_fields(call, values)
    _set_names(call, set(fields))
    _set_extra(call, None)
    _set_private(call, _NO_PRIVATE)
    return True


def _plain_phone(value: object) -> Phone:
    """A number of a constructor as a Phone. Raises ValueError for what is no number, and for what is no text, int or Phone."""
    kind = type(value)
    if kind is str:
        return _unchecked_phone(normalise_phone(value, allowed=()))  # type: ignore[arg-type]  # `kind` is str
    if kind is Phone:
        return value  # type: ignore[return-value]  # as above
    if kind is int:
        return _unchecked_phone(normalise_phone(str(value), allowed=()))
    raise ValueError("no plain phone")


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

_OBJECT_REMEDY: Final = 'give an object such as {"callfrom": "712037006", "callto": ["994412860"]}'

CALL_TEXTS: Final = ProblemTexts(_KNOWN, REMEDIES, PROBLEMS, OTHER_KIND)


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
