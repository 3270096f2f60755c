"""Parses a row of a file into a call, or into the problem that makes it bad."""

import hashlib
import re
from collections import Counter
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from alodial_schemas import FieldProblem, PhoneError, normalise_phone
from alodial_schemas.call_problems import MAX_RECIPIENTS
from alodial_schemas.campaigns import NUMBER_ZONE, CampaignRequest
from alodial_schemas.errors import InvalidCampaign
from alodial_schemas.hidden_characters import has_control, without_controls, without_invisible
from alodial_schemas.hours import has_number_zones, zones_of_number
from alodial_schemas.operator_codes import OPERATOR_CODES
from alodial_schemas.phones import whole_number

from ...settings import Settings
from ..formula_guard import unsafe_cell
from ..pbx_queues import queue_problem
from ..row_codec import RowProblem, RowSpec, excerpt
from .cell_shapes import BETWEEN_PHONES, phone_text
from .columns import Columns
from .files import SourceRow
from .row_marks import RowMarks
from .row_values import language_of

MASK_64 = (1 << 63) - 1
MASK_128 = (1 << 128) - 1
MAX_REFERENCE = 128
MAX_VALUE = 256
MAX_METADATA = 16
LONGEST_NATIONAL = 11
"""Digits of a number that may have no country's code: nine, or ten with the old 8 or 0; 998 and nine more have one."""

_SCIENTIFIC = re.compile(r"\s*[+-]?\d+(?:[.,]\d+)?[eE][+-]?\d+\s*")
_QUEUE = re.compile(r"[0-9A-Za-z_.-]{1,32}")
_SERIAL = re.compile(r"[2-9]\d{4}(?:\.\d+)?")
_LOCAL = ("%d.%m.%Y %H:%M", "%d.%m.%Y", "%Y-%m-%d", "%d/%m/%Y")


class CellError(Exception):
    """A cell that makes its row bad; ``at`` is its position, None when the row as a whole is wrong."""

    def __init__(self, at: int | None, code: str, problem: str, remedy: str) -> None:
        self.at = at
        self.code = code
        self.problem = problem
        self.remedy = remedy
        super().__init__(code)


