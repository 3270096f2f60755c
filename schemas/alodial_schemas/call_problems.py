"""The limits of a call, and the texts that say which field breaks one and what to write instead."""

from collections.abc import Mapping
from typing import Final

MAX_RECIPIENTS: Final = 20
MAX_REFERENCE: Final = 128

REMEDIES: Final[Mapping[str, str]] = {
    "extid": "give 1 to 15 digits without a leading zero, and use reference for a text of your own",
    "reference": "give up to 128 characters without control or invisible characters",
    "metadata": "give up to 16 entries, keys of 1 to 64 and values of up to 256 characters, without control or invisible "
    "characters",
    "lang": "give 2 to 8 letters, such as ru or uz",
    "account": "give up to 32 small letters, digits, _ or -, such as default",
    "queue": "give 1 to 32 letters, digits, dots, _ or -, such as 6000",
    "ivrid": "give the menu's number, such as 222",
    "max_attempts": "give 2 to 10, the first attempt included",
    "delays": "give for busy, no_answer, congestion, unavailable, canceled, rejected or unknown a list of 1 to 9 whole seconds "
    "from 1 to 604800",
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

PROBLEMS: Final[Mapping[str, tuple[str, str]]] = {
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


OTHER_KIND: Final[Mapping[str, tuple[str, str]]] = {
    "callfrom": ("belongs to a two-way call, and this is an IVR call", "use fromline, or leave out ivrid and fromline"),
    "ivrid": ("belongs to an IVR call, and this is a two-way call", "use IvrCall, or leave it out"),
    "fromline": ("belongs to an IVR call, and this is a two-way call", "use IvrCall, or leave it out"),
}
