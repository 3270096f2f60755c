"""Phone numbers: every spelling of a number becomes the same E.164 text, or is refused with a remedy."""

from __future__ import annotations

import re
import unicodedata
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from .operator_codes import OPERATOR_CODES

if TYPE_CHECKING:
    from collections.abc import Callable

DEFAULT_ALLOWED: Final[tuple[str, ...]] = ("+998",)

# The longest honest spelling, "tel:+998 (71) 203-70-06" with direction marks, stays under half of it.
_LONGEST: Final = 64
_HIDDEN: Final = "***"  # all that a mask leaves of a text that is no whole number

# The plain forms that nearly every row has: 9 digits, 998 + 9 digits, +998 + 9 digits.
_plain: Final[Callable[[str], re.Match[str] | None]] = re.compile(r"(?:\+?998)?[2-9][0-9]{8}").fullmatch
_SCIENTIFIC: Final = re.compile(r"([+-]?[0-9]+)(?:[.,]([0-9]*))?[eEеЕ]([+-]?[0-9]+)")
# "90123456.0" would be read as nine digits if its dot were a separator; before one or two last digits it is a decimal.
_DECIMAL: Final = re.compile(r"([+-]?[0-9]{5,})[.,]([0-9]{1,2})")
# 998 and an operator's code as groups of their own, with nine digits in all: the last three digits were cut off.
_CUT: Final = re.compile(r"\(?998(?:[0-9]{2})?[^0-9]")
_LETTER_O: Final = frozenset("OoОо")
# An id is no number, although every thirtieth UUID has nine digits in a row: a masked id could not be searched for. Ids are
# UUIDs of a version that exists, and hexadecimal words of the usual lengths in which digits and letters alternate.
_UUID: Final = r"(?<![0-9a-f])[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}(?![0-9a-f])"
_HEX: Final = r"(?<![0-9A-Za-z])(?=[0-9a-f]*[0-9][a-f]+[0-9])(?:[0-9a-f]{16}){1,4}(?![0-9A-Za-z])"
_RUN: Final = re.compile(rf"{_UUID}|{_HEX}|(?<!\d)(\+?\d{{9,15}})(?!\d)")

# Emergency and service numbers of Uzbekistan. libphonenumber's metadata has only 01 to 03 and 050 of them.
EMERGENCY: Final[frozenset[str]] = frozenset(
    {
        *("01", "02", "03", "04", "050", "112", "911"),
        *("101", "102", "103", "104", "105", "1050", "1051", "1052", "1053", "1054", "1055", "1056"),
        *("003", "004", "006", "009", "1001", "1002", "1003", "1004", "1005", "1006", "1007", "1008", "1009"),
    }
)

# Country codes of satellite networks, international networks and international premium or shared-cost services.
_NO_COUNTRY: Final = ("+870", "+878", "+881", "+882", "+883", "+888", "+979", "+808")
_FEWEST: Final = 7  # digits of a local number, the shortest that says whose phone it is
_SEPARATORS: Final = frozenset(" -().[]")  # people put these between digits


class PhoneError(ValueError):
    """A phone was refused. `code` is one of phone_invalid, phone_not_allowed, phone_emergency, phone_short,
    phone_scientific, phone_type, phone_comment, phone_letter, phone_separator, phone_trunk; `reason` says what is wrong
    and `remedy` what to do. They are for the number's sender: a number is masked in them, and what is too short to be
    anybody's number is shown."""

    def __init__(self, code: str, reason: str, remedy: str) -> None:
        super().__init__(code, reason, remedy)
        self.code = code
        self.reason = reason
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.reason}; {self.remedy}"


_HOW_TO_WRITE: Final = "write 9 digits for Uzbekistan, such as 712037006, or + and the country code for another country"