class RowParser:
    """Parses the rows of one campaign. Whatever is the same for every row is prepared once.

    Raises InvalidCampaign for hours by the numbers' own zones where their tables are not installed. Only files need the
    tables: a stored row has its zones, so a worker without them calls it.
    """

    def __init__(self, columns: Columns, request: CampaignRequest, settings: Settings) -> None:
        self._columns = columns
        self._settings = settings
        self._call = request.call
        self._common_metadata = request.metadata.keys()
        self._metadata_columns = [(without_controls(name), at) for name, at in columns.metadata.items()]
        self._hours_follow_number = request.policy.hours is not None and request.policy.hours.timezone == NUMBER_ZONE
        if self._hours_follow_number and not has_number_zones():
            problem = "needs the time zones of numbers, which are not installed"
            remedy = "pip install 'alodial[zones]', or name one zone for all numbers"
            raise InvalidCampaign([FieldProblem("policy.hours.timezone", "zones_missing", problem, remedy)])
        self._zone = ZoneInfo(settings.timezone)
        self._allowed = settings.allowed_prefixes
        self._campaign_prefixes = tuple(request.policy.allowed_prefixes or ())
        self._own_numbers = frozenset(settings.own_numbers)
        self.unknown_codes: Counter[str] = Counter()
        """Numbers of Uzbekistan with a code that no operator has, by code."""
        self.without_country = 0
        """Numbers of nine digits, counted where they may be a neighbour's too."""
        self.abroad = 0
        """Numbers without a country's code in rows that name another country than Uzbekistan."""
        self._marks = RowMarks(columns)
        self._mark = self._marks.mark
        self._reads_country = self._marks.country is not None and self._campaign_prefixes != ("+998",)
        self._asks_country = _has_nine_digits_abroad(self._campaign_prefixes or self._allowed)
        self._single_phone = columns.phones[0] if len(columns.phones) == 1 else None
        self._is_simple = (
            (request.call.kind != "two-way" or (request.call.callfrom is not None and columns.initiator is None))
            and columns.expires_at is None
            and not columns.metadata
            and not self._hours_follow_number
        )

    def parse(self, row: SourceRow) -> RowSpec | RowProblem:
        """The row's call, or the first problem that it has."""
        cells = row.cells
        try:
            to = self._phones(cells)
            if (mark := self._mark(cells)) is not None:
                raise CellError(*mark)
            if self._reads_country and self._marks.is_abroad(cells):
                self.abroad += any(self._has_no_country(cells[at]) for at in self._columns.phones)
            columns = self._columns
            lang = None if columns.lang is None else self._lang(cells)
            queue = None if columns.queue is None else self._queue(cells, len(to))
            reference = None if columns.reference is None else self._reference(cells)
            if self._is_simple:
                return RowSpec(to, lang, None, queue, reference)
            initiator = self._initiator(cells)
            expires = self._expires(cells)
            metadata = self._metadata(cells)
            zone = self._zones(to) if self._hours_follow_number else ""
            return RowSpec(to, lang, initiator, queue, reference, expires, metadata, zone)
        except CellError as error:
            value = cells[error.at] if error.at is not None else ""
            name = self._columns.names[error.at] if error.at is not None else ""
            return RowProblem(row.number, name, error.code, error.problem, error.remedy, excerpt(value), cells)

    def _phones(self, cells: tuple[str, ...]) -> tuple[str, ...]:
        at = self._single_phone
        if at is not None:
            text = cells[at]
            # The most common row: a single plain number, perhaps with its plus.
            if len(text) <= 13 and text.isascii() and (text.isdigit() or (text[:1] == "+" and text[1:].isdigit())):
                return (self._phone(text, at),)
        phones = [phone for place in self._columns.phones for phone in self._phones_of_cell(cells[place], place)]
        first_at = self._columns.phones[0]
        if not phones:
            raise CellError(first_at, "phone_missing", "is empty", "give a phone such as 994412860")
        numbers = tuple(dict.fromkeys(phones))
        if self._call.kind != "two-way" and len(numbers) > 1:
            remedy = "leave one phone: only a two-way call rings several one after another"
            raise CellError(first_at, "one_phone_only", f"holds {len(numbers)} phones", remedy)
        if len(numbers) > MAX_RECIPIENTS:
            raise _too_many_phones(first_at, f"holds {len(numbers)} phones", f"leave {MAX_RECIPIENTS}")
        return numbers

    def _phones_of_cell(self, text: str, at: int) -> list[str]:
        text = phone_text(unsafe_cell(text.strip()))
        if not text:
            return []
        if text.lstrip()[:1] in ("=", "@"):
            raise _formula(at)
        if _SCIENTIFIC.fullmatch(text) and whole_number(text) == text:
            raise _scientific(at)
        try:
            return [self._phone(text, at)]
        except CellError as error:
            parts = [part for part in BETWEEN_PHONES.split(text) if part.strip()]
            if len(parts) < 2 or error.code == "phone_separator":
                raise
            if any(_SCIENTIFIC.fullmatch(part) for part in parts):
                raise _scientific(at) from None
            if len(parts) > 2 * MAX_RECIPIENTS:
                raise error from None
            return [self._phone(part, at) for part in parts]

    def _phone(self, text: str, at: int | None, exempt: frozenset[str] = frozenset()) -> str:
        try:
            number = normalise_phone(text, allowed=self._allowed)
        except PhoneError as exc:
            raise CellError(at, exc.code, exc.reason, exc.remedy) from None
        if number[4:6] not in OPERATOR_CODES and number.startswith("+998"):
            self.unknown_codes[number[4:6]] += 1
        if self._asks_country and len(text) < 24 and sum(map(str.isdecimal, text)) == 9 and "+" not in text:
            self.without_country += 1
        if self._campaign_prefixes and not number.startswith(self._campaign_prefixes) and number not in exempt:
            remedy = "remove the row, or extend the campaign's allowed_prefixes"
            raise CellError(at, "phone_not_allowed", "is outside the campaign's allowed prefixes", remedy)
        return number

    def _has_no_country(self, text: str) -> bool:
        return 0 < sum(map(str.isdecimal, text)) < LONGEST_NATIONAL and "+" not in text

    def _cell(self, cells: tuple[str, ...], at: int | None) -> str:
        if at is None:
            return ""
        text = unsafe_cell(cells[at].strip())
        if text[:1] == "=":
            raise _formula(at)
        return text

    def _lang(self, cells: tuple[str, ...]) -> str | None:
        at = self._columns.lang
        text = self._cell(cells, at)
        if not text:
            return None
        if self._call.kind == "ivr":
            problem = "is a language, and AloVoice accepts none for an IVR call"
            raise CellError(at, "lang_of_ivr", problem, "remove the column")
        code = language_of(text)
        if code is None:
            raise CellError(at, "bad_lang", "is not a language", "give 2 to 8 letters, such as ru or uz")
        return code

    def _queue(self, cells: tuple[str, ...], phones: int) -> str | None:
        at = self._columns.queue
        text = self._cell(cells, at)
        if not text:
            return None
        if self._call.kind == "ivr":
            raise CellError(at, "queue_of_ivr", "is a queue, and an IVR call has none", "remove the column")
        if _QUEUE.fullmatch(text) is None:
            raise CellError(
                at, "bad_queue", "is not a queue", "give 1 to 32 letters, digits, dots, _ or -, such as 6000"
            )
        if problem := queue_problem(text, self._settings):
            raise CellError(at, *problem)
        if phones == MAX_RECIPIENTS and self._call.kind == "two-way":
            remedy = f"leave {MAX_RECIPIENTS - 1} phones, because the queue is a recipient too"
            raise _too_many_phones(at, f"is one recipient too many beside {phones} phones", remedy)
        return text

    def _reference(self, cells: tuple[str, ...]) -> str | None:
        at = self._columns.reference
        text = without_invisible(self._cell(cells, at))
        if not text:
            return None
        if len(text) > MAX_REFERENCE or has_control(text):
            remedy = f"give up to {MAX_REFERENCE} characters on one line"
            raise CellError(at, "bad_reference", "is too long or holds control characters", remedy)
        return text

    def _initiator(self, cells: tuple[str, ...]) -> str | None:
        if self._call.kind != "two-way":
            return None
        at = self._columns.initiator
        text = self._cell(cells, at)
        if not text:
            if self._call.callfrom is None:
                remedy = "give the row an initiator, or give the campaign one with --from"
                raise CellError(at, "initiator_missing", "has no initiator", remedy)
            return None
        return self._phone(text, at, self._own_numbers)

    def _expires(self, cells: tuple[str, ...]) -> int | None:
        at = self._columns.expires_at
        text = self._cell(cells, at)
        if not text:
            return None
        moment = self._moment(text)
        if moment is None or not 2000 <= moment.year <= 2200:
            remedy = "give 2027-01-31, 31.01.2027 18:00, or ISO 8601 with a zone"
            raise CellError(at, "bad_time", "is not a time", remedy)
        return int(moment.timestamp() * 1000)

    def _moment(self, text: str) -> datetime | None:
        if _SERIAL.fullmatch(text):
            # A spreadsheet's date: days since 30 December 1899, in local time.
            local = datetime(1899, 12, 30) + timedelta(days=float(text))  # noqa: DTZ001  # local time; the zone follows
            return (local if "." in text else _end_of_day(local.date())).replace(tzinfo=self._zone)
        for form in _LOCAL:
            try:
                local = datetime.strptime(text, form)  # noqa: DTZ007  # local time; the zone follows
            except ValueError:
                continue
            return (local if "%H" in form else _end_of_day(local.date())).replace(tzinfo=self._zone)
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            return None
        return moment if moment.tzinfo is not None else moment.replace(tzinfo=self._zone)

    def _metadata(self, cells: tuple[str, ...]) -> dict[str, str]:
        metadata: dict[str, str] = {}
        for name, at in self._metadata_columns:
            text = without_invisible(unsafe_cell(cells[at].strip()))
            if not text:
                continue
            if len(text) > MAX_VALUE or has_control(text):
                remedy = f"give up to {MAX_VALUE} characters"
                raise CellError(at, "bad_metadata", "is too long or holds control characters", remedy)
            metadata[name] = text
        if len(metadata.keys() | self._common_metadata) > MAX_METADATA:
            problem = f"has more than {MAX_METADATA} entries of metadata"
            raise CellError(None, "too_much_metadata", problem, "remove columns")
        return metadata

    def _zones(self, to: tuple[str, ...]) -> str:
        zones: set[str] = set()
        for number in to:
            number_zones = zones_of_number(number)
            if not number_zones:
                remedy = 'name a zone for the campaign\'s hours instead of "number"'
                raise CellError(self._columns.phones[0], "zone_unknown", "has no known time zone", remedy)
            zones.update(number_zones)
        return "|".join(sorted(zones))