def normalise_phone(text: str, *, allowed: tuple[str, ...] = DEFAULT_ALLOWED) -> str:
    """Returns the E.164 text of a phone, such as "+998712037006".

    `allowed` holds the E.164 prefixes that may be called, such as ("+998", "+7727"); an empty tuple allows every number.
    Raises PhoneError. Numbers that are ints are refused too: the models turn them into text.
    """
    try:
        matched = _plain(text)
    except TypeError:
        raise PhoneError("phone_invalid", "a phone must be text", _HOW_TO_WRITE) from None
    if matched is None:
        return _normalise_any(text, allowed)
    phone = "+998" + text[-9:]
    check_allowed(phone, allowed)
    return phone


def any_phone(text: str, allowed: tuple[str, ...]) -> str:
    """A number that is looked up, listed or erased: of any country, as E.164, or whatever a call understands with the ``allowed``
    prefixes, such as one with a leading 8. Raises PhoneError.
    """
    try:
        return normalise_phone(text, allowed=())
    except PhoneError:
        with suppress(PhoneError):
            return normalise_phone(text, allowed=allowed)
        raise


def check_allowed(phone: str, allowed: tuple[str, ...]) -> None:
    """Raises PhoneError for an E.164 number outside the ``allowed`` prefixes; an empty tuple allows every number."""
    if allowed and not phone.startswith(allowed):
        raise _not_allowed(phone, allowed)


def _not_allowed(phone: str, allowed: tuple[str, ...]) -> PhoneError:
    prefixes = ", ".join(allowed[:8])
    return PhoneError(
        "phone_not_allowed",
        f"{_masked(phone)} does not begin with an allowed prefix",
        f"allowed are {prefixes}; ALODIAL_ALLOWED_PREFIXES can name more",
    )


def _invalid(text: str, reason: str, remedy: str = _HOW_TO_WRITE, code: str = "phone_invalid") -> PhoneError:
    return PhoneError(code, f"{_masked(text)} {reason}", remedy)


def _masked(text: str) -> str:
    """A refused number as its sender sees it: masked, or as it was sent where a mask would leave nothing of it."""
    masked = mask_phone(text)
    return masked if masked != _HIDDEN else _echo(_ascii(text).strip()) or masked


def _ascii(text: str) -> str:
    """Every Unicode digit, dash, space and plus as its ASCII form, marks without width removed; the rest is kept."""
    out: list[str] = []
    for ch in text:
        if ch.isascii():
            out.append(ch)
            continue
        digit = unicodedata.decimal(ch, None)
        if digit is not None:
            out.append(str(digit))
            continue
        category = unicodedata.category(ch)
        if category == "Cf":  # zero-width and right-to-left marks, soft hyphen, byte order mark
            continue
        if category == "Zs":
            out.append(" ")
        elif category == "Pd" or ch == "\N{MINUS SIGN}":
            out.append("-")
        elif ch == "\N{FULLWIDTH PLUS SIGN}":
            out.append("+")
        else:
            out.append(ch)
    return "".join(out)


def _normalise_any(text: str, allowed: tuple[str, ...]) -> str:
    if len(text) > _LONGEST:
        raise PhoneError("phone_invalid", f"a text of {len(text)} characters is not a phone", _HOW_TO_WRITE)
    plain = _ascii(text).strip()
    if plain[:4].lower() == "tel:":
        plain = plain[4:].strip()
    if not plain:
        raise PhoneError("phone_missing", "the phone is empty", _HOW_TO_WRITE)
    plain = whole_number(plain)
    if _SCIENTIFIC.fullmatch(plain) or _DECIMAL.fullmatch(plain):
        raise _invalid(
            text,
            "is a rounded or decimal number, not a phone",
            "format the column as Text in Excel and paste the numbers again, because digits are lost for good",
            "phone_scientific",
        )
    if plain[0] in "-.)":
        raise _invalid(text, "begins with a sign that no phone begins with")
    body = "".join(ch for ch in plain if ch not in _SEPARATORS)
    international = body.startswith("+")
    digits = body[1:] if international else body
    if not (digits.isascii() and digits.isdigit()):
        raise _not_digits(text, plain, digits)
    if not international and digits.startswith("00") and len(digits) > 5:
        international, digits = True, digits[2:]
    national = digits[3:] if digits.startswith("998") and (international or len(digits) != 9) else digits
    if digits in EMERGENCY or national in EMERGENCY:
        raise PhoneError("phone_emergency", "emergency and service numbers are never called", "give a person's number")
    if digits.startswith("998") and (international or len(digits) >= 12):
        return _uzbek(text, national, allowed)
    if international:
        return _foreign(text, "+" + digits, allowed)
    if len(digits) == 9 and _CUT.match(plain):
        remedy = "write all 12 digits, such as 998 71 203-70-06"
        raise _invalid(text, "begins with 998 and has 6 digits after it, and 9 are needed", remedy, "phone_short")
    if len(digits) == 10 and digits[0] in "08":
        return _without_trunk(text, digits[1:], allowed)
    return _uzbek(text, digits, allowed)


def whole_number(text: str) -> str:
    """The digits of a whole number that a program wrote as 998712037006.0 or 9.98712037006E+11; any other text unchanged.

    An exponent with fewer digits than it promises stays: the lost ones would be read as zeros.
    """
    decimal = _DECIMAL.fullmatch(text)
    if decimal is not None:
        # Nine digits at least: "90123456.0" is not a number of eight digits with a zero.
        return decimal[1] if not decimal[2].strip("0") and len(decimal[1]) >= 9 else text
    scientific = _SCIENTIFIC.fullmatch(text)
    if scientific is None:
        return text
    whole, fraction, exponent = scientific[1], scientific[2] or "", scientific[3]
    has_all = (
        len(whole.lstrip("+-")) == 1
        and exponent.removeprefix("+").lstrip("0") == str(len(fraction))
        and len(fraction) >= 8
    )
    return whole + fraction if has_all else text


def _not_digits(text: str, plain: str, digits: str) -> PhoneError:
    """The error for a phone with other characters than digits and what people put between them."""
    rest = plain.rstrip(";,/| ")
    if rest and rest != plain and not any(ch in ";,/|" for ch in rest):
        return _invalid(text, "ends with a separator", f"remove the {plain[len(rest) :].strip()!r}", "phone_separator")
    if ";" in plain:
        return _invalid(text, "has an extension or a parameter after ';'", "give the number alone")
    if any(ch in _LETTER_O for ch in digits) and not digits.translate(_NO_LETTER_O):
        return _invalid(text, "has the letter O where a zero belongs", "write the digit 0", "phone_letter")
    if sum(map(str.isalpha, plain)) >= 2 and len("".join(filter(str.isdigit, digits))) >= 9:
        remedy = "leave the number alone in its cell, and put the words into a column of their own"
        return _invalid(text, "has words beside the number", remedy, "phone_comment")
    reason = "holds something other than digits, spaces, hyphens, dots and brackets"
    echo = _echo(plain)
    return PhoneError("phone_invalid", f"{echo} {reason}", _HOW_TO_WRITE) if echo else _invalid(text, reason)


_LONGEST_ECHO: Final = 40


def _echo(plain: str) -> str:
    """The text in quotes, by which its sender knows which of his values it is; empty where it is too long or unprintable."""
    if not plain.isprintable() or len(plain) > _LONGEST:
        return ""
    if sum(map(str.isdecimal, plain)) < _FEWEST:  # it is no number that could be private
        return repr(plain)
    return repr(_hint_of(plain)) if len(plain) <= _LONGEST_ECHO else ""


def _hint_of(text: str) -> str:
    """The text with stars for all digits but the first two and the last two: enough for its sender to find it again."""
    places = [at for at, ch in enumerate(text) if ch.isdecimal()][2:-2]
    return "".join("*" if at in places else ch for at, ch in enumerate(text))


_NO_LETTER_O: Final = str.maketrans("", "", "0123456789OoОо")