def _formula(at: int | None) -> CellError:
    return CellError(at, "formula", "is a formula", "copy the column and paste it as values")


def _scientific(at: int) -> CellError:
    remedy = "format the column as text and enter the numbers again: digits were lost"
    return CellError(at, "phone_scientific", "was changed to a scientific number by Excel", remedy)


def _too_many_phones(at: int | None, problem: str, remedy: str) -> CellError:
    return CellError(at, "too_many_phones", problem, remedy)


def _end_of_day(day: date) -> datetime:
    """The last second: "until the 31st" includes the 31st."""
    return datetime.combine(day, time(23, 59, 59))


def _has_nine_digits_abroad(prefixes: tuple[str, ...]) -> bool:
    """Whether a country with numbers of nine digits, as Uzbekistan's are, may be called too."""
    # +1 and +7 have ten digits, Turkmenistan (+993) has eight.
    return not prefixes or any(not prefix.startswith(("+998", "+1", "+7", "+993")) for prefix in prefixes)


def phones_of_row(spec: RowSpec) -> tuple[str, ...]:
    """Every number that the row rings, except the campaign's own initiator."""
    return spec.to if spec.initiator is None else (*spec.to, spec.initiator)


def row_keys(spec: RowSpec) -> tuple[int, ...]:
    """The row's phones as integers: rows that share one are duplicates."""
    # An E.164 number has at most 15 digits, so it is its own key.
    return tuple([int(number[1:]) & MASK_64 for number in spec.to])


def content_hash(spec: RowSpec) -> int:
    """A hash of the call. Summed modulo 2^128 over all rows of a file, it does not depend on their order."""
    # Values hold no control characters, so two different rows never make the same text.
    fields = (spec.lang or "", spec.initiator or "", spec.queue or "", spec.reference or "")
    text = "\x1f".join((*spec.to, "", *fields))
    if spec.expires_at is not None or spec.metadata:
        metadata = (f"{name}\x1e{value}" for name, value in sorted(spec.metadata.items()))
        text = "\x1f".join((text, str(spec.expires_at or ""), *metadata))
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=16).digest(), "big")