def _without_trunk(text: str, national: str, allowed: tuple[str, ...]) -> str:
    """A number with the old long-distance prefix 8 or 0, which Uzbekistan gave up; abroad it may be another number."""
    if allowed and all(prefix.startswith("+998") for prefix in allowed) and national[:2] in OPERATOR_CODES:
        return _uzbek(text, national, allowed)
    remedy = f"leave out the leading {text.strip()[:1]} and write the 9 digits after it, or + and the country code"
    raise _invalid(text, "begins with an old long-distance prefix, 8 or 0", remedy, "phone_trunk")


def _uzbek(text: str, national: str, allowed: tuple[str, ...]) -> str:
    if len(national) < 9:
        raise _invalid(text, f"has {len(national)} national digits, and 9 are needed", code="phone_short")
    # libphonenumber's ranges for Uzbekistan lag behind new operators, so the length and the first digit decide.
    # Numbers with 1 are services: on a PBX 101234567 would reach the fire brigade.
    if len(national) > 9 or national[0] in "01":
        raise _invalid(text, "is not a number of Uzbekistan")
    phone = "+998" + national
    check_allowed(phone, allowed)
    return phone


def _foreign(text: str, phone: str, allowed: tuple[str, ...]) -> str:
    if allowed and not phone.startswith(allowed):
        raise _not_allowed(phone, allowed)
    # Imported here because it takes 30 ms and 15 MB, and nearly no deployment calls abroad.
    import phonenumbers  # noqa: PLC0415

    kind = phonenumbers.PhoneNumberType
    try:
        number = phonenumbers.parse(phone, None)
    except phonenumbers.NumberParseException:
        raise _invalid(text, "has no country code that exists") from None
    if not phonenumbers.is_possible_number(number):
        raise _invalid(text, "has too few or too many digits for its country")
    if phone.startswith(_NO_COUNTRY) or phonenumbers.number_type(number) in {
        kind.PREMIUM_RATE,
        kind.SHARED_COST,
        kind.UAN,
        kind.VOIP,
        kind.PERSONAL_NUMBER,
        kind.PAGER,
        kind.VOICEMAIL,
    }:
        raise _invalid(
            text, "is of a premium, shared-cost, satellite or virtual kind", "give a plain number", "phone_type"
        )
    canonical: str = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    if canonical != phone:
        # A national prefix was dropped ("+44 (0)20..."). What does not stay the same when read again has no one form.
        again = phonenumbers.format_number(phonenumbers.parse(canonical, None), phonenumbers.PhoneNumberFormat.E164)
        if again != canonical or not phonenumbers.is_possible_number(phonenumbers.parse(canonical, None)):
            raise _invalid(text, "can be read as more than one number", "write it as + and digits alone")
        if allowed and not canonical.startswith(allowed):
            raise _not_allowed(canonical, allowed)
    return canonical


def wire_phone(e164: str) -> str:
    """Returns a number as AloVoice's examples write it: 9 national digits for +998, `+` and all digits for others."""
    return e164[4:] if len(e164) == 13 and e164.startswith("+998") else e164


def mask_phone(text: str) -> str:
    """Returns "+998901234567" as "+99890***4567", "901234567" as "90***4567", text without 9 to 15 digits as "***"."""
    if len(text) > _LONGEST:
        return _HIDDEN
    plus = "+" if text.lstrip().startswith("+") else ""
    digits = "".join(ch for ch in text if ch.isdecimal())
    if not 9 <= len(digits) <= 15:
        return _HIDDEN
    # At least three digits stay hidden and at most five lead, so that country and operator can still be read.
    return f"{plus}{digits[: min(5, len(digits) - 7)]}***{digits[-4:]}"


def mask_numbers(text: str) -> str:
    """Returns the text with each run of 9 to 15 digits masked, for logs; ids are left as they are. Linear time."""
    return _RUN.sub(lambda run: mask_phone(run[1]) if run[1] else run[0], text)
